"""From a request on a ticket to the specification of a task. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from pullwright.agents.budget import Budget
from pullwright.agents.change import RepositoryRef
from pullwright.agents.task import TaskSpec
from pullwright.integrations.commands import AgentRequest, Verb
from pullwright.integrations.jira.tickets import Ticket
from pullwright.integrations.markdown import bullets, code_block
from pullwright.integrations.repository_choice import Chosen
from pullwright.integrations.untrusted import fence, fence_comments, sanitise_line


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
        base_ref=asked.base or chosen.base,
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
        *fence_comments("a comment on the ticket", ticket.comments, boundary),
        *([fence("what is linked with the ticket", bullets(ticket.linked), boundary)] if ticket.linked else []),
        *(fence("a file attached to the ticket", _file(*file), boundary) for file in ticket.files),
    ]
    # They repeat names of files, which others chose.
    notes = bullets(sanitise_line(note, 1000) for note in ticket.notes)
    return "\n\n".join([*parts, *([fence("what was left out of the ticket", notes, boundary)] if notes else [])])


def _text(ticket: Ticket) -> str:
    status = sanitise_line(ticket.status.name)
    return f"title: {sanitise_line(ticket.title)}\n\nstatus: {status}\n\n{ticket.description}"


def _file(name: str, text: str) -> str:
    return f"name: {name}\n\n{code_block(text)}"


def _reporter(ticket: Ticket) -> str:
    return (ticket.reporter.display_name or ticket.reporter.account) if ticket.reporter else "somebody"
