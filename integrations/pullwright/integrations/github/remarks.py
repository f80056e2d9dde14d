"""Remarks of a review as data for a model, as they were when the work was asked for. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from pullwright.integrations.github.pulls import Remark
from pullwright.integrations.markdown import clip, close_code, code_block
from pullwright.integrations.untrusted import COMMENT_LIMIT, Trust, fence, sanitise, sanitise_line

HUNK_LINES = 20
"""Lines of the diff that are shown with a remark: the last ones, the remark stands below them."""
_LINE_LIMIT = 300


def render_remarks(
    remarks: Sequence[Remark], *, review_id: int, reviewer: str, at: datetime | None, boundary: str
) -> str:
    """Return the remarks of a review with their threads as fenced data; empty when there are none.

    What others answered after the review is left out: nobody asked for it.

    Args:
        remarks: Of the review, and of its threads, oldest first.
        review_id: The review.
        reviewer: Who wrote it, and asked for the work.
        at: When it was submitted.
        boundary: As for ``untrusted.fence``.
    """
    kept = [one for one in remarks if one.review_id == review_id or _before(one, at)]
    if not kept:
        return ""
    left = len(remarks) - len(kept)
    blocks = [block for one in kept for block in _blocks(one, review_id)]
    blocks += [f"left out: {left} answers that came after the review"] if left else []
    what = "the remarks of the review; those that say so are part of it, the others stood in the same threads"
    return fence(what, "\n\n".join(blocks), boundary, author=reviewer, trust=Trust.INSTRUCTION)


def _before(remark: Remark, at: datetime | None) -> bool:
    if at is None or remark.created_at is None:
        return False
    return max(remark.created_at, remark.edited_at or remark.created_at) < at


def _blocks(remark: Remark, review_id: int) -> Iterable[str]:
    line = f", line {remark.line}" if remark.line else ""
    part = "part of the review" if remark.review_id == review_id else "not part of the review"
    yield (
        f"--- remark {remark.id} in thread {remark.thread}, by {sanitise_line(remark.author)} ({part}), "
        f"on {sanitise_line(remark.path)}{line}"
    )
    if remark.hunk and remark.thread == remark.id:
        lines = [shown[:_LINE_LIMIT] for shown in remark.hunk.split("\n")[-HUNK_LINES:]]
        yield code_block("\n".join(lines))
    # Each by itself first, so that no remark can hide or swallow the ones that follow.
    yield close_code(clip(sanitise(remark.body), COMMENT_LIMIT).strip())
