"""Markdown of ours as Jira's wiki markup, as Data Center takes comments. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final

from markdown_it.tree import SyntaxTreeNode

from pullwright.integrations.jira.syntax import href_of, mentioned, parse, text_of

_SPECIAL: Final = re.compile(r"[\\\[\]{}*_|!+\-?^~#]")
_MARKS: Final[Mapping[str, str]] = {"strong": "*", "em": "_", "s": "-"}
_LANGUAGE: Final = re.compile(r"[A-Za-z0-9+#]{1,20}")
_INSIDE_NAMES: Final = re.compile(r"(?<=\w)[-_+~](?=\w)|(?<=\w)[?!](?=\s|$)|(?<=\s)-(?=\s)")


def to_wiki(text: str, *, people: Collection[str] = ()) -> str:
    """Return a text as wiki markup; see ``to_adf`` for the arguments, with user names for ids."""
    return _Writer(frozenset(people)).blocks(parse(text).children)


class _Writer:
    def __init__(self, people: frozenset[str]) -> None:
        self._people = people
        self._blocks: Mapping[str, Callable[[SyntaxTreeNode], str]] = {
            "paragraph": self._inline,
            "heading": lambda node: f"{node.tag}. {self._inline(node)}",
            "bullet_list": lambda node: self._items(node, "*"),
            "ordered_list": lambda node: self._items(node, "#"),
            "fence": _code,
            "code_block": _code,
            "blockquote": lambda node: f"{{quote}}\n{self.blocks(node.children)}\n{{quote}}",
            "hr": lambda node: "----",
            "table": self._table,
        }

    def blocks(self, nodes: Sequence[SyntaxTreeNode]) -> str:
        """Return blocks, one after another."""
        return "\n\n".join(self._block(node) for node in nodes)

    def _block(self, node: SyntaxTreeNode) -> str:
        write = self._blocks.get(node.type)
        return write(node) if write else _escaped(text_of([node]))

    def _items(self, node: SyntaxTreeNode, marks: str) -> str:
        lines: list[str] = []
        for item in node.children:
            first = f"{marks} "
            for part in item.children:
                if part.type in ("bullet_list", "ordered_list"):
                    lines.append(self._items(part, marks + ("*" if part.type == "bullet_list" else "#")))
                else:
                    lines.append(first + self._block(part))
                    first = ""
        return "\n".join(lines)

    def _table(self, node: SyntaxTreeNode) -> str:
        rows = [row for part in node.children for row in part.children]
        return "\n".join(self._row(row) for row in rows)

    def _row(self, row: SyntaxTreeNode) -> str:
        bar = "||" if row.children and row.children[0].type == "th" else "|"
        return bar + bar.join(self._inline(cell) or " " for cell in row.children) + bar

    def _inline(self, node: SyntaxTreeNode) -> str:
        return "".join(self._piece(child) for child in node.children)

    def _piece(self, node: SyntaxTreeNode) -> str:
        match node.type:
            case "hardbreak":
                return "\n"
            case "softbreak":
                return " "
            case "code_inline":
                return f"{{{{{_escaped(node.content)}}}}}"
            case "link":
                return self._link(node)
            case "image":
                href = href_of(node)
                return f"[{_escaped(node.content) or href}|{href}]" if href else _escaped(node.content or "picture")
            case _ if node.children:
                sign = _MARKS.get(node.type, "")
                return f"{sign}{self._inline(node)}{sign}"
        return _escaped(node.content)

    def _link(self, node: SyntaxTreeNode) -> str:
        if (name := mentioned(node)) in self._people:
            return f"[~{name}]"
        href = href_of(node)
        shown = self._inline(node)
        if not href:
            return shown
        safe = href.replace("|", "%7C").replace("]", "%5D").replace("[", "%5B")
        return f"[{shown}|{safe}]" if text_of([node]) != href else safe


def _escaped(text: str) -> str:
    harmless = {found.start() for found in _INSIDE_NAMES.finditer(text)}
    return _SPECIAL.sub(lambda sign: sign[0] if sign.start() in harmless else "\\" + sign[0], text)


def _code(node: SyntaxTreeNode) -> str:
    words = node.info.split() if node.type == "fence" else []
    language = f":{words[0]}" if words and _LANGUAGE.fullmatch(words[0]) else ""
    # A text with the closing sign in it would end the block early: it is kept apart by a sign of no width.
    text = node.content.rstrip("\n")
    for name in ("code", "noformat"):
        text = text.replace(f"{{{name}}}", f"{{\u200b{name}}}")
    return f"{{code{language}}}\n{text}\n{{code}}"
