"""A repository whose image has no Python: everything but packages and checkpoints works."""

from __future__ import annotations

from pathlib import Path

import pytest

from pullwright.agents.environment import Environment
from pullwright.agents.errors import ChangeRefused
from pullwright.agents.ports.sandbox import Base
from pullwright.sandbox.agent_hands import WITHOUT_PYTHON
from pullwright.sandbox.docker_engine import DockerEngine
from tests.integration.sandbox.bare_image import bare_image
from tests.integration.sandbox.engine import docker_provider
from tests.integration.sandbox.repositories import make_checkout, mirrored

pytestmark = [pytest.mark.anyio, pytest.mark.docker]


@pytest.fixture
def base(tmp_path: Path) -> Base:
    make_checkout(tmp_path / "checkout", {"a": b"1\n"})
    return mirrored(tmp_path / "checkout", tmp_path / "mirror.git")


async def test_commands_files_and_the_change_work_and_people_are_told(base: Base) -> None:
    async with DockerEngine() as engine:
        environment = Environment(image=await bare_image(engine))
    async with (
        docker_provider() as provider,
        provider.open(base, task_id="bare", environment=environment) as workspace,
    ):
        for number in range(2):
            async with workspace.open_sandbox() as sandbox:
                result = await sandbox.exec(f"python3; cat a; echo {number} > made-{number}", timeout=30)
                assert (result.exit_code, result.stdout.text) == (0, "1\n")
                assert "not found" in result.stderr.text
                await sandbox.write_file("b", b"2\n")
                with pytest.raises(ChangeRefused):
                    await sandbox.delta(whole=False, limit=1 << 20)
        patch = await workspace.extract(limit=1 << 20)
        assert workspace.notices == (WITHOUT_PYTHON,)
    assert [name in patch for name in (b"b/made-0", b"b/made-1", b"b/b")] == [True] * 3
