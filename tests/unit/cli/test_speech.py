from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pullwright.cli import speech
from pullwright.cli.settings import load_settings
from pullwright.cli.speech import masked

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
        env={"AGENT_ENDPOINT_KEY": "sk-canary-1234567890", "PYTHONPATH": os.environ.get("PYTHONPATH", "")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "agent: the key is" in done.stderr
    assert "ERROR x: token" in done.stderr
    assert "Traceback" in done.stderr
    assert not any(word in done.stderr for word in ("canary", "ghp_a", "\x1b"))


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql://ann:hunter2@db/x", "[redacted]@db/x"),
        ("postgresql://ann:hun%40ter2@db/x", "[redacted]@db/x"),
        ("postgresql://ann@db/x?password=hunter2&sslmode=require", "password=[redacted]&sslmode=require"),
        ("host=db password=hunter2 user=ann", "password=[redacted] user=ann"),
        ("https://example.org:8080/a/b@c", "https://example.org:8080/a/b@c"),
    ],
)
def test_a_password_in_an_address_is_masked_wherever_it_came_from(url: str, said: str) -> None:
    assert said in masked(f"{url} does not answer")
    assert "hunter2" not in masked(url)


def test_the_secrets_of_the_environment_are_masked_wherever_they_stand() -> None:
    environment = {
        "AGENT_DATABASE_URL": "postgresql://ann:canary-of%2Fthe-database@db/x",
        "AGENT_ENDPOINTS": '[{"name": "a", "url": "http://h", "key": "canary-of-an-endpoint"}]',
        "PGPASSWORD": "canary-of-libpq",
        "AGENT_API_TOKEN": "canary-of-the-api-0123",
        "AGENT_GITHUB_WEBHOOK_SECRETS": '["canary of a hook", "canary-of-\\"the\\" old"]',
        "AGENT_GITHUB_APP_PRIVATE_KEY": "-----BEGIN RSA PRIVATE KEY-----\ncanary-0123456789-of-the-app\n-----END",
    }
    code = "from pullwright.cli.speech import complain; import os; complain(' '.join(os.environ.values()))"
    code += "; complain('canary-of/the-database')"
    done = subprocess.run(
        [sys.executable, "-P", "-c", code],
        env={**environment, "PYTHONPATH": os.environ.get("PYTHONPATH", "")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "[redacted]" in done.stderr
    assert "canary" not in done.stderr


def test_what_the_settings_hold_is_masked_wherever_they_have_it_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(speech, "_kept", set())
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    secrets = {"github_webhook_secrets": ["a hook's own words", "the older words"], "api_token": "words of the API"}
    lines = [f"{key} = {json.dumps(value)}" for key, value in secrets.items()]
    (tmp_path / "pullwright.toml").write_text("\n".join(lines))
    load_settings(tmp_path)
    said = masked(f"{secrets} a%20hook%27s%20own%20words {base64.b64encode(b'the older words').decode()}")
    assert "words" not in said
    assert "hook%27s" not in said
    assert "dGhlIG9sZGVyIHdvcm" not in said
