"""Markdown as far as safety needs it: where code is, where comments hide, how to cut a text. Pure."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby

_START = re.compile(r"(?P<comment><!--)|^(?P<fence> {0,3}(?:`{3,}(?=[^`\n]*$)|~{3,}))|(?P<ticks>`+)", re.MULTILINE)
_COMMENT_END = re.compile(r"--!?>")
_TICKS = re.compile(r"`+")
_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})", re.MULTILINE)
_BLANK_LINE = re.compile(r"\n[ \t]*\n")
_MENTION = re.compile(r"(?<![A-Za-z0-9_])@(?=[A-Za-z0-9])")
_KEYWORD = re.compile(
    r"\b(close[sd]?|fix(?:e[sd])?|resolve[sd]?)(?=:?\s+(?:[\w.-]+/[\w.-]+)?(?:#|GH-|https?://))", re.IGNORECASE
)
_TAG = re.compile(r"<(?=[A-Za-z/!?])")
_COMMENT_DEPTH = 10
_LONGEST_FENCE = 60
ZERO_WIDTH_SPACE = "\u200b"


class Kind(StrEnum):
    """What a piece of Markdown is."""

    PROSE = "prose"
    CODE = "code"
    """A fenced block or a span between backticks, with its marks."""
    COMMENT = "comment"
    """An HTML comment, which a reader does not see."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of Markdown."""

    kind: Kind
    text: str


def segments(text: str) -> list[Segment]:
    """Take a text apart, from left to right as a renderer would; joined together the pieces are the text.

    Code inside a comment is comment, a comment inside code is code: whichever begins first.
    """
    return _Scanner(text).run()


def rewrite(text: str, *, prose: Callable[[str], str], code: Callable[[str], str]) -> str:
    """Apply a function to all prose and another to all code; comments are dropped."""
    runs = groupby(segments(without_comments(text)), key=lambda piece: piece.kind is Kind.CODE)
    return "".join((code if is_code else prose)("".join(piece.text for piece in run)) for is_code, run in runs)


def without_comments(text: str) -> str:
    """Drop the comments, and those that are put together by dropping them, up to a depth that no person writes."""
    for _ in range(_COMMENT_DEPTH):
        pieces = segments(text)
        if all(piece.kind is not Kind.COMMENT for piece in pieces):
            break
        text = "".join(piece.text for piece in pieces if piece.kind is not Kind.COMMENT)
    return text


def defuse(text: str) -> str:
    """Return a text that notifies nobody, closes no issue, loads no picture and hides nothing when it is rendered."""
    return rewrite(text, prose=_defuse_prose, code=str)


def defuse_line(text: str) -> str:
    """Return one line so that it does none of that wherever in a text it is put; no mark in it makes code of the rest.

    ``defuse`` reads a whole text: it leaves alone what is code there, and that may be none in the middle of a line.
    """
    return _defuse_prose(" ".join(text.split()).replace("`", "'"))


def code_span(text: str) -> str:
    """Return a text as code on one line, whatever backticks and line ends it has."""
    flat = " ".join(text.split()) or " "
    ticks = "`" * (_longest_run(flat) + 1)
    pad = " " if flat[0] == "`" or flat[-1] == "`" else ""
    return f"{ticks}{pad}{flat}{pad}{ticks}"


def code_block(text: str) -> str:
    """Return a text as a fenced block that it can not leave."""
    fence = "`" * max(_longest_run(text) + 1, 3)
    return f"{fence}text\n{text.rstrip()}\n{fence}"


def bullets(lines: Iterable[str]) -> str:
    """Return a list, one line for each; what is empty is left out."""
    return "\n".join(f"- {line}" for line in lines if line)


def close_code(text: str) -> str:
    """Close the code block that a text leaves open, so that what follows is not swallowed."""
    fence = _open_fence(text)
    return f"{text.rstrip(chr(10))}\n{fence}" if fence else text


def clip(text: str, limit: int) -> str:
    """Cut a text at a limit of characters, close the code block that the cut went through, and say how much is gone."""
    if len(text) <= limit:
        return text
    # Room for the longest fence that a cut may have to close, and for the note.
    keep = max(limit - _LONGEST_FENCE - 100, 0)
    kept = text[:keep]
    kept = kept[: kept.rfind("\n") + 1] or kept
    fence = _open_fence(kept)
    if len(fence) > _LONGEST_FENCE:
        kept = kept[: kept.rfind(fence)]
    note = f"\n\n… {len(text) - len(kept)} characters were left out."
    return (close_code(kept).rstrip("\n") + note)[:limit]


class _Scanner:
    def __init__(self, text: str) -> None:
        self._text = text
        self._pieces: list[Segment] = []
        # Known beforehand, so that a thousand open comments do not search to the end a thousand times.
        self._last_comment_end = max(text.rfind("-->"), text.rfind("--!>"))
        self._runs: dict[int, list[int]] = defaultdict(list)
        for match in _TICKS.finditer(text):
            self._runs[len(match[0])].append(match.start())

    def run(self) -> list[Segment]:
        position = 0
        while found := _START.search(self._text, position):
            kind, start, end = self._construct(found)
            self._add(Kind.PROSE, position, start)
            self._add(kind, start, end)
            position = end
        self._add(Kind.PROSE, position, len(self._text))
        return self._pieces

    def _add(self, kind: Kind, start: int, end: int) -> None:
        if start < end:
            self._pieces.append(Segment(kind, self._text[start:end]))

    def _construct(self, found: re.Match[str]) -> tuple[Kind, int, int]:
        match found.lastgroup:
            case "comment":
                return self._comment(found.start())
            case "fence":
                return Kind.CODE, found.start(), self._fence_end(found)
            case _:
                return self._span(found)

    def _comment(self, start: int) -> tuple[Kind, int, int]:
        for short in ("<!-->", "<!--->"):
            if self._text.startswith(short, start):
                return Kind.COMMENT, start, start + len(short)
        if start < self._last_comment_end and (end := _COMMENT_END.search(self._text, start + 4)):
            return Kind.COMMENT, start, end.end()
        line = self._text[self._text.rfind("\n", 0, start) + 1 : start]
        # At the start of a line it hides everything that follows; elsewhere it is shown as it is written.
        hides = not line.strip(" ") and len(line) <= 3
        return (Kind.COMMENT, start, len(self._text)) if hides else (Kind.PROSE, start, start + 4)

    def _fence_end(self, found: re.Match[str]) -> int:
        mark = found["fence"].strip()
        closing = re.compile(rf"^ {{0,3}}{re.escape(mark[0])}{{{len(mark)},}}[ \t]*$", re.MULTILINE)
        line_end = self._text.find("\n", found.end())
        if line_end < 0:
            return len(self._text)
        end = closing.search(self._text, line_end + 1)
        return end.end() if end else len(self._text)

    def _escaped(self, position: int) -> bool:
        first = position
        while first and self._text[first - 1] == "\\":
            first -= 1
        return (position - first) % 2 == 1

    def _span(self, found: re.Match[str]) -> tuple[Kind, int, int]:
        start = found.start()
        if self._escaped(start):
            return Kind.PROSE, start, start + 1
        size = len(found[0])
        starts = self._runs[size]
        position = bisect_right(starts, start)
        if position == len(starts):
            return Kind.PROSE, start, found.end()
        end = starts[position] + size
        # A span ends with its paragraph at the latest.
        if _BLANK_LINE.search(self._text, start, end):
            return Kind.PROSE, start, found.end()
        return Kind.CODE, start, end


def _defuse_prose(text: str) -> str:
    text = _MENTION.sub(f"@{ZERO_WIDTH_SPACE}", text)
    text = _KEYWORD.sub(rf"\1{ZERO_WIDTH_SPACE}", text)
    return _TAG.sub("&lt;", text).replace("![", "!\\[")


def _longest_run(text: str) -> int:
    return max((len(run) for run in _TICKS.findall(text)), default=0)


def _open_fence(text: str) -> str:
    pieces = segments(text)
    if not pieces or pieces[-1].kind is not Kind.CODE:
        return ""
    opening = _FENCE.match(pieces[-1].text)
    if opening is None:
        return ""
    lines = pieces[-1].text.rstrip("\n").split("\n")
    last = lines[-1].strip()
    closed = len(lines) > 1 and last and not last.strip(opening[1][0]) and len(last) >= len(opening[1])
    return "" if closed else opening[1]
