"""A container engine of the tests' own, beside the one they run on, that may be killed and started again."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic, sleep

import docker
from docker.errors import DockerException

START_SECONDS = 30
STOP_SECONDS = 30


class NoOwnEngine(Exception):
    """Another engine can not be started here; says why."""


class OwnEngine:
    """``dockerd`` with folders of its own, and without a network."""

    def __init__(self, folder: Path) -> None:
        self.url = f"unix://{folder}/engine.sock"
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it answers.

        Raises:
            NoOwnEngine: It did not.
        """
        folder = self._folder
        places = ["--data-root", f"{folder}/data", "--exec-root", f"{folder}/exec", "--pidfile", f"{folder}/pid"]
        closed = ["--bridge=none", "--iptables=false", "--ip-masq=false", "--ip-forward=false"]
        with (folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                ["dockerd", "-H", self.url, *places, *closed], stdout=log, stderr=log, start_new_session=True
            )
        deadline = monotonic() + START_SECONDS
        while not self._answers():
            if self._process.poll() is not None or monotonic() > deadline:
                last = (folder / "log").read_text(errors="replace").splitlines()[-1:]
                raise NoOwnEngine(f"a second engine did not start: {last}")
            sleep(0.05)

    def end(self, number: signal.Signals) -> None:
        """Send it a signal that ends it, and wait for that."""
        process = self._process
        if process is not None and process.poll() is None:
            process.send_signal(number)
            process.wait(STOP_SECONDS)

    def client(self) -> docker.APIClient:
        """Return a new client; close it."""
        return docker.APIClient(base_url=self.url, timeout=START_SECONDS)

    def take_image(self, name: str) -> None:
        """Bring an image over from the engine that the tests run on."""
        usual, own = docker.APIClient(**docker.utils.kwargs_from_env(), timeout=60), self.client()
        try:
            own.load_image(b"".join(usual.get_image(name)))
        finally:
            usual.close()
            own.close()

    def _answers(self) -> bool:
        with suppress(DockerException):
            client = docker.APIClient(base_url=self.url, timeout=5, version="1.40")
            try:
                return bool(client.ping())
            except OSError:
                return False
            finally:
                client.close()
        return False


@contextmanager
def own_engine(image: str) -> Iterator[OwnEngine]:
    """Run another engine that has one image.

    Raises:
        NoOwnEngine: It can not be had here; says why.
    """
    if os.getuid() != 0 or shutil.which("dockerd") is None:
        raise NoOwnEngine("a second engine needs root and dockerd on this host")
    # Not below pytest's folder: the path of a socket has to be short.
    folder = Path(tempfile.mkdtemp(prefix="pw-engine-"))
    engine = OwnEngine(folder)
    try:
        engine.start()
        engine.take_image(image)
        yield engine
    finally:
        engine.end(signal.SIGTERM)
        shutil.rmtree(folder, ignore_errors=True)
