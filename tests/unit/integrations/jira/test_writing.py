"""Markdown of ours as documents and as wiki markup."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pullwright.integrations.jira.adf import to_markdown
from pullwright.integrations.jira.adf_writing import to_adf
from pullwright.integrations.jira.escaping import address
from pullwright.integrations.jira.syntax import BODY_LIMIT
from pullwright.integrations.jira.wiki import wiki_to_markdown
from pullwright.integrations.jira.wiki_writing import to_wiki
from tests.unit.integrations.jira.shown_text import shown, squeezed

EVERYTHING = """\
## Plan

- [x] look at `total_of`
- [ ] **now:** fix

1. one
2. two
   - inner

> a *quote* with ~~marks~~

| a | b |
| --- | --- |
| 1 | [two](https://x.y/2) |

---

```python
x = {1}  # *not bold*
```

Pull request: <https://git.example/acme/shop/pull/7>"""


def test_a_document_and_back_again() -> None:
    back = to_markdown(to_adf(EVERYTHING))
    expected = EVERYTHING.replace("[x] ", "☑ ").replace("[ ] ", "☐ ").replace("   - inner", "\n   - inner")
    pull = "https://git.example/acme/shop/pull/7"
    expected = expected.replace(f"<{pull}>", f"[{pull}]({pull})")
    assert back == expected


def test_wiki_markup_and_back_again() -> None:
    wiki = to_wiki(EVERYTHING)
    for line in ("h2. Plan", "* \\[x\\] look at {{total_of}}", "# one", "#* inner", "||a||b||", "|1|[two|https://x.y/2]|",
                 "----", "{code:python}", "x = {1}  # *not bold*", "https://git.example/acme/shop/pull/7"):  # fmt: skip
        assert line in wiki.split("\n") or line in wiki, line
    assert squeezed("x = {1}  # *not bold*") in shown(wiki_to_markdown(wiki))


@pytest.mark.parametrize(
    "target", ["javascript:alert(1)", "data:text/html,x", "//evil", "file:///etc/passwd", "mention:EVE"]
)
def test_a_link_leads_nowhere_else(target: str) -> None:
    text = f"[click]({target})"
    assert json.dumps(to_adf(text)).count("click") == 1
    assert "href" not in json.dumps(to_adf(text))
    assert to_wiki(text) == "click"


def test_only_named_people_are_mentioned() -> None:
    text = "[@Ann](mention:557058:ann) and [@Eve](mention:557058:eve) and [~557058:eve]"
    document = json.dumps(to_adf(text, people=["557058:ann"]))
    assert document.count('"mention"') == 1
    wiki = to_wiki("[@Ann](mention:ann) [~eve] {{[~eve]}} `[~eve]`", people=["ann"])
    assert wiki.replace("\\[", "").count("[~") == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("- [x] done", "☑ done"),
        ("- [X] done", "☑ done"),
        ("- `code`[ ] text", "code[ ] text"),
        ("- [@Ann](mention:ann)[ ] text", "[ ] text"),
        ("- \n  - [ ] inner", "☐ inner"),
    ],
)
def test_a_box_is_drawn_where_it_stands_and_nothing_is_lost(text: str, expected: str) -> None:
    found = [node["text"] for node in walk(to_adf(text, people=["ann"])) if node["type"] == "text"]
    assert "".join(found) == expected


def test_a_text_leads_to_one_place() -> None:
    [found] = [node for node in walk(to_adf("[![plan](https://x.y/1)](https://x.y/2)")) if node["type"] == "text"]
    assert found["marks"] == [{"type": "link", "attrs": {"href": "https://x.y/2"}}]


@pytest.mark.parametrize("name", ["jürgen", "ann@acme.example", "a-b.c", "o'neil"])
def test_names_of_any_letters_are_mentioned(name: str) -> None:
    text = f"[@{name}]({address(f'mention:{name}')})"
    assert [node["attrs"]["id"] for node in walk(to_adf(text, people=[name])) if node["type"] == "mention"] == [name]
    assert to_wiki(text, people=[name]) == f"[~{name}]"
    assert to_wiki(f"[@{name}](x:{name})", people=[name]) == to_wiki(f"@{name}")


def test_code_can_not_leave_its_block() -> None:
    wiki = to_wiki("```\na\n{code}\n[~eve]\n```")
    assert wiki.count("{code}") == 2
    assert wiki_to_markdown(wiki).startswith("```\na\n")


def walk(node: dict[str, Any]) -> list[dict[str, Any]]:
    return [node, *(found for child in node.get("content", []) for found in walk(child))]


PIECES = st.lists(st.sampled_from(
    ["# ", "- ", "1. ", "> ", "```\n", "`", "*", "**", "word", " ", "\n", "\n\n", "[", "](https://x.y)",
     "| a |\n|---|\n", "![", "<b>", "~~", "\\", "---\n", "&amp;", "    ", "[x] ", "- [ ] ", "@eve", "{code}", "[~eve]"],
), max_size=30)  # fmt: skip


@given(PIECES)
def test_every_document_is_one_that_jira_takes(pieces: list[str]) -> None:
    text = "".join(pieces)
    document = to_adf(text)
    assert document["type"] == "doc"
    for node in walk(document):
        kinds = [child["type"] for child in node.get("content", [])]
        if node["type"] == "text":
            assert node["text"]
            marks = [mark["type"] for mark in node.get("marks", [])]
            assert len(marks) == len(set(marks))
            assert "code" not in marks or set(marks) <= {"code", "link"}
        if node["type"] == "listItem":
            assert kinds[0] == "paragraph"
            assert set(kinds) <= {"paragraph", "bulletList", "orderedList", "codeBlock"}
        if node["type"] == "codeBlock":
            assert all("marks" not in child for child in node["content"])
    assert json.dumps(document).count("word") >= text.count("word")
    assert to_wiki(text).count("word") >= text.count("word")
    if "    " not in text and "```" not in text:  # in code nobody is mentioned
        assert "[~eve]" not in to_wiki(text).replace("\\[", "")


def test_a_text_without_end_is_cut() -> None:
    assert len(json.dumps(to_adf("word " * BODY_LIMIT))) < 2 * BODY_LIMIT
    assert len(to_wiki("word " * BODY_LIMIT)) <= BODY_LIMIT
