"""A ticket as Jira's API gives it, and what it said when somebody asked for work. Pure.

What was written or changed later was never agreed to: otherwise a stranger could wait for somebody to ask for work, and
then change what the work is. Jira keeps a history of every field, so the texts of that moment can be had.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from pydantic import Field

from pullwright.agents.message import Image
from pullwright.agents.ports.code_host import Comment
from pullwright.integrations.jira.grammar import as_markdown
from pullwright.integrations.jira.meanings import TicketFacts
from pullwright.integrations.jira.payloads import (
    AttachmentPart,
    ChangePart,
    CommentPart,
    Id,
    Key,
    NamedPart,
    Part,
    ProjectPart,
    StatusPart,
    Text,
    UserPart,
)
from pullwright.integrations.jira.repository_choice import TicketTraits

_LONGEST_VALUE: Final = 300


class LinkedFields(Part):
    """What a ticket shows of another one."""

    summary: Text = ""
    status: StatusPart | None = None


class LinkedPart(Part):
    """Another ticket."""

    key: Text = ""
    fields: LinkedFields = LinkedFields()


class LinkKindPart(Part):
    """How tickets are linked, said from both ends."""

    inward: Text = ""
    outward: Text = ""


class LinkPart(Part):
    """A link to another ticket."""

    kind: LinkKindPart = Field(default=LinkKindPart(), alias="type")
    inward: LinkedPart | None = Field(default=None, alias="inwardIssue")
    outward: LinkedPart | None = Field(default=None, alias="outwardIssue")


class TicketFields(Part):
    """The fields that are read by name; the others are looked at as they come."""

    summary: Text | None = None
    description: Text | dict[str, object] | None = None
    status: StatusPart | None = None
    labels: list[Text] | None = None
    components: list[NamedPart] | None = None
    project: ProjectPart | None = None
    reporter: UserPart | None = None
    assignee: UserPart | None = None
    parent: LinkedPart | None = None
    subtasks: list[LinkedPart] | None = None
    links: list[LinkPart] | None = Field(default=None, alias="issuelinks")
    attachments: list[AttachmentPart] | None = Field(default=None, alias="attachment")
    created: datetime | None = None


class HistoryPart(Part):
    """The changes of a ticket; the newest of them when there are many."""

    total: int = 0
    histories: list[ChangePart] = Field(default_factory=list)


class TicketPayload(Part):
    """A ticket."""

    id: Id
    key: Key
    fields: dict[str, object] = Field(default_factory=dict)
    names: dict[str, Text] | None = None
    changelog: HistoryPart = HistoryPart()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """A ticket at one moment; every text in it is untrusted Markdown."""

    facts: TicketFacts
    title: str
    url: str
    status: StatusPart
    reporter: UserPart | None
    traits: TicketTraits
    description: str = ""
    acceptance: str = ""
    comments: tuple[Comment, ...] = ()
    linked: tuple[str, ...] = ()
    """One line for each."""
    attachments: tuple[AttachmentPart, ...] = ()
    images: tuple[Image, ...] = ()
    files: tuple[tuple[str, str], ...] = ()
    """Names and texts of the attached files that can be read."""
    notes: tuple[str, ...] = ()
    """What was left out, and why."""


def ticket_of(payload: TicketPayload, *, at: datetime, url: str, acceptance_field: str = "") -> Ticket:
    """Return a ticket as it was at a moment.

    Args:
        payload: As it is now, with its history.
        at: The moment, with a time zone.
        url: Where people find it.
        acceptance_field: Id or name of the field with the acceptance criteria; empty when there is none.

    Raises:
        ValidationError: It is of no form that is known.
    """
    names = {name.casefold(): field for field, name in (payload.names or {}).items()}
    wanted = acceptance_field.casefold()
    criteria = wanted if wanted in payload.fields else names.get(wanted, wanted)
    before, notes = _before(payload, at, {"summary", "description", criteria} - {""})
    values = {**payload.fields, **before}
    fields = TicketFields.model_validate(values)
    later = [one for one in fields.attachments or () if one.created is None or one.created >= at]
    if later:
        notes.append(f"{len(later)} attachments were left out: added after the work was asked for")
    project = payload.key.rpartition("-")[0].upper()
    service_desk = fields.project is not None and fields.project.kind == "service_desk"
    return Ticket(
        facts=TicketFacts(id=payload.id, key=payload.key, project=project, service_desk=service_desk),
        title=fields.summary or payload.key,
        url=url,
        status=fields.status or StatusPart(),
        reporter=fields.reporter,
        traits=_traits(project, fields, values, payload.names or {}),
        description=as_markdown(fields.description or "", {one.filename for one in fields.attachments or ()}),
        acceptance=_any_text(values.get(criteria)) if criteria else "",
        linked=(*_linked(fields), *_sprints(values)),
        attachments=tuple(one for one in fields.attachments or () if one not in later),
        notes=tuple(notes),
    )


def comments_of(found: Iterable[CommentPart], at: datetime, *, without: str = "") -> tuple[tuple[Comment, ...], int]:
    """Return the comments that were there, and had these words, before a moment, oldest first; and how many were not.

    Args:
        found: As they are now.
        at: The moment.
        without: Id of the comment that asks for the work: its words are the instruction.
    """
    kept, later = [], 0
    for comment in found:
        if comment.id == without:
            continue
        times = [time for time in (comment.created, comment.updated) if time]
        if not times or max(times) >= at:
            later += 1
            continue
        author = comment.author.display_name or comment.author.account if comment.author else "somebody"
        kept.append(Comment(author=author, body=as_markdown(comment.body or ""), created_at=comment.created))
    return tuple(sorted(kept, key=lambda one: one.created_at or at)), later


def _before(payload: TicketPayload, at: datetime, fields: set[str]) -> tuple[dict[str, object], list[str]]:
    """Return what fields held before the first change since the moment."""
    since = sorted(
        (change for change in payload.changelog.histories if change.created and change.created >= at),
        key=lambda change: (change.created or at, int(change.id or 0)),
    )
    before: dict[str, object] = {}
    for change in since:
        for item in change.items:
            if item.name in fields:
                before.setdefault(item.name, item.old_text or "")
    shown = sorted("the acceptance criteria" if f not in ("summary", "description") else f"the {f}" for f in before)
    notes = [f"{name} was changed after the work was asked for; this is the text from before" for name in shown]
    if since and len(since) == len(payload.changelog.histories) < payload.changelog.total:
        notes.append("the ticket has changed so often that its texts may be newer than the request")
    return before, notes


def _traits(project: str, fields: TicketFields, values: Mapping[str, object], names: Mapping[str, str]) -> TicketTraits:
    short = {field: text for field, value in values.items() if (text := _any_text(value)[:_LONGEST_VALUE])}
    by_name = {names[field].casefold(): text for field, text in short.items() if field in names}
    return TicketTraits(
        project=project,
        components=tuple(one.name for one in fields.components or ()),
        labels=tuple(fields.labels or ()),
        fields={**by_name, **{field.casefold(): text for field, text in short.items()}},
    )


def _any_text(value: object, depth: int = 0) -> str:
    """Return a field's value as text: a document, wiki markup, a choice, a list of such."""
    match value:
        case str():
            return as_markdown(value)
        case {"type": "doc"}:
            return as_markdown(value)
        case {"value": str(text)} | {"name": str(text)}:
            return text
        case [*entries] if depth < 3:
            return "\n".join(
                f"- {text}" if len(entries) > 1 else text for one in entries if (text := _any_text(one, 3))
            )
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else ""


def _linked(fields: TicketFields) -> Iterable[str]:
    if fields.parent:
        yield _line("is part of", fields.parent)
    for link in fields.links or ():
        if link.outward:
            yield _line(link.kind.outward or "is linked with", link.outward)
        if link.inward:
            yield _line(link.kind.inward or "is linked with", link.inward)
    for subtask in fields.subtasks or ():
        yield _line("has the subtask", subtask)


def _sprints(values: Mapping[str, object]) -> Iterable[str]:
    """Yield the sprints of a ticket; their field has another id in every Jira, and on Data Center another form."""
    for value in values.values():
        for entry in value if isinstance(value, list) else ():
            match entry:
                case {"boardId": int(), "name": str(name), "state": str(state)}:
                    yield f"is in the sprint {name} ({state})"


def _line(how: str, other: LinkedPart) -> str:
    status = f" ({other.fields.status.name})" if other.fields.status else ""
    return f"{how} {other.key}{status}: {other.fields.summary}"
