"""Texts as GitHub has them: limits, and the pictures that an issue refers to. Pure."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

BODY_LIMIT = 65_536
TITLE_LIMIT = 256
"""GitHub answers 422 to a longer title."""
IMAGE_HOSTS = frozenset({"user-images.githubusercontent.com", "private-user-images.githubusercontent.com"})

_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_IDENTIFIER = re.compile(_UUID, re.IGNORECASE)
_OWN_PATH = re.compile(rf"/(user-attachments/assets|[\w.-]+/[\w.-]+/assets/\d+)/{_UUID}", re.IGNORECASE | re.ASCII)
_MARKDOWN_IMAGE = re.compile(r"!\[[^\]\n]{0,1000}\]\(\s{0,9}<?(https?://[^\s<>()]{1,2000})>?")
_HTML_IMAGE = re.compile(
    r"""<img\b[^<>]{0,2000}?\bsrc\s{0,9}=\s{0,9}["']?(https?://[^\s"'<>]{1,4000})""", re.IGNORECASE
)
_BLANKS = re.compile(r"[\s\x00-\x1f\x7f]+")


@dataclass(frozen=True, slots=True)
class ImageLink:
    """A picture that a text refers to, and where its bytes may be had."""

    shown: str
    """The address in the text; goes into notes, so it carries no signature."""
    fetch: str
    """The address to ask, or empty when the host is not allowed."""


def one_line(text: str, limit: int = TITLE_LIMIT) -> str:
    """Return a text as a title: one line, no control characters, cut with an ellipsis at the limit."""
    flat = _BLANKS.sub(" ", text).strip()
    return flat if len(flat) <= limit else flat[: limit - 1].rstrip() + "…"


def image_addresses(text: str) -> list[str]:
    """Return the addresses of pictures in a Markdown text, each once, in order."""
    found = [(m.start(), m[1]) for pattern in (_MARKDOWN_IMAGE, _HTML_IMAGE) for m in pattern.finditer(text)]
    return list(dict.fromkeys(html.unescape(address) for _, address in sorted(found)))


def image_links(texts: Iterable[tuple[str, str]], web_url: str) -> list[ImageLink]:
    """Find the pictures in (Markdown, rendered HTML) pairs.

    The Markdown decides which pictures there are. An attachment is fetched by the signed address that the rendered form
    has for it, found by the identifier in the path and never by position.
    """
    links: dict[str, ImageLink] = {}
    for markdown, rendered in texts:
        signed = _signed_addresses(rendered, web_url)
        for address in image_addresses(markdown):
            links.setdefault(address, ImageLink(_without_query(address), _fetch_address(address, signed, web_url)))
    return list(links.values())


def allowed(address: str, web_url: str) -> bool:
    """Whether a picture may be fetched from an address: GitHub's own hosts only, whatever a text says."""
    parts = _split(address)
    if parts is None or "@" in parts.netloc or "\\" in address:
        return False
    own = _split(web_url)
    if own and (parts.scheme, parts.netloc.lower()) == (own.scheme, own.netloc.lower()):
        return _OWN_PATH.fullmatch(parts.path) is not None
    return parts.scheme == "https" and parts.netloc.lower() in IMAGE_HOSTS


def _fetch_address(address: str, signed: Mapping[str, str], web_url: str) -> str:
    if not allowed(address, web_url):
        return ""
    uuid = _attachment(address)
    return signed.get(uuid, address) if uuid else address


def _signed_addresses(rendered: str, web_url: str) -> dict[str, str]:
    found = (html.unescape(m[1]) for m in _HTML_IMAGE.finditer(rendered))
    return {_attachment(a): a for a in found if _attachment(a) and "jwt=" in a and allowed(a, web_url)}


def _attachment(address: str) -> str:
    parts = _split(address)
    found = _IDENTIFIER.findall(parts.path) if parts else []
    return found[-1].lower() if found else ""


def _without_query(address: str) -> str:
    return address.partition("?")[0]


def _split(address: str) -> SplitResult | None:
    try:
        return urlsplit(address)
    except ValueError:
        return None
