"""Reads an issue as it was when somebody asked for work, with everything that belongs to it.

What was written or changed later was never agreed to: otherwise a stranger could wait for somebody to ask for work, and
then change what the work is. Linear does not keep old texts: a hook's own copy counts, and without one a text that was
changed since is not used at all.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from anyio import move_on_after, to_thread

from pullwright.agents.errors import IntegrationError
from pullwright.agents.message import Image
from pullwright.agents.ports.code_host import Comment, Issue
from pullwright.integrations.deciding import aware
from pullwright.integrations.linear.answers import IssueRead, OtherIssue, WrittenPart
from pullwright.integrations.linear.api import COMMENTS, LinearApi
from pullwright.integrations.linear.meanings import WorkRequested
from pullwright.integrations.linear.repository_choice import IssueTraits
from pullwright.integrations.markdown import clip
from pullwright.integrations.pictures import UnusablePicture, prepare
from pullwright.integrations.time_of_check import as_of
from pullwright.integrations.untrusted import BODY_LIMIT, sanitise_line

IMAGES: Final = 8
IMAGE_BYTES: Final = 10 << 20
IMAGE_SECONDS: Final = 30.0
"""For all pictures together."""
LINKED: Final = 20

_PICTURE: Final = re.compile(r"!\[([^\]\n]{0,300})\]\((https://[^\s()<>]{1,2000})\)")


class Outdated(Exception):
    """The issue was changed after the work was asked for, and nobody knows what it said before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueThen:
    """An issue at one moment; every text in it is untrusted Markdown."""

    identifier: str
    title: str
    description: str
    state: str
    traits: IssueTraits
    author: str = ""
    comments: tuple[Comment, ...] = ()
    linked: tuple[str, ...] = ()
    """One line for each."""
    images: tuple[Image, ...] = ()
    notes: tuple[str, ...] = ()
    """What was left out, and why."""


class IssueReader:
    """Reads issues."""

    def __init__(self, api: LinearApi) -> None:
        self._api = api

    async def read(self, issue_id: str, asked: WorkRequested, at: datetime) -> IssueThen:
        """Return an issue as it was when it was asked for.

        Args:
            issue_id: Which one.
            asked: The request; its own comment is no part of the issue.
            at: When it was asked for, with a time zone.

        Raises:
            NotFound: It is gone, or can not be seen.
            Outdated: Its texts were changed since.
            IntegrationError: It can not be read now.
        """
        found = await self._api.read(issue_id)
        if asked.title is None and _changed_since(found, at):
            raise Outdated
        then = _then(found, asked, at)
        texts = [then.body, *(comment.body for comment in then.comments)]
        images, trouble = await self._pictures(texts)
        older = [f"only the newest {COMMENTS} comments were read"] if len(found.comments.nodes) >= COMMENTS else []
        return IssueThen(
            identifier=found.identifier or issue_id,
            title=then.title,
            description=then.body,
            state=then.state,
            author=then.author,
            traits=traits_of(found),
            comments=then.comments,
            linked=tuple(_linked(found, at))[:LINKED],
            images=tuple(images),
            notes=(*then.notes, *older, *trouble),
        )

    async def _pictures(self, texts: Iterable[str]) -> tuple[list[Image], list[str]]:
        """Return the pictures that could be had, and a note for each other one."""
        found = {url: name for text in texts for name, url in _PICTURE.findall(text)}
        images: list[Image] = []
        notes: list[str] = []
        with move_on_after(IMAGE_SECONDS) as limit:
            for url, name in list(found.items())[:IMAGES]:
                shown = sanitise_line(name, 100) or "picture"
                try:
                    content = await self._api.picture(url, limit=IMAGE_BYTES)
                    images.append(await to_thread.run_sync(prepare, content, shown))
                except (IntegrationError, UnusablePicture) as exc:
                    why = exc if isinstance(exc, UnusablePicture) else "it could not be fetched"
                    notes.append(f"picture {shown!r} was left out: {why}")
        if len(found) > IMAGES:
            notes.append(f"{len(found) - IMAGES} more pictures were left out")
        if limit.cancelled_caught:
            notes.append("pictures were left out: the time for them was used up")
        return images, notes


def _then(found: IssueRead, asked: WorkRequested, at: datetime) -> Issue:
    now = Issue(
        number=0,
        url="",
        title=found.title,
        body=clip(found.description or "", BODY_LIMIT),
        author=found.creator.name if found.creator else "somebody",
        state=found.state.name,
        comments=tuple(_comments(found.comments.nodes, at, without=asked.comment_id)),
    )
    title, body = (asked.title, asked.description) if asked.title is not None else (now.title, now.body)
    return as_of(now, at, title=title, body=body)


def traits_of(issue: IssueRead) -> IssueTraits:
    """Return what the rules for repositories look at."""
    return IssueTraits(
        team=(issue.team.key, issue.team.name),
        project=issue.project.name if issue.project else "",
        labels=tuple(label.name for label in issue.labels.nodes),
    )


def _changed_since(issue: IssueRead, at: datetime) -> bool:
    for change in issue.history.nodes:
        times = [aware(time) for time in (change.created, change.updated) if time]
        if (change.text_changed or change.title_before is not None) and times and max(times) >= at:
            return True
    return False


def _comments(found: Sequence[WrittenPart], at: datetime, *, without: str) -> Iterable[Comment]:
    for one in sorted(found, key=lambda one: aware(one.created or at)):
        if one.id != without:
            yield Comment(
                author=one.user.name if one.user else "an integration",
                body=one.body,
                created_at=aware(one.created) if one.created else None,
                edited_at=aware(one.edited) if one.edited else None,
            )


def _linked(issue: IssueRead, at: datetime) -> Iterable[str]:
    if issue.parent:
        yield _line("is part of", issue.parent)
    for relation in issue.relations.nodes:
        yield _line(f"({relation.kind})", relation.other)
    for child in issue.children.nodes:
        yield _line("has the sub-issue", child)
    for link in issue.attachments.nodes:
        if link.created and aware(link.created) < at:
            yield f"links to {link.title}: {link.url}"


def _line(how: str, other: OtherIssue) -> str:
    return f"{how} {other.identifier} ({other.state.name}): {other.title}"
