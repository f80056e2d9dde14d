"""Markdown of ours as a tree, for the two forms in which Jira takes texts. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Final
from urllib.parse import unquote

from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode

from pullwright.integrations.markdown import clip

BODY_LIMIT: Final = 30_000
"""Characters of a comment; Jira refuses one with more than 32,767."""

BOXES: Final = {"[ ] ": "☐ ", "[x] ": "☑ "}
"""What begins an item of a list of tasks, and how it is shown where such lists can not be written."""

ADDRESSES: Final = ("https://", "http://", "mailto:")
"""What a link may lead to."""


def parse(text: str) -> SyntaxTreeNode:
    """Return the tree of a text; HTML in it is text."""
    return SyntaxTreeNode(_parser().parse(clip(text, BODY_LIMIT)))


def href_of(node: SyntaxTreeNode) -> str:
    """Return where a link or picture leads; empty where it may not."""
    target = str(node.attrs.get("href") or node.attrs.get("src") or "")
    return target if target.startswith(ADDRESSES) else ""


def mentioned(node: SyntaxTreeNode) -> str:
    """Return the account that a link mentions; empty for another link."""
    kind, _, account = str(node.attrs.get("href") or "").partition(":")
    # The parser writes other letters than English ones as addresses have them.
    return unquote(account) if kind == "mention" else ""


def text_of(nodes: Iterable[SyntaxTreeNode]) -> str:
    """Return the plain text of nodes."""
    return "".join(one.content or ("\n" if one.type.endswith("break") else "") for node in nodes for one in node.walk())


@cache
def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False, "maxNesting": 20}).enable(["table", "strikethrough"])
    # Every address is looked at by us; a link that the parser refuses would stand there as text with its brackets.
    parser.validateLink = lambda url: True  # type: ignore[method-assign]
    return parser
