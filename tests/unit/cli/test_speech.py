from __future__ import annotations

import subprocess
import sys

CODE = """
import logging
from pullwright.cli.speech import complain, set_up_logging
set_up_logging()
complain("the key is sk-canary-1234567890\\x1b[2J")
try:
    raise ValueError("https://x:sk-canary-1234567890@host")
except ValueError:
    logging.getLogger("x").exception("token %s", "ghp_" + "a" * 36)
"""


def test_no_secret_is_said_or_logged_and_nothing_steers_the_terminal() -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-c", CODE],
        env={"AGENT_ENDPOINT_KEY": "sk-canary-1234567890"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "agent: the key is" in done.stderr
    assert "ERROR x: token" in done.stderr
    assert "Traceback" in done.stderr
    assert not any(word in done.stderr for word in ("canary", "ghp_a", "\x1b"))
