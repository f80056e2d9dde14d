"""The port that npm, pnpm and yarn speak to: packuments as the registry sends them, and tarballs.

Packuments are not rewritten, so that lock files keep the public addresses; clients are told to put our host in the
place of the one in them (``replace-registry-host=always``), so they ask here for the same path.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from datetime import timedelta
from functools import partial
from typing import Final
from urllib.parse import urlsplit

import anyio

from pullwright.sandbox.egress.cache import Artefact, ArtefactCache
from pullwright.sandbox.egress.decisions import Refusal
from pullwright.sandbox.egress.http_server import Exchange, plain_path
from pullwright.sandbox.egress.packument import tarball_urls, without_young
from pullwright.sandbox.egress.page_cache import Page, PageCache
from pullwright.sandbox.egress.upstream_client import may_fetch
from pullwright.sandbox.egress.upstreams import Upstreams, host_of

ABBREVIATED: Final = "application/vnd.npm.install-v1+json"
FULL: Final = "application/json"
MAX_LEARNED: Final = 50_000
"""Tarballs at unusual addresses that are remembered."""
MAX_AGED: Final = 64
"""Packuments that are kept without their young versions."""

_PART = r"[A-Za-z0-9~_][A-Za-z0-9._~-]{0,213}"
_NAME = rf"(?P<name>(?:@{_PART}/)?{_PART})"
_PACKUMENT = re.compile(rf"/{_NAME}(?:/(?P<version>[A-Za-z0-9._+-]+))?")
_TARBALL = re.compile(rf"/{_NAME}/-/(?:@{_PART}/)?(?P<file>[A-Za-z0-9._~+-]{{1,256}}\.tgz)")


class NpmGateway:
    """Answers for the npm registries of the host."""

    def __init__(
        self, upstreams: Upstreams, pages: PageCache, files: ArtefactCache, min_age: timedelta | None = None
    ) -> None:
        self._upstreams = upstreams
        self._pages = pages
        self._files = files
        self._min_age = min_age
        self._learned: OrderedDict[str, tuple[str, str]] = OrderedDict()
        self._aged: OrderedDict[str, tuple[Page, bytes, frozenset[str]]] = OrderedDict()

    async def respond(self, exchange: Exchange) -> None:
        """Serve ``/<name>``, ``/<name>/<version or tag>`` and ``/<name>/-/<file>.tgz``.

        Raises:
            Refusal: Anything else (search, audit, publishing), or what the registry does not have.
        """
        if exchange.request.target.startswith("/-/"):
            raise Refusal(404, "only packages and their tarballs are served, no search and no audit", quiet=True)
        path = plain_path(exchange.request.target, scoped=True)
        if path.endswith(".tgz") or path in self._learned:
            await self._serve_tarball(exchange, path)
        elif match := _PACKUMENT.fullmatch(path):
            await self._serve_packument(exchange, match["name"], match["version"])
        else:
            raise Refusal(403, "there is nothing here but packages and their tarballs")

    async def _serve_packument(self, exchange: Exchange, name: str, version: str | None) -> None:
        exchange.target = f"index of {name}"
        if self._min_age is not None:
            if version:
                raise Refusal(403, "single versions are not served while packages need a minimum age")
            body, _ = await self._without_young(name, self._min_age)
            await exchange.answer(body, FULL)
            return
        accept = ABBREVIATED if ABBREVIATED in exchange.request.accept and not version else FULL
        page = await self._pages.get(self._url(name) + (f"/{version}" if version else ""), accept=accept)
        await self._learn(name, page)
        await exchange.answer(page.body, ABBREVIATED if page.content_type == ABBREVIATED else FULL)

    async def _serve_tarball(self, exchange: Exchange, path: str) -> None:
        exchange.target = path
        name, url = self._locate(path)
        version = url.rpartition("/")[2].removeprefix(name.rpartition("/")[2] + "-").removesuffix(".tgz")
        exchange.target = f"{name} {version}"
        if self._min_age is not None and version not in (await self._without_young(name, self._min_age))[1]:
            raise Refusal(403, "this version is younger than packages must be here")
        hosts = frozenset({host_of(url)})
        await exchange.serve_file(self._files, Artefact(url=url, hosts=hosts))

    def _locate(self, path: str) -> tuple[str, str]:
        """Return the package that a tarball's path belongs to, and where the registry has it."""
        if path in self._learned:
            return self._learned[path]
        match = _TARBALL.fullmatch(path)
        if match is None:
            for registry in (self._upstreams.npm, *self._upstreams.npm_scopes.values()):
                below = urlsplit(registry).path
                match = match or (_TARBALL.fullmatch(path.removeprefix(below)) if below else None)
        if match is None:
            raise Refusal(403, "no package that was asked for has a tarball at this address")
        return match["name"], f"{self._url(match['name'], escaped=False)}/-/{match['file']}"

    def _registry(self, name: str) -> str:
        return self._upstreams.npm_scopes.get(name.partition("/")[0], self._upstreams.npm)

    def _url(self, name: str, *, escaped: bool = True) -> str:
        """Return a package's address; the registry wants the slash of a scoped name escaped in packuments."""
        return f"{self._registry(name)}/{name.replace('/', '%2f') if escaped else name}"

    async def _learn(self, name: str, page: Page) -> None:
        """Remember the tarballs of a packument that are not where they are expected."""
        usual = f"{self._url(name, escaped=False)}/-/"
        for url in await anyio.to_thread.run_sync(_unusual_tarballs, page, usual):
            self._learned.setdefault(urlsplit(url).path, (name, url))
            if len(self._learned) > MAX_LEARNED:
                self._learned.popitem(last=False)

    async def _without_young(self, name: str, min_age: timedelta) -> tuple[bytes, frozenset[str]]:
        page = await self._pages.get(self._url(name), accept=FULL)
        known = self._aged.get(name)
        if known is None or known[0].body is not page.body:
            known = (page, *await anyio.to_thread.run_sync(partial(without_young, page.body, min_age)))
            self._aged[name] = known
            await self._learn(name, page)
            if len(self._aged) > MAX_AGED:
                self._aged.popitem(last=False)
        return known[1:]


def _unusual_tarballs(page: Page, usual: str) -> list[str]:
    return [url for url in tarball_urls(page.body) if not url.startswith(usual) and may_fetch(url, page.url)]
