"""Plain text as Markdown that shows exactly that text. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

_SPECIAL: Final = re.compile(
    r"""[`*\[\]]                       # code, emphasis, links
    |\\(?=[!-/:-@\[-`{-~\n]|$)         # a backslash that would escape what follows
    |(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])  # emphasis, but not the underscore inside a name
    |\A~|~\Z|~(?=~)|(?<=~)~
    |<(?=[A-Za-z/!?])                  # tags and comments
    |&(?=\#?[A-Za-z0-9]{1,32};)        # entities
    """,
    re.VERBOSE,
)
_LINE_START: Final = re.compile(
    r"""^(?P<space>[ \t]*)(?:
    (?P<sign>\#{1,6}(?=[ \t]|$)|[>+|=]|-(?=[ \t-]|$))
    |(?P<number>[0-9]{1,9})(?P<dot>[.)])(?=[ \t]|$)
    )""",
    re.VERBOSE | re.MULTILINE,
)
_ENTITIES: Final = {"<": "&lt;", "&": "&amp;"}


def escape(text: str) -> str:
    """Return text so that Markdown shows it as it is, wherever in a line it stands."""
    return _SPECIAL.sub(_escaped, text)


def escape_starts(text: str) -> str:
    """Return a paragraph of which no line begins a list, a heading, a quote or a table, nor indented code."""
    return _LINE_START.sub(_harmless_start, text)


def _escaped(found: re.Match[str]) -> str:
    return _ENTITIES.get(found[0]) or "\\" + found[0]


def _harmless_start(found: re.Match[str]) -> str:
    if found["number"]:
        return f"{found['number']}\\{found['dot']}"
    return f"\\{found['sign']}"


def joined(pieces: Iterable[str]) -> str:
    """Return pieces of a line side by side, so that none changes what the one before it is."""
    shown: list[str] = [""]
    for piece in pieces:
        before = shown[-1]
        if before.endswith("`") and piece.startswith("`"):
            shown.append(" ")  # two pieces of code would be read as one, with their marks inside
        elif before.endswith("!") and piece.startswith("["):
            shown[-1] = f"{before[:-1]}\\!"  # it would make a picture of a link
        if piece:
            shown.append(piece)
    return "".join(shown)


def heading(level: int, text: str) -> str:
    """Return a heading; signs at its end would be taken for a part of its form."""
    line = one_line(text.replace("\\\n", " "))
    return f"{'#' * level} {line[:-1]}\\#" if line.endswith("#") else f"{'#' * level} {line}"


def one_line(text: str) -> str:
    """Return a text on one line."""
    return " ".join(text.split())


def address(target: str) -> str:
    """Return an address as the target of a link, whatever signs it has."""
    clean = "".join("%20" if c.isspace() else c for c in target if c.isprintable() or c.isspace())
    return clean.replace("<", "%3C").replace(">", "%3E").replace("(", "%28").replace(")", "%29")
