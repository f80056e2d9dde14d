"""What a reader sees of a Markdown text."""

from __future__ import annotations

import re

from markdown_it import MarkdownIt

_PARSER = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
_PARSER.validateLink = lambda url: True  # type: ignore[method-assign]


def shown(markdown: str) -> str:
    """Return the text and the addresses, without blanks: where lines end is not looked at."""
    parts: list[str] = []
    for token in _PARSER.parse(markdown):
        if token.type in ("fence", "code_block"):
            parts.append(token.content)
        for child in token.children or ():
            inner = [one.content for one in child.children or ()] if child.type == "image" else [child.content]
            parts += [*inner, str(child.attrs.get("href", "")), str(child.attrs.get("src", ""))]
    return squeezed("".join(parts))


def squeezed(text: str) -> str:
    return re.sub(r"\s+", "", text)


def holds_in_order(text: str, pieces: list[str]) -> bool:
    """Whether all pieces are in a text, one after another."""
    position = 0
    for piece in pieces:
        found = text.find(squeezed(piece), position)
        if found < 0:
            return False
        position = found + len(squeezed(piece))
    return True
