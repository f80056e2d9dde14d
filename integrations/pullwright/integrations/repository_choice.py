"""Which repository a tracker's ticket is about: rules of the operator, never a guess from what it says. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final, Generic, Protocol, TypeVar

from pullwright.agents.errors import ConfigError

LABEL_PREFIX: Final = "repo:"
_SLUG: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,99})/[A-Za-z0-9._-]{1,100}", re.ASCII)
_PATH: Final = re.compile(r"(?!/)(?!.*(?:^|/)\.\.(?:/|$))[\w./@+-]{1,200}")
_MOST_SHOWN: Final = 10


class Traits(Protocol):
    """What rules look at."""

    @property
    def labels(self) -> Sequence[str]:
        """Names of labels; ``repo:owner/name`` names the repository."""
        ...


T = TypeVar("T", bound=Traits)
Seen = TypeVar("Seen", contravariant=True)


class Target(Protocol):
    """Where a rule leads."""

    @property
    def repository(self) -> str:
        """``owner/name``."""
        ...

    @property
    def path(self) -> str:
        """The folder of the repository that it is about; empty for all of it."""
        ...

    @property
    def base(self) -> str:
        """The branch to start from; empty for the default branch."""
        ...


class Rule(Target, Protocol[Seen]):
    """One line of the settings."""

    @property
    def strength(self) -> int:
        """Of the rules that fit, the strongest decide."""
        ...

    def fits(self, traits: Seen) -> bool:
        """Whether everything that it names is so."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """The repository, and where in it; as in ``Target``."""

    repository: str
    path: str = ""
    base: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsure:
    """Nobody said it, or it was said twice: somebody has to be asked."""

    reason: str
    choices: tuple[str, ...] = ()
    """Repositories that may be meant."""


class RepositoryChoice(Generic[T]):
    """Chooses by rules."""

    def __init__(self, rules: Iterable[Rule[T]], *, tracker: str) -> None:
        """Take the rules; every repository that may be worked on is in one of them. ``tracker`` is for people.

        Raises:
            ConfigError: There is no rule.
        """
        self._rules = tuple(rules)
        if not self._rules:
            raise ConfigError(f"no repository is named for {tracker}; set AGENT_{tracker.upper()}_REPOSITORIES")
        self._known = {rule.repository.casefold(): rule.repository for rule in self._rules}

    def choose(self, traits: T, *, named: str = "", field: str = "") -> Chosen | Unsure:
        """Return the repository.

        Args:
            traits: Of the ticket.
            named: What a command said; then labels and a field do not count.
            field: What the field says that is there for it; it counts as a label does.
        """
        said = [named] if named else [*_on(traits.labels), *filter(None, [field])]
        explicit = {name.strip().casefold() for name in said}
        if explicit - self._known.keys():
            return Unsure(reason="the repository that is named is not one that I work on", choices=self._all())
        if len(explicit) > 1:
            return Unsure(reason="more than one repository is named", choices=self._of(explicit))
        fitting = [rule for rule in self._rules if rule.fits(traits)]
        if explicit:
            (only,) = explicit
            fitting = [rule for rule in fitting if rule.repository.casefold() == only]
            if not fitting:
                return Chosen(repository=self._known[only])
        most = max((rule.strength for rule in fitting), default=0)
        return self._decided([rule for rule in fitting if rule.strength == most])

    def _decided(self, best: Sequence[Target]) -> Chosen | Unsure:
        found = {rule.repository.casefold() for rule in best}
        if len(found) > 1:
            return Unsure(reason="the rules name more than one repository for it", choices=self._of(found))
        if not best:
            return Unsure(reason="no rule says which repository it is about", choices=self._all())
        # Two folders of one repository: then it is about the whole.
        path = best[0].path if len({rule.path for rule in best}) == 1 else ""
        return Chosen(repository=best[0].repository, path=path, base=best[0].base)

    def _of(self, found: Iterable[str]) -> tuple[str, ...]:
        return tuple(sorted(self._known[name] for name in found))

    def _all(self) -> tuple[str, ...]:
        return tuple(sorted(self._known.values()))[:_MOST_SHOWN]


def check_target(rule: Target, tracker: str) -> None:
    """Raise ConfigError for what can be no repository, or no folder of one."""
    if not _SLUG.fullmatch(rule.repository):
        raise ConfigError(f"{rule.repository!r} in the rules for {tracker} is no repository; write owner/name")
    if rule.path and not _PATH.fullmatch(rule.path):
        raise ConfigError(f"{rule.path!r} in the rules for {tracker} is no folder of a repository")


def like(pattern: str, values: Iterable[str]) -> bool:
    """Whether one of the values is as a pattern of file names says, in any case; no pattern fits everything."""
    return not pattern or any(fnmatchcase(value.casefold(), pattern.casefold()) for value in values)


def _on(labels: Iterable[str]) -> list[str]:
    return [label[len(LABEL_PREFIX) :] for label in labels if label.casefold().startswith(LABEL_PREFIX)]
