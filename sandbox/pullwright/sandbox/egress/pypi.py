"""The port that pip and uv speak to: index pages of named projects, and the files that these pages name."""

from __future__ import annotations

from collections import OrderedDict
from datetime import timedelta
from functools import partial
from typing import Final

import anyio
from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    canonicalize_name,
    is_normalized_name,
    parse_sdist_filename,
    parse_wheel_filename,
)

from pullwright.sandbox.egress.cache import Artefact, ArtefactCache
from pullwright.sandbox.egress.decisions import Refusal
from pullwright.sandbox.egress.http_server import Exchange, plain_path
from pullwright.sandbox.egress.page_cache import Page, PageCache
from pullwright.sandbox.egress.pypi_page import (
    ACCEPT,
    JSON_TYPE,
    IndexFile,
    Project,
    parse_project,
    render_html,
    render_json,
)

MAX_PARSED: Final = 256
"""Projects whose page is kept as it was understood."""


class PypiGateway:
    """Answers for the simple indexes of the host."""

    def __init__(
        self, indexes: tuple[str, ...], pages: PageCache, files: ArtefactCache, min_age: timedelta | None = None
    ) -> None:
        self._indexes = indexes
        self._pages = pages
        self._files = files
        self._min_age = min_age
        self._parsed: OrderedDict[str, tuple[Page, Project]] = OrderedDict()

    async def respond(self, exchange: Exchange) -> None:
        """Serve ``/simple/<name>/`` and ``/files/<name>/<file>[.metadata]``.

        Raises:
            Refusal: Anything else, or what the indexes do not have.
        """
        match plain_path(exchange.request.target).strip("/").split("/"):
            case ["simple"] | [""]:
                raise Refusal(403, "the list of all packages is not served: ask for one by its name")
            case ["simple", name] if is_normalized_name(name):
                await self._serve_project(exchange, name)
            case ["files", name, filename] if is_normalized_name(name):
                await self._serve_file(exchange, name, filename)
            case ["simple", name]:
                raise Refusal(404, f"ask for {canonicalize_name(name)} instead: names are normalised", quiet=True)
            case _:
                raise Refusal(403, "there is nothing here but /simple/<name>/ and the files it names")

    async def _serve_project(self, exchange: Exchange, name: str) -> None:
        exchange.target = f"index of {name}"
        project = await self._project(name)
        if JSON_TYPE in exchange.request.accept:
            await exchange.answer(await anyio.to_thread.run_sync(render_json, project), JSON_TYPE)
        else:
            await exchange.answer(await anyio.to_thread.run_sync(render_html, project), "text/html; charset=utf-8")

    async def _serve_file(self, exchange: Exchange, name: str, filename: str) -> None:
        exchange.target = describe(filename)
        project = await self._project(name)
        artefact = _artefact(project, filename)
        if artefact is None:
            raise Refusal(404, f"no index names {filename} as a file of {name}")
        await exchange.serve_file(self._files, artefact)

    async def _project(self, name: str) -> Project:
        """Return what the first index that knows the name has of it."""
        for number, index in enumerate(self._indexes):
            try:
                page = await self._pages.get(f"{index}/{name}/", accept=ACCEPT)
            except Refusal as refusal:
                if refusal.status != 404 or number == len(self._indexes) - 1:
                    raise
                continue
            return await self._understand(name, page)
        raise Refusal(404, "this host has no package index", quiet=True)

    async def _understand(self, name: str, page: Page) -> Project:
        known = self._parsed.get(name)
        if known is not None and known[0].body is page.body:
            self._parsed.move_to_end(name)
            return known[1]
        project = await anyio.to_thread.run_sync(partial(parse_project, name, page, self._min_age))
        self._parsed[name] = (page, project)
        if len(self._parsed) > MAX_PARSED:
            self._parsed.popitem(last=False)
        return project


def describe(filename: str) -> str:
    """Return ``name version`` of a wheel or sdist, or the file's name when it has neither form."""
    filename = filename.removesuffix(".metadata")
    try:
        if filename.endswith(".whl"):
            name, version, _, _ = parse_wheel_filename(filename)
        else:
            name, version = parse_sdist_filename(filename)
    except (InvalidWheelFilename, InvalidSdistFilename):
        return filename
    return f"{name} {version}"


def _artefact(project: Project, filename: str) -> Artefact | None:
    file = project.files.get(filename)
    if file is not None:
        return Artefact(url=file.url, sha256=file.sha256, hosts=project.hosts)
    described = project.files.get(filename.removesuffix(".metadata"))
    return _metadata(described, project.hosts) if described is not None and described.metadata else None


def _metadata(file: IndexFile, hosts: frozenset[str]) -> Artefact:
    """Return the core metadata of a file: at the file's address with ``.metadata`` appended (PEP 658)."""
    sha256 = file.metadata.get("sha256", "").lower() if isinstance(file.metadata, dict) else ""
    path, mark, query = file.url.partition("?")
    return Artefact(url=f"{path}.metadata{mark}{query}", sha256=sha256, hosts=hosts)
