"""The parts of Jira's documents that this project reads, of webhooks and answers alike; the rest is ignored.

Cloud and Data Center, and their releases, differ in what they send: nothing is required that a meaning can do without.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from pullwright.integrations.jira.meanings import CATEGORY


def _well_formed(value: object) -> object:
    # Half characters can be written in JSON but not stored; NUL is refused by some databases.
    return value.encode("utf-8", "replace").decode().replace("\0", "\ufffd") if isinstance(value, str) else value


def _digits(value: object) -> object:
    # Webhooks write ids as text, Automation as numbers.
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _if_any(value: object) -> object:
    return value or None  # workflows write an empty text where there is no comment


def _some_text(value: object) -> object:
    return value if value is None or isinstance(value, str) else str(value)[:1000]


Text = Annotated[str, BeforeValidator(_well_formed)]
Id = Annotated[str, BeforeValidator(_digits), Field(pattern=r"^[0-9]{1,19}$")]
Key = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,99}-[0-9]{1,10}$")]
Account = Annotated[str, Field(max_length=300), BeforeValidator(_well_formed)]
Loose = Annotated[str, BeforeValidator(_well_formed), BeforeValidator(_some_text)]


class Part(BaseModel):
    """Base of the models below."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)


class UserPart(Part):
    """Whoever did or wrote something. Cloud has account ids, Data Center has names."""

    account_id: Account = Field(default="", alias="accountId")
    name: Account | None = None
    key: Account | None = None
    display_name: Text | None = Field(default=None, alias="displayName")
    account_type: Text | None = Field(default=None, alias="accountType")

    @property
    def account(self) -> str:
        """What identifies them where they are."""
        return self.account_id or self.name or self.key or ""


class NamedPart(Part):
    """Something that has an id and a name."""

    id: Id | None = None
    name: Text = ""


class CategoryPart(Part):
    """What sort of status it is: ``new``, ``indeterminate`` or ``done``."""

    key: Text = ""


class StatusPart(NamedPart):
    """A status."""

    category: CategoryPart = Field(default=CategoryPart(), alias="statusCategory")

    @property
    def names(self) -> tuple[str | None, ...]:
        """What settings may call it."""
        return (self.id, self.name, f"{CATEGORY}{self.category.key}")


class ProjectPart(Part):
    """A project."""

    key: Text = ""
    kind: Text | None = Field(default=None, alias="projectTypeKey")


class AttachmentPart(Part):
    """A file that hangs on a ticket; its name and type are whatever somebody wrote."""

    id: Id
    filename: Text = ""
    kind: Text = Field(default="", alias="mimeType")
    size: int = 0
    content: Text = ""
    created: datetime | None = None


class CommentPart(Part):
    """A comment; its body is wiki markup or an Atlassian document."""

    id: Id
    address: Text = Field(default="", alias="self")
    author: UserPart | None = None
    editor: UserPart | None = Field(default=None, alias="updateAuthor")
    """Who changed it last; its author as long as nobody did."""
    body: Text | dict[str, object] | None = None
    created: datetime | None = None
    updated: datetime | None = None
    public: bool | None = Field(default=None, alias="jsdPublic")
    properties: list[dict[str, object]] | None = None


class ItemPart(Part):
    """One field that was changed."""

    field: Text = ""
    field_id: Text | None = Field(default=None, alias="fieldId")
    old: Loose | None = Field(default=None, alias="from")
    old_text: Loose | None = Field(default=None, alias="fromString")
    new: Loose | None = Field(default=None, alias="to")
    new_text: Loose | None = Field(default=None, alias="toString")

    @property
    def name(self) -> str:
        """The field's id, or its name where there is no id; in lower case."""
        return (self.field_id or self.field).casefold()


class ChangePart(Part):
    """What was changed at once; of a webhook or of a ticket's history."""

    id: Id | None = None
    author: UserPart | None = None
    created: datetime | None = None
    items: list[ItemPart] = Field(default_factory=list)


class FieldsPart(Part):
    """The fields of a ticket that a delivery is understood by."""

    summary: Text | None = None
    labels: list[Text] | None = None
    assignee: UserPart | None = None
    status: StatusPart | None = None
    project: ProjectPart | None = None
    created: datetime | None = None
    updated: datetime | None = None


class IssuePart(Part):
    """A ticket."""

    id: Id
    key: Key
    fields: FieldsPart = FieldsPart()

    @property
    def project_key(self) -> str:
        """The key of its project; ``fields`` may leave the project out."""
        return self.key.rpartition("-")[0].upper()


class TransitionPart(Part):
    """What a webhook of a workflow says instead of a changelog."""

    to_status: Text = ""


class EventPayload(Part):
    """A webhook's body."""

    event: Text | None = Field(default=None, alias="webhookEvent")
    kind: Text | None = Field(default=None, alias="issue_event_type_name")
    timestamp: int | None = None
    user: UserPart | None = None
    issue: IssuePart | None = None
    comment: Annotated[CommentPart | None, BeforeValidator(_if_any)] = None
    changelog: ChangePart | None = None
    transition: TransitionPart | None = None


class AutomationPayload(Part):
    """What an Automation rule sends: the body that we ask for, or the ticket in Automation's own format."""

    key: Key
    id: Id | None = None
    actor: Account = ""
    rule: Text = ""
    updated: Loose = ""
    instruction: Text = ""
