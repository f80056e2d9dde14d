"""What takes the engine, a container or the orchestrator away in the middle of a run."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import anyio
import docker
import pytest
from anyio import to_thread

from pullwright.agents.environment import Environment
from pullwright.agents.errors import PullwrightError, SandboxError, SandboxGone, SandboxUnavailable
from pullwright.agents.ports.sandbox import Base, Sandbox, Workspace
from pullwright.sandbox.container_spec import LABEL_TASK
from pullwright.sandbox.docker_engine import DockerEngine
from pullwright.sandbox.docker_provider import DockerProvider
from pullwright.sandbox.image import SandboxImage
from pullwright.sandbox.prune import prune
from tests.integration.attacks.inside import FILES, SMALL, said
from tests.integration.attacks.own_engine import NoOwnEngine, OwnEngine, own_engine
from tests.integration.sandbox import left_running
from tests.integration.sandbox.engine import docker_provider, left_behind
from tests.integration.sandbox.repositories import make_checkout, mirrored
from tests.means import missing

pytestmark = [pytest.mark.anyio, pytest.mark.docker]

INSTANCE = "test-attacks-lifecycle"


@pytest.fixture(scope="module")
async def image() -> str:
    async with DockerEngine() as engine:
        made = SandboxImage(engine)
        await made.ensure(print)
        return made.tag


@pytest.fixture(scope="module")
async def second(image: str) -> AsyncIterator[OwnEngine]:
    with ExitStack() as stack:
        try:
            engine = stack.enter_context(own_engine(image))
        except NoOwnEngine as exc:
            missing(str(exc))
        yield engine


@pytest.fixture
async def fragile(second: OwnEngine) -> AsyncIterator[DockerProvider]:
    """A provider on an engine that the test may end."""
    try:
        async with docker_provider(url=second.url, instance=INSTANCE, limits=SMALL) as provider:
            try:
                yield provider
            finally:
                with anyio.CancelScope(shield=True):
                    await to_thread.run_sync(second.start)
    finally:
        async with DockerEngine(second.url) as engine:
            assert not any((await left_behind(engine, INSTANCE)).values())
        with warnings.catch_warnings():
            # The SDK forgets to close a socket that nobody answered on.
            warnings.simplefilter("ignore", ResourceWarning)
            gc.collect()


async def in_the_middle(sandbox: Sandbox, happens: Callable[[], object]) -> PullwrightError:
    """Let something happen while a command runs, and return the error that the command ends with."""
    caught: list[PullwrightError] = []

    async def command() -> None:
        with pytest.raises(SandboxError) as found:
            await sandbox.exec("touch started; sleep 100", timeout=100)
        caught.append(found.value)

    with anyio.fail_after(60):
        async with anyio.create_task_group() as group:
            group.start_soon(command)
            await anyio.wait_all_tasks_blocked()
            await to_thread.run_sync(happens)
    return caught[0]


def _take_away(container: str, how: str) -> None:
    client = docker.from_env()
    try:
        found = client.containers.get(container)
        ends: dict[str, Callable[[], object]] = {
            "kill": found.kill,
            "stop": found.stop,
            "remove": partial(found.remove, force=True),
        }
        ends[how]()
    finally:
        client.close()


def one_line(error: BaseException) -> bool:
    return bool(str(error)) and "\n" not in str(error) and len(str(error)) < 300


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=["killed", "stopped"])
async def test_only_its_own_runs_end_by_an_engine_that_is(
    second: OwnEngine, fragile: DockerProvider, shared: Sandbox, base: Base, number: signal.Signals
) -> None:
    """An engine that crashes or is updated under its runs."""
    with pytest.raises(SandboxError) as caught:
        async with fragile.open(base, task_id="lost") as workspace, workspace.open_sandbox() as sandbox:
            error = await in_the_middle(sandbox, lambda: second.end(number))
            assert isinstance(error, SandboxGone)
            assert one_line(error)
            assert await said(shared, "echo alive") == "alive"
            raise error
    assert one_line(caught.value)
    with pytest.raises(SandboxUnavailable, match="no container engine answers") as refused:
        async with fragile.open(base, task_id="next"):
            raise AssertionError("a workspace without an engine")
    assert one_line(refused.value)


async def test_after_a_restart_of_the_engine_the_same_provider_goes_on(
    second: OwnEngine, fragile: DockerProvider, base: Base
) -> None:
    """Orchestrators that have to be restarted with the engine."""
    async with fragile.open(base, task_id="before") as workspace, workspace.open_sandbox() as sandbox:
        assert await said(sandbox, "echo alive") == "alive"
    await to_thread.run_sync(second.end, signal.SIGTERM)
    await to_thread.run_sync(second.start)
    async with fragile.open(base, task_id="after") as workspace, workspace.open_sandbox() as sandbox:
        assert await sandbox.read_file("README.md") == FILES["README.md"]
    await to_thread.run_sync(second.end, signal.SIGTERM)


@pytest.mark.parametrize("how", ["kill", "remove", "stop"])
async def test_a_container_that_is_taken_away_ends_its_run_in_one_line(
    workspace: Workspace, task: str, shared: Sandbox, how: str
) -> None:
    """Somebody, or somebody's clean-up job, removes containers that it does not know."""
    with pytest.raises(SandboxGone) as caught:
        async with workspace.open_sandbox() as sandbox, DockerEngine() as engine:
            await sandbox.write_file("kept", b"1")
            found = await engine.call(
                "list", lambda client: client.containers(filters={"label": f"{LABEL_TASK}={task}"})
            )
            raise await in_the_middle(sandbox, lambda: _take_away(str(found[0]["Id"]), how))
    assert one_line(caught.value)
    assert await said(shared, "echo alive") == "alive"
    async with workspace.open_sandbox() as sandbox:
        assert await sandbox.read_file("kept") == b"1"


@pytest.mark.parametrize(
    "name", ["registry.invalid/none:1", "127.0.0.1:1/none:1", "-v/:/host", "../etc", "a b", "UPPER"]
)
async def test_an_image_that_can_not_be_had_ends_its_own_run_in_one_line(
    provider: DockerProvider, shared: Sandbox, base: Base, name: str
) -> None:
    """A repository that names an image which is gone, private, or an option of the engine's command line."""
    with anyio.fail_after(60), pytest.raises(PullwrightError) as caught:
        async with provider.open(base, task_id="no-image", environment=Environment(image=name)):
            raise AssertionError("a workspace without an image")
    assert one_line(caught.value)
    assert await said(shared, "echo alive") == "alive"


@pytest.fixture
def orchestrator(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    make_checkout(tmp_path / "checkout", FILES)
    base = mirrored(tmp_path / "checkout", tmp_path / "mirror.git")
    path = os.pathsep.join(entry for entry in sys.path if entry)
    process = subprocess.Popen(
        [sys.executable, "-P", str(left_running.__file__), INSTANCE, str(base.mirror), base.sha],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": path},
    )
    yield process
    process.kill()
    process.communicate()


async def emptied(engine: DockerEngine) -> dict[str, list[str]]:
    """Wait until no container and no volume of a task is left, and return what is."""
    while True:
        left = await left_behind(engine, INSTANCE)
        if not left["containers"] and not left["volumes"]:
            return left
        await anyio.sleep(0.5)


async def test_nothing_of_a_killed_orchestrator_stays(orchestrator: subprocess.Popen[bytes]) -> None:
    """Orphans: containers and volumes that only the memory of a dead process knew."""
    assert orchestrator.stdout is not None
    assert await to_thread.run_sync(orchestrator.stdout.readline) == b"open\n"
    async with DockerEngine() as engine:
        try:
            before = await left_behind(engine, INSTANCE)
            assert before["containers"]
            assert before["volumes"]
            orchestrator.send_signal(signal.SIGKILL)
            with anyio.fail_after(60):
                left = await emptied(engine)
            assert len(left["base"]) == 2, "a complete base is worth keeping"
        finally:
            await prune(engine, INSTANCE)
        assert not any((await left_behind(engine, INSTANCE)).values())
