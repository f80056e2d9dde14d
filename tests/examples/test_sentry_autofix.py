from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "examples.sentry_autofix.alert"]

pytestmark = pytest.mark.docker


def test_it_is_played_and_told() -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AGENT_")}
    environment["BOT_DEMO_SECONDS"] = "100"
    done = subprocess.run(COMMAND, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=170, check=False)
    assert done.returncode == 0, done.stderr
    told, place = done.stderr, 0
    for words in (
        "In production happens: TypeError",
        "Sentry makes SHOP-1 of it",
        "answered with 202",
        "pullwright comments on SHOP-1",
        "SHOP-1 shows acme/shop#1 in its sidebar",
        "a draft, #1 Count items without a price as free",
        "Fixes SHOP-1",
        "ann merges #1.",
        "was merged. The issue is resolved in the next release.",
    ):
        place = told.find(words, place)
        assert place >= 0, f"{words!r} is not told in its place:\n{told}"
    assert "+    return sum(price for price in prices if price is not None)" in done.stdout
    assert "Traceback" not in told
