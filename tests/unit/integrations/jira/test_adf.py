"""Atlassian documents to Markdown: every node, nothing lost, nothing that breaks out, nothing that takes long."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pullwright.integrations.jira.adf import MOST_CHARACTERS, MOST_NODES, to_markdown
from pullwright.integrations.jira.adf_writing import to_adf
from pullwright.integrations.jira.wiki import wiki_to_markdown
from pullwright.integrations.untrusted import sanitise
from tests.means import NO_DOCUMENTS
from tests.unit.integrations.jira.shared_payloads import WEBHOOKS, real_texts
from tests.unit.integrations.jira.shown_text import holds_in_order, shown

Node = dict[str, Any]


def doc(*content: Any) -> Node:
    return {"type": "doc", "version": 1, "content": list(content)}


def text(value: str, *marks: str, **link: str) -> Node:
    found: list[Node] = [{"type": mark} for mark in marks]
    found += [{"type": "link", "attrs": {"href": link["href"]}}] if link else []
    return {"type": "text", "text": value, **({"marks": found} if found else {})}


def node(kind: str, *content: Any, **attrs: Any) -> Node:
    return {"type": kind, **({"attrs": attrs} if attrs else {}), "content": list(content)}


def para(*content: Any) -> Node:
    return node("paragraph", *(text(one) if isinstance(one, str) else one for one in content))


ROWS: list[tuple[str, Node, str]] = [
    ("paragraphs", doc(para("a"), para("b")), "a\n\nb"),
    ("heading", doc(node("heading", text("Why"), level=3)), "### Why"),
    ("heading without a level", doc(node("heading", text("Why"), level=99)), "# Why"),
    ("marks", doc(para(text("a", "strong"), text(" b", "em"), text("c", "code"), text("d", "strike"))),
     "**a** *b*`c`~~d~~"),
    ("marks without a form", doc(para(text("a", "underline", "textColor"))), "a"),
    ("link", doc(para(text("docs", href="https://x.y/(a)"))), "[docs](https://x.y/%28a%29)"),
    ("hard break", doc(para("a", node("hardBreak"), "b")), "a\\\nb"),
    ("mention", doc(para(node("mention", id="557058:7", text="@Ann B"))), "[@Ann B](mention:557058:7)"),
    ("mention without a name", doc(para(node("mention", id="7"))), "[@7](mention:7)"),
    ("emoji", doc(para(node("emoji", shortName=":tada:", text="🎉"), node("emoji", shortName=":x:"))), "🎉:x:"),
    ("date", doc(para(node("date", timestamp="1550286678321"))), "2019-02-16"),
    ("date that is none", doc(para(node("date", timestamp="soon"))), "soon"),
    ("status", doc(para(node("status", text="Done"))), r"\[Done\]"),
    ("inline card", doc(para(node("inlineCard", url="https://x.y/1"))), "<https://x.y/1>"),
    ("card with data", doc(node("blockCard", data={"url": "https://x.y", "name": "X"})), "[X](https://x.y)"),
    ("embed", doc(node("embedCard", url="https://x.y/2", layout="wide")), "<https://x.y/2>"),
    ("media", doc(node("mediaSingle", node("media", id="m1", alt="a plan"))), "![a plan](attachment:m1)"),
    ("external media", doc(node("mediaSingle", node("media", type="external", url="https://x.y/p.png"))),
     "![](https://x.y/p.png)"),
    ("caption", doc(node("mediaSingle", node("media", id="m1"), node("caption", text("Fig. 1")))),
     "![](attachment:m1)\n\nFig. 1"),
    ("inline media", doc(para("see ", node("mediaInline", id="m2"))), "see ![](attachment:m2)"),
    ("rule", doc(para("a"), node("rule"), para("b")), "a\n\n---\n\nb"),
    ("code", doc(node("codeBlock", text("x = 1\n"), language="python")), "```python\nx = 1\n```"),
    ("code with a fence", doc(node("codeBlock", text("```\nx"))), "````\n```\nx\n````"),
    ("quote", doc(node("blockquote", para("a"), para("b"))), "> a\n>\n> b"),
    ("panel", doc(node("panel", para("mind"), panelType="warning")), "> **Warning**\n>\n> mind"),
    ("expand", doc(node("expand", para("inside"), title="More")), "> **More**\n>\n> inside"),
    ("list", doc(node("bulletList", node("listItem", para("a")), node("listItem", para("b")))), "- a\n- b"),
    ("numbers", doc(node("orderedList", node("listItem", para("a")), node("listItem", para("b")), order=9)),
     "9. a\n10. b"),
    ("tasks", doc(node("taskList", node("taskItem", text("a"), state="DONE"), node("taskItem", text("b"), state="TODO"),
                       node("taskList", node("taskItem", text("c"), state="TODO")))),
     "- [x] a\n- [ ] b\n  - [ ] c"),
    ("decisions", doc(node("decisionList", node("decisionItem", text("yes"), state="DECIDED"))), "- yes"),
    ("two lists", doc(*(node("bulletList", node("listItem", para(one))) for one in "abc")), "- a\n\n* b\n\n- c"),
    ("two numbered lists", doc(*(node("orderedList", node("listItem", para(one))) for one in "ab")), "1. a\n\n1) b"),
    ("a task that begins with a quote",
     doc(node("taskList", node("blockTaskItem", node("blockquote", para("a")), state="TODO"))),
     "- [ ] \u00a0\n\n  > a"),
    ("linked media", doc(node("mediaGroup", {**node("media", id="m", alt="a"),
                                             "marks": [{"type": "link", "attrs": {"href": "https://x.y"}}]})),
     "[![a](attachment:m)](https://x.y)"),
    ("panel with a sign of its own", doc(node("panel", para("a"), panelType="custom", panelIconText="🚀")),
     "> **🚀 Note**\n>\n> a"),
    ("layout", doc(node("layoutSection", node("layoutColumn", para("l")), node("layoutColumn", para("r")))), "l\n\nr"),
    ("extension", doc(node("extension", extensionKey="toc", text="contents")), "contents"),
    ("bodied extension", doc(node("bodiedExtension", para("body"), extensionKey="x")), "body"),
    ("placeholder", doc(para(node("placeholder", text="type here"))), "type here"),
    ("unknown block", doc(node("hologram", para("kept"), title="T")), "T\n\nkept"),
    ("unknown in a line", doc(para("a ", {"type": "sparkle", "text": "b"}, node("wrap", text(" c")))), "a b c"),
    ("a bare text", doc("loose"), "loose"),
    ("a text node in a document", doc(text("loose")), "loose"),
]  # fmt: skip


@pytest.mark.parametrize(("document", "expected"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_every_node(document: Node, expected: str) -> None:
    assert to_markdown(document) == expected


def test_a_table() -> None:
    head = node("tableRow", node("tableHeader", para("a|b")), node("tableHeader", para("c"), colspan=1))
    cell = node("tableCell", para("one"), node("bulletList", node("listItem", para("two"))))
    row = node("tableRow", cell, node("tableCell", node("codeBlock", text("x\ny"))), node("tableCell", para("")))
    expected = "| a\\|b | c |  |\n| --- | --- | --- |\n| one<br>- two | `x`<br>`y` |  |"
    assert to_markdown(doc(node("table", head, row))) == expected


def test_a_nested_list_is_indented() -> None:
    inner = node("orderedList", node("listItem", para("b"), node("codeBlock", text("c"))))
    shown_list = to_markdown(doc(node("bulletList", node("listItem", para("a"), inner))))
    assert shown_list == "- a\n\n  1. b\n\n     ```\n     c\n     ```"


@pytest.mark.parametrize(
    "value",
    ["# no", "- no", "+ no", "1. no", "> no", "```no", "~~~no", "| no |", "a <!-- b --> c", "<b>no</b>", "[a]: b",
     "***", "&amp; &#65;", "a_b_c __init__", "![x](y)", "\\", "`", "a\\", "=== ", "--- ", "    no", "* * *"],
)  # fmt: skip
def test_plain_text_stays_plain(value: str) -> None:
    markdown = to_markdown(doc(para(value)))
    assert holds_in_order(shown(markdown), [value])
    # What is sent to a model is what a person saw: nothing in it passes for a comment or a hidden definition.
    assert holds_in_order(shown(sanitise(markdown)), [value])


@pytest.mark.parametrize(
    "document",
    [None, 5, [], {}, True, doc(None), doc(5), doc([[]]), {"type": 5, "content": {"type": []}}, {"content": "text"},
     doc({"type": "text", "text": 5, "marks": "x"}), doc({"type": "heading", "attrs": 5, "content": 5}),
     doc({"type": "table", "content": [{"content": [{}]}, 5]}), doc({"type": "mention", "attrs": {"id": 2**80}}),
     doc({"type": "orderedList", "attrs": {"order": "9" * 5000}, "content": [{}]}),
     doc({"type": "date", "attrs": {"timestamp": "9" * 30}})],
)  # fmt: skip
def test_what_is_no_document_raises_nothing(document: Any) -> None:
    assert isinstance(to_markdown(document), str)


def test_a_very_deep_document_keeps_its_text() -> None:
    inner = para("at the bottom")
    for _ in range(20_000):
        inner = node("blockquote", inner)
    assert "at the bottom" in to_markdown(doc(inner))
    item = para("at the bottom")
    for _ in range(300):
        item = node("bulletList", node("listItem", item))
    assert "at the bottom" in to_markdown(doc(item))


def test_what_is_beyond_the_limits_is_said_to_be_left_out() -> None:
    begun = time.monotonic()
    long = to_markdown(doc(para("x" * (MOST_CHARACTERS * 3))))
    many = to_markdown(doc(*(para("y") for _ in range(MOST_NODES * 2))))
    assert time.monotonic() - begun < 20
    for result in (long, many):
        assert len(result) < MOST_CHARACTERS * 2
        assert result.endswith("… the rest of this text was left out.")


TEXTS = st.text(st.sampled_from("ab1 `*_[]()<>#|\\~&;-+.!:/@=\n\u200b"), max_size=12)
INLINE = st.one_of(
    st.builds(text, TEXTS),
    st.builds(text, TEXTS, st.sampled_from(["strong", "em", "code", "strike", "odd"])),
    st.builds(lambda value: text(value, href="https://x.y"), TEXTS),
    st.just(node("hardBreak")),
)
BLOCKS = st.recursive(
    st.one_of(
        st.builds(lambda parts: node("paragraph", *parts), st.lists(INLINE, max_size=4)),
        st.builds(lambda value: node("codeBlock", text(value)), TEXTS),
        st.builds(lambda parts: node("heading", *parts, level=2), st.lists(INLINE, max_size=2)),
    ),
    lambda inner: (
        st.builds(
            lambda kind, parts: node(kind, *parts),
            st.sampled_from(["blockquote", "panel", "expand", "unknown", "layoutSection"]),
            st.lists(inner, max_size=3),
        )
        | st.builds(
            lambda kind, items: node(kind, *(node("listItem", *item) for item in items)),
            st.sampled_from(["bulletList", "orderedList"]),
            st.lists(st.lists(inner, max_size=2), max_size=3),
        )
    ),
    max_leaves=8,
)


def leaves(found: Any) -> list[str]:
    if found.get("type") == "text":
        return [found["text"]]
    return [leaf for child in found.get("content", []) for leaf in leaves(child)]


@given(st.lists(BLOCKS, max_size=4))
def test_no_text_is_lost(blocks: list[Node]) -> None:
    document = doc(*blocks)
    markdown = to_markdown(document)
    assert holds_in_order(shown(markdown), leaves(document)), markdown


@pytest.mark.skipif(not WEBHOOKS.is_dir(), reason=NO_DOCUMENTS)
def test_no_shared_ticket_loses_text() -> None:
    found = list(real_texts())
    assert len(found) > 30
    for wiki in found:
        # As Cloud has it: a document of the same text, there and back again.
        there = to_adf(wiki_to_markdown(wiki))
        back = to_markdown(there)
        assert holds_in_order(shown(back), leaves(there)), wiki
        again = to_adf(back)
        assert "".join(leaves(again)).split() == "".join(leaves(there)).split()
