"""The simple repository API, read and written (PEP 503, 592, 629, 658, 691, 700, 714). Pure, no I/O."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from typing import Annotated, Final
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from pullwright.sandbox.egress.decisions import Refusal
from pullwright.sandbox.egress.page_cache import Page
from pullwright.sandbox.egress.upstream_client import may_fetch
from pullwright.sandbox.egress.upstreams import host_of

JSON_TYPE: Final = "application/vnd.pypi.simple.v1+json"
HTML_TYPE: Final = "application/vnd.pypi.simple.v1+html"
ACCEPT: Final = f"{JSON_TYPE}, {HTML_TYPE};q=0.2, text/html;q=0.1"

_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+!~-]{0,250}")
_HASH = re.compile(r"([a-z0-9_]{1,20})=([0-9a-f]{16,256})")

_Hashes = dict[
    Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]{1,20}$")],
    Annotated[str, StringConstraints(pattern=r"^[0-9a-fA-F]{16,256}$")],
]


class IndexFile(BaseModel):
    """One file of a project, as PEP 691 names its fields. Unknown fields are dropped."""

    model_config = ConfigDict(strict=True, frozen=True)

    filename: str
    url: str
    hashes: _Hashes
    requires_python: str | None = Field(default=None, alias="requires-python")
    size: int | None = Field(default=None, ge=0)
    upload_time: str | None = Field(default=None, alias="upload-time")
    yanked: bool | str | None = None
    core_metadata: bool | _Hashes | None = Field(default=None, alias="core-metadata")
    dist_info_metadata: bool | _Hashes | None = Field(default=None, alias="dist-info-metadata")

    @property
    def sha256(self) -> str:
        """In lower case; empty when the index does not give it."""
        return self.hashes.get("sha256", "").lower()

    @property
    def metadata(self) -> bool | Mapping[str, str] | None:
        """Whether the file's metadata can be had by itself, or its hashes (PEP 714: the newer field first)."""
        return self.core_metadata if self.core_metadata is not None else self.dist_info_metadata


class _Answer(BaseModel):
    model_config = ConfigDict(strict=True)

    files: list[IndexFile]
    versions: list[str] | None = None


@dataclass(frozen=True, slots=True)
class Project:
    """What one index has of one name."""

    name: str
    files: Mapping[str, IndexFile]
    versions: tuple[str, ...] | None
    hosts: frozenset[str]
    """Hosts that the index names for the files."""


def parse_project(name: str, page: Page, min_age: timedelta | None) -> Project:
    """Read an index page of either form; files that may not be fetched are left out.

    Args:
        name: The project's normalised name.
        page: What the index sent.
        min_age: Time since its upload that a file must have; files without a time are then left out.

    Raises:
        Refusal: The page is not an index page.
    """
    try:
        answer = _parse_json(page) if page.content_type.endswith("json") else _parse_html(page)
        files = dict(_usable_files(answer.files, page.url, min_age))
    except (ValueError, AssertionError):  # html.parser asserts where a page is no HTML
        raise Refusal(502, f"{host_of(page.url)} does not send a valid index page for {name}") from None
    hosts = frozenset(host_of(file.url) for file in files.values())
    versions = None if answer.versions is None or min_age else tuple(answer.versions)
    return Project(name, files, versions, hosts)


def render_json(project: Project) -> bytes:
    """Write the page of a project as PEP 691 wants it, with files at our own addresses."""
    files = [
        {**file.model_dump(by_alias=True, exclude_none=True), "url": file_path(project.name, file.filename)}
        for file in project.files.values()
    ]
    complete = project.versions is not None and all(file.size is not None for file in project.files.values())
    page = {"meta": {"api-version": "1.1" if complete else "1.0"}, "name": project.name, "files": files}
    if project.versions is not None:
        page["versions"] = list(project.versions)
    return json.dumps(page, separators=(",", ":")).encode()


def render_html(project: Project) -> bytes:
    """Write the page of a project as PEP 503 wants it, with files at our own addresses."""
    lines = ['<!DOCTYPE html><html><head><meta name="pypi:repository-version" content="1.0"></head><body>']
    for file in project.files.values():
        fragment = f"#sha256={file.sha256}" if file.sha256 else ""
        attributes = {"href": file_path(project.name, file.filename) + fragment}
        if file.requires_python:
            attributes["data-requires-python"] = file.requires_python
        if file.yanked not in (None, False):
            attributes["data-yanked"] = "" if file.yanked is True else str(file.yanked)
        if file.metadata:
            sha256 = file.metadata.get("sha256", "") if isinstance(file.metadata, Mapping) else ""
            value = f"sha256={sha256}" if sha256 else "true"
            attributes |= {"data-core-metadata": value, "data-dist-info-metadata": value}
        written = " ".join(f'{key}="{html.escape(value)}"' for key, value in attributes.items())
        lines.append(f"<a {written}>{html.escape(file.filename)}</a><br>")
    return "\n".join([*lines, "</body></html>\n"]).encode()


def file_path(project: str, filename: str) -> str:
    """Return our own address of a file. It names the file, not a URL: the index says where that is."""
    return f"/files/{project}/{filename}"


def _parse_json(page: Page) -> _Answer:
    return _Answer.model_validate_json(page.body)


def _usable_files(
    files: Iterable[IndexFile], page_url: str, min_age: timedelta | None
) -> Iterator[tuple[str, IndexFile]]:
    for file in files:
        url = urldefrag(urljoin(page_url, file.url)).url
        if _FILE_NAME.fullmatch(file.filename) and may_fetch(url, page_url) and _old_enough(file, min_age):
            yield file.filename, file.model_copy(update={"url": url})


def _old_enough(file: IndexFile, min_age: timedelta | None) -> bool:
    if min_age is None:
        return True
    try:
        uploaded = datetime.fromisoformat(file.upload_time or "")
    except ValueError:
        return False
    return uploaded.tzinfo is not None and datetime.now(UTC) - uploaded >= min_age


class _Anchors(HTMLParser):
    """Collects the anchors of an index page; attribute values come out of the parser unescaped."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.base = url
        self.files: list[IndexFile] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        if tag == "base" and attributes.get("href"):
            self.base = urljoin(self.base, attributes["href"])
        if tag == "a" and attributes.get("href"):
            self._add(attributes["href"] or "", attributes)

    def _add(self, href: str, attributes: Mapping[str, str | None]) -> None:
        url, fragment = urldefrag(urljoin(self.base, href))
        digest = _HASH.fullmatch(fragment)
        metadata = attributes.get("data-core-metadata", attributes.get("data-dist-info-metadata"))
        yanked = attributes.get("data-yanked", "") or True if "data-yanked" in attributes else None
        fields = {
            "filename": unquote(urlsplit(url).path.rpartition("/")[2]),
            "url": url,
            "hashes": {digest[1]: digest[2]} if digest else {},
            "requires-python": attributes.get("data-requires-python"),
            "yanked": yanked,
            "core-metadata": _metadata(metadata),
        }
        self.files.append(IndexFile.model_validate(fields))


def _metadata(value: str | None) -> bool | dict[str, str] | None:
    digest = _HASH.fullmatch(value or "")
    if digest:
        return {digest[1]: digest[2]}
    return True if value == "true" else None


def _parse_html(page: Page) -> _Answer:
    anchors = _Anchors(page.url)
    anchors.feed(page.body.decode("utf-8", "replace"))
    anchors.close()
    return _Answer(files=anchors.files)
