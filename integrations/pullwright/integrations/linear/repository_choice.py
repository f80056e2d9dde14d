"""Which repository an issue is about: rules of the operator, never a guess from what the issue says. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

from pullwright.agents.errors import ConfigError

LABEL_PREFIX: Final = "repo:"
_SLUG: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,99})/[A-Za-z0-9._-]{1,100}", re.ASCII)
_PATH: Final = re.compile(r"(?!/)(?!.*(?:^|/)\.\.(?:/|$))[\w./@+-]{1,200}")
_MOST_SHOWN: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class RepositoryRule:
    """One line of the settings. Everything that it names has to fit; patterns are those of file names."""

    repository: str
    """``owner/name``."""
    team: str = ""
    """Key or name."""
    project: str = ""
    label: str = ""
    path: str = ""
    """The folder of the repository that such issues are about; empty for all of it."""
    base: str = ""
    """The branch to start from; empty for the default branch."""

    def __post_init__(self) -> None:
        if not _SLUG.fullmatch(self.repository):
            raise ConfigError(f"{self.repository!r} in the rules for Linear is no repository; write owner/name")
        if self.path and not _PATH.fullmatch(self.path):
            raise ConfigError(f"{self.path!r} in the rules for Linear is no folder of a repository")

    @property
    def strength(self) -> int:
        """A label says more than a project, and that more than a team."""
        return 4 * bool(self.label) + 2 * bool(self.project) + bool(self.team)


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueTraits:
    """What rules look at."""

    team: tuple[str, ...] = ()
    """Key and name."""
    project: str = ""
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """The repository, and where in it."""

    repository: str
    path: str = ""
    base: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsure:
    """Nobody said it, or it was said twice: somebody has to be asked."""

    reason: str
    choices: tuple[str, ...] = ()
    """Repositories that may be meant."""


class RepositoryChoice:
    """Chooses by rules."""

    def __init__(self, rules: Iterable[RepositoryRule]) -> None:
        """Take the rules; every repository that may be worked on is in one of them.

        Raises:
            ConfigError: There is no rule.
        """
        self._rules = tuple(rules)
        if not self._rules:
            raise ConfigError("no repository is named for Linear; set AGENT_LINEAR_REPOSITORIES")
        self._known = {rule.repository.casefold(): rule.repository for rule in self._rules}

    def choose(self, issue: IssueTraits, *, named: str = "") -> Chosen | Unsure:
        """Return the repository of an issue; ``named`` is what a command said."""
        on_labels = [label[len(LABEL_PREFIX) :] for label in issue.labels if label.casefold().startswith(LABEL_PREFIX)]
        explicit = {name.strip().casefold() for name in ([named] if named else on_labels)}
        if explicit - self._known.keys():
            return Unsure(reason="the repository that is named is not one that I work on", choices=self._all())
        if len(explicit) > 1:
            return Unsure(reason="more than one repository is named", choices=self._named(explicit))
        fitting = [rule for rule in self._rules if _fits(rule, issue)]
        if explicit:
            (only,) = explicit
            fitting = [rule for rule in fitting if rule.repository.casefold() == only]
            if not fitting:
                return Chosen(repository=self._known[only])
        return self._decided(_strongest(fitting))

    def _decided(self, best: Sequence[RepositoryRule]) -> Chosen | Unsure:
        found = {rule.repository.casefold() for rule in best}
        if len(found) > 1:
            return Unsure(reason="the rules name more than one repository for it", choices=self._named(found))
        if not best:
            return Unsure(reason="no rule says which repository it is about", choices=self._all())
        # Two folders of one repository: then it is about the whole.
        same = len({rule.path for rule in best}) == 1
        return _chosen(best[0]) if same else Chosen(repository=best[0].repository, base=best[0].base)

    def _named(self, found: Iterable[str]) -> tuple[str, ...]:
        return tuple(sorted(self._known[name] for name in found))

    def _all(self) -> tuple[str, ...]:
        return tuple(sorted(self._known.values()))[:_MOST_SHOWN]


def _chosen(rule: RepositoryRule) -> Chosen:
    return Chosen(repository=rule.repository, path=rule.path, base=rule.base)


def _strongest(rules: Sequence[RepositoryRule]) -> Sequence[RepositoryRule]:
    most = max((rule.strength for rule in rules), default=0)
    return [rule for rule in rules if rule.strength == most]


def _fits(rule: RepositoryRule, issue: IssueTraits) -> bool:
    return _like(rule.team, issue.team) and _like(rule.project, [issue.project]) and _like(rule.label, issue.labels)


def _like(pattern: str, values: Iterable[str]) -> bool:
    return not pattern or any(fnmatchcase(value.casefold(), pattern.casefold()) for value in values)
