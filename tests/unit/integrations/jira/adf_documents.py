"""Documents made of every node and mark that Atlassian's JSON schema of the format names, in any order and depth.

The names are those of ``@atlaskit/adf-schema`` 57.7, ``json-schema/v1/full.json``. What holds what is freer here than
there: other products, older releases and apps write what the schema does not allow.
"""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

Node = dict[str, Any]

SIGNS = "ab1 `*_[]()<>#|\\~&;-+.!:/@=\n\u200b"
WORDS = st.text(st.sampled_from(SIGNS), max_size=12)
NAMES = st.text(st.sampled_from("ab1 *_[]|`"), min_size=1, max_size=8)

MARKS: dict[str, Node] = {
    "alignment": {"align": "center"},
    "annotation": {"id": "a", "annotationType": "inlineComment"},
    "backgroundColor": {"color": "#fff"},
    "border": {"size": 1, "color": "#000"},
    "breakout": {"mode": "wide"},
    "code": {},
    "dataConsumer": {"sources": ["x"]},
    "em": {},
    "fontSize": {"fontSize": "small"},
    "fragment": {"localId": "f", "name": "n"},
    "indentation": {"level": 1},
    "link": {"href": "https://x.y/1"},
    "strike": {},
    "strong": {},
    "subsup": {"type": "sub"},
    "textColor": {"color": "#123456"},
    "underline": {},
}
CONTAINERS: dict[str, Node] = {
    "blockquote": {},
    "bodiedExtension": {"extensionKey": "k", "extensionType": "t"},
    "bodiedSyncBlock": {"resourceId": "r", "localId": "l"},
    "expand": {"title": "More"},
    "layoutColumn": {"width": 50},
    "layoutSection": {},
    "nestedExpand": {"title": "Inside"},
    "panel": {"panelType": "custom", "panelIconText": "!"},
}
LISTS = {
    "bulletList": "listItem",
    "decisionList": "decisionItem",
    "orderedList": "listItem",
    "taskList": "taskItem",
}
CARDS = ("blockCard", "embedCard", "inlineCard")
OTHERS = {
    "blockTaskItem", "caption", "codeBlock", "date", "doc", "emoji", "extension", "hardBreak", "heading",
    "inlineExtension", "media", "mediaGroup", "mediaInline", "mediaSingle", "mention", "paragraph", "placeholder",
    "rule", "status", "syncBlock", "table", "tableCell", "tableHeader", "tableRow", "text",
}  # fmt: skip
KINDS = OTHERS | set(CONTAINERS) | set(LISTS) | set(LISTS.values()) | set(CARDS)


def node(kind: str, content: list[Node] | None = None, **attrs: Any) -> Node:
    return {
        "type": kind,
        **({"attrs": attrs} if attrs else {}),
        **({"content": content} if content is not None else {}),
    }


def _marked(value: str, marks: list[str]) -> Node:
    return {
        "type": "text",
        "text": value,
        "marks": [{"type": mark, **({"attrs": MARKS[mark]} if MARKS[mark] else {})} for mark in marks],
    }


def _media(kind: str, alt: str, linked: bool) -> Node:
    marks = {"marks": [{"type": "link", "attrs": {"href": "https://x.y/m"}}]} if linked else {}
    return {**node(kind, id="m-1", type="file", collection="c", alt=alt), **marks}


INLINE = st.one_of(
    st.builds(_marked, WORDS, st.lists(st.sampled_from(sorted(MARKS)), max_size=3, unique=True)),
    st.just(node("hardBreak", text="\n")),
    st.builds(lambda name: node("mention", id="557058:1", text=f"@{name}"), NAMES),
    st.builds(lambda name: node("emoji", shortName=":x:", text=name), NAMES),
    st.builds(lambda name: node("status", text=name, color="red"), NAMES),
    st.builds(lambda name: node("placeholder", text=name), NAMES),
    st.builds(lambda name: node("inlineExtension", text=name, extensionKey="k"), NAMES),
    st.builds(_media, st.just("mediaInline"), NAMES, st.booleans()),
    st.just(node("date", timestamp="1550286678321")),
    st.just(node("inlineCard", url="https://x.y/c")),
)
LINE = st.lists(INLINE, max_size=4)


def _single(medium: Node, caption: list[Node]) -> Node:
    return node("mediaSingle", [medium, node("caption", caption)], layout="center")


LEAVES = st.one_of(
    st.builds(lambda line: node("paragraph", line, localId="p"), LINE),
    st.builds(lambda line, level: node("heading", line, level=level), LINE, st.integers(1, 6)),
    st.builds(lambda text: node("codeBlock", [{"type": "text", "text": text}], language="python"), WORDS),
    st.builds(lambda name: node("extension", text=name, extensionKey="k", extensionType="t"), NAMES),
    st.builds(_single, st.builds(_media, st.just("media"), NAMES, st.booleans()), LINE),
    st.builds(lambda name: node("mediaGroup", [_media("media", name, linked=False)]), NAMES),
    st.sampled_from(
        [
            node("rule"),
            node("syncBlock", resourceId="r", localId="l"),
            *(node(kind, url="https://x.y/b") for kind in ("blockCard", "embedCard")),
        ]
    ),
)


def _list(kind: str, items: list[list[Node]]) -> Node:
    return node(kind, [node(LISTS[kind], item, state="DONE") for item in items], localId="l")


def _tasks(items: list[list[Node]]) -> Node:
    return node("taskList", [node("blockTaskItem", item, state="TODO") for item in items])


def _table(rows: list[list[list[Node]]]) -> Node:
    kinds = ["tableHeader", *["tableCell"] * len(rows)]
    return node(
        "table",
        [node("tableRow", [node(kind, cell) for cell in row]) for kind, row in zip(kinds, rows, strict=False)],
        layout="default",
    )


def _around(inner: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    some = st.lists(inner, max_size=2)
    return st.one_of(
        st.builds(
            lambda kind, content: node(kind, content, **CONTAINERS[kind]), st.sampled_from(sorted(CONTAINERS)), some
        ),
        st.builds(_list, st.sampled_from(["bulletList", "orderedList"]), st.lists(some, max_size=3)),
        st.builds(_list, st.sampled_from(["taskList", "decisionList"]), st.lists(LINE, max_size=3)),
        st.builds(_tasks, st.lists(some, max_size=2)),
        st.builds(_table, st.lists(st.lists(some, max_size=2), max_size=3)),
    )


DOCUMENTS = st.builds(
    lambda blocks: node("doc", blocks), st.lists(st.recursive(LEAVES, _around, max_leaves=8), max_size=4)
)

SAYING = ("text", "shortName", "title", "url", "alt", "panelIconText")


def said(found: Node) -> list[str]:
    """Return what a document says, in order: its texts, and the attributes that people see."""
    attrs = found.get("attrs", {})
    match found["type"]:
        case "text":
            own = [found["text"]]
        case "hardBreak":
            own = []
        case "date":
            own = ["2019-02-16"]
        case "emoji":
            own = [attrs["text"]]
        case _:
            own = [attrs[name] for name in SAYING if name in attrs]
    links = [mark["attrs"]["href"] for mark in found.get("marks", []) if mark["type"] == "link"]
    empty = found["type"] == "text" and not found["text"].strip()
    return [*([] if empty else links), *own, *(one for child in found.get("content", []) for one in said(child))]


def kinds_in(found: Node) -> set[str]:
    return {found["type"]}.union(*(kinds_in(child) for child in found.get("content", [])))
