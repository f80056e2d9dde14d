"""What every attack starts from: a repository, a provider with small limits, and hands inside a real container."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator

import pytest

from pullwright.agents.ports.sandbox import Base, Sandbox, Workspace
from pullwright.sandbox.docker_provider import DockerProvider
from tests.integration.attacks.inside import FILES, SMALL
from tests.integration.sandbox.engine import docker_provider
from tests.integration.sandbox.repositories import make_checkout, mirrored


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Base:
    folder = tmp_path_factory.mktemp("attacked")
    make_checkout(folder / "checkout", FILES)
    return mirrored(folder / "checkout", folder / "mirror.git")


@pytest.fixture(scope="module")
async def provider() -> AsyncIterator[DockerProvider]:
    async with docker_provider(limits=SMALL) as opened:
        yield opened


@pytest.fixture
def task() -> str:
    """The id of the test's own task."""
    return f"attack-{secrets.token_hex(4)}"


@pytest.fixture
async def workspace(provider: DockerProvider, base: Base, task: str) -> AsyncIterator[Workspace]:
    """A task of the test's own, for attacks that end their sandbox or look at what is left of it."""
    async with provider.open(base, task_id=task) as opened:
        yield opened


@pytest.fixture
async def sandbox(workspace: Workspace) -> AsyncIterator[Sandbox]:
    """Hands of the test's own, for attacks that may hurt their sandbox."""
    async with workspace.open_sandbox() as opened:
        yield opened


@pytest.fixture(scope="module")
async def shared(provider: DockerProvider, base: Base) -> AsyncIterator[Sandbox]:
    """Hands that all attacks of a module share, which shows each time that the sandbox survived the one before."""
    async with provider.open(base, task_id="shared") as workspace, workspace.open_sandbox() as opened:
        yield opened
