from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "examples.github_bot.bot"]

pytestmark = pytest.mark.docker


def test_the_whole_life_is_played_and_told() -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AGENT_")}
    environment["BOT_DEMO_SECONDS"] = "100"
    done = subprocess.run(COMMAND, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=170, check=False)
    assert done.returncode == 0, done.stderr
    told, place = done.stderr, 0
    for words in (
        "ann has labeled issue #42 'agent'",
        "pull-bot[bot] reacts with eyes to issue #42",
        "pull-bot[bot] opens pull request #43",
        "pull request #43 is a draft",
        "now says on issue #42",
        "ann at invoice/money.py:6 of pull request #43",
        "pull request #43 is at commit",
        "check 'style' at",
        "failure",
        "pull request #43 is at commit",
        "pull request #43 is ready for review",
        "pull request #43 is merged by ann",
        "all as GitHub's document wants",
    ):
        place = told.find(words, place)
        assert place >= 0, f"{words!r} is not told in its place:\n{told}"
    assert "+    return (amount * percent + 50) // 100" in done.stdout
    assert "Traceback" not in told
