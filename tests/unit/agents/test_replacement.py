from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pullwright.agents.errors import ToolFailed
from pullwright.agents.tools.replacement import replace_exactly

words = st.text(st.characters(codec="utf-8", exclude_characters="\r"), min_size=1, max_size=20)


@given(st.binary(max_size=50), words, words, st.binary(max_size=50))
def test_only_the_replaced_bytes_change(head: bytes, old: str, new: str, tail: bytes) -> None:
    content = head + old.encode() + tail
    assume(old != new and content.count(old.encode()) == 1)
    changed, count = replace_exactly(content, old, new, path="f")
    assert count == 1
    assert changed == head + new.encode() + tail or content.index(old.encode()) != len(head)


def test_plain_line_breaks_match_a_file_that_uses_crlf() -> None:
    assert replace_exactly(b"a\r\nb\r\nc\r\n", "a\nb\n", "x\ny\nz\n", path="f") == (b"x\r\ny\r\nz\r\nc\r\n", 1)


def test_text_that_is_there_more_than_once_needs_replace_all() -> None:
    with pytest.raises(ToolFailed, match="2 times in 'f'"):
        replace_exactly(b"a b a", "a", "c", path="f")
    assert replace_exactly(b"a b a", "a", "c", path="f", everywhere=True) == (b"c b c", 2)


def test_a_near_miss_shows_the_nearest_lines_with_their_numbers() -> None:
    content = b"import os\n\ndef total(items):\n    return sum(items)\n"
    with pytest.raises(ToolFailed) as caught:
        replace_exactly(content, "def total(item):\n  return sum(item)\n", "x", path="m.py")
    assert "3\tdef total(items):" in str(caught.value)
    assert "4\t    return sum(items)" in str(caught.value)


def test_text_that_resembles_nothing_says_so() -> None:
    with pytest.raises(ToolFailed, match="resembles"):
        replace_exactly(b"abc\n", "completely different words here", "x", path="f")


def test_equal_texts_are_refused() -> None:
    with pytest.raises(ToolFailed, match="same text"):
        replace_exactly(b"a", "a", "a", path="f")
