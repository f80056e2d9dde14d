"""Jira's wiki markup to Markdown, as Data Center and all webhooks give texts. Pure; never raises.

What is certainly markup is converted; everything else stands there literally. No word is lost.

Source: Atlassian's page "Text formatting notation help".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Final

from pullwright.integrations.jira.escaping import escape_starts, heading
from pullwright.integrations.jira.wiki_inline import inline_to_markdown
from pullwright.integrations.markdown import code_block

MOST_CHARACTERS: Final = 400_000
DEEPEST: Final = 20
"""Quotes and panels inside one another; what is deeper is shown without its frame."""

_BLOCK: Final = re.compile(r"\{(code|noformat|quote|panel)(?::([^{}\n]{0,300}))?\}")
_HEADING: Final = re.compile(r"[ \t]{0,9}h([1-6])\.[ \t]+(.*)")
_ITEM: Final = re.compile(r"[ \t]{0,9}([*#]{1,9}|-{1,3})[ \t]+(\S.*)")
_RULE: Final = re.compile(r"[ \t]{0,9}-{4,}[ \t]*")
_QUOTED: Final = re.compile(r"[ \t]{0,9}bq\.[ \t]+(.*)")
_ROW: Final = re.compile(r"[ \t]{0,9}\|.*")
_LANGUAGE: Final = re.compile(r"[A-Za-z0-9+#_.-]{1,30}")


def wiki_to_markdown(text: str) -> str:
    """Return wiki markup as Markdown.

    Mentions are links to ``mention:ID``, attachments are images at ``attachment:NAME``.
    """
    flat = text.replace("\r\n", "\n").replace("\r", "\n")
    kept = _convert(flat[:MOST_CHARACTERS], 0)
    return f"{kept}\n\n… the rest of this text was left out." if len(flat) > MOST_CHARACTERS else kept


def _convert(text: str, depth: int) -> str:
    parts: list[str] = []
    position = 0
    # Known beforehand, so that a thousand open blocks do not search to the end a thousand times.
    last = {name: text.rfind(f"{{{name}}}") for name in ("code", "noformat", "quote", "panel")}
    while found := _BLOCK.search(text, position):
        name, closing = found[1], f"{{{found[1]}}}"
        end = text.find(closing, found.end()) if last[name] >= found.end() else -1
        if end < 0:
            parts.append(_lines(text[position : found.start()]))
            parts.append(_lines(text[found.start() : found.end()]))
            position = found.end()
            continue
        parts.append(_lines(text[position : found.start()]))
        parts.append(_framed(name, found[2] or "", text[found.end() : end], depth))
        position = end + len(closing)
    parts.append(_lines(text[position:]))
    return "\n\n".join(part for part in parts if part.strip())


def _framed(name: str, parameters: str, inside: str, depth: int) -> str:
    title = _parameter(parameters, "title")
    if name in ("code", "noformat"):
        first = parameters.partition("|")[0]
        language = first if "=" not in first and _LANGUAGE.fullmatch(first) else _parameter(parameters, "language")
        block = code_block(inside.strip("\n")).replace("text", language if name == "code" else "", 1)
        return f"**{inline_to_markdown(title)}**\n\n{block}" if title else block
    text = _lines(inside) if depth >= DEEPEST else _convert(inside, depth + 1)
    shown = "\n\n".join(part for part in (f"**{inline_to_markdown(title)}**" if title else "", text) if part)
    return "\n".join(f"> {line}".rstrip() for line in shown.split("\n"))


def _parameter(parameters: str, name: str) -> str:
    for part in parameters.split("|"):
        key, sign, value = part.partition("=")
        if sign and key.strip() == name:
            return value.strip()
    return ""


def _lines(text: str) -> str:
    kinds = groupby(text.split("\n"), key=_kind)
    return "\n\n".join(convert(list(lines)) for convert, lines in kinds if convert is not _blank)


def _kind(line: str) -> _Convert:
    return next((convert for form, convert in _KINDS if form.fullmatch(line)), _paragraph)


def _blank(lines: Sequence[str]) -> str:
    return ""


def _paragraph(lines: Sequence[str]) -> str:
    return escape_starts("\\\n".join(inline_to_markdown(line.strip()) for line in lines))


def _heading(lines: Sequence[str]) -> str:
    found = [_HEADING.fullmatch(line) for line in lines]
    return "\n\n".join(heading(int(one[1]), inline_to_markdown(one[2])) for one in found if one)


def _quotes(lines: Sequence[str]) -> str:
    found = [_QUOTED.fullmatch(line) for line in lines]
    return "\n".join(f"> {escape_starts(inline_to_markdown(one[1]))}" for one in found if one)


def _list(lines: Sequence[str]) -> str:
    shown = []
    for line in lines:
        if found := _ITEM.fullmatch(line):
            marks = found[1]
            depth = len(marks) - 1
            sign = "1." if marks.endswith("#") else "-"
            shown.append(f"{'   ' * depth}{sign} {escape_starts(inline_to_markdown(found[2].strip()))}")
    return "\n".join(shown)


def _table(lines: Sequence[str]) -> str:
    rows = [_cells(line.strip()) for line in lines]
    width = max(len(row) for row in rows)
    full = [row + [""] * (width - len(row)) for row in rows]
    shown = [f"| {' | '.join(row)} |" for row in full]
    return "\n".join([shown[0], f"|{' --- |' * width}", *shown[1:]])


def _cells(row: str) -> list[str]:
    # A bar inside a link or a code span is part of it.
    cells, current, depth = [], "", 0
    for sign in row.replace("||", "|")[1:]:
        depth += (sign in "[{") - (sign in "]}" and depth > 0)
        if sign == "|" and not depth:
            cells.append(current)
            current = ""
        else:
            current += sign
    if current.strip():
        cells.append(current)
    return [inline_to_markdown(cell.strip()).replace("|", "\\|") for cell in cells] or [""]


_Convert = Callable[[Sequence[str]], str]
_KINDS: Final[tuple[tuple[re.Pattern[str], _Convert], ...]] = (
    (re.compile(r"\s*"), _blank),
    (_HEADING, _heading),
    (_RULE, lambda lines: "---"),
    (_QUOTED, _quotes),
    (_ITEM, _list),
    (_ROW, _table),
)
