from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import httpcore2
import pytest
from blockbuster import BlockBuster
from hypothesis import settings

assert httpcore2  # imported before the loop runs: its import reads a file

# Enough to find what breaks while the suite stays quick. `make test` takes twice as many;
# AGENT_EXAMPLES=1000 looks longer.
settings.register_profile("pullwright", max_examples=int(os.environ.get("AGENT_EXAMPLES", "20")))
settings.load_profile("pullwright")


@pytest.fixture(scope="session")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Folders, none of which is ever given twice."""
    base = tmp_path_factory.mktemp("homes")
    return (base / str(number) for number in count())


@pytest.fixture(autouse=True)
def _own_home(homes: Iterator[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """As for all tests, without a temporary folder for each of the thousands that need none."""
    for name in [name for name in os.environ if name.startswith(("AGENT_", "PULLWRIGHT_", "XDG_"))]:
        if not name.startswith("AGENT_TEST_"):
            monkeypatch.delenv(name)
    home = next(homes)
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("AGENT_HOME", str(home / "agent-home"))


@pytest.fixture(scope="session")
def blockbuster() -> BlockBuster:
    # One by one: of a namespace package only the first folder would be watched.
    ours = ["pullwright.agents", "pullwright.sandbox", "pullwright.integrations", "pullwright.cli"]
    return BlockBuster(ours, excluded_modules=["pullwright.agents.testing"])


@pytest.fixture(scope="module", autouse=True)
def _no_blocking_call_in_the_event_loop(blockbuster: BlockBuster) -> Iterator[None]:
    blockbuster.activate()
    try:
        yield
    finally:
        blockbuster.deactivate()
