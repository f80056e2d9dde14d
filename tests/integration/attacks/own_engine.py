"""A container engine of the tests' own, beside the one they run on, that may be killed and started again."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic, sleep

import docker

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
        """Start it if it does not run, and wait until it answers.

        Raises:
            NoOwnEngine: It did not.
        """
        if self._process is not None and self._process.poll() is None:
            return
        folder = self._folder
        places = ["--data-root", f"{folder}/data", "--exec-root", f"{folder}/exec", "--pidfile", f"{folder}/pid"]
        closed = ["--bridge=none", "--iptables=false", "--ip-masq=false", "--ip-forward=false"]
        # The containerd of one that was killed ends with it, but not before the next has taken it for its own.
        (folder / "exec/containerd/containerd.pid").unlink(missing_ok=True)
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

    def take_image(self, name: str) -> None:
        """Bring an image over from the engine that the tests run on."""
        usual, own = docker.from_env(timeout=60), docker.DockerClient(self.url, timeout=60)
        try:
            own.images.load(b"".join(usual.images.get(name).save(named=True)))
        finally:
            usual.close()
            own.close()

    def _answers(self) -> bool:
        with suppress(OSError), socket.socket(socket.AF_UNIX) as asked:
            asked.settimeout(5)
            asked.connect(self.url.removeprefix("unix://"))
            asked.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
            return b" 200 " in asked.recv(100)
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
        with suppress(NoOwnEngine):
            engine.start()  # one that was killed could not end its containers
        engine.end(signal.SIGTERM)
        for mounted in reversed(_mounts_below(folder)):
            subprocess.run(["umount", mounted], capture_output=True, check=False)
        shutil.rmtree(folder, ignore_errors=True)


def _mounts_below(folder: Path) -> list[str]:
    places = [line.split(" ")[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    return [place for place in places if Path(place).is_relative_to(folder)]
