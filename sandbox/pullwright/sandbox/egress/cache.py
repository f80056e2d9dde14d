"""Files that never change (wheels, tarballs, debs) on disk, by the hash of where they come from.

A file is downloaded once, by a task of the gateway and at the upstream's speed; everyone who wants it reads along, so
a container that reads slowly or goes away holds nobody up. The last bytes are handed out only after length and hash
were found right: whoever reads a wrong file sees its connection cut, and nothing of it stays.

No HTTP cache library does this: those found (hishel, cachecontrol) keep or join whole bodies, without single flight.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import anyio
import httpx2
from anyio.abc import TaskGroup

from pullwright.sandbox.egress.decisions import Refusal
from pullwright.sandbox.egress.upstream_client import UpstreamClient
from pullwright.sandbox.egress.upstreams import host_of

CACHE_BYTES: Final = 4 << 30
MAX_SECONDS: Final = 1800.0
"""Seconds that a download may take."""
_CHUNK: Final = 1 << 20
_LONGEST_SECRET: Final = 8192


@dataclass(frozen=True, slots=True, kw_only=True)
class Artefact:
    """A file that never changes."""

    url: str
    sha256: str = ""
    """What the index says; empty when it does not."""
    hosts: frozenset[str] = frozenset()
    """Hosts that the index named for such files, which may be redirected to."""

    @property
    def key(self) -> str:
        """Name in the cache."""
        return hashlib.sha256(f"{self.url}\n{self.sha256}".encode()).hexdigest()


class Download:
    """One file on its way into the cache, or there already."""

    def __init__(self, final: Path, part: Path | None = None, *, size: int | None = None) -> None:
        self.final = final
        self.part = part or final
        self.length = size
        """Bytes in all, when known."""
        self.available = size or 0
        """Bytes that may be read."""
        self.failure: Refusal | None = None
        self.done = size is not None
        self._progress = anyio.Event()

    def advance(self, available: int) -> None:
        """Let the readers go on."""
        self.available = available
        progress, self._progress = self._progress, anyio.Event()
        progress.set()

    def finish(self, failure: Refusal | None = None) -> None:
        """Say that nothing more will come."""
        self.failure, self.done = failure, True
        self.advance(self.available)

    async def begun(self) -> None:
        """Wait until there is something to read: of a small file, all of it.

        Raises:
            Refusal: The upstream does not give the file.
        """
        while not self.available and not self.done:
            await self._progress.wait()
        if self.failure is not None:
            raise self.failure

    async def copy_to(self, send: Callable[[bytes], Awaitable[None]]) -> None:
        """Hand out the file's bytes as they come.

        Raises:
            Refusal: The rest does not come, or the whole was not what it should be.
        """
        sent = 0
        async with await self._open() as file:
            while True:
                while sent < self.available:
                    chunk = await file.read(min(_CHUNK, self.available - sent))
                    await send(chunk)
                    sent += len(chunk)
                if self.failure is not None:
                    raise self.failure
                if self.done:
                    return
                await self._progress.wait()

    async def _open(self) -> anyio.AsyncFile[bytes]:
        for path in (self.part, self.final):  # in this order: the file moves from the first to the second
            with suppress(FileNotFoundError):
                return await anyio.open_file(path, "rb")
        raise Refusal(502, "the file was just removed from the package cache: try again")


class ArtefactCache:
    """The folder of files, shared by all sandboxes of a process. Files are only seen by them as served bytes."""

    def __init__(self, folder: Path, client: UpstreamClient, tasks: TaskGroup, *, max_bytes: int = CACHE_BYTES) -> None:
        self._folder = folder
        self._client = client
        self._tasks = tasks
        self._max_bytes = max_bytes
        self._flying: dict[str, Download] = {}
        self._size = 0

    async def open_folder(self) -> None:
        """Make the folder, for its owner only, and clear away what a killed process left."""
        self._size = await anyio.to_thread.run_sync(_prepare, self._folder)

    async def get(self, artefact: Artefact, client: UpstreamClient | None = None) -> Download:
        """Return a file that is there, or being downloaded, as soon as its first bytes are known.

        Raises:
            Refusal: The upstream does not give it.
        """
        key = artefact.key
        download = self._flying.get(key)
        if download is None:
            final = self._folder / key[:2] / key
            size = await anyio.to_thread.run_sync(_touch, final)
            if size is not None:
                return Download(final, size=size)
            download = self._flying.get(key)
        if download is None:
            download = Download(final, self._folder / f"{key}.{os.getpid()}.part")
            self._flying[key] = download
            self._tasks.start_soon(self._run, artefact, download, client or self._client)
        await download.begun()
        return download

    async def _run(self, artefact: Artefact, download: Download, client: UpstreamClient) -> None:
        failure: Refusal | None = Refusal(502, f"download from {host_of(artefact.url)} was given up")
        try:
            with anyio.fail_after(MAX_SECONDS):
                await self._download(artefact, download, client)
            failure = None
        except Refusal as exc:
            failure = exc
        except TimeoutError:
            failure = Refusal(502, f"{host_of(artefact.url)} took more than {MAX_SECONDS:g} s for one file")
        except OSError as exc:
            failure = Refusal(502, f"the package cache can not be written ({exc.strerror})")
        finally:
            if failure is not None:
                with anyio.move_on_after(60, shield=True):
                    await anyio.to_thread.run_sync(_remove, download.part)
            del self._flying[artefact.key]
            download.finish(failure)

    async def _download(self, artefact: Artefact, download: Download, client: UpstreamClient) -> None:
        async with (
            client.get(artefact.url, hosts=artefact.hosts) as response,
            await anyio.open_file(download.part, "wb", buffering=0) as file,
        ):
            length = response.headers.get("content-length", "")
            download.length = int(length) if length.isdecimal() else None
            self._check_size(download.length or 0, artefact)
            total = await self._receive(response, file, download, artefact, client)
        await anyio.to_thread.run_sync(_settle, download.part, download.final)
        download.length = total
        download.advance(total)
        self._size += total
        if self._size > self._max_bytes:
            self._size = await anyio.to_thread.run_sync(_prune, self._folder, self._max_bytes)

    async def _receive(
        self,
        response: httpx2.Response,
        file: anyio.AsyncFile[bytes],
        download: Download,
        artefact: Artefact,
        client: UpstreamClient,
    ) -> int:
        digest = hashlib.sha256()
        total = 0
        tail = b""
        async with aclosing(response.aiter_raw(_CHUNK)) as chunks:
            async for chunk in chunks:
                # Looked at before anything older is let go of: a credential may stretch over two chunks.
                if client.upstreams.echoes(tail + chunk):
                    raise Refusal(502, f"{host_of(artefact.url)} repeats a credential in a file")
                tail = chunk[-_LONGEST_SECRET:]
                download.advance(total)  # all but the newest chunk, which may turn out to be the last
                digest.update(chunk)
                await file.write(chunk)
                total += len(chunk)
                self._check_size(total, artefact)
        host = host_of(artefact.url)
        if download.length not in (None, total):
            raise Refusal(502, f"{host} sent {total} of {download.length} bytes")
        if artefact.sha256 and digest.hexdigest() != artefact.sha256:
            raise Refusal(502, f"the file from {host} does not have the SHA-256 that its index gives")
        return total

    def _check_size(self, size: int, artefact: Artefact) -> None:
        if size > self._max_bytes // 2:
            raise Refusal(502, f"{host_of(artefact.url)} sends a file of more than {self._max_bytes // 2} bytes")


def _prepare(folder: Path) -> int:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for left in folder.glob("*.part"):
        if left.stat().st_mtime < time.time() - 2 * MAX_SECONDS:  # younger ones may be another process's
            left.unlink(missing_ok=True)
    return sum(path.stat().st_size for path in folder.glob("??/*"))


def _touch(path: Path) -> int | None:
    """Mark a file as used and return its size, or None when it is not there."""
    try:
        os.utime(path)
        return path.stat().st_size
    except FileNotFoundError:
        return None


def _settle(path: Path, final: Path) -> None:
    final.parent.mkdir(mode=0o700, exist_ok=True)
    path.replace(final)


def _remove(path: Path) -> None:
    with suppress(OSError):
        path.unlink()


def _prune(folder: Path, max_bytes: int) -> int:
    """Remove the files that were used longest ago until nine tenths of the cap are left; return what is there."""
    found = sorted((path.stat().st_mtime, path.stat().st_size, path) for path in folder.glob("??/*"))
    size = sum(item[1] for item in found)
    for _, length, path in found:
        if size <= max_bytes * 9 // 10:
            break
        path.unlink(missing_ok=True)
        size -= length
    return size
