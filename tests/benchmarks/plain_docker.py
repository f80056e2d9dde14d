"""The ``docker`` command, as anybody would use it: what the sandbox is compared with."""

from __future__ import annotations

import subprocess
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio

from pullwright.sandbox.container_spec import LABEL_INSTANCE, LABEL_KIND

REPOSITORY = "/tmp/repository"


class PlainDocker:
    """Containers of one image that carry the instance's label, so that pruning it finds them."""

    def __init__(self, image: str, instance: str) -> None:
        self._image = image
        self._instance = instance
        self._options = ("--label", f"{LABEL_INSTANCE}={instance}", "--network", "none", "--init", "--user", "0")

    async def run(self, *arguments: str, stdin: bytes | None = None, discard: bool = False) -> str:
        """Run ``docker`` and return what it prints.

        Raises:
            CalledProcessError: It failed.
        """
        kept = subprocess.DEVNULL if discard else subprocess.PIPE
        done = await anyio.run_process(["docker", *arguments], input=stdin, stdout=kept)
        return (done.stdout or b"").decode("utf-8", "replace").strip()

    async def create(self, *command: str) -> str:
        return await self.run("create", *self._options, self._image, *command)

    @asynccontextmanager
    async def container(self) -> AsyncIterator[str]:
        """Start a container that waits, for the length of a block."""
        name = await self.run("run", "--detach", *self._options, self._image, "sleep", "3600")
        try:
            yield name
        finally:
            await self.remove(name)

    async def remove(self, name: str) -> None:
        with anyio.move_on_after(60, shield=True):
            await self.run("rm", "--force", "--volumes", name)

    async def copy_in(self, folder: Path, name: str) -> None:
        await self.run("cp", "--quiet", str(folder), f"{name}:{REPOSITORY}")

    async def list_containers(self, kind: str) -> list[str]:
        """Return the ids of the instance's running containers of a kind, ours that is."""
        labels = (f"{LABEL_INSTANCE}={self._instance}", f"{LABEL_KIND}={kind}")
        return (await self.run("ps", "--quiet", *(f"--filter=label={label}" for label in labels))).split()

    async def processes(self, name: str) -> Counter[str]:
        """Return the command lines that run in a container, as the engine's host sees them."""
        lines = (await self.run("top", name, "-eo", "pid,args")).splitlines()[1:]
        return Counter(line.split(maxsplit=1)[1] for line in lines)

    async def memory_mib(self, name: str) -> float:
        """Return the memory of a container's processes and of the engine's process that holds it.

        Memory that processes share is divided among them. Only root may look, on the engine's own host.
        """
        table = await self.run("top", name, "-eo", "pid,ppid")
        return sum(_pss_kib(int(number)) for number in set(table.split()) if number.isdecimal()) / 1024


def _pss_kib(process: int) -> int:
    lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
