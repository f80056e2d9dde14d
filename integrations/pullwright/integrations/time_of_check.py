"""An issue as it was when somebody asked for work: what was written or changed later was never agreed to. Pure.

Without this a stranger could wait for a maintainer to ask for work, and then change what the work is.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from pullwright.agents.ports.code_host import Comment, Issue


def as_of(issue: Issue, at: datetime, *, title: str, body: str) -> Issue:
    """Return an issue without anything that came at or after the moment of the request.

    Args:
        issue: As it is now.
        at: When it was asked for; with a time zone.
        title: The title of the signed delivery.
        body: The text of the signed delivery.

    Pictures are dropped when anything else was: it is not known which text they belong to.
    """
    kept = tuple(comment for comment in issue.comments if _before(comment, at))
    later = len(issue.comments) - len(kept)
    changed = (issue.title, _lines(issue.body)) != (title, _lines(body))
    notes = []
    if later:
        notes.append(f"{later} comments were left out: written or changed after the work was asked for")
    if changed:
        notes.append("the issue was changed after the work was asked for; this is its text from before")
    images = issue.images
    if images and notes:
        images = ()
        notes.append("the pictures were left out, because texts were changed since")
    return replace(issue, title=title, body=body, comments=kept, images=images, notes=(*issue.notes, *notes))


def _before(comment: Comment, at: datetime) -> bool:
    # A comment whose time is not known may be a later one.
    return comment.created_at is not None and max(comment.created_at, comment.edited_at or comment.created_at) < at


def _lines(text: str) -> str:
    return text.replace("\r\n", "\n")
