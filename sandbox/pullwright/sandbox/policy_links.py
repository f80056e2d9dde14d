"""Where symbolic links lead, through each other, on any file system that a person may use. Pure, no I/O."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Final

MOST_HOPS: Final = 40
"""As many links as Linux follows in one path (path_resolution(7))."""

_IGNORED_BY_HFS: Final = dict.fromkeys(
    [*range(0x200C, 0x2010), *range(0x202A, 0x202F), *range(0x206A, 0x2070), 0xFEFF], None
)
"""Characters that HFS+ does not see in a name (git's ``utf8.c``, ``next_hfs_char``)."""

_GIT: Final = re.compile(r"\.git|git~\d+")
_GITMODULES: Final = re.compile(r"\.gitmodules|gitmod~\d+|gi7eba~\d+")
"""With the short names that NTFS gives (git's ``path.c``, ``is_ntfs_dotgitmodules``)."""

_ABSOLUTE: Final = re.compile(rb"/|[A-Za-z]:|.*[\\\0]", re.DOTALL)
"""A backslash leads elsewhere on Windows than it does here."""


def folded(path: bytes) -> str:
    """Return a path as a file system sees it that knows no case and composes what can be composed."""
    text = path.decode("utf-8", "surrogateescape")
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())


def plain(path: bytes) -> str:
    """Return a path, folded, without what Windows and HFS+ leave out of names."""
    parts = folded(path).translate(_IGNORED_BY_HFS).split("/")
    return "/".join(part.partition(":")[0].rstrip(" .") or part for part in parts)


def is_gitmodules(path: bytes) -> bool:
    """Whether git would read a file as the list of submodules on some file system."""
    return _GITMODULES.fullmatch(plain(path).rpartition("/")[2]) is not None


def link_map(targets: Mapping[bytes, bytes]) -> Mapping[str, bytes]:
    """Return links by the path that a file system without case finds them by, for ``leaves``."""
    return {folded(path): target for path, target in targets.items()}


def leaves(path: bytes, links: Mapping[str, bytes]) -> bool:
    """Whether following a path leads out of the tree, into a ``.git``, or to no end.

    Args:
        path: A path of the tree, or one that starts at its root.
        links: Every link of the tree; see ``link_map``.
    """
    place: list[str] = []
    ahead = _parts(path)
    hops = 0
    while ahead:
        part = ahead.pop()
        if part == b"..":
            if not place:
                return True
            place.pop()
            continue
        if _GIT.fullmatch(plain(part)):
            return True
        place.append(folded(part))
        target = links.get("/".join(place))
        if target is None:
            continue
        hops += 1
        if hops > MOST_HOPS or not target or _ABSOLUTE.match(target):
            return True
        place.pop()
        ahead.extend(_parts(target))
    return False


def _parts(path: bytes) -> list[bytes]:
    """Return the steps of a path, the last one first."""
    return [part for part in reversed(path.split(b"/")) if part not in (b"", b".")]
