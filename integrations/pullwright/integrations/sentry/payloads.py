"""The parts of Sentry's hooks that are read. Everything is optional but what an event can not do without."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, ClassVar, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

_DIGITS: Final = re.compile(r"[0-9]{1,20}", re.ASCII)
_WORD: Final = re.compile(r"[A-Za-z0-9_.:-]{1,100}", re.ASCII)


def _number(value: object) -> object:
    """Take an id as a number or as text; it becomes part of an address, so it holds nothing but digits."""
    text = str(value) if isinstance(value, int | str) and not isinstance(value, bool) else ""
    if not _DIGITS.fullmatch(text):
        raise ValueError("an id is a number")
    return text


def _word(value: object) -> object:
    if value is None:
        return ""
    text = str(value) if isinstance(value, int | str) and not isinstance(value, bool) else "?"
    if text and not _WORD.fullmatch(text):
        raise ValueError("a name holds letters, digits and dashes")
    return text


def _text(value: object) -> object:
    return value if isinstance(value, str) else ""


def _moment(value: object) -> object:
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return found if found is None or found.tzinfo else found.replace(tzinfo=UTC)


NumberId = Annotated[str, BeforeValidator(_number)]
"""Of an issue, a project or a comment."""
Word = Annotated[str, BeforeValidator(_word)]
"""An event id or a slug."""
Text = Annotated[str, BeforeValidator(_text)]
"""A text; whatever else stands there is none."""
Moment = Annotated[datetime | None, BeforeValidator(_moment)]
"""A time with its zone; whatever else stands there is none."""


class Part(BaseModel):
    """Anything inside a payload: unknown members are dropped, others do not matter, and null is as good as missing."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="ignore", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _without_null(cls, value: object) -> object:
        if not isinstance(value, Mapping):
            return value
        return {name: inside for name, inside in value.items() if inside is not None}


class AppPart(Part):
    """The integration that an installation is of."""

    uuid: Word = ""
    slug: Word = ""


class InstallationPart(Part):
    """Where the integration is installed."""

    uuid: Word = ""
    app: AppPart | None = None


class ActorPart(Part):
    """Who did it."""

    type: Text = ""
    id: Word = ""
    name: Text = ""


class AssigneePart(Part):
    """Whom an issue is assigned to."""

    type: Text = ""
    id: Word = ""


class ProjectPart(Part):
    """A project."""

    id: Word = ""
    slug: Word = ""


class IssuePart(Part):
    """An issue in a hook; its stack is not in there."""

    id: NumberId
    project: ProjectPart = Field(default_factory=ProjectPart)
    assigned_to: Annotated[AssigneePart | None, Field(alias="assignedTo")] = None
    last_seen: Annotated[Moment, Field(alias="lastSeen")] = None


class EventPart(Part):
    """An event in a hook: only what leads to the issue; the event itself is read from the API."""

    event_id: Word = ""
    issue_id: NumberId | None = None
    issue_url: Text = ""


class LegacyPayload(Part):
    """The hook of the legacy WebHooks plugin: an issue, with its event."""

    id: NumberId
    project_slug: Word = ""
    event: EventPart | None = None


class DataPart(Part):
    """What happened."""

    issue: IssuePart | None = None
    event: EventPart | None = None
    triggered_rule: Text = ""
    assignee: AssigneePart | None = None
    comment_id: NumberId | None = None
    issue_id: NumberId | None = None
    group_id: NumberId | None = None
    project_slug: Word = ""
    comment: Text = ""


class HookPayload(Part):
    """The envelope of the integration platform."""

    data: DataPart = Field(default_factory=DataPart)
    actor: ActorPart | None = None
    installation: InstallationPart | None = None
