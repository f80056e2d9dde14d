"""The lines by which trackers and code hosts know what a change fixes: ``Fixes #42``, ``Fixes SHOP-12``. Pure.

They end the message of a commit and the text of a pull request, whatever the model wrote before them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from pullwright.integrations.markdown import ZERO_WIDTH_SPACE

MOST: Final = 20
"""So many issues of trackers are named."""

_FIXES: Final = re.compile(r"fix(?:e[sd])?:? (\S+)", re.IGNORECASE)
_MARKS: Final = str.maketrans("", "", f"*`{ZERO_WIDTH_SPACE}")
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}", re.ASCII)


def fixes_lines(issue: int | None, names: Sequence[str]) -> tuple[str, ...]:
    """Return a line for the issue of the code host and for each of the trackers'.

    Args:
        issue: Its number.
        names: What trackers call theirs; one with other characters than letters, digits, ``-`` and ``_`` is left out.
    """
    known = [name for name in dict.fromkeys(names) if _NAME.fullmatch(name)][:MOST]
    return tuple(f"Fixes {what}" for what in ([f"#{issue}"] if issue else []) + known)


def without_lines(text: str, lines: Sequence[str]) -> str:
    """Return a text, which may be defused already, without those of its lines that say just what these say."""
    said = {_fixed(line) for line in lines}
    written = text.split("\n")
    kept = [line for line in written if not (fixed := _fixed(line)) or fixed not in said]
    return text if len(kept) == len(written) else "\n".join(kept).strip()


def _fixed(line: str) -> str:
    """Return what a line says is fixed; empty where it says anything else."""
    words = " ".join(line.translate(_MARKS).split()).strip("_. ")
    found = _FIXES.fullmatch(words)
    return found[1].casefold() if found else ""
