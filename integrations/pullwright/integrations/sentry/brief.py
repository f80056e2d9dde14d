"""The brief: an issue of Sentry as compact, bounded text for a model, without secrets and persons, as data. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from pullwright.integrations.markdown import clip, code_block
from pullwright.integrations.redaction import REDACTED
from pullwright.integrations.sentry.frames_text import stack_text
from pullwright.integrations.sentry.gate import IssueFacts, Route
from pullwright.integrations.sentry.incident import Crumb, Incident, Raised
from pullwright.integrations.sentry.scrubbing import PERSONAL, Scrubber
from pullwright.integrations.sentry.seer import Seer
from pullwright.integrations.untrusted import fence, sanitise_line

LIMIT: Final = 30_000
"""Characters of the whole brief."""
STACKS: Final = 18_000
_EACH_STACK: Final = 8_000
THREADS: Final = 3_000
_EACH_THREAD: Final = 800
_MOST_EXCEPTIONS: Final = 5
_MOST_CRUMBS: Final = 10
_MOST_TAGS: Final = 30
_MOST_COMMITS: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """A commit as Sentry knows it."""

    id: str
    message: str = ""
    suspect: bool = False
    """Whether Sentry thinks that it is to blame, and not only a part of the release."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """The release that an event happened in."""

    version: str = ""
    commit: str = ""
    """The last commit in it; empty where Sentry was not told."""
    created: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Everything that is known about an issue."""

    issue: IssueFacts
    incident: Incident
    route: Route
    release: Release = Release()
    commits: tuple[Commit, ...] = ()
    spread: tuple[tuple[str, str], ...] = ()
    """Tags with what all events of the issue have for them, the most frequent first."""
    seer: Seer = field(default_factory=Seer)
    """What Sentry's own agent has found out."""
    rule: str = ""
    """The alert rule that fired."""


def brief(case: Case, scrubber: Scrubber, boundary: str) -> str:
    """Return the brief, fenced as data.

    Args:
        case: What is known.
        scrubber: Takes out secrets and persons.
        boundary: As for ``untrusted.fence``.
    """
    sections = [*_head(case, scrubber), *_stacks(case, scrubber), *_surroundings(case, scrubber)]
    # Once more as a whole: what is harmless in parts may not be.
    text = clip(scrubber.code("\n\n".join(section for section in sections if section)), LIMIT)
    return fence(f"an error report from Sentry, issue {sanitise_line(case.issue.short_id, 100)}", text, boundary)


def _head(case: Case, scrubber: Scrubber) -> Iterator[str]:
    issue, incident = case.issue, case.incident
    facts = {
        "title": issue.title or incident.title,
        "link": issue.url,
        "project": issue.project,
        "platform": incident.platform,
        "level": issue.level or incident.level,
        "environment": incident.environment,
        "transaction": incident.transaction,
        "request": incident.request,
        "seen": _seen(issue),
        "event": f"{incident.event_id} {incident.at}".strip(),
        "alert rule": case.rule,
        "message": incident.message,
    }
    lines = [(name, sanitise_line(scrubber.text(value), 1000)) for name, value in facts.items()]
    # A release such as "shop@1.2.io" is nobody's address.
    lines.append(("release", sanitise_line(scrubber.code(_release(case.release, incident.release)), 400)))
    yield "\n".join(f"{name}: {value}" for name, value in lines if value)


def _stacks(case: Case, scrubber: Scrubber) -> Iterator[str]:
    raised = case.incident.raised
    if not raised:
        yield "The event has no stack."
        return
    yield "What was raised, the one that people saw first; frames newest first:"
    shown = [stack_text(one, case.route, scrubber)[:_EACH_STACK] for one in _in_order(raised)]
    yield from _within(STACKS, shown)
    if len(raised) > _MOST_EXCEPTIONS:
        yield f"{len(raised) - _MOST_EXCEPTIONS} exceptions in between were left out."
    if case.incident.threads:
        yield "What other threads were doing:"
        yield from _within(
            THREADS, [stack_text(one, case.route, scrubber)[:_EACH_THREAD] for one in case.incident.threads]
        )


def _within(room: int, texts: Sequence[str]) -> Iterator[str]:
    """Yield texts as blocks of code, as long as there is room for them."""
    for text in texts:
        if kept := text[:room]:
            yield code_block(kept)
        room -= len(kept)


def _in_order(raised: Sequence[Raised]) -> Sequence[Raised]:
    """Return the last one first, and of a long chain the ends, because the first one is the first cause."""
    newest = list(reversed(raised))
    if len(newest) <= _MOST_EXCEPTIONS:
        return newest
    return [*newest[: _MOST_EXCEPTIONS - 2], *newest[-2:]]


def _surroundings(case: Case, scrubber: Scrubber) -> Iterator[str]:
    incident = case.incident
    yield _block("What happened before (oldest first):", _crumbs(incident.crumbs, scrubber))
    yield _block("Tags of this event:", _tags(incident.tags, scrubber))
    yield _block("Of all events, by how many:", _tags(case.spread, scrubber))
    yield _block("Commits that Sentry suspects, or that are new in the release:", _commits(case.commits, scrubber))
    yield _block("The cause, as Sentry's own agent sees it, which may be wrong:", _lines(case.seer.cause, scrubber))
    yield _block("What it would do:", _lines(case.seer.solution, scrubber))
    yield _block("What Sentry could not make of the event:", [sanitise_line(note, 100) for note in incident.notes])


def _block(title: str, lines: Sequence[str]) -> str:
    return f"{title}\n{code_block(chr(10).join(lines))}" if lines else ""


def _crumbs(crumbs: Sequence[Crumb], scrubber: Scrubber) -> list[str]:
    shown = [
        " ".join(part for part in (crumb.at, crumb.level, crumb.category, scrubber.text(crumb.message)) if part)
        for crumb in crumbs[-_MOST_CRUMBS:]
    ]
    return [sanitise_line(line, 300) for line in shown]


def _lines(lines: Sequence[str], scrubber: Scrubber) -> list[str]:
    return [sanitise_line(scrubber.text(line), 600) for line in lines]


def _tags(tags: Sequence[tuple[str, str]], scrubber: Scrubber) -> list[str]:
    scrubbed = [(key, scrubber.named(key, value)) for key, value in tags]
    told = [f"{key}: {value}" for key, value in scrubbed if value not in (PERSONAL, REDACTED)]
    return [sanitise_line(line, 200) for line in told[:_MOST_TAGS]]


def _commits(commits: Sequence[Commit], scrubber: Scrubber) -> list[str]:
    ordered = sorted(commits, key=lambda commit: not commit.suspect)[:_MOST_COMMITS]
    lines = [f"{commit.id[:40]}{' (suspect)' if commit.suspect else ''} {commit.message}" for commit in ordered]
    return [sanitise_line(scrubber.text(line), 200) for line in lines]


def _release(release: Release, version: str) -> str:
    shown = release.version or version
    return f"{shown} (commit {release.commit})" if shown and release.commit else shown


def _seen(issue: IssueFacts) -> str:
    parts = [
        f"{issue.events} times" if issue.events else "",
        f"by {issue.users} users" if issue.users else "",
        f"first {issue.first_seen:%Y-%m-%d %H:%M}" if issue.first_seen else "",
        f"last {issue.last_seen:%Y-%m-%d %H:%M}" if issue.last_seen else "",
        "it was resolved once and came back" if issue.regressed else "",
    ]
    return ", ".join(part for part in parts if part)
