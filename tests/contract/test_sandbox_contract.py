from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pullwright.agents.ports.sandbox import Base, SandboxProvider
from pullwright.agents.testing.contracts_sandbox import (
    CONTRACT_FILES,
    ChangeContract,
    DeltaContract,
    FilesContract,
    ProcessContract,
    ServiceContract,
    ServiceProcessContract,
)
from pullwright.agents.testing.fake_sandbox import FakeProvider
from pullwright.sandbox.local_provider import LocalProvider
from tests.integration.sandbox.engine import docker_provider
from tests.integration.sandbox.repositories import make_checkout, mirrored


@pytest.fixture(scope="module")
def contract_base(tmp_path_factory: pytest.TempPathFactory) -> Base:
    folder = tmp_path_factory.mktemp("contract")
    make_checkout(folder / "checkout", CONTRACT_FILES)
    return mirrored(folder / "checkout", folder / "mirror.git")


class TestFake(FilesContract, ChangeContract, DeltaContract, ServiceContract):
    @pytest.fixture
    def provider(self) -> SandboxProvider:
        return FakeProvider(CONTRACT_FILES)

    @pytest.fixture
    def base(self) -> Base:
        return Base(mirror=Path("/nowhere"), ref="main", sha="0" * 40)


class TestLocal(FilesContract, ChangeContract, DeltaContract, ProcessContract, ServiceContract, ServiceProcessContract):
    @pytest.fixture
    def provider(self, tmp_path: Path) -> SandboxProvider:
        return LocalProvider(tmp_path)

    @pytest.fixture
    def base(self, contract_base: Base) -> Base:
        return contract_base


@pytest.mark.docker
class TestDocker(
    FilesContract, ChangeContract, DeltaContract, ProcessContract, ServiceContract, ServiceProcessContract
):
    @pytest.fixture
    async def provider(self) -> AsyncIterator[SandboxProvider]:
        async with docker_provider() as provider:
            yield provider

    @pytest.fixture
    def base(self, contract_base: Base) -> Base:
        return contract_base


@pytest.mark.docker
class TestDockerWithoutOverlay(ChangeContract):
    @pytest.fixture
    async def provider(self) -> AsyncIterator[SandboxProvider]:
        async with docker_provider(overlay=False) as provider:
            yield provider

    @pytest.fixture
    def base(self, contract_base: Base) -> Base:
        return contract_base
