"""Which repository a ticket is about: rules of the operator, never a guess from what the ticket says. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from fnmatch import fnmatchcase
from typing import Final

from pullwright.agents.errors import ConfigError

LABEL_PREFIX: Final = "repo:"
_SLUG: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,99})/[A-Za-z0-9._-]{1,100}", re.ASCII)
_PATH: Final = re.compile(r"(?!/)(?!.*(?:^|/)\.\.(?:/|$))[\w./@+-]{1,200}")
_MOST_SHOWN: Final = 10


class Rank(IntEnum):
    """How a repository was named; the lowest number decides."""

    COMMAND = 0
    """``/agent run repo=owner/name``."""
    LABEL_OR_FIELD = 1
    """A label ``repo:owner/name``, or the field that is there for it."""
    COMPONENT = 2
    LABEL = 3
    FIELD = 4
    PROJECT = 5
    ONLY = 6
    """There is but one."""


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
        if not _SLUG.fullmatch(self.repository):
            raise ConfigError(f"{self.repository!r} in the rules for Jira is no repository; write owner/name")
        if bool(self.field) != bool(self.value):
            raise ConfigError(f"the rule for {self.repository!r} needs both a field and a value, or neither")
        if self.path and not _PATH.fullmatch(self.path):
            raise ConfigError(f"{self.path!r} in the rules for Jira is no folder of a repository")

    @property
    def rank(self) -> Rank:
        """How strong it is."""
        for named, rank in ((self.component, Rank.COMPONENT), (self.label, Rank.LABEL), (self.field, Rank.FIELD)):
            if named:
                return rank
        return Rank.PROJECT if self.project else Rank.ONLY


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketTraits:
    """What rules look at."""

    project: str
    components: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    fields: Mapping[str, str] = field(default_factory=dict)
    """Texts of fields by id and by name, both in lower case."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """The repository, and where in it."""

    repository: str
    path: str = ""
    base: str = ""
    rank: Rank = Rank.ONLY


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsure:
    """Nobody said it, or it was said twice: somebody has to be asked."""

    reason: str
    choices: tuple[str, ...] = ()
    """Repositories that may be meant."""


class RepositoryChoice:
    """Chooses by rules."""

    def __init__(self, rules: Iterable[RepositoryRule], *, field: str = "") -> None:
        """Make one.

        Args:
            rules: Every repository that may be worked on is in one of them.
            field: Id or name of the field that holds a repository; empty for none.

        Raises:
            ConfigError: There is no rule.
        """
        self._rules = tuple(rules)
        self._field = field.casefold()
        if not self._rules:
            raise ConfigError("no repository is named for Jira; set AGENT_JIRA_REPOSITORIES")
        self._known = {rule.repository.casefold(): rule.repository for rule in self._rules}

    def choose(self, ticket: TicketTraits, *, named: str = "") -> Chosen | Unsure:
        """Return the repository of a ticket; ``named`` is what a command said."""
        explicit = [named] if named else self._explicit(ticket)
        strange = [name for name in explicit if name.casefold() not in self._known]
        if strange:
            return Unsure(reason="the repository that is named is not one that I work on", choices=self._shown())
        found = {name.casefold() for name in explicit}
        if len(found) > 1:
            return Unsure(reason="more than one repository is named", choices=self._of(found))
        rules = self._fitting(ticket, only=found)
        if found:
            rank = Rank.COMMAND if named else Rank.LABEL_OR_FIELD
            rule = rules[0] if rules else None
            name = self._known[next(iter(found))]
            return Chosen(repository=name, path=rule.path if rule else "", base=rule.base if rule else "", rank=rank)
        return self._decided(rules)

    def _decided(self, rules: Sequence[RepositoryRule]) -> Chosen | Unsure:
        best = [rule for rule in rules if rule.rank == rules[0].rank]
        found = {rule.repository.casefold() for rule in best}
        if len(found) == 1:
            rule = best[0]
            # Two folders of one repository: then it is about the whole.
            path = rule.path if len({one.path for one in best}) == 1 else ""
            return Chosen(repository=rule.repository, path=path, base=rule.base, rank=rule.rank)
        if found:
            return Unsure(reason="the rules name more than one repository for it", choices=self._of(found))
        if len(self._known) == 1 and any(rule.rank is Rank.ONLY for rule in self._rules):
            return Chosen(repository=self._rules[0].repository)
        return Unsure(reason="no rule says which repository it is about", choices=self._shown())

    def _explicit(self, ticket: TicketTraits) -> list[str]:
        labels = [label[len(LABEL_PREFIX) :] for label in ticket.labels if label.casefold().startswith(LABEL_PREFIX)]
        value = ticket.fields.get(self._field, "").strip() if self._field else ""
        return [*labels, *([value] if value else [])]

    def _fitting(self, ticket: TicketTraits, *, only: set[str]) -> list[RepositoryRule]:
        fitting = [rule for rule in self._rules if (not only or rule.repository.casefold() in only)]
        return sorted((rule for rule in fitting if _fits(rule, ticket)), key=lambda rule: rule.rank)

    def _of(self, found: set[str]) -> tuple[str, ...]:
        return tuple(sorted(self._known[name] for name in found))

    def _shown(self) -> tuple[str, ...]:
        return tuple(sorted(set(self._known.values())))[:_MOST_SHOWN]


def _fits(rule: RepositoryRule, ticket: TicketTraits) -> bool:
    return (
        _like(rule.project, [ticket.project])
        and _like(rule.component, ticket.components)
        and _like(rule.label, ticket.labels)
        and (not rule.field or _like(rule.value, [ticket.fields.get(rule.field.casefold(), "")]))
    )


def _like(pattern: str, values: Iterable[str]) -> bool:
    return not pattern or any(fnmatchcase(value.casefold(), pattern.casefold()) for value in values)
