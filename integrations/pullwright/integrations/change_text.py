"""Names and messages of a change: branch, commit title, commit body. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from pullwright.agents.ports.code_host import CommitMessage
from pullwright.integrations.fixed_issues import fixes_lines, without_lines
from pullwright.integrations.markdown import defuse, defuse_line
from pullwright.integrations.untrusted import sanitise, sanitise_line

BRANCH_LIMIT = 100
_SLUG_LIMIT = 50
_TITLE_LIMIT = 120
_ID_LENGTH = 8
_NOT_SLUG = re.compile(r"[^a-z0-9]+")
_PERSON = re.compile(r"[^\s<>][^<>]{0,100} <[^\s<>@]{1,100}@[^\s<>@]{1,100}>")
_TRAILER = re.compile(r"^([ \t]*(?:co-authored|signed-off|reviewed|acked))-by:", re.IGNORECASE | re.MULTILINE)
"""What would make a person an author, or a witness, of words that the model wrote."""
_NOT_PREFIX = re.compile(r"[^A-Za-z0-9_-]+")


def branch_name(*, issue: int | None, title: str, task_id: str, prefix: str = "agent") -> str:
    """Return ``prefix/<issue>-<slug>-<end of the task id>``: letters, digits and dashes, at most 100 characters."""
    parts = [str(issue)] if issue else []
    parts += [_slug(title, _SLUG_LIMIT) or "change", _slug(task_id, 200).replace("-", "")[-_ID_LENGTH:]]
    folder = _NOT_PREFIX.sub("-", prefix).strip("-")[:30] or "agent"
    return f"{folder}/{'-'.join(part for part in parts if part)}"[:BRANCH_LIMIT]


def commit_message(
    *, title: str, summary: str, issue: int | None, requested_by: str = "", fixes: Sequence[str] = ()
) -> CommitMessage:
    """Return a commit message that mentions nobody, closes no issue but the task's own, and says which these are.

    Args:
        title: Its first line, cut to length.
        summary: Its text.
        issue: The issue that it closes.
        requested_by: Name and address of the co-author; one that git could not read is left out.
        fixes: What trackers call the issues that it fixes.
    """
    lines = fixes_lines(issue, fixes)
    trailer = ["\n".join(lines)]
    if _PERSON.fullmatch(requested_by) and requested_by.isprintable():
        trailer.append(f"Co-authored-by: {requested_by}")
    body = _TRAILER.sub(r"\1 by:", without_lines(defuse(sanitise(summary)).strip(), lines))
    shown = defuse_line(sanitise_line(title, _TITLE_LIMIT)) or "Change without a title"
    return CommitMessage(title=shown, body="\n\n".join(part for part in (body, *trailer) if part))


def _slug(text: str, limit: int) -> str:
    ascii_only = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    slug = _NOT_SLUG.sub("-", ascii_only.lower()).strip("-")
    if len(slug) <= limit:
        return slug
    return (slug[: limit + 1].rpartition("-")[0] or slug[:limit]).strip("-")
