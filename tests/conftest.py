from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from tests.means import missing
from tests.postgres import (
    empty_postgres_url,
    migrated_template,
    postgres_of_its_own,
    postgres_url,
    shared_postgres,
)

__all__ = ["empty_postgres_url", "migrated_template", "postgres_of_its_own", "postgres_url", "shared_postgres"]

# Kept even where the environment says not to: else every process compiles all tests anew, each time.
sys.dont_write_bytecode = False

WHOLE_LIVES = ("tests/chaos/", "tests/e2e/", "tests/examples/")
ENGINE = ("integration/attacks/", "integration/cli/", "integration/sandbox/", "test_sandbox_contract")
"""Parts of the paths of tests that need the engine."""


class TwoForTheEngine(LoadScopeScheduling):  # type: ignore[misc]  # it has no types
    """Of several processes one runs what kills and waits, one what fills the engine, in order; the rest is shared."""

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.partition("::")[0]
        if path.startswith(WHOLE_LIVES):
            return "whole lives"
        return "engine" if any(part in path for part in ENGINE) else path


# Deadlines measure the machine that the tests share, not the code.
settings.register_profile("no-deadline", deadline=None)
settings.load_profile("no-deadline")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    """With ``-n`` and ``--dist loadscope``."""
    return TwoForTheEngine(config, log)


def pytest_collection_finish() -> None:
    """What is imported by now stays: to look through it for garbage, again and again, is a twentieth of the time."""
    gc.freeze()
    gc.set_threshold(700, 10, 50)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or writes the settings and data of whoever runs it."""
    for name in [name for name in os.environ if name.startswith(("AGENT_", "PULLWRIGHT_"))]:
        if not name.startswith("AGENT_TEST_"):
            monkeypatch.delenv(name)
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("AGENT_HOME", str(tmp_path / "agent-home"))
    for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def engine_answers() -> bool:
    import docker
    from docker.errors import DockerException

    try:
        client = docker.from_env(timeout=10)
        client.ping()
        client.close()
    except DockerException:
        return False
    return True


@pytest.fixture(autouse=True)
def _engine(request: pytest.FixtureRequest) -> Iterator[None]:
    """Tests marked docker need an engine: without one they fail in CI, and are skipped with the reason elsewhere."""
    if request.node.get_closest_marker("docker") is None:
        yield
        return
    if not request.getfixturevalue("engine_answers"):
        missing("no container engine answers; start one with scripts/engine")
    yield
