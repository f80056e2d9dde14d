"""Markdown of ours as a tree, for the two forms in which Jira takes texts. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode

from pullwright.integrations.markdown import clip

BODY_LIMIT: Final = 30_000
"""Characters of a comment; Jira refuses one with more than 32,767."""

ADDRESSES: Final = ("https://", "http://", "mailto:")
"""What a link may lead to."""


def parse(text: str) -> SyntaxTreeNode:
    """Return the tree of a text; HTML in it is text."""
    return SyntaxTreeNode(_parser().parse(clip(text, BODY_LIMIT)))


def href_of(node: SyntaxTreeNode) -> str:
    """Return where a link or picture leads; empty where it may not."""
    target = str(node.attrs.get("href") or node.attrs.get("src") or "")
    return target if target.startswith(ADDRESSES) else ""


def task_state(item: SyntaxTreeNode) -> tuple[str, str]:
    """Return the box of a list item, ``[ ]`` or ``[x]``, and the text behind it; no box when it has none."""
    first = next((node for node in item.walk() if node.type == "text"), None)
    text = first.content if first else ""
    for box in ("[ ] ", "[x] ", "[X] "):
        if text.startswith(box):
            return box.strip().lower(), text[len(box) :]
    return "", text


def text_of(nodes: Iterable[SyntaxTreeNode]) -> str:
    """Return the plain text of nodes."""
    return "".join(one.content or ("\n" if one.type.endswith("break") else "") for node in nodes for one in node.walk())


@cache
def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False, "maxNesting": 20}).enable(["table", "strikethrough"])
    # Every address is looked at by us; a link that the parser refuses would stand there as text with its brackets.
    parser.validateLink = lambda url: True  # type: ignore[method-assign]
    return parser
