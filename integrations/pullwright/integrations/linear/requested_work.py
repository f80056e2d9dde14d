"""From a request on an issue to the specification of a task. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from pullwright.agents.budget import Budget
from pullwright.agents.change import RepositoryRef
from pullwright.agents.task import TaskSpec
from pullwright.integrations.commands import AgentRequest, Verb, is_branch
from pullwright.integrations.linear.reading import IssueThen
from pullwright.integrations.linear.repository_choice import Chosen
from pullwright.integrations.markdown import clip
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
    base = asked.arguments.get("base", "")
    where = f"\n\nIt is about what is below {chosen.path!r} in this repository." if chosen.path else ""
    return TaskSpec(
        instruction=(asked.instruction or f"Resolve issue {title}") + where,
        repository=repository,
        source="linear",
        base_ref=base if is_branch(base) and base else chosen.base,
        title=title,
        context=context_of(issue, boundary),
        images=issue.images,
        checks=terms.checks,
        budget=terms.budget,
        work_key=work_key,
        may_ask=True,
        approve_plan=asked.verb is Verb.PLAN,
        fixes=(issue.identifier,),
    )


def context_of(issue: IssueThen, boundary: str) -> str:
    """Return an issue and what belongs to it as data between lines with a boundary that nothing inside contains."""
    head = f"title: {sanitise_line(issue.title)}\n\nstate: {sanitise_line(issue.state)}\n\n{issue.description}"
    parts = [
        fence(f"the Linear issue {issue.identifier}", head, boundary, author=issue.author),
        *_comments(issue, boundary),
        *([fence("what is linked with the issue", _list(issue.linked), boundary)] if issue.linked else []),
    ]
    notes = _list(sanitise_line(note, 1000) for note in issue.notes)
    return "\n\n".join([*parts, *([f"Left out:\n{notes}"] if notes else [])])


def words_of(asked: AgentRequest) -> str:
    """Return what a live task is told: the instruction, or what the bare verb means."""
    return asked.instruction or _DEFAULT_WORDS.get(asked.verb, "Go on.")


def _comments(issue: IssueThen, boundary: str) -> Iterable[str]:
    kept: list[str] = []
    room = COMMENTS_LIMIT
    for comment in reversed(issue.comments):
        body = clip(sanitise(comment.body), COMMENT_LIMIT).strip()
        room -= len(body)
        if room < 0:
            break
        kept.append(fence("a comment on the issue", body, boundary, author=comment.author, trust=Trust.OUTSIDER))
    if left := len(issue.comments) - len(kept):
        yield f"{left} older comments were left out."
    yield from reversed(kept)


def _list(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)
