from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "examples.jira_ticket_trigger.ticket"]

pytestmark = pytest.mark.docker


def test_it_is_played_and_told() -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AGENT_")}
    environment["BOT_DEMO_SECONDS"] = "100"
    done = subprocess.run(COMMAND, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=170, check=False)
    assert done.returncode == 0, done.stderr
    told, place = done.stderr, 0
    for words in (
        "BILL-1 done",
        "In Progress",
        "BILL-1 is In Review",
        "BILL-1 links https://",
        "The one comment of the bot",
        "Round percentages half up",
        "all as its document wants",
    ):
        place = told.find(words, place)
        assert place >= 0, f"{words!r} is not told in its place:\n{told}"
    assert "+    return (amount * percent + 50) // 100" in done.stdout
    assert "Traceback" not in told
