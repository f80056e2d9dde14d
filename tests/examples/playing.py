"""Runs an example as a person would, and looks at what it tells them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).parents[2]


def play(module: str, *, tells: Iterable[str], changes: str) -> None:
    """Run an example, which has to tell these things in this order, and show a change with this line."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AGENT_")}
    environment["BOT_DEMO_SECONDS"] = "100"
    command = [sys.executable, "-m", module]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=170, check=False)
    assert done.returncode == 0, done.stderr
    told, place = done.stderr, 0
    for words in tells:
        place = told.find(words, place)
        assert place >= 0, f"{words!r} is not told in its place:\n{told}"
    assert changes in done.stdout, done.stdout
    assert "Traceback" not in told
