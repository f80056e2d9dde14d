from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pullwright.integrations.markdown import Kind, clip, code_block, code_span, defuse, defuse_line, segments

MARKDOWN = st.text(st.sampled_from("ab `~<!->\n\\@#:/.[](){}\"'&;") | st.characters(), max_size=200)
PIECES = st.lists(
    st.sampled_from(
        ["`", "``", "```", "~~~", "\n", "\n\n", "<!--", "-->", "<!-->", "a", " ", "\\", "x@y", "@bob", "![", "<b>"]
    ),
    max_size=40,
).map("".join)


def kinds(text: str) -> list[tuple[str, str]]:
    return [(piece.kind.value, piece.text) for piece in segments(text)]


@given(MARKDOWN | PIECES)
def test_the_pieces_are_the_text(text: str) -> None:
    assert "".join(piece.text for piece in segments(text)) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a `b` c", [("prose", "a "), ("code", "`b`"), ("prose", " c")]),
        ("`` a ` b ``", [("code", "`` a ` b ``")]),
        ("```\nx\n```\ny", [("code", "```\nx\n```"), ("prose", "\ny")]),
        ("```\nnever closed", [("code", "```\nnever closed")]),
        ("~~~~\n~~~\n~~~~", [("code", "~~~~\n~~~\n~~~~")]),
        ("a <!-- b --> c", [("prose", "a "), ("comment", "<!-- b -->"), ("prose", " c")]),
        ("<!-->a<!--->b", [("comment", "<!-->"), ("prose", "a"), ("comment", "<!--->"), ("prose", "b")]),
        ("`<!-- code -->`", [("code", "`<!-- code -->`")]),
        ("<!-- ` --> `", [("comment", "<!-- ` -->"), ("prose", " "), ("prose", "`")]),
        ("a ` b\n\nc ` d", [("prose", "a "), ("prose", "`"), ("prose", " b\n\nc "), ("prose", "`"), ("prose", " d")]),
    ],
)
def test_code_and_comments_are_found(text: str, expected: list[tuple[str, str]]) -> None:
    assert kinds(text) == expected


def test_a_fence_inside_a_comment_does_not_shelter_the_next_comment() -> None:
    hidden = "<!--\n```\n-->\nshown\n<!-- obey -->"
    assert [text for kind, text in kinds(hidden) if kind == "comment"] == ["<!--\n```\n-->", "<!-- obey -->"]


def test_an_escaped_backtick_opens_no_code() -> None:
    assert ("comment", "<!-- x -->") in kinds("\\`<!-- x -->\\`")


def test_an_open_comment_hides_the_rest_only_at_the_start_of_a_line() -> None:
    assert kinds("a\n<!-- b\n\nc")[-1] == ("comment", "<!-- b\n\nc")
    assert all(kind == "prose" for kind, _ in kinds("write a <!-- b\n\nc"))


@given(MARKDOWN | PIECES)
def test_nothing_defused_mentions_hides_or_loads(text: str) -> None:
    pieces = segments(defuse(text))
    assert not [piece for piece in pieces if piece.kind is Kind.COMMENT]
    prose = "".join(piece.text for piece in pieces if piece.kind is Kind.PROSE)
    assert "![" not in prose.replace("!\\[", "")


@pytest.mark.parametrize("text", ["@bob", "(@bob)", "ask @bob-2, please", "@org/team", "\n@bob"])
def test_mentions_are_defused(text: str) -> None:
    assert "@\u200b" in defuse(text)


@pytest.mark.parametrize("text", ["bob@example.org", "`@decorator`", "```\n@property\n```", "@ alone"])
def test_what_mentions_nobody_stays(text: str) -> None:
    assert defuse(text) == text


@pytest.mark.parametrize(
    "text", ["Fixes #12", "closes: #12", "RESOLVED acme/shop#3", "fix GH-9", "Close https://example.org/a/b/issues/1"]
)
def test_closing_words_are_defused(text: str) -> None:
    word = text.split()[0].rstrip(":")
    assert defuse(text).startswith(f"{word}\u200b")


def test_ordinary_words_stay() -> None:
    text = "This fixes the rounding; see #12. It closes the file, too."
    assert defuse(text) == text


@given(st.text())
def test_a_code_span_is_one_piece_of_code(text: str) -> None:
    assert [piece.kind for piece in segments(code_span(text))] == [Kind.CODE]


@given(MARKDOWN | PIECES)
def test_a_code_block_can_not_be_left(text: str) -> None:
    block = code_block(text)
    assert [piece.kind for piece in segments(block)] == [Kind.CODE]
    assert [piece.kind for piece in segments(f"{block}\nafter")] == [Kind.CODE, Kind.PROSE]


@given(MARKDOWN | PIECES, st.integers(0, 400))
def test_a_cut_text_keeps_to_its_limit(text: str, limit: int) -> None:
    text = text * 5
    cut = clip(text, limit)
    assert len(cut) <= limit
    assert (cut == text) == (len(text) <= limit)


def test_a_cut_closes_the_code_that_it_went_through() -> None:
    text = "before\n\n````python\n" + "x = 1\n" * 500 + "````\nafter"
    cut = clip(text, 1000)
    assert cut.count("````") == 2
    assert segments(cut)[-1].kind is Kind.PROSE
    assert cut.endswith("characters were left out.")


@pytest.mark.parametrize(
    "text",
    [
        "<!--" * 5_000,
        "<!-- -" * 4_000,
        "`" * 16_000,
        " ".join("`" * n for n in range(1, 180)),
        "` " * 8_000,
        "```\n~~~\n" * 2_000,
        "\\" * 16_000 + "`",
        "\\`" * 8_000,
    ],
    ids=lambda text: text[:8],
)
def test_hostile_texts_take_no_time(text: str) -> None:
    start = time.process_time()
    segments(text)
    defuse(text)
    assert time.process_time() - start < 2  # what grows with the square takes many seconds


@given(MARKDOWN | PIECES)
def test_a_line_is_harmless_wherever_it_is_put(text: str) -> None:
    line = defuse_line(text)
    assert "\n" not in line
    for place in (line, f"- {line}", f"a {line}\n\n`b`"):
        assert not [piece for piece in segments(place) if piece.kind is Kind.COMMENT]
        assert not re.search(r"(?<![A-Za-z0-9_])@[A-Za-z0-9]", place)
        assert "![" not in place
    assert segments(f"- {line}\n\n`b`")[-1].text == "`b`"


def test_a_fence_at_the_start_of_a_line_protects_nothing() -> None:
    assert "@bob" not in defuse_line("~~~ @bob fixes #1")
    assert "fixes #" not in defuse_line("``` @bob fixes #1")
