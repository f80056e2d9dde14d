"""From a request on a ticket to the specification of a task. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from pullwright.agents.budget import Budget
from pullwright.agents.change import RepositoryRef
from pullwright.agents.task import Task, TaskSpec, TaskStatus
from pullwright.integrations.commands import AgentRequest, Verb
from pullwright.integrations.jira.repository_choice import Chosen
from pullwright.integrations.jira.status_text import Phase, Progress
from pullwright.integrations.jira.tickets import Ticket
from pullwright.integrations.markdown import clip, code_block
from pullwright.integrations.untrusted import (
    COMMENT_LIMIT,
    COMMENTS_LIMIT,
    Trust,
    fence,
    sanitise,
    sanitise_line,
)

_DEFAULT_WORDS: Final = {
    Verb.RUN: "Yes, go on.",
    Verb.CONTINUE: "Yes, go on.",
    Verb.ANSWER: "Yes, go on.",
    Verb.FIX: "Fix this.",
    Verb.PLAN: "Say how you would go on, before you do.",
    Verb.RETRY: "Try again.",
    Verb.REBASE: "Bring the branch up to date with its base.",
}
PHASES: Final = {
    TaskStatus.SCHEDULED: Phase.DELAYED,
    TaskStatus.QUEUED: Phase.QUEUED,
    TaskStatus.RUNNING: Phase.WORKING,
    TaskStatus.WAITING: Phase.WAITING,
    TaskStatus.CANCELING: Phase.STOPPED,
    TaskStatus.CANCELED: Phase.STOPPED,
    TaskStatus.SUCCEEDED: Phase.DONE,
    TaskStatus.FAILED: Phase.FAILED,
    TaskStatus.REJECTED: Phase.FAILED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkTerms:
    """What every task from here gets."""

    checks: tuple[str, ...] = ()
    budget: Budget = field(default_factory=Budget)
    tasks_per_hour: int = 12
    """How many tasks one ticket can become within an hour."""
    give_back: bool = True
    """A ticket that is assigned to the bot is given to who asked while a question waits, and taken again after that."""
    in_progress: tuple[str, ...] = ("In Progress",)
    """Names or ids of statuses, the best first, that a ticket is moved to when its task is filed; empty for none."""
    review: tuple[str, ...] = ("In Review", "Review")
    """The same, for when its pull request is open."""
    done: tuple[str, ...] = ()
    """The same, for when its pull request is merged."""


def specify(
    ticket: Ticket,
    asked: AgentRequest,
    *,
    chosen: Chosen,
    repository: RepositoryRef,
    work_key: str,
    terms: WorkTerms,
    boundary: str,
) -> TaskSpec:
    """Return the task for a request on a ticket: its words instruct, and the ticket as it was then is data.

    Args:
        ticket: As it was when it was asked for.
        asked: What was asked for.
        chosen: Where the work is.
        repository: The same, as the agent knows repositories.
        work_key: Of the ticket.
        terms: What every task gets.
        boundary: As for ``untrusted.fence``.
    """
    where = f"\n\nIt is about what is below {chosen.path!r} in this repository." if chosen.path else ""
    return TaskSpec(
        # The title of the ticket is no instruction: whoever may write tickets may not ask for work by that.
        instruction=(asked.instruction or f"Resolve the Jira ticket {ticket.facts.key}.") + where,
        repository=repository,
        source="jira",
        base_ref=_base(asked) or chosen.base,
        title=sanitise_line(f"{ticket.facts.key} {ticket.title}"),
        context=context_of(ticket, boundary),
        images=ticket.images,
        checks=terms.checks,
        budget=terms.budget,
        work_key=work_key,
        may_ask=True,
        approve_plan=asked.verb is Verb.PLAN,
        fixes=(ticket.facts.key,),
        ticket=ticket.facts.key,
    )


def context_of(ticket: Ticket, boundary: str) -> str:
    """Return a ticket and what belongs to it as data between lines with a boundary that nothing inside contains."""
    parts = [
        fence(f"the Jira ticket {ticket.facts.key}", _text(ticket), boundary, author=_reporter(ticket)),
        *([fence("acceptance criteria of the ticket", ticket.acceptance, boundary)] if ticket.acceptance else []),
        *_comments(ticket, boundary),
        *([fence("what is linked with the ticket", _list(ticket.linked), boundary)] if ticket.linked else []),
        *(fence("a file attached to the ticket", _file(*file), boundary) for file in ticket.files),
    ]
    # They repeat names of files, which others chose.
    notes = _list(sanitise_line(note, 1000) for note in ticket.notes)
    return "\n\n".join([*parts, *([fence("what was left out of the ticket", notes, boundary)] if notes else [])])


def words_of(asked: AgentRequest) -> str:
    """Return what a live task is told: the instruction, or what the bare verb means."""
    return asked.instruction or _DEFAULT_WORDS.get(asked.verb, "Go on.")


def progress_of(task: Task) -> Progress:
    """Return how a task stands, for people."""
    return Progress(
        phase=PHASES[task.status],
        detail=task.status_reason,
        repository=task.spec.repository.slug,
        branch=task.branch,
        pull_request_url=task.pull_request_url,
    )


def _text(ticket: Ticket) -> str:
    status = sanitise_line(ticket.status.name)
    return f"title: {sanitise_line(ticket.title)}\n\nstatus: {status}\n\n{ticket.description}"


def _file(name: str, text: str) -> str:
    return f"name: {name}\n\n{code_block(text)}"


def _reporter(ticket: Ticket) -> str:
    return (ticket.reporter.display_name or ticket.reporter.account) if ticket.reporter else "somebody"


def _comments(ticket: Ticket, boundary: str) -> Iterable[str]:
    kept: list[str] = []
    room = COMMENTS_LIMIT
    for comment in reversed(ticket.comments):
        body = clip(sanitise(comment.body), COMMENT_LIMIT).strip()
        room -= len(body)
        if room < 0:
            break
        kept.append(fence("a comment on the ticket", body, boundary, author=comment.author, trust=Trust.OUTSIDER))
    if left := len(ticket.comments) - len(kept):
        yield f"{left} older comments were left out."
    yield from reversed(kept)


def _list(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _base(asked: AgentRequest) -> str:
    base = asked.arguments.get("base", "")
    odd = base.startswith(("-", "/", ".")) or ".." in base or "//" in base or ":" in base or "@" in base
    return "" if odd else base
