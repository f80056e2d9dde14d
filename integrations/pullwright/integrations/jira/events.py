"""From a delivery to its meaning: the events that the bot listens to. Pure; never raises for what is inside."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Final

from pydantic import ValidationError

from pullwright.integrations.commands import AgentRequest, Verb
from pullwright.integrations.jira.automation import interpret_automation
from pullwright.integrations.jira.changes import cause_of, cause_of_new, end_of, is_assigned
from pullwright.integrations.jira.deliveries import JiraDelivery
from pullwright.integrations.jira.grammar import request_in
from pullwright.integrations.jira.meanings import (
    BotIdentity,
    Cause,
    ControlRequested,
    Gone,
    Ignored,
    Meaning,
    RequestWithdrawn,
    SubjectGone,
    WorkRequested,
)
from pullwright.integrations.jira.payloads import EventPayload, ItemPart
from pullwright.integrations.jira.reading import Missing, Reading, comment_key, is_wanted

_EDITED_AFTER: Final = timedelta(seconds=2)
"""Old Servers do not say whether a comment is new; one that was changed later than that is not."""


def interpret(delivery: JiraDelivery, bot: BotIdentity) -> Meaning:
    """Return what a delivery means; ``Ignored`` for everything that the bot does not listen to or can not read."""
    name = delivery.document.get("webhookEvent")
    shown = name[:100] if isinstance(name, str) else "a body that is no event"
    try:
        if not isinstance(name, str) and "transition" not in delivery.document:
            return interpret_automation(delivery, bot)
        reading = Reading(delivery.id, EventPayload.model_validate(delivery.document), bot)
        reader = _READERS.get(name if isinstance(name, str) else "transition")
        meaning = reader(reading) if reader else reading.ignored(f"{shown} is nothing to listen to")
    except ValidationError as exc:
        place = ".".join(str(part) for part in exc.errors()[0]["loc"])[:200]
        return Ignored(delivery_id=delivery.id, reason=f"{shown} has an unexpected {place!r}")
    except Missing as exc:
        return Ignored(delivery_id=delivery.id, reason=f"{shown} lacks {str(exc)!r}")
    if is_wanted(meaning, bot):
        return meaning
    return Ignored(delivery_id=delivery.id, reason="a project that is not listened to")


def meaning_of_comment(reading: Reading) -> Meaning:
    """Return what a new comment means."""
    comment = reading.comment()
    if reading.by_me():
        return reading.ignored("written by the bot itself")
    request = request_in(comment.body, reading.bot.account)
    if request is None:
        return reading.ignored("a comment that does not ask for anything")
    shared, key = reading.shared(), comment_key(reading.bot, comment)
    if not request.verb.starts_work:
        return ControlRequested(
            **shared,
            semantic_key=key,
            verb=request.verb,
            comment_id=comment.id,
            unknown=request.unknown,
            public=bool(comment.public),
        )
    return WorkRequested(
        **shared,
        semantic_key=key,
        cause=Cause.COMMENTED,
        request=request,
        at=comment.created or reading.at(),
        comment_id=comment.id,
        public=bool(comment.public),
    )


def meaning_of_change(reading: Reading) -> Meaning | None:
    """Return what a change of fields means; None when it means nothing to the bot."""
    items = [*reading.items(), *_moved_by_workflow(reading)]
    cause = cause_of(items, reading.bot, reading.payload.issue) or _assigned_without_items(reading)
    if cause:
        return _work(reading, cause, reading.change_key())
    gone = end_of(items, reading.bot, reading.payload.issue)
    if gone is None:
        return None
    return SubjectGone(**reading.shared(), semantic_key=f"{gone.name.lower()}:{reading.change_key()}", why=gone)


def _work(reading: Reading, cause: Cause, key: str) -> WorkRequested:
    request = AgentRequest(verb=Verb.RUN)
    return WorkRequested(**reading.shared(), semantic_key=key, cause=cause, request=request, at=reading.at())


def _moved_by_workflow(reading: Reading) -> list[ItemPart]:
    transition = reading.payload.transition
    return [ItemPart.model_validate({"field": "status", "toString": transition.to_status})] if transition else []


def _assigned_without_items(reading: Reading) -> Cause | None:
    """Return whether the ticket was given to the bot by a delivery that says it nowhere but in the ticket."""
    empty = reading.payload.kind == "issue_assigned" and not list(reading.items())
    issue = reading.payload.issue
    return Cause.ASSIGNED if empty and issue and is_assigned(issue.fields.assignee, reading.bot) else None


def meaning_of_new(reading: Reading) -> Meaning:
    """Return what a new ticket means."""
    if reading.by_me():
        return reading.ignored("done by the bot itself")
    cause = cause_of_new(reading.issue(), reading.bot)
    if cause is None:
        return reading.ignored("a new ticket that does not ask for anything")
    return _work(reading, cause, f"created:{reading.shared()['work_key']}")


def _updated(reading: Reading) -> Meaning:
    if reading.by_me():
        return reading.ignored("done by the bot itself")
    meaning = meaning_of_change(reading)
    if meaning:
        return meaning
    if reading.payload.comment is None or not _is_new_comment(reading):
        return reading.ignored("a change that does not ask for anything")
    return meaning_of_comment(reading)


def _is_new_comment(reading: Reading) -> bool:
    kind = reading.payload.kind
    if kind is not None:
        return kind not in ("issue_comment_edited", "issue_comment_deleted")
    comment = reading.comment()
    if comment.created is None or comment.updated is None:
        return False
    return abs(comment.updated - comment.created) < _EDITED_AFTER


def _edited(reading: Reading) -> Meaning:
    return reading.ignored("an edited comment never asks for anything")


def _comment_deleted(reading: Reading) -> Meaning:
    comment = reading.comment()
    key = f"comment_deleted:{reading.bot.site}:{comment.id}"
    return RequestWithdrawn(**reading.shared(), semantic_key=key, comment_id=comment.id)


def _deleted(reading: Reading) -> Meaning:
    shared = reading.shared()
    return SubjectGone(**shared, semantic_key=f"deleted:{shared['work_key']}", why=Gone.DELETED)


_READERS: Mapping[str, Callable[[Reading], Meaning]] = {
    "jira:issue_created": meaning_of_new,
    "jira:issue_updated": _updated,
    "transition": _updated,
    "jira:issue_deleted": _deleted,
    "comment_created": meaning_of_comment,
    "comment_updated": _edited,
    "comment_deleted": _comment_deleted,
}
