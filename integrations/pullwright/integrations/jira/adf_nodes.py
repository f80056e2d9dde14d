"""Nodes of Atlassian documents, whatever shape they come in. Pure; nothing here raises."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

Node = Mapping[str, object]

_INLINE: Final = frozenset(
    {
        "text",
        "hardBreak",
        "mention",
        "emoji",
        "date",
        "status",
        "inlineCard",
        "placeholder",
        "inlineExtension",
        "mediaInline",
    }
)
_SAYING: Final = ("text", "title", "url", "alt", "shortName")
"""Attributes by which nodes say something that is no content."""


def kind_of(node: Node) -> str:
    """Return a node's type; empty when it has none."""
    kind = node.get("type")
    return kind if isinstance(kind, str) else ""


def children(node: Node) -> Iterator[Node]:
    """Return the nodes inside a node; a bare text among them becomes a node."""
    content = node.get("content")
    for child in content if isinstance(content, list | tuple) else [content]:
        if isinstance(child, Mapping):
            yield child
        elif isinstance(child, str):
            yield {"type": "text", "text": child}


def marks_of(node: Node) -> Iterator[Node]:
    """Return what a text or a picture is marked with."""
    return children({"content": node.get("marks")})


def attribute(node: Node, name: str) -> str:
    """Return an attribute as text; empty when there is none."""
    attrs = node.get("attrs")
    value = attrs.get(name) if isinstance(attrs, Mapping) else None
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value) if abs(value) < 1 << 64 else ""
    return value if isinstance(value, str) else ""


def own_text(node: Node) -> str:
    """Return what a node says by itself, besides what is inside."""
    text = node.get("text")
    said = [text if isinstance(text, str) else "", *(attribute(node, name) for name in _SAYING)]
    return " ".join(dict.fromkeys(part for part in said if part))


def is_inline(node: Node) -> bool:
    """Whether a node belongs into a line."""
    kind = kind_of(node)
    return kind in _INLINE or (isinstance(node.get("text"), str) and "content" not in node)


def texts_below(node: Node) -> Iterator[str]:
    """Return every text of a node and what is inside, in order, however deep it is."""
    waiting: list[Node] = [node]
    while waiting:
        found = waiting.pop()
        if kind_of(found) == "hardBreak":
            yield "\n"
        elif said := own_text(found):
            yield said
        waiting += reversed(list(children(found)))
