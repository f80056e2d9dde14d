"""Wiki markup to Markdown: what is certain is converted, the rest stays, and no word is lost."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pullwright.integrations.jira.wiki import MOST_CHARACTERS, wiki_to_markdown
from tests.means import NO_DOCUMENTS
from tests.unit.integrations.jira.shared_payloads import WEBHOOKS, real_texts
from tests.unit.integrations.jira.shown_text import shown

ROWS = [
    ("h2. Why\ntext", "## Why\n\ntext"),
    ("*b* _i_ {{m}}", "**b** *i* `m`"),
    ("a*b*c 2*3*4 snake_case_name", r"a\*b\*c 2\*3\*4 snake_case_name"),
    ("{code:python}\nx = '*no*'\n{code}", "```python\nx = '*no*'\n```"),
    ("{code:title=A.java|borderStyle=solid}\nx\n{code}", "**A.java**\n\n```\nx\n```"),
    ("{noformat}\n[~x] h1.\n{noformat}", "```\n[~x] h1.\n```"),
    ("{quote}\na\n\nb\n{quote}", "> a\n>\n> b"),
    ("bq. said", "> said"),
    ("{panel:title=Mind}\nit\n{panel}", "> **Mind**\n>\n> it"),
    ("* a\n** b\n# c", "- a\n   - b\n1. c"),
    ("- a\n- b", "- a\n- b"),
    ("||a||b||\n|1|2|", "| a | b |\n| --- | --- |\n| 1 | 2 |"),
    ("|a [x|https://y.z] b|c|", "| a [x](https://y.z) b | c |\n| --- | --- |"),
    ("[text|https://x.y/a] [https://x.y/b]", "[text](https://x.y/a) <https://x.y/b>"),
    ("see https://x.y/c_d_e.", "see <https://x.y/c_d_e.>"),
    ("[~ann] [~accountid:557058:7-a]", "[@ann](mention:ann) [@557058:7-a](mention:557058:7-a)"),
    ("!screen shot.png|thumbnail! wow! really!", "![screen shot.png](attachment:screen%20shot.png) wow! really!"),
    ("[^log.txt]", "[log.txt](attachment:log.txt)"),
    ("{color:red}loud{color}", "loud"),
    ("----", "---"),
    ("one\ntwo", "one\\\ntwo"),
    ("{code}\nnever closed", "{code}\n\nnever closed"),
    ("\\[no link\\] \\{x}", r"\[no link\] {x}"),
    ("# one", "1. one"),
    ("1. one", r"1\. one"),
    ("> not a quote", r"\> not a quote"),
    ("<!-- seen -->", "&lt;!-- seen -->"),
    ("", ""),
]


@pytest.mark.parametrize(("wiki", "expected"), ROWS)
def test_what_is_certain_is_converted(wiki: str, expected: str) -> None:
    assert wiki_to_markdown(wiki) == expected


MARKS = re.compile(r"\{(?:code|noformat|quote|panel|color)[^}\n]*\}|h[1-6]\.|bq\.|accountid:")
WORD = re.compile(r"[A-Za-z0-9]+")


@pytest.mark.skipif(not WEBHOOKS.is_dir(), reason=NO_DOCUMENTS)
def test_no_shared_ticket_loses_a_word() -> None:
    for wiki in real_texts():
        seen = shown(wiki_to_markdown(wiki))
        missing = [word for word in WORD.findall(MARKS.sub(" ", wiki)) if word not in seen]
        assert missing == [], wiki


@given(st.lists(st.sampled_from(
    ["{code}", "{quote}", "{noformat}", "{panel:title=t}", "word", "*", "_", "[", "]", "|", "~", "\n", " ", "h1. ", "!",
     "{{", "}}", "\\", "https://x.y", "- ", "# ", "||", "^", ".png", "bq. ", "----", "`", "<!--", "\r\n"],
), max_size=40))  # fmt: skip
def test_anything_is_converted_and_no_word_is_lost(pieces: list[str]) -> None:
    wiki = "".join(pieces)
    markdown = wiki_to_markdown(wiki)
    assert shown(markdown).count("word") >= wiki.count("word")


@pytest.mark.parametrize(
    "piece",
    ["{code}", "{quote}", "[", "*a", "|", "{{", "!a", "h1. ", "\n* a", "a\n", "[a|", "_ ", "{color:", "{quote}a", "||a",
     "[~", "https://", "\\", "`", "[^", "*a*", "{panel:", "<!--", "!a.png", "bq. a\n"],
)  # fmt: skip
def test_hostile_texts_take_no_time(piece: str) -> None:
    begun = time.monotonic()
    wiki_to_markdown(piece * (200_000 // len(piece)))
    assert time.monotonic() - begun < 8


def test_a_text_without_end_is_cut() -> None:
    assert wiki_to_markdown("x " * MOST_CHARACTERS).endswith("… the rest of this text was left out.")
