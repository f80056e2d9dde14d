"""Index pages in memory: fresh for a minute, then asked for again with the tag or date they came with."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Final

import anyio
import httpx2

from pullwright.sandbox.egress.decisions import Refusal
from pullwright.sandbox.egress.upstream_client import UpstreamClient
from pullwright.sandbox.egress.upstreams import host_of

FRESH: Final = 60.0
"""Seconds for which a page is not asked for again."""
MAX_PAGE: Final = 64 << 20
MAX_PAGES: Final = 256 << 20
"""Bytes of all pages that are kept."""
MAX_SECONDS: Final = 120.0
"""Seconds that a page may take to arrive."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """An index page as it came."""

    url: str
    """Where it came from in the end."""
    body: bytes
    content_type: str
    etag: str = ""
    modified: str = ""
    expires: float = 0.0


class PageCache:
    """Fetches pages. Requests for the same page at the same time wait for one fetch."""

    def __init__(self, client: UpstreamClient) -> None:
        self._client = client
        self._pages: OrderedDict[tuple[str, str], Page] = OrderedDict()
        self._size = 0
        self._locks: dict[tuple[str, str], anyio.Lock] = {}

    async def get(self, url: str, *, accept: str) -> Page:
        """Return a page.

        Raises:
            Refusal: There is none, it is too large, or the upstream does not answer as it should.
        """
        key = (url, accept)
        lock = self._locks.setdefault(key, anyio.Lock())
        try:
            async with lock:
                known = self._pages.get(key)
                if known is None or known.expires <= anyio.current_time():
                    known = await self._fetch(key, known)
                self._pages.move_to_end(key)
                return known
        finally:
            if not lock.statistics().tasks_waiting and not lock.locked():
                self._locks.pop(key, None)

    async def _fetch(self, key: tuple[str, str], known: Page | None) -> Page:
        url, accept = key
        headers = {"Accept": accept, **(_conditions(known) if known else {})}
        try:
            with anyio.fail_after(MAX_SECONDS):
                async with self._client.get(url, headers=headers) as response:
                    page = await _read(response, known)
        except TimeoutError:
            raise Refusal(502, f"{host_of(url)} took more than {MAX_SECONDS:g} s for an index page") from None
        if self._client.upstreams.echoes(page.body):
            raise Refusal(502, f"{host_of(url)} repeats a credential in its answer")
        self._keep(key, page)
        return page

    def _keep(self, key: tuple[str, str], page: Page) -> None:
        old = self._pages.pop(key, None)
        self._size += len(page.body) - (len(old.body) if old else 0)
        self._pages[key] = page
        while self._size > MAX_PAGES and len(self._pages) > 1:
            _, dropped = self._pages.popitem(last=False)
            self._size -= len(dropped.body)


def _conditions(page: Page) -> Mapping[str, str]:
    if page.etag:
        return {"If-None-Match": page.etag}
    return {"If-Modified-Since": page.modified} if page.modified else {}


async def _read(response: httpx2.Response, known: Page | None) -> Page:
    expires = anyio.current_time() + FRESH
    host = response.url.host
    if response.status_code == 304:
        if known is None:
            raise Refusal(502, f"{host} answered with status 304 to a first request")
        return replace(known, expires=expires)
    body = bytearray()
    async with aclosing(response.aiter_raw()) as chunks:
        async for chunk in chunks:
            body += chunk
            if len(body) > MAX_PAGE:
                raise Refusal(502, f"{host} sends an index page of more than {MAX_PAGE >> 20} MiB")
    return Page(
        url=str(response.url),
        body=bytes(body),
        content_type=response.headers.get("content-type", "").partition(";")[0].strip().lower(),
        etag=response.headers.get("etag", ""),
        modified=response.headers.get("last-modified", ""),
        expires=expires,
    )
