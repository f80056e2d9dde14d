"""What the rules for Jira look at. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pullwright.agents.errors import ConfigError
from pullwright.integrations.repository_choice import check_target, like


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketTraits:
    """What rules look at."""

    project: str
    components: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    fields: Mapping[str, str] = field(default_factory=dict)
    """Texts of fields by id and by name, both in lower case."""

    def text_of(self, name: str) -> str:
        """Return the text of a field by its id or name; empty where there is none."""
        return self.fields.get(name.casefold(), "")


@dataclass(frozen=True, slots=True, kw_only=True)
class RepositoryRule:
    """One line of the settings. Everything that it names has to fit; patterns are those of file names."""

    repository: str
    """``owner/name``."""
    project: str = ""
    component: str = ""
    label: str = ""
    field: str = ""
    """Id or name of a field whose text is compared with ``value``."""
    value: str = ""
    path: str = ""
    """The folder of the repository that such tickets are about; empty for all of it."""
    base: str = ""
    """The branch to start from; empty for the default branch."""

    def __post_init__(self) -> None:
        check_target(self, "Jira")
        if bool(self.field) != bool(self.value):
            raise ConfigError(f"the rule for {self.repository!r} needs both a field and a value, or neither")

    @property
    def strength(self) -> int:
        """What it names first decides: a component, a label, a field, a project."""
        named = (self.component, self.label, self.field, self.project)
        return next((len(named) - place for place, name in enumerate(named) if name), 0)

    def fits(self, ticket: TicketTraits) -> bool:
        """Whether a ticket is one of those."""
        return (
            like(self.project, [ticket.project])
            and like(self.component, ticket.components)
            and like(self.label, ticket.labels)
            and (not self.field or like(self.value, [ticket.text_of(self.field)]))
        )
