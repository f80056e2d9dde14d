from __future__ import annotations

import hashlib
import os
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import httpx2
import pytest

from pullwright.sandbox.egress.cache import Artefact, ArtefactCache
from pullwright.sandbox.egress.decisions import Refusal
from pullwright.sandbox.egress.upstream_client import UpstreamClient, may_fetch
from pullwright.sandbox.egress.upstreams import Upstreams
from tests.unit.sandbox.egress.harness import Answer, Upstream, cached

pytestmark = [pytest.mark.anyio]

BIG = os.urandom(5 << 20)


@pytest.fixture
async def cache(tmp_path: Path, anyio_backend: str) -> AsyncIterator[ArtefactCache]:
    trust = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    async with httpx2.AsyncClient(verify=trust) as client, anyio.create_task_group() as tasks:
        found = ArtefactCache(tmp_path, UpstreamClient(client, Upstreams()), tasks, max_bytes=20 << 20)
        await found.open_folder()
        yield found
        tasks.cancel_scope.cancel()


async def read(cache: ArtefactCache, artefact: Artefact, into: bytearray) -> None:
    async def send(data: bytes) -> None:
        into.extend(data)

    await (await cache.get(artefact)).copy_to(send)


async def test_readers_share_a_download_and_read_along(
    cache: ArtefactCache, registry: Upstream, tmp_path: Path
) -> None:
    hold = anyio.Event()
    registry.answers["/big"] = Answer(BIG, hold=hold)
    artefact = Artefact(url=f"{registry.url}/big", sha256=hashlib.sha256(BIG).hexdigest())
    first, second, slow = bytearray(), bytearray(), anyio.Event()
    begun = anyio.Event()

    async def sluggish(data: bytes) -> None:
        begun.set()
        await slow.wait()  # a container that takes nothing holds nobody up

    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            download = await cache.get(artefact)
            assert download.length == len(BIG)
            tasks.start_soon(download.copy_to, sluggish)
            tasks.start_soon(read, cache, artefact, first)
            tasks.start_soon(read, cache, artefact, second)
            await begun.wait()
            hold.set()
            while not len(first) == len(second) == len(BIG):
                await anyio.lowlevel.checkpoint()
            slow.set()
    assert first == second == BIG
    assert registry.paths() == ["/big"]
    [file] = cached(tmp_path)
    assert file.read_bytes() == BIG
    assert file.parent.stat().st_mode & 0o777 == 0o700


async def test_a_wrong_file_is_cut_before_its_end(cache: ArtefactCache, registry: Upstream, tmp_path: Path) -> None:
    registry.answers["/big"] = Answer(BIG)
    got = bytearray()
    with pytest.raises(Refusal, match="SHA-256"):
        await read(cache, Artefact(url=f"{registry.url}/big", sha256="0" * 64), got)
    assert len(got) < len(BIG)
    assert not cached(tmp_path)


@pytest.mark.parametrize("length", [len(BIG) + 1, 1 << 40], ids=["cut short", "larger than the cache"])
async def test_a_file_that_is_not_whole_is_not_kept(
    cache: ArtefactCache, registry: Upstream, tmp_path: Path, length: int
) -> None:
    registry.answers["/big"] = Answer(BIG, length=length)
    with pytest.raises(Refusal) as caught:
        await read(cache, Artefact(url=f"{registry.url}/big"), bytearray())
    assert caught.value.status == 502
    assert not cached(tmp_path)
    registry.answers["/big"] = Answer(BIG)
    got = bytearray()
    await read(cache, Artefact(url=f"{registry.url}/big"), got)
    assert got == BIG


async def test_what_was_used_longest_ago_makes_room(cache: ArtefactCache, registry: Upstream, tmp_path: Path) -> None:
    for number in range(5):
        registry.answers[f"/{number}"] = Answer(BIG)
        await read(cache, Artefact(url=f"{registry.url}/{number}"), bytearray())
        for path in cached(tmp_path):
            os.utime(path, (path.stat().st_atime - 100, path.stat().st_mtime - 100))
    assert len(cached(tmp_path)) == 3
    await read(cache, Artefact(url=f"{registry.url}/4"), bytearray())
    await read(cache, Artefact(url=f"{registry.url}/0"), bytearray())
    assert registry.paths().count("/4") == 1
    assert registry.paths().count("/0") == 2


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("https://index.example/a", True), ("https://files.example/a", True), ("http://index.example/a", False),
        ("http://files.example/a", False), ("https://127.0.0.1/a", False), ("https://[::1]/a", False),
        ("https://2130706433/a", False), ("https://user@index.example/a", False), ("ftp://index.example/a", False),
        ("https://index.example:x/a", False), ("https://index.example/a b", False), ("file:///etc/passwd", False),
        ("https://[::1", False), ("", False), ("https://index.example:8443/a", True),
    ],
)  # fmt: skip
def test_an_index_can_not_point_inside(url: str, allowed: bool) -> None:
    assert may_fetch(url, "https://index.example/simple/x/") is allowed
