"""Atlassian Document Format to Markdown, as Jira Cloud gives texts. Pure; never raises, whatever it is given.

Every text of a document is in the result, in order: of nodes that are not known here the text is kept and the form is
lost. Only what is beyond a limit is left out, and then the result says so.

Source: Atlassian's documentation of the format; the nodes that it does not list come from documents of real sites.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from itertools import groupby
from typing import Final

from pullwright.integrations.jira.adf_nodes import (
    Node,
    attribute,
    children,
    is_inline,
    kind_of,
    marks_of,
    own_text,
    texts_below,
)
from pullwright.integrations.jira.escaping import address, escape, escape_starts, heading, joined, one_line
from pullwright.integrations.markdown import code_block, code_span

MOST_CHARACTERS: Final = 400_000
MOST_NODES: Final = 50_000
DEEPEST: Final = 40
"""Nodes below that are shown as plain text; nobody nests lists that deep."""

_NOTHING: Final = "\u00a0"
"""Stands in an empty list item; without it lists in lists would be read as a line across the page."""

_LISTS: Final = {"bulletList": "-", "decisionList": "-", "taskList": "-", "orderedList": "1"}
"""Which lists Markdown writes alike."""

_BLOCK_START: Final = re.compile(r"[>|#]|`{3}|---|[-*] |[0-9]{1,9}[.)] ")
"""How blocks that are no paragraph begin; behind the box of a task they would be text."""

_PANELS: Final = {
    "info": "Info",
    "note": "Note",
    "tip": "Tip",
    "success": "Success",
    "warning": "Warning",
    "error": "Error",
}


def to_markdown(document: object, *, files: Collection[str] = ()) -> str:
    """Return a document as Markdown; a text that is no document is returned as it is.

    Mentions are links to ``mention:ID``, attachments are images at ``attachment:NAME``, or at ``attachment:ID`` where
    the document does not say which of the ``files`` of the ticket it means.
    """
    if isinstance(document, str):
        return document[:MOST_CHARACTERS]
    writer = _Writer(frozenset(files))
    text = writer.blocks([document] if isinstance(document, Mapping) else document, 0)
    return f"{text}\n\n… the rest of this text was left out." if writer.cut else text


class _Writer:
    def __init__(self, files: frozenset[str]) -> None:
        self._files = files
        self._nodes = MOST_NODES
        self._characters = MOST_CHARACTERS
        self._second = False
        """Whether the list that is written follows another one of its sort."""
        self._cells = 0
        """Of tables that are being written; in them everything is on one line."""
        self.cut = False
        self._blocks: Mapping[str, Callable[[Node, int], str]] = {
            "paragraph": self._paragraph,
            "heading": self._heading,
            "bulletList": self._bullets,
            "orderedList": self._numbered,
            "taskList": self._tasks,
            "decisionList": self._bullets,
            "codeBlock": self._code,
            "panel": self._panel,
            "expand": self._expand,
            "nestedExpand": self._expand,
            "blockquote": self._quote,
            "table": self._table,
            "rule": lambda node, depth: "---",
            "media": lambda node, depth: self._media(node),
            "blockCard": lambda node, depth: self._card(node),
            "embedCard": lambda node, depth: self._card(node),
        }
        self._inlines: Mapping[str, Callable[[Node], str]] = {
            "text": self._text,
            "hardBreak": lambda node: "\\\n",
            "mention": self._mention,
            "emoji": lambda node: self._plain(attribute(node, "text") or attribute(node, "shortName")),
            "date": lambda node: self._plain(_date(attribute(node, "timestamp"))),
            "status": lambda node: self._plain(f"[{attribute(node, 'text')}]"),
            "inlineCard": self._card,
            "mediaInline": self._media,
        }

    # Blocks

    def blocks(self, nodes: object, depth: int, *, joint: str = "\n\n") -> str:
        found = [node for node in children({"content": nodes}) if self._take()]
        parts: list[str] = []
        for inline, run in groupby(found, key=is_inline):
            if inline:
                parts.append(escape_starts(self._run(list(run), depth)))
            else:
                parts += self._apart(run, depth)
        return joint.join(part for part in parts if part.strip())

    def _apart(self, nodes: Iterable[Node], depth: int) -> Iterator[str]:
        """Write blocks; of lists of one sort that follow each other every second has other signs, or they were one."""
        last, second = "", False
        for node in nodes:
            sort = _LISTS.get(kind_of(node), "")
            self._second = second = bool(sort) and sort == last and not second
            part = self._block(node, depth)
            if part.strip():
                last = sort
                yield part

    def _block(self, node: Node, depth: int) -> str:
        if depth > DEEPEST:
            return escape_starts(self._flat(node))
        write = self._blocks.get(kind_of(node))
        return write(node, depth + 1) if write else self._unknown(node, depth + 1)

    def _unknown(self, node: Node, depth: int) -> str:
        """Return what is inside a node that only arranges it, or that is not known."""
        said = self._plain(own_text(node))
        return "\n\n".join(part for part in (escape_starts(said), self.blocks(node.get("content"), depth)) if part)

    def _paragraph(self, node: Node, depth: int) -> str:
        return escape_starts(self._inline(node, depth))

    def _heading(self, node: Node, depth: int) -> str:
        level = attribute(node, "level")
        return heading(int(level) if level in set("123456") else 1, self._inline(node, depth))

    def _bullets(self, node: Node, depth: int) -> str:
        sign = "* " if self._second else "- "
        return "\n".join(self._item(sign, child, depth) for child in self._children(node))

    def _numbered(self, node: Node, depth: int) -> str:
        order = attribute(node, "order")
        first = int(order) if order.isdecimal() and len(order) < 7 else 1
        sign = ")" if self._second else "."
        items = enumerate(self._children(node), first)
        return "\n".join(self._item(f"{number}{sign} ", child, depth) for number, child in items)

    def _tasks(self, node: Node, depth: int) -> str:
        lines = []
        sign = "*" if self._second else "-"
        for child in self._children(node):
            if kind_of(child) == "taskList":
                lines.append(_indent(self._block(child, depth), "  ", "  "))
            else:
                done = "x" if attribute(child, "state") == "DONE" else " "
                lines.append(self._item(f"{sign} [{done}] ", child, depth, indent="  "))
        return "\n".join(lines)

    def _item(self, mark: str, node: Node, depth: int, *, indent: str = "") -> str:
        if depth > DEEPEST:
            return f"{mark}{one_line(self._flat(node))}"
        own = self._plain(own_text(node))
        inside = "\n\n".join(part for part in (own, self.blocks(node.get("content"), depth + 1)) if part)
        if indent and _BLOCK_START.match(inside):
            inside = f"{_NOTHING}\n\n{inside}"
        return _indent(inside or _NOTHING, mark, indent or " " * len(mark))

    def _code(self, node: Node, depth: int) -> str:
        text = self._spent("".join(texts_below(node)))
        if self._cells:
            return "\n".join(code_span(line) for line in text.split("\n") if line.strip())
        language = "".join(c for c in attribute(node, "language")[:30] if c.isalnum() or c in "+#-_.")
        return code_block(text).replace("text", language, 1)

    def _panel(self, node: Node, depth: int) -> str:
        name = _PANELS.get(attribute(node, "panelType"), "Note")
        return self._titled(f"{attribute(node, 'panelIconText')} {name}", node, depth)

    def _expand(self, node: Node, depth: int) -> str:
        return self._titled(attribute(node, "title"), node, depth)

    def _quote(self, node: Node, depth: int) -> str:
        return self._titled("", node, depth)

    def _titled(self, title: str, node: Node, depth: int) -> str:
        shown = one_line(self._plain(title))
        inside = self.blocks(node.get("content"), depth)
        text = "\n\n".join(part for part in (f"**{shown}**" if shown else "", inside) if part)
        return _indent(text or " ", "> ", "> ", blank=">")

    def _table(self, node: Node, depth: int) -> str:
        rows = [[self._cell(cell, depth) for cell in self._children(row)] for row in self._children(node)]
        width = max((len(row) for row in rows), default=0)
        if not width:
            return self._plain(own_text(node))
        if self._cells:  # a table in a table
            return "\n".join(" · ".join(row) for row in rows)
        full = [row + [""] * (width - len(row)) for row in rows]
        lines = [f"| {' | '.join(row)} |" for row in full]
        return "\n".join([lines[0], f"|{' --- |' * width}", *lines[1:]])

    def _cell(self, cell: Node, depth: int) -> str:
        self._cells += 1
        text = self.blocks(cell.get("content"), depth, joint="\n") or self._plain(own_text(cell))
        self._cells -= 1
        line = text.replace("\\\n", "<br>").replace("\n", "<br>")
        return line if self._cells else line.replace("|", "\\|")

    # Inside a block

    def _inline(self, node: Node, depth: int) -> str:
        return self._plain(own_text(node)) + self._run(list(self._children(node)), depth)

    def _run(self, nodes: list[Node], depth: int) -> str:
        return joined(self._one(node, depth) for node in nodes).strip(" ")

    def _one(self, node: Node, depth: int) -> str:
        write = self._inlines.get(kind_of(node))
        if write:
            return write(node)
        if depth > DEEPEST or not is_inline(node):
            return self._flat(node)
        return self._plain(own_text(node)) + self._run(list(self._children(node)), depth + 1)

    def _text(self, node: Node) -> str:
        raw = node.get("text")
        text = self._spent(raw) if isinstance(raw, str) else ""
        marks = {kind_of(mark): mark for mark in marks_of(node)}
        lead, tail = text[: len(text) - len(text.lstrip())], text[len(text.rstrip()) :]
        inner = text.strip()
        if not inner:
            return text.replace("\n", " ")
        # A line end inside a text node is shown as a blank.
        shown = code_span(inner) if "code" in marks else escape(inner.replace("\n", " "))
        for mark, sign in (("strike", "~~"), ("em", "*"), ("strong", "**")):
            shown = f"{sign}{shown}{sign}" if mark in marks else shown
        href = attribute(marks["link"], "href") if "link" in marks else ""
        shown = f"[{shown}]({address(href)})" if href else shown
        return f"{lead}{shown}{tail}".replace("\n", " ")

    def _mention(self, node: Node) -> str:
        name = one_line(attribute(node, "text")).lstrip("@") or attribute(node, "id") or "somebody"
        account = attribute(node, "id")
        shown = f"@{self._plain(name)}"
        return f"[{shown}]({address('mention:' + account)})" if account else shown

    def _card(self, node: Node) -> str:
        data = node.get("attrs")
        inner = data.get("data") if isinstance(data, Mapping) else None
        url = attribute(node, "url") or (attribute({"attrs": inner}, "url") if inner else "")
        name = attribute({"attrs": inner}, "name") if inner else ""
        if not url:
            return self._plain(name or own_text(node))
        return f"[{self._plain(name)}]({address(url)})" if name else f"<{address(self._spent(url))}>"

    def _media(self, node: Node) -> str:
        alt = attribute(node, "alt")
        # What hangs on the ticket is known by its name; the id is of a store that nobody reads from here.
        known = alt if alt in self._files else attribute(node, "id")
        where = attribute(node, "url") or f"attachment:{known}"
        picture = f"![{one_line(self._plain(alt))}]({address(where)})"
        href = next((attribute(mark, "href") for mark in marks_of(node) if kind_of(mark) == "link"), "")
        return f"[{picture}]({address(href)})" if href else picture

    # What limits it

    def _children(self, node: Node) -> Iterator[Node]:
        return (child for child in children(node) if self._take())

    def _take(self) -> bool:
        self._nodes -= 1
        self.cut = self.cut or self._nodes < 0
        return self._nodes >= 0

    def _plain(self, text: str) -> str:
        return escape(self._spent(text)).replace("\n", " ")

    def _flat(self, node: Node) -> str:
        return self._plain(" ".join(texts_below(node)))

    def _spent(self, text: str) -> str:
        kept = text[: max(self._characters, 0)]
        self._characters -= len(kept)
        self.cut = self.cut or len(kept) < len(text)
        return kept


def _indent(text: str, first: str, rest: str, *, blank: str = "") -> str:
    lines = text.split("\n")
    return "\n".join([first + lines[0], *(rest + line if line else blank for line in lines[1:])])


def _date(stamp: str) -> str:
    try:
        return datetime.fromtimestamp(int(stamp) / 1000, UTC).date().isoformat()
    except (ValueError, OverflowError, OSError):
        return stamp
