"""From a request on an issue to the specification of a task. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from pullwright.agents.budget import Budget
from pullwright.agents.change import RepositoryRef
from pullwright.agents.task import TaskSpec
from pullwright.integrations.commands import AgentRequest, Verb
from pullwright.integrations.linear.reading import IssueThen
from pullwright.integrations.markdown import bullets
from pullwright.integrations.repository_choice import Chosen
from pullwright.integrations.untrusted import fence, fence_comments, sanitise_line


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkTerms:
    """What every task from here gets, and where its issue is put."""

    checks: tuple[str, ...] = ()
    budget: Budget = field(default_factory=Budget)
    in_progress: tuple[str, ...] | None = None
    """Names of states, the best first, for when work begins; None for the first started one, empty for none."""
    review: tuple[str, ...] = ("In Review",)
    """The same, for when the pull request is open."""
    done: tuple[str, ...] = ()
    """The same, for when it is merged."""


def specify(
    issue: IssueThen,
    asked: AgentRequest,
    *,
    chosen: Chosen,
    repository: RepositoryRef,
    work_key: str,
    terms: WorkTerms,
    boundary: str,
) -> TaskSpec:
    """Return the task for a request on an issue: its words instruct, and the issue as it was then is data.

    Args:
        issue: As it was when it was asked for.
        asked: What was asked for.
        chosen: Where the work is.
        repository: The same, as the agent knows repositories.
        work_key: Of the issue.
        terms: What every task gets.
        boundary: As for ``untrusted.fence``.
    """
    title = sanitise_line(f"{issue.identifier} {issue.title}")
    where = f"\n\nIt is about what is below {chosen.path!r} in this repository." if chosen.path else ""
    return TaskSpec(
        instruction=(asked.instruction or f"Resolve issue {sanitise_line(issue.identifier)}.") + where,
        repository=repository,
        source="linear",
        base_ref=asked.base or chosen.base,
        title=title,
        context=context_of(issue, boundary),
        images=issue.images,
        checks=terms.checks,
        budget=terms.budget,
        work_key=work_key,
        may_ask=True,
        approve_plan=asked.verb is Verb.PLAN,
        fixes=(issue.identifier,),
        ticket=issue.identifier,
    )


def context_of(issue: IssueThen, boundary: str) -> str:
    """Return an issue and what belongs to it as data between lines with a boundary that nothing inside contains."""
    head = f"title: {sanitise_line(issue.title)}\n\nstate: {sanitise_line(issue.state)}\n\n{issue.description}"
    parts = [
        fence(f"the Linear issue {issue.identifier}", head, boundary, author=issue.author),
        *fence_comments("a comment on the issue", issue.comments, boundary),
        *([fence("what is linked with the issue", bullets(issue.linked), boundary)] if issue.linked else []),
    ]
    notes = bullets(sanitise_line(note, 1000) for note in issue.notes)
    return "\n\n".join([*parts, *([f"Left out:\n{notes}"] if notes else [])])
