"""Containers that end at the worst moment, and a container engine that is restarted in the middle of a run."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import mkdtemp

import anyio
import docker
import pytest
from anyio import to_thread

from pullwright.sandbox.docker_engine import DockerEngine
from pullwright.sandbox.image import SandboxImage
from tests.chaos.ground import open_ground
from tests.chaos.quiet import nothing_is_wrong, quiet_run, until_step

pytestmark = [pytest.mark.docker, pytest.mark.anyio]

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


@pytest.mark.parametrize("part", ["-after", "-before"])
async def test_a_container_that_judges_may_end(part: str, tmp_path: Path) -> None:
    async with open_ground(tmp_path, f"sqlite:///{tmp_path / 'queue.db'}") as ground:
        undisturbed = await quiet_run(ground)
        task = await ground.file("r0")
        with Executioner(task.id, part) as executioner:
            await ground.settled(60)
        assert executioner.killed
        await nothing_is_wrong(ground, [task], undisturbed)


async def test_the_container_that_brings_the_files_back_may_end(tmp_path: Path) -> None:
    async with open_ground(tmp_path, f"sqlite:///{tmp_path / 'queue.db'}") as ground:
        one, other = ground.hosts
        undisturbed = await quiet_run(ground)
        task = await ground.file("r0")
        await until_step(ground, task.id, 4)
        await to_thread.run_sync(one.kill)
        with Executioner(task.id, "") as executioner:
            await to_thread.run_sync(other.start)
            await ground.settled(90)
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
        pytest.skip("a container engine of its own needs root and dockerd")
    folder = Path(mkdtemp(prefix="pullwright-engine-"))  # pytest's own folders have names too long for a socket
    engine = Engine(folder)
    try:
        engine.start()
        engine.load_sandbox_image()
        yield engine
    finally:
        engine.stop()
        shutil.rmtree(folder, ignore_errors=True)


# The SDK leaves its socket open when an engine that restarts refuses the connection.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_an_engine_that_is_restarted_ends_no_run(tmp_path: Path) -> None:
    with own_engine() as engine:
        async with open_ground(tmp_path, f"sqlite:///{tmp_path / 'queue.db'}") as ground:
            for host in ground.hosts:
                host.environment = {**host.environment, "DOCKER_HOST": engine.url}
            undisturbed = await quiet_run(ground)
            tasks = [await ground.file(f"r{number}") for number in range(2)]
            await until_step(ground, tasks[0].id, 4)
            await to_thread.run_sync(engine.stop)
            await anyio.sleep(1)
            await to_thread.run_sync(engine.start)
            await ground.settled(120)
            await nothing_is_wrong(ground, tasks, undisturbed)
