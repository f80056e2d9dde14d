"""What is to become of a delivery. Pure values: a source's handler returns one, ``Reception`` carries it out."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from pullwright.agents.ports.store import SignalKind
from pullwright.agents.task import TaskSpec


class ReplyKind(StrEnum):
    """How the other system is told something."""

    SEEN = "seen"
    """A sign that somebody is on it: a reaction."""
    COMMENT = "comment"
    READY = "ready"
    """The pull request is a draft no more; on one that is none it does nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """Something to be said where the delivery came from; each kind at most once for a delivery."""

    kind: ReplyKind
    text: str = ""
    """For a comment."""
    about: str = ""
    """The work key of where it is said; empty for the delivery's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ignore:
    """Nothing is to be done."""

    reason: str
    meaning_key: str = ""
    """As for ``File``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refuse:
    """Somebody may not, or it can not be done."""

    reason: str
    reply: Reply | None = None
    """None where nothing should be said."""
    meaning_key: str = ""
    """As for ``File``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """It was a question."""

    reason: str
    """What was asked, for the record."""
    reply: Reply
    meaning_key: str = ""
    """As for ``File``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """It becomes a task."""

    spec: TaskSpec
    words: str = ""
    """What a live task with the same work key is told instead; empty when there is nothing to tell it."""
    author: str = ""
    """Who says so."""
    meaning_key: str = ""
    """The meaning's name, when it had to be looked up; a second delivery that means the same is ignored."""
    reply: Reply | None = None
    """A courtesy: the task is filed even if it can not be said."""
    patient: bool = False
    """With nothing to tell a live task of that work key, it is decided again when that may have ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tell:
    """It is for a task that lives."""

    task_id: str
    kind: SignalKind
    text: str
    author: str = ""
    meaning_key: str = ""
    """As for ``File``."""
    reply: Reply | None = None
    """As for ``File``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """A task is not wanted any more."""

    task_id: str
    reason: str
    reply: Reply | None = None
    """As for ``File``."""
    others: tuple[str, ...] = ()
    """Tasks that end for the same reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Later:
    """It can not be decided yet."""

    seconds: float
    """The first time; twice as long whenever it is put off again."""
    reason: str
    meaning_key: str = ""
    """Names what is waited for: of several deliveries that wait for the same, one stays and the others are ignored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Landed:
    """A pull request was merged, or closed without that: tasks that ended with it have something to tell."""

    pull_request_url: str
    """As tasks remember it."""
    merged: bool
    then: Ignore | Stop
    """What else is to become of the delivery."""


Decision = Ignore | Refuse | Answer | File | Tell | Stop | Later | Landed
