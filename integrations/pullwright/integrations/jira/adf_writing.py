"""Markdown of ours as an Atlassian document, as Jira Cloud takes comments. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from markdown_it.tree import SyntaxTreeNode

from pullwright.integrations.jira.syntax import BOXES, href_of, mentioned, parse, text_of

Document = dict[str, Any]

_MARKS: Final[Mapping[str, str]] = {"strong": "strong", "em": "em", "s": "strike"}
_NESTABLE: Final = frozenset({"bulletList", "orderedList", "paragraph", "codeBlock"})
"""What a list item or a quote may hold."""


def to_adf(text: str, *, people: Collection[str] = ()) -> Document:
    """Return a text as a document.

    Args:
        text: Markdown; HTML in it is text.
        people: Account ids of those who may be mentioned, written as ``[@Ann](mention:ID)``. A link to anybody else is
            their name, and notifies nobody.
    """
    content = _Writer(frozenset(people)).blocks(parse(text).children)
    return {"type": "doc", "version": 1, "content": content or [_paragraph([])]}


class _Writer:
    def __init__(self, people: frozenset[str]) -> None:
        self._people = people
        self._blocks: Mapping[str, Callable[[SyntaxTreeNode], Document]] = {
            "paragraph": lambda node: _paragraph(self._inline(node)),
            "heading": self._heading,
            "bullet_list": lambda node: {"type": "bulletList", "content": self._items(node)},
            "ordered_list": self._numbered,
            "fence": _code,
            "code_block": _code,
            "blockquote": lambda node: {"type": "blockquote", "content": self._only(_NESTABLE, node.children)},
            "hr": lambda node: {"type": "rule"},
            "table": self._table,
        }

    def blocks(self, nodes: Sequence[SyntaxTreeNode]) -> list[Document]:
        """Return the nodes of blocks."""
        return [self._block(node) for node in nodes]

    def _block(self, node: SyntaxTreeNode) -> Document:
        write = self._blocks.get(node.type)
        return write(node) if write else _paragraph(_text(text_of([node])))

    def _heading(self, node: SyntaxTreeNode) -> Document:
        return {"type": "heading", "attrs": {"level": int(node.tag[1:])}, "content": self._inline(node)}

    def _numbered(self, node: SyntaxTreeNode) -> Document:
        first = int(node.attrs.get("start") or 1)
        return {"type": "orderedList", "attrs": {"order": first}, "content": self._items(node)}

    def _items(self, node: SyntaxTreeNode) -> list[Document]:
        return [{"type": "listItem", "content": self._item(item)} for item in node.children]

    def _item(self, item: SyntaxTreeNode) -> list[Document]:
        content = self._only(_NESTABLE, item.children) or [_paragraph([])]
        if content[0]["type"] == "paragraph":
            # A task list of its own kind can not hold other lists, and would be ticked by people.
            _draw_box(content[0])
        return content if content[0]["type"] == "paragraph" else [_paragraph([]), *content]

    def _only(self, kinds: Collection[str], nodes: Sequence[SyntaxTreeNode]) -> list[Document]:
        """Return blocks for a place that takes only some kinds; what else there is becomes a paragraph."""
        return [
            block if block["type"] in kinds else _paragraph(_text(text_of([node])))
            for node, block in zip(nodes, self.blocks(nodes), strict=True)
        ]

    def _table(self, node: SyntaxTreeNode) -> Document:
        rows = [row for part in node.children for row in part.children]
        return {"type": "table", "content": [{"type": "tableRow", "content": self._cells(row)} for row in rows]}

    def _cells(self, row: SyntaxTreeNode) -> list[Document]:
        return [
            {
                "type": "tableHeader" if cell.type == "th" else "tableCell",
                "attrs": {},
                "content": [_paragraph(self._inline(cell))],
            }
            for cell in row.children
        ]

    def _inline(self, node: SyntaxTreeNode) -> list[Document]:
        return _merged(one for child in node.children for one in self._pieces(child, []))

    def _pieces(self, node: SyntaxTreeNode, marks: list[Document]) -> Iterator[Document]:
        match node.type:
            case "hardbreak":
                yield {"type": "hardBreak"}
            case "softbreak":
                yield from _text(" ", marks)
            case "code_inline":
                # Next to code the format allows a link, and no other mark.
                kept = [mark for mark in marks if mark["type"] == "link"]
                yield from _text(node.content, [*kept, {"type": "code"}])
            case "link":
                yield from self._link(node, marks)
            case "image":
                href = href_of(node)
                yield from _text(node.content or href or "picture", _leading_to(href, marks))
            case _ if node.children:
                mark = _MARKS.get(node.type)
                inner = [*marks, {"type": mark}] if mark and {"type": mark} not in marks else marks
                for child in node.children:
                    yield from self._pieces(child, inner)
            case _:
                yield from _text(node.content, marks)

    def _link(self, node: SyntaxTreeNode, marks: list[Document]) -> Iterator[Document]:
        if (account := mentioned(node)) in self._people:
            yield {"type": "mention", "attrs": {"id": account, "text": text_of([node])}}
            return
        for child in node.children:
            yield from self._pieces(child, _leading_to(href_of(node), marks))


def _paragraph(content: list[Document]) -> Document:
    return {"type": "paragraph", "content": content}


def _text(text: str, marks: Sequence[Document] = ()) -> list[Document]:
    if not text:
        return []
    return [{"type": "text", "text": text, **({"marks": list(marks)} if marks else {})}]


def _merged(pieces: Iterable[Document]) -> list[Document]:
    """Return pieces of a line; texts with the same marks that stand side by side are one text."""
    merged: list[Document] = []
    for piece in pieces:
        last = merged[-1] if merged else {}
        if piece["type"] == last.get("type") == "text" and piece.get("marks") == last.get("marks"):
            last["text"] += piece["text"]
        else:
            merged.append(piece)
    return merged


def _code(node: SyntaxTreeNode) -> Document:
    language = node.info.split()[0] if node.type == "fence" and node.info.strip() else ""
    attrs = {"attrs": {"language": language}} if language else {}
    return {"type": "codeBlock", **attrs, "content": _text(node.content.rstrip("\n"))}


def _leading_to(href: str, marks: list[Document]) -> list[Document]:
    """Return marks with a link; a text can have but one, so that of a picture gives way to that around it."""
    has_one = any(mark["type"] == "link" for mark in marks)
    return [*marks, {"type": "link", "attrs": {"href": href}}] if href and not has_one else marks


def _draw_box(paragraph: Document) -> None:
    first = paragraph["content"][0] if paragraph["content"] else {}
    text = first.get("text", "")
    if box := BOXES.get(text[:4].lower()):
        first["text"] = box + text[4:]
