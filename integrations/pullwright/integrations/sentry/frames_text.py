"""Stacks as text: the frames that matter, newest first, with their source and what the variables were. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from pullwright.integrations.sentry.gate import Route
from pullwright.integrations.sentry.incident import Frame, Raised
from pullwright.integrations.sentry.scrubbing import Scrubber
from pullwright.integrations.untrusted import sanitise_line

MOST_FRAMES: Final = 16
CONTEXT: Final = 4
"""Source lines above and below."""
_LINE: Final = 160
_VALUE: Final = 120
_LOOKED_AT: Final = 600
"""Characters of a value that are scrubbed, so that a secret is known before it is cut."""
_MOST_VARIABLES: Final = 10
_WORD: Final = re.compile(r"[A-Za-z_]\w{0,99}", re.ASCII)


def stack_text(raised: Raised, route: Route, scrubber: Scrubber) -> str:
    """Return one exception with its frames."""
    lines = [_headline(raised, scrubber)]
    chosen = chosen_frames(raised.frames)
    left_out = len(raised.frames) - len(chosen)
    for number, frame in enumerate(chosen, start=1):
        lines += _frame(number, frame, route, scrubber)
    if not raised.frames:
        lines.append("  (no frames)")
    if left_out:
        lines.append(f"  … {left_out} frames were left out")
    return "\n".join(lines)


def chosen_frames(frames: Sequence[Frame], most: int = MOST_FRAMES) -> list[Frame]:
    """Return at most so many frames, newest first: our own before others, and of too many half from each end."""
    newest = list(enumerate(reversed(frames)))
    ours = [pair for pair in newest if pair[1].in_app]
    others = [pair for pair in newest if not pair[1].in_app]
    kept = _ends(ours, most)
    kept += _ends(others, most - len(kept))
    return [frame for _, frame in sorted(kept, key=lambda pair: pair[0])]


def _ends(frames: Sequence[tuple[int, Frame]], most: int) -> list[tuple[int, Frame]]:
    if len(frames) <= most:
        return list(frames)
    last = most // 2
    return [*frames[: most - last], *(frames[-last:] if last else ())]


def _headline(raised: Raised, scrubber: Scrubber) -> str:
    name = f"{raised.module}.{raised.type}" if raised.module and raised.module != "builtins" else raised.type
    name = scrubber.text(name)
    value = sanitise_line(scrubber.text(raised.value), 1000)
    handled = {True: " (handled by the code)", False: " (not handled)", None: ""}[raised.handled]
    return f"{sanitise_line(name, 200) or 'Stack'}{': ' if value else ''}{value}{handled}"


def _frame(number: int, frame: Frame, route: Route, scrubber: Scrubber) -> Iterator[str]:
    yield f"  #{number} {_place(frame, route, scrubber)}"
    if frame.minified:
        yield f"      (minified) {_around(frame, scrubber)}"
        return
    yield from _source(frame, scrubber)
    if variables := list(_variables(frame, scrubber)):
        yield f"      where {'; '.join(variables)}"


def _place(frame: Frame, route: Route, scrubber: Scrubber) -> str:
    shown = frame.path or frame.absolute or frame.module
    at = f"{shown}:{frame.line}" if frame.line is not None else shown
    parts = [at or "(unknown place)", f"in {frame.function}" if frame.function else ""]
    parts.append(f"of {frame.package}" if frame.package else "")
    own = route.path(frame.absolute) or route.path(frame.path)
    parts.append(f"[in the repository: {own}]" if own else "[own code]" if frame.in_app else "")
    return sanitise_line(scrubber.text(" ".join(part for part in parts if part)), 600)


def _source(frame: Frame, scrubber: Scrubber) -> Iterator[str]:
    if not frame.suspect:
        return
    before, after = frame.before[-CONTEXT:], frame.after[:CONTEXT]
    first = (frame.line or 0) - len(before)
    lines = [*before, frame.suspect, *after]
    for place, line in enumerate(lines):
        mark = ">" if place == len(before) else " "
        number = f"{first + place:>6}" if frame.line is not None and first > 0 else " " * 6
        yield f"    {mark}{number}  {_shown(scrubber.code(line))}"


def _around(frame: Frame, scrubber: Scrubber) -> str:
    start = max((frame.column or 0) - frame.cut - _LINE // 2, 0)
    return _shown(scrubber.code(frame.suspect)[start : start + _LINE])


def _shown(line: str) -> str:
    text = line.rstrip().expandtabs(4).replace("\n", " ").replace("\r", " ")
    return text if len(text) <= _LINE else f"{text[:_LINE]}…"


def _variables(frame: Frame, scrubber: Scrubber) -> Iterable[str]:
    """Yield what the variables were that the shown source names."""
    named = set(_WORD.findall("\n".join((*frame.before[-CONTEXT:], frame.suspect, *frame.after[:CONTEXT]))))
    shown = [(name, value) for name, value in frame.variables.items() if name in named]
    for name, value in shown[:_MOST_VARIABLES]:
        yield f"{sanitise_line(name, 60)} = {sanitise_line(scrubber.named(name, value[:_LOOKED_AT]), _VALUE)}"
