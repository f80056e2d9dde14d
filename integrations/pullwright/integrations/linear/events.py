"""From a delivery to its meaning: the events that the bot listens to. Pure; never raises for what is inside."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final, TypedDict

from pydantic import ValidationError

from pullwright.integrations.commands import AgentRequest, Verb, read_request
from pullwright.integrations.linear import meanings as m
from pullwright.integrations.linear.deliveries import LinearDelivery
from pullwright.integrations.linear.payloads import (
    CommentEvent,
    CommentPart,
    IssueEvent,
    IssueHead,
    IssuePart,
    SessionEvent,
    UserPart,
)
from pullwright.integrations.markdown import clip
from pullwright.integrations.untrusted import BODY_LIMIT, sanitise

_WORDS: Final = 20_000


class Shared(TypedDict):
    """The fields that every meaning has."""

    delivery_id: str
    issue: m.IssueFacts | None
    actor: m.Actor | None
    work_key: str


def interpret(delivery: LinearDelivery, bot: m.BotIdentity) -> m.Meaning:
    """Return what a delivery means; ``Ignored`` for everything that the bot does not listen to or can not read."""
    kind, action = (str(delivery.document.get(name, ""))[:50] for name in ("type", "action"))
    shown = f"{kind or 'something'} {action}".strip()
    reader = _READERS.get(kind)
    if reader is None:
        return ignored(delivery.id, f"{shown} is nothing to listen to")
    try:
        meaning = reader(delivery, bot)
    except ValidationError as exc:
        place = ".".join(str(part) for part in exc.errors()[0]["loc"])[:200]
        return ignored(delivery.id, f"{shown} has an unexpected {place!r}")
    if bot.listens_to(meaning.issue.identifier if meaning.issue else ""):
        return meaning
    return ignored(delivery.id, "a team that is not listened to")


def ignored(delivery_id: str, reason: str) -> m.Ignored:
    """Return that nothing is to be done."""
    return m.Ignored(delivery_id=delivery_id, reason=reason)


def shared(delivery_id: str, issue: IssueHead, actor: m.Actor | None) -> Shared:
    """Return what every meaning has."""
    return {
        "delivery_id": delivery_id,
        "issue": m.IssueFacts(id=issue.id, identifier=issue.identifier or ""),
        "actor": actor,
        "work_key": m.work_key(issue.id),
    }


def actor_of(user: UserPart | None, or_id: str | None = None) -> m.Actor | None:
    """Return a person or app; of one that only an id is known of, that."""
    if user is None:
        return m.Actor(id=or_id) if or_id else None
    return m.Actor(id=user.id, name=user.name, url=user.url or "", person=user.kind.lower() == "user")


def request_of(
    comment: CommentPart, about: Shared, bot: m.BotIdentity, *, default: str = ""
) -> m.WorkRequested | m.ControlRequested | None:
    """Return what a comment asks for; None when it does not speak to the bot.

    Args:
        comment: The comment.
        about: The issue, and who wrote it.
        bot: Who listens.
        default: What is asked for by a text that does not name the bot, because it is said to nobody else.
    """
    request = read_request(comment.body, bot.mention)
    if request is None and default:
        request = AgentRequest(verb=Verb.CONTINUE, instruction=sanitise(default).strip()[:_WORDS])
    if request is None:
        return None
    key = f"comment:{comment.id}"
    if not request.verb.starts_work:
        return m.ControlRequested(
            **about, semantic_key=key, verb=request.verb, comment_id=comment.id, unknown=request.unknown
        )
    return m.WorkRequested(
        **about, semantic_key=key, cause=m.Cause.COMMENTED, request=request, at=comment.created, comment_id=comment.id
    )


# Issues


def _issue(delivery: LinearDelivery, bot: m.BotIdentity) -> m.Meaning:
    event = IssueEvent.model_validate(delivery.document)
    actor = actor_of(event.actor, event.data.creator_id if event.action == "create" else None)
    if bot.is_me(actor):
        return ignored(delivery.id, "done by the bot itself")
    about = shared(delivery.id, event.data, actor)
    before = event.before or {}
    gone, cause = None, None
    match event.action:
        case "create":
            cause = _cause(event.data, {"labelIds": [], "assigneeId": None, "delegateId": None}, bot)
        case "update":
            gone = _end(event.data, before)
            cause = None if gone else _cause(event.data, before, bot)
            gone = None if cause else gone or _taken_back(event.data, before, bot)
        case "remove":
            gone = m.Gone.REMOVED
    if gone:
        return m.SubjectGone(**about, semantic_key=f"{gone.name.lower()}:{_moment(event)}", why=gone)
    if cause is None:
        return ignored(delivery.id, "a change that does not ask for anything")
    return m.WorkRequested(
        **about,
        semantic_key=f"{cause}:{_moment(event)}",
        cause=cause,
        request=AgentRequest(verb=Verb.RUN),
        at=event.created,
        title=event.data.title if {"title", "description"} <= event.data.model_fields_set else None,
        description=clip(event.data.description or "", BODY_LIMIT),
    )


def _moment(event: IssueEvent) -> str:
    """Return a name of the change, which stays when it is delivered again."""
    at = event.created.astimezone(UTC).isoformat() if event.created else "at some time"
    return f"{event.data.id}:{at}"


def _cause(issue: IssuePart, before: Mapping[str, object], bot: m.BotIdentity) -> m.Cause | None:
    label = _label_of(issue, bot)
    if label and "labelIds" in before and label not in _ids(before["labelIds"]):
        return m.Cause.LABELED
    if bot.listens_to_assignment and _is_mine(issue, bot) and _has_changed_hands(issue, before, bot):
        return m.Cause.ASSIGNED
    return None


def _end(issue: IssuePart, before: Mapping[str, object]) -> m.Gone | None:
    if issue.trashed and "trashed" in before:
        return m.Gone.REMOVED
    return m.Gone.ENDED if issue.state and issue.state.ended and "stateId" in before else None


def _taken_back(issue: IssuePart, before: Mapping[str, object], bot: m.BotIdentity) -> m.Gone | None:
    # Which label was taken away is not said, only its id: whether it was ours is seen when the issue is read.
    if not _label_of(issue, bot) and _ids(before.get("labelIds")) - set(issue.label_ids):
        return m.Gone.UNLABELED
    was_mine = bot.user in (before.get("assigneeId"), before.get("delegateId"))
    return m.Gone.UNASSIGNED if was_mine and not _is_mine(issue, bot) else None


def _label_of(issue: IssuePart, bot: m.BotIdentity) -> str:
    """Return the id of the bot's label on an issue; empty when it has none."""
    ours = (label.id for label in issue.labels if label.name.casefold() == bot.label.casefold())
    return next(ours, "")


def _ids(value: object) -> frozenset[str]:
    return frozenset(one for one in value if isinstance(one, str)) if isinstance(value, list) else frozenset()


def _is_mine(issue: IssuePart, bot: m.BotIdentity) -> bool:
    return bot.user in (issue.assignee_id, issue.delegate_id)


def _has_changed_hands(issue: IssuePart, before: Mapping[str, object], bot: m.BotIdentity) -> bool:
    then = (before.get("assigneeId", issue.assignee_id), before.get("delegateId", issue.delegate_id))
    return bot.user not in then


# Comments


def _comment(delivery: LinearDelivery, bot: m.BotIdentity) -> m.Meaning:
    event = CommentEvent.model_validate(delivery.document)
    comment = event.data
    issue = comment.issue or (IssueHead(id=comment.issue_id) if comment.issue_id else None)
    if issue is None:
        return ignored(delivery.id, "a comment that belongs to no issue")
    # A comment without a user is of an app or an integration, whoever the actor is.
    writer = actor_of(event.actor) if event.actor else actor_of(comment.user, comment.user_id)
    if bot.is_me(writer) or comment.user_id == bot.user:
        return ignored(delivery.id, "written by the bot itself")
    about = shared(delivery.id, issue, writer if comment.user_id else None)
    match event.action:
        case "create":
            asked = request_of(comment, about, bot)
            return asked or ignored(delivery.id, "a comment that does not ask for anything")
        case "remove":
            return _withdrawn(about, comment, changed=False)
        case "update" if "body" in (event.before or {}):
            return _withdrawn(about, comment, changed=True)
    return ignored(delivery.id, "an edited comment never asks for anything")


def _withdrawn(about: Shared, comment: CommentPart, *, changed: bool) -> m.Meaning:
    # Only the first change counts: a task that has not begun is dropped by it.
    key = f"{'changed' if changed else 'removed'}:comment:{comment.id}"
    return m.RequestWithdrawn(**about, semantic_key=key, comment_id=comment.id, changed=changed)


# Agent sessions, of an app that is an agent in Linear


def _session(delivery: LinearDelivery, bot: m.BotIdentity) -> m.Meaning:
    event = SessionEvent.model_validate(delivery.document)
    session = event.session
    issue = session.issue or (IssueHead(id=session.issue_id) if session.issue_id else None)
    if issue is None:
        return ignored(delivery.id, "a session that belongs to no issue")
    match event.action:
        case "created":
            return _session_begun(delivery, event, issue, bot)
        case "prompted" if event.activity:
            return _prompted(delivery, event, issue, bot)
    return ignored(delivery.id, "a session in which nobody asks for anything")


def _session_begun(delivery: LinearDelivery, event: SessionEvent, issue: IssueHead, bot: m.BotIdentity) -> m.Meaning:
    session = event.session
    about = shared(delivery.id, issue, actor_of(session.creator))
    spoken = _spoken(session.comment, session.source_comment_id, event.created)
    asked = request_of(spoken, about, bot) if spoken else None
    if asked:
        return replace(asked, session_id=session.id) if isinstance(asked, m.WorkRequested) else asked
    request = AgentRequest(verb=Verb.RUN)
    return m.WorkRequested(
        **about,
        semantic_key=f"session:{session.id}",
        cause=m.Cause.SESSION,
        request=request,
        at=event.created,
        session_id=session.id,
    )


def _prompted(delivery: LinearDelivery, event: SessionEvent, issue: IssueHead, bot: m.BotIdentity) -> m.Meaning:
    activity = event.activity
    if activity is None or bot.is_me(actor := actor_of(activity.user)):
        return ignored(delivery.id, "written by the bot itself")
    about = shared(delivery.id, issue, actor)
    key = f"activity:{activity.id}"
    if activity.signal == "stop":
        return m.ControlRequested(**about, semantic_key=key, verb=Verb.STOP)
    said = CommentPart(
        id=activity.source_comment_id or activity.id, body=activity.content.body, createdAt=event.created
    )
    asked = request_of(said, about, bot, default=activity.content.body.strip())
    return asked or ignored(delivery.id, "a prompt without words")


def _spoken(comment: CommentPart | None, source: str | None, at: datetime | None) -> CommentPart | None:
    """Return the comment that a session began with, by the id that its own hook has."""
    if comment is None:
        return None
    return comment.model_copy(update={"id": source or comment.id, "created": comment.created or at})


_READERS: Mapping[str, Callable[[LinearDelivery, m.BotIdentity], m.Meaning]] = {
    "Issue": _issue,
    "Comment": _comment,
    "AgentSessionEvent": _session,
}
