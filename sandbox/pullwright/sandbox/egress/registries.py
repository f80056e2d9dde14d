"""The registries that a gateway reads from, and the cache in front of them, open together."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path

import anyio
import httpx2
from anyio.abc import TaskGroup

from pullwright.sandbox.egress.apt import AptGateway
from pullwright.sandbox.egress.cache import ArtefactCache
from pullwright.sandbox.egress.http_server import Responder
from pullwright.sandbox.egress.npm import NpmGateway
from pullwright.sandbox.egress.page_cache import PageCache
from pullwright.sandbox.egress.pypi import PypiGateway
from pullwright.sandbox.egress.upstream_client import TIMEOUT, UpstreamClient
from pullwright.sandbox.egress.upstreams import Upstreams


@asynccontextmanager
async def open_registries(
    upstreams: Upstreams, tasks: TaskGroup, *, cache: Path, cache_bytes: int, min_age: timedelta | None
) -> AsyncIterator[Mapping[str, Responder]]:
    """Yield what answers the requests of each kind: ``pypi``, ``npm`` and ``apt``.

    Args:
        upstreams: Where packages come from.
        tasks: Where downloads run.
        cache: A folder of its own; made when it is not there.
        cache_bytes: Bytes that the folder may hold.
        min_age: Time since its release that a Python or npm package must have; None for no such rule.

    Raises:
        OSError: The folder can not be made, or a CA file can not be read.
    """
    async with AsyncExitStack() as stack:
        context = await anyio.to_thread.run_sync(_trust, upstreams.ca_files)
        client = UpstreamClient(await stack.enter_async_context(_http_client(context)), upstreams)
        apt = client
        if upstreams.apt_proxy:
            proxied = await stack.enter_async_context(_http_client(context, upstreams.apt_proxy))
            apt = UpstreamClient(proxied, upstreams)
        files = ArtefactCache(cache, client, tasks, max_bytes=cache_bytes)
        await files.open_folder()
        pages = PageCache(client)
        yield {
            "pypi": PypiGateway(upstreams.pypi, pages, files, min_age).respond,
            "npm": NpmGateway(upstreams, pages, files, min_age).respond,
            "apt": AptGateway(upstreams.apt, PageCache(apt), files, apt).respond,
        }


def _trust(ca_files: tuple[str, ...]) -> ssl.SSLContext:
    context = ssl.create_default_context()
    for path in ca_files:
        context.load_verify_locations(path)
    return context


def _http_client(context: ssl.SSLContext, proxy: str | None = None) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(verify=context, proxy=proxy, timeout=TIMEOUT)
