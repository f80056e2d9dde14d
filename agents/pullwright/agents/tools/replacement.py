"""Exact replacement in the bytes of a file, and a helpful answer when the text is not there."""

from __future__ import annotations

from difflib import SequenceMatcher

from pullwright.agents.errors import ToolFailed

NEAREST_LINES = 4_000
"""Files with more lines are not searched for the nearest match; it would take seconds."""


def replace_exactly(content: bytes, old: str, new: str, *, path: str, everywhere: bool = False) -> tuple[bytes, int]:
    r"""Replace text and return the new bytes and the number of replacements.

    Bytes that are no UTF-8 survive. In a file whose lines end with CR LF the model may write plain ``\n``.

    Raises:
        ToolFailed: The text is missing (names the nearest lines), not unique, or equal to its replacement.
    """
    before, after = old.encode("utf-8", "surrogatepass"), new.encode("utf-8", "surrogatepass")
    if before == after:
        raise ToolFailed("old and new are the same text")
    if before not in content and _uses_crlf(content) and b"\r" not in before:
        before, after = before.replace(b"\n", b"\r\n"), after.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    count = content.count(before)
    if count == 0:
        raise ToolFailed(f"old is not in {path!r}{_nearest(content, old)}")
    if count > 1 and not everywhere:
        raise ToolFailed(f"old is {count} times in {path!r}; add lines around it, or set replace_all")
    return content.replace(before, after), count


def _uses_crlf(content: bytes) -> bool:
    return b"\r\n" in content


def _nearest(content: bytes, old: str) -> str:
    lines = content.decode("utf-8", "replace").splitlines()
    wanted = old.splitlines()
    if not lines or not wanted or len(lines) > NEAREST_LINES:
        return "; read the file again"
    first = max(range(len(lines)), key=lambda index: _likeness(lines[index : index + len(wanted)], wanted))
    window = lines[first : first + len(wanted)]
    if _likeness(window, wanted) < 0.5:
        return "; nothing there resembles it, read the file again"
    shown = "\n".join(f"{number}\t{line[:400]}" for number, line in enumerate(window[:20], start=first + 1))
    return f"; the nearest lines are\n{shown}"


def _likeness(window: list[str], wanted: list[str]) -> float:
    """Mean likeness of lines at the same place; cheap enough to slide over a file."""
    total = 0.0
    for have, want in zip(window, wanted, strict=False):
        matcher = SequenceMatcher(None, have.strip()[:400], want.strip()[:400], autojunk=False)
        if have.strip() == want.strip():
            total += 1.0
        elif matcher.real_quick_ratio() > 0.5 and matcher.quick_ratio() > 0.5:
            total += matcher.ratio()
    return total / len(wanted)
