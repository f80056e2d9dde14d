"""What the checks of a commit say together. Pure."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum

from pullwright.integrations.github.meanings import Actor

_GREEN = frozenset({"success", "neutral", "skipped"})
_RED = frozenset({"failure", "timed_out", "startup_failure", "error"})
_PERSON = "action_required"


class CheckKind(StrEnum):
    """How a check tells its result."""

    RUN = "run"
    STATUS = "status"
    WORKFLOW = "workflow"
    """A run of Actions that has no check of its own to show for it, such as one that could not start."""
    SUITE = "suite"
    """An App's checks before the first of them is there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One check of a commit; its texts are untrusted."""

    kind: CheckKind
    id: int
    name: str
    conclusion: str
    """Empty while it runs; of a status its state, and that of a pending one is empty as well."""
    ended: str = ""
    """When, as GitHub writes it: with the same id it may run again."""
    title: str = ""
    summary: str = ""
    annotations: int = 0
    """How many there are."""
    is_job: bool = False
    """Whether it is a job of Actions: its log can be read."""

    @property
    def red(self) -> bool:
        """Whether it is something to repair."""
        return self.conclusion in _RED


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckFacts:
    """All checks of a commit but the bot's own."""

    checks: tuple[Check, ...] = ()
    starters: tuple[Actor, ...] = ()
    """Who started the runs of Actions."""
    more: bool = False
    """Whether there are checks that were not read."""

    @property
    def red(self) -> tuple[Check, ...]:
        """What is to be repaired, by name."""
        return tuple(sorted((one for one in self.checks if one.red), key=lambda one: (one.name, one.id)))


class Verdict(StrEnum):
    """What they say together."""

    NOTHING = "nothing"
    """There are no checks."""
    RUNNING = "running"
    PERSON = "person"
    """One of them waits for a person, and nothing is done before."""
    RED = "red"
    UNCLEAR = "unclear"
    """Nothing failed, but not everything went well: something was cancelled, or could not be read."""
    GREEN = "green"


def verdict(facts: CheckFacts) -> Verdict:
    """Return what checks say together; nothing is said while one of them runs."""
    conclusions = {one.conclusion for one in facts.checks}
    if not conclusions:
        return Verdict.NOTHING
    if "" in conclusions:
        return Verdict.RUNNING
    if _PERSON in conclusions:
        return Verdict.PERSON
    if conclusions & _RED:
        return Verdict.RED
    return Verdict.GREEN if conclusions <= _GREEN and not facts.more else Verdict.UNCLEAR


def result_name(facts: CheckFacts) -> str:
    """Return a name for exactly this result: checks that run again have another one, whatever comes of it."""
    parts = sorted(f"{one.kind} {one.id} {one.ended} {one.conclusion}" for one in facts.checks)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
