"""What the REST API lists, put into the form in which a hook would have told it. Pure.

So it has the same meanings with the same names, and whoever is told by a hook as well does it once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeVar

from pydantic import AwareDatetime, Field, ValidationError

from pullwright.integrations.github.deliveries import Delivery
from pullwright.integrations.github.delivery_payloads import Id, IssuePart, LabelPart, Part, Text, UserPart
from pullwright.integrations.github.events import interpret
from pullwright.integrations.github.grammar import read_request
from pullwright.integrations.github.meanings import BotIdentity, Ignored, Meaning, WorkRequested

Document = Mapping[str, object]
P = TypeVar("P", bound=Part)

_ASKED: Final = frozenset({"labeled", "assigned"})
_ENDED: Final = frozenset({"unlabeled", "unassigned", "closed", "locked"})


class ListedIssue(IssuePart):
    """An issue as it is now."""

    assignees: list[UserPart] = Field(default_factory=list)
    created_at: AwareDatetime | None = None


class ListedEvent(Part):
    """Something that happened to an issue."""

    id: Id
    event: Text
    created_at: AwareDatetime
    issue: ListedIssue | None = None
    label: LabelPart | None = None
    assignee: UserPart | None = None


class ListedComment(Part):
    """A comment of an issue, or of a line of a pull request."""

    id: Id
    body: Text | None = None
    created_at: AwareDatetime
    issue_url: Text = ""
    pull_request_url: Text = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """Something that may have a meaning, without what all of a repository share."""

    at: datetime
    key: str
    """Unique within the host."""
    name: str
    """As hooks call it: ``issues.labeled``."""
    document: Document
    """The payload, but for the repository."""
    number: int = 0
    """Of the issue; 0 when that is not in the document."""
    lacks: str = ""
    """What has to be read and added to the document: ``issue`` or ``pull_request``; empty for nothing."""
    address: str = ""
    """Where that is."""

    @property
    def asks(self) -> bool:
        """Whether it asks for something, rather than that it ends."""
        return self.name.partition(".")[2] not in _ENDED


def of_events(listed: Iterable[Document], bot: BotIdentity, since: datetime, *, ends: bool) -> list[Happening]:
    """Return what events ask for or end, as far as the issue is still so: of each kind at an issue only the last.

    Args:
        listed: As of ``GET /repos/{owner}/{repo}/issues/events``, newest first.
        bot: Who listens.
        since: Older ones are left out.
        ends: Whether those that end work are wanted.
    """
    found: dict[tuple[int, str], Happening] = {}
    for raw, event in _readable(ListedEvent, listed):
        if event.issue is None or event.created_at < since or not _holds(event, event.issue, bot, ends=ends):
            continue
        actor = raw.get("assigner") or raw.get("actor")
        document = {"issue": raw["issue"], "label": raw.get("label"), "assignee": raw.get("assignee"), "sender": actor}
        happening = Happening(
            at=event.created_at,
            key=f"event:{event.id}",
            name=f"issues.{event.event}",
            document=document,
            number=event.issue.number,
        )
        found.setdefault((event.issue.number, event.event), happening)
    return list(found.values())


def _holds(event: ListedEvent, issue: ListedIssue, bot: BotIdentity, *, ends: bool) -> bool:
    """Whether it is about the bot, and still so."""
    about_label = event.label is not None and event.label.name.casefold() == bot.label.casefold()
    about_me = event.assignee is not None and event.assignee.id == bot.user_id
    labeled = any(label.name.casefold() == bot.label.casefold() for label in issue.labels)
    assigned = any(user.id == bot.user_id for user in issue.assignees)
    if event.event in _ASKED:
        # On pull requests a label means nothing.
        held = (event.event == "labeled" and about_label and labeled) or (
            event.event == "assigned" and about_me and assigned
        )
        return held and issue.state == "open" and issue.pull_request is None
    ended = {
        "unlabeled": about_label and not labeled,
        "unassigned": about_me and not assigned,
        "closed": issue.state == "closed",
        "locked": issue.locked,
    }
    return ends and ended.get(event.event, False)


def of_comments(listed: Iterable[Document], bot: BotIdentity, since: datetime) -> list[Happening]:
    """Return the comments that speak to the bot; one that is older and was edited since is none of them."""
    found = []
    for raw, comment in _readable(ListedComment, listed):
        if comment.created_at < since or read_request(comment.body or "", [bot.login]) is None:
            continue
        of_line = bool(comment.pull_request_url)
        found.append(
            Happening(
                at=comment.created_at,
                key=f"{'review_comment' if of_line else 'comment'}:{comment.id}",
                name=f"{'pull_request_review_comment' if of_line else 'issue_comment'}.created",
                document={"comment": raw, "sender": raw.get("user")},
                lacks="pull_request" if of_line else "issue",
                address=comment.pull_request_url or comment.issue_url,
            )
        )
    return found


def of_issues(listed: Iterable[Document], bot: BotIdentity, since: datetime) -> list[Happening]:
    """Return the new issues that speak to the bot in their own text."""
    found = []
    for raw, issue in _readable(ListedIssue, listed):
        new = issue.created_at is not None and issue.created_at >= since and issue.pull_request is None
        if not new or issue.created_at is None or read_request(issue.body or "", [bot.login]) is None:
            continue
        found.append(
            Happening(
                at=issue.created_at,
                key=f"opened:{raw.get('id')}",
                name="issues.opened",
                document={"issue": raw, "sender": raw.get("user")},
                number=issue.number,
            )
        )
    return found


def _readable(kind: type[P], listed: Iterable[Document]) -> Iterator[tuple[Document, P]]:
    """Yield what can be read; GitHub has items of many kinds, and one that is odd must not hide the others."""
    for raw in listed:
        with suppress(ValidationError):
            yield raw, kind.model_validate(raw)


def in_order(happenings: Iterable[Happening]) -> Sequence[Happening]:
    """Return them as they happened; GitHub's times are in seconds, and its numbers rise."""
    return sorted(happenings, key=lambda one: (one.at, int(one.key.rpartition(":")[2])))


def meaning_of(happening: Happening, repository: Document, more: Document, bot: BotIdentity) -> Meaning | None:
    """Return what a hook's delivery of it would mean; None for nothing. ``more`` is what it ``lacks``."""
    event, _, action = happening.name.partition(".")
    document = {"action": action, "repository": repository, **happening.document}
    if happening.lacks:
        document[happening.lacks] = more
    meaning = interpret(Delivery(id=happening.key, event=event, action=action, document=document), bot)
    if isinstance(meaning, Ignored):
        return None
    # Here the time is known, which a hook's delivery has to look up.
    return meaning.happened(happening.at) if isinstance(meaning, WorkRequested) and meaning.at is None else meaning
