"""Containers that end at the worst moment, and a container engine that is restarted in the middle of a run."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from tempfile import mkdtemp

import anyio
import docker
import pytest
from anyio import to_thread

from pullwright.sandbox.docker_engine import DockerEngine
from pullwright.sandbox.image import SandboxImage
from tests.chaos.cases import side_by_side
from tests.chaos.ground import open_ground
from tests.chaos.quiet import RUN_SECONDS, nothing_is_wrong, quiet_run, until_step
from tests.means import missing

pytestmark = [pytest.mark.docker, pytest.mark.anyio, pytest.mark.timeout(600)]

START_SECONDS = 60.0


class Executioner:
    """Kills the first container that is started for a part of a task."""

    def __init__(self, task_id: str, ending: str) -> None:
        self.killed = ""
        self._label = task_id + ending
        self._client = docker.from_env()
        self._events = self._client.events(decode=True, filters={"event": "start", "type": "container"})
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> Executioner:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._events.close()
        self._thread.join()
        self._client.close()

    def _watch(self) -> None:
        for event in self._events:
            if not self.killed and event["Actor"]["Attributes"].get("pullwright.task") == self._label:
                self.killed = str(event["Actor"]["ID"])
                with suppress(docker.errors.APIError):
                    self._client.api.kill(self.killed)


# The SDK leaves its socket open when an engine that restarts refuses the connection.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_any_container_and_the_whole_engine_may_end(tmp_path: Path) -> None:
    with own_engine() as engine:
        await side_by_side(
            tmp_path,
            that_judges_the_change=partial(judging, part="-after"),
            that_judges_the_base=partial(judging, part="-before"),
            that_brings_the_files_back=restoring,
            every_one=partial(restarted, engine=engine),
        )


async def judging(folder: Path, part: str) -> None:
    """Kill the container in which checks run."""
    async with open_ground(folder, f"sqlite:///{folder / 'queue.db'}") as ground:
        undisturbed = await quiet_run(ground)
        task = await ground.file("r0")
        with Executioner(task.id, part) as executioner:
            await ground.settled(RUN_SECONDS)
        assert executioner.killed
        await nothing_is_wrong(ground, [task], undisturbed)


async def restoring(folder: Path) -> None:
    """Kill the first container of the attempt that goes on."""
    async with open_ground(folder, f"sqlite:///{folder / 'queue.db'}") as ground:
        one, other = ground.hosts
        undisturbed = await quiet_run(ground)
        task = await ground.file("r0")
        await until_step(ground, task.id, 4)
        await to_thread.run_sync(one.kill)
        with Executioner(task.id, "") as executioner:
            await to_thread.run_sync(other.start)
            await ground.settled(RUN_SECONDS)
        assert executioner.killed
        await nothing_is_wrong(ground, [task], undisturbed)


class Engine:
    """A container engine of its own, beside the one of this machine."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.url = f"unix://{folder / 'docker.sock'}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and return when it answers."""
        folder = self._folder
        options = [f"--host={self.url}", f"--data-root={folder / 'data'}", f"--exec-root={folder / 'exec'}"]
        options += [f"--pidfile={folder / 'pid'}", "--bridge=none", "--iptables=false", "--ip-forward=false"]
        with (folder / "log").open("ab") as log:
            self._process = subprocess.Popen(["dockerd", *options], stdout=log, stderr=log, start_new_session=True)
        self._until_it_answers()

    def stop(self) -> None:
        """Stop it, as a package upgrade does: every container ends."""
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            process.wait(START_SECONDS)

    def load_sandbox_image(self) -> None:
        """Give it the sandbox image of this machine's engine."""
        tag = SandboxImage(DockerEngine()).tag
        here = docker.from_env()
        there = docker.DockerClient(base_url=self.url, timeout=120)
        with (self._folder / "image.tar").open("w+b") as file:
            for chunk in here.images.get(tag).save(named=True):
                file.write(chunk)
            file.seek(0)
            there.images.load(file)
        here.close()
        there.close()

    def _until_it_answers(self) -> None:
        for _ in range(int(START_SECONDS * 10)):
            with suppress(OSError), socket.socket(socket.AF_UNIX) as line:
                line.settimeout(5)
                line.connect(str(self._folder / "docker.sock"))
                line.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
                if b"200 OK" in line.recv(100):
                    return
            threading.Event().wait(0.1)
        raise AssertionError((self._folder / "log").read_text()[-2000:])


@contextmanager
def own_engine() -> Iterator[Engine]:
    if os.geteuid() != 0 or shutil.which("dockerd") is None:
        missing("a container engine of its own needs root and dockerd")
    folder = Path(mkdtemp(prefix="pullwright-engine-"))  # pytest's own folders have names too long for a socket
    engine = Engine(folder)
    try:
        engine.start()
        engine.load_sandbox_image()
        yield engine
    finally:
        engine.stop()
        shutil.rmtree(folder, ignore_errors=True)


async def restarted(folder: Path, engine: Engine) -> None:
    """Restart an engine under work."""
    async with open_ground(folder, f"sqlite:///{folder / 'queue.db'}") as ground:
        for host in ground.hosts:
            host.environment = {**host.environment, "DOCKER_HOST": engine.url}
        undisturbed = await quiet_run(ground)
        tasks = [await ground.file(f"r{number}") for number in range(2)]
        await until_step(ground, tasks[0].id, 4)
        await to_thread.run_sync(engine.stop)
        await anyio.sleep(1)
        await to_thread.run_sync(engine.start)
        await ground.settled(RUN_SECONDS)
        await nothing_is_wrong(ground, tasks, undisturbed)
