"""One line of Jira's wiki markup to Markdown. Pure; never raises."""

from __future__ import annotations

import re
from typing import Final

from pullwright.integrations.jira.escaping import address, escape, joined
from pullwright.integrations.markdown import code_span

_DEEPEST: Final = 5
_URL: Final = r"(?:https?|ftp|mailto|file)://[^\s\[\]|<>{}]{1,2000}|mailto:[^\s\[\]|<>]{1,300}"
_TOKEN: Final = re.compile(
    rf"""
    (?P<code>\{{\{{(?P<monospaced>[^{{}}\n]{{1,2000}})\}}\}})
    |\[~(?P<user>[^\[\]|\n]{{1,200}})\]
    |\[\^(?P<file>[^\[\]|\n]{{1,300}})\]
    |\[(?:(?P<name>[^\[\]|\n]{{1,1000}})\|)?(?P<link>{_URL}|\#[^\s\[\]|]{{1,200}})(?:\|[^\[\]\n]{{0,100}})?\]
    |!(?P<image>[^\s!|][^!|\n]{{0,300}}\.[A-Za-z0-9]{{1,5}})(?:\|[^!\n]{{0,200}})?!
    |(?P<url>{_URL})
    |\{{color(?::[^{{}}\n]{{1,50}})?\}}
    |\\\\(?P<break>(?:[ ]|$))
    |\\(?P<escaped>[\[\]{{}}*_|!+\-?^~#])
    |(?<![\w*])\*(?P<strong>[^\s*](?:[^*\n]{{0,2000}}[^\s*])?)\*(?![\w*])
    |(?<![\w_])_(?P<em>[^\s_](?:[^_\n]{{0,2000}}[^\s_])?)_(?![\w_])
    """,
    re.VERBOSE,
)


def inline_to_markdown(text: str) -> str:
    """Return a line with its links, mentions, pictures, code and emphasis as Markdown."""
    return _convert(text, 0)


def _convert(text: str, depth: int) -> str:
    parts: list[str] = []
    position = 0
    for found in _TOKEN.finditer(text):
        parts.append(escape(text[position : found.start()]))
        parts.append(_token(found, depth))
        position = found.end()
    parts.append(escape(text[position:]))
    return joined(parts)


def _token(found: re.Match[str], depth: int) -> str:
    part = found.groupdict()
    if part["code"]:
        return code_span(part["monospaced"])
    if part["user"]:
        account = part["user"].removeprefix("accountid:")
        return f"[@{escape(account)}]({address('mention:' + account)})"
    if part["file"] or part["image"]:
        return _attachment(part["image"] or "", part["file"] or "")
    if part["link"]:
        name = _inner(part["name"], depth) if part["name"] else ""
        return f"[{name}]({address(part['link'])})" if name else f"<{address(part['link'])}>"
    if part["url"]:
        return f"<{address(part['url'])}>"
    return _styled(part, depth)


def _styled(part: dict[str, str], depth: int) -> str:
    if part["break"] is not None:
        return "\\\n"
    if part["escaped"]:
        return escape(part["escaped"])
    if part["strong"]:
        return f"**{_inner(part['strong'], depth)}**"
    return f"*{_inner(part['em'], depth)}*" if part["em"] else ""


def _inner(text: str, depth: int) -> str:
    return _convert(text, depth + 1) if depth < _DEEPEST else escape(text)


def _attachment(image: str, file: str) -> str:
    if not image:
        return f"[{escape(file)}]({address('attachment:' + file)})"
    outside = image.startswith(("http://", "https://"))
    return f"![{escape(image)}]({address(image if outside else 'attachment:' + image)})"
