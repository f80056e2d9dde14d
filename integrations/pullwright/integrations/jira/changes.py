"""What a change of a ticket means: labels, status and assignee, of a hook or of the ticket's history. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from pullwright.integrations.jira.meanings import CATEGORY, BotIdentity, Cause, Gone
from pullwright.integrations.jira.payloads import IssuePart, ItemPart, UserPart

DONE = "done"
"""Category of the statuses that end a ticket."""

_PLACES = ("key", "issuekey", "project")
"""What a move to another project changes; releases of Jira name it differently."""


def cause_of(items: Iterable[ItemPart], bot: BotIdentity, issue: IssuePart | None) -> Cause | None:
    """Return by what a change asks for work; None when it does not."""
    found = [cause for item in items if (cause := _cause(item, bot, issue))]
    return found[0] if found else None


def end_of(items: Iterable[ItemPart], bot: BotIdentity, issue: IssuePart | None) -> Gone | None:
    """Return by what a change ends work; None when it does not."""
    found = [end for item in items if (end := _end(item, bot, issue))]
    return found[0] if found else None


def cause_of_new(issue: IssuePart, bot: BotIdentity) -> Cause | None:
    """Return whether a new ticket asks for work from its first moment."""
    fields = issue.fields
    labelled = bot.label.casefold() in {label.casefold() for label in fields.labels or ()}
    in_status = fields.status is not None and bot.is_trigger_status(*fields.status.names)
    return Cause.CREATED if labelled or in_status or is_assigned(fields.assignee, bot) else None


def is_assigned(user: UserPart | None, bot: BotIdentity) -> bool:
    """Whether a ticket is given to the bot, and that is listened to."""
    return bot.listens_to_assignment and user is not None and user.account == bot.account


def added_labels(item: ItemPart) -> frozenset[str]:
    """Return the labels that a change added: Jira writes the whole list before and after, with blanks between."""
    return _labels(item.new_text) - _labels(item.old_text)


def _labels(text: str | None) -> frozenset[str]:
    return frozenset(label.casefold() for label in (text or "").strip('"').split())


def _cause(item: ItemPart, bot: BotIdentity, issue: IssuePart | None) -> Cause | None:
    match item.name:
        case "labels" if bot.label.casefold() in added_labels(item):
            return Cause.LABELED
        case "status" if bot.is_trigger_status(item.new, item.new_text, *_names_now(item, issue)):
            return Cause.MOVED
        case "assignee" if bot.listens_to_assignment and bot.is_named(item.new):
            return Cause.ASSIGNED
    return None


def _names_now(item: ItemPart, issue: IssuePart | None) -> tuple[str | None, ...]:
    """Return all names of the status that a ticket was moved to, if it is there still: a change says no category."""
    status = issue.fields.status if issue else None
    return status.names if status and {item.new, item.new_text} & ({status.id, status.name} - {None, ""}) else ()


def _end(item: ItemPart, bot: BotIdentity, issue: IssuePart | None) -> Gone | None:
    match item.name:
        case "labels" if bot.label.casefold() in _labels(item.old_text) - _labels(item.new_text):
            return Gone.UNLABELED
        case "status" if f"{CATEGORY}{DONE}" in _names_now(item, issue):
            return Gone.DONE
        case "assignee" if bot.listens_to_assignment and bot.is_named(item.old) and not bot.is_named(item.new):
            return Gone.UNASSIGNED
        case name if name in _PLACES and issue and not bot.listens_to(issue.project_key):
            return Gone.MOVED_AWAY
    return None
