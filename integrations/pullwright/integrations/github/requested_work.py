"""From a request on GitHub to the specification of a task. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from datetime import datetime

from pullwright.agents.budget import Budget
from pullwright.agents.change import RepositoryRef
from pullwright.agents.ports.code_host import Issue
from pullwright.agents.task import Task, TaskSpec
from pullwright.integrations import commands
from pullwright.integrations.commands import BARE_WORDS, AgentRequest, Verb
from pullwright.integrations.github.meanings import Actor, RepositoryFacts, WorkRequested
from pullwright.integrations.github.settings import GitHubSettings
from pullwright.integrations.github.status_text import StatusReport
from pullwright.integrations.time_of_check import as_of
from pullwright.integrations.untrusted import render_issue, sanitise_line

_LOGIN = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,98}[A-Za-z0-9_])?(?:\[bot\])?", re.ASCII)
_BARE_WORDS = {**BARE_WORDS, Verb.FIX: "Fix this, and the failing checks if there are any."}


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkTerms:
    """What every task from here gets."""

    checks: tuple[str, ...] = ()
    budget: Budget = field(default_factory=Budget)
    tasks_per_hour: int = 12
    """How many tasks one issue or pull request can become within an hour."""
    settle_seconds: float = 60.0
    """How long the news of a commit's checks are gathered before they are looked at."""
    ready_when_green: bool = True
    """A draft whose checks pass is marked as ready for review."""
    repairs: int = 3
    """How often failed checks are repaired, for one commit and in a row for one pull request."""


def repository_ref(facts: RepositoryFacts, settings: GitHubSettings) -> RepositoryRef:
    """Return a repository of a delivery as the agent knows repositories."""
    owner, _, name = facts.full_name.partition("/")
    return RepositoryRef(url=settings.clone_url(owner, name), host=settings.web_host, owner=owner, name=name)


def pull_request_url(facts: RepositoryFacts, number: int, settings: GitHubSettings) -> str:
    """Return the address of a pull request, as GitHub writes it and tasks remember it."""
    return f"{settings.web_url}/{facts.full_name}/pull/{number}"


def specify(
    request: WorkRequested, issue: Issue, at: datetime, *, repository: RepositoryRef, terms: WorkTerms, boundary: str
) -> TaskSpec:
    """Return the task for a request on an issue: its words instruct, and the issue as it was then is data.

    Args:
        request: What was asked for.
        issue: As it is now.
        at: When it was asked for.
        repository: Where.
        terms: What every task gets.
        boundary: As for ``untrusted.render_issue``.
    """
    then = as_of(issue, at, title=request.subject.title, body=request.subject.body)
    title = sanitise_line(then.title)
    asked = request.request
    return TaskSpec(
        instruction=asked.instruction or f"Resolve issue #{then.number}.",
        repository=repository,
        source="github",
        base_ref=asked.base,
        title=title,
        context=render_issue(then, boundary),
        images=then.images,
        issue_number=then.number,
        checks=terms.checks,
        budget=terms.budget,
        work_key=request.work_key,
        may_ask=True,
        approve_plan=asked.verb is Verb.PLAN,
        requested_by=requested_by(request.actor, repository.host),
    )


def requested_by(actor: Actor | None, host: str) -> str:
    """Return whoever asks as git names co-authors, by the address that GitHub has for everybody; empty for nobody."""
    if actor is None or not _LOGIN.fullmatch(actor.login):
        return ""
    return f"{actor.login} <{actor.id}+{actor.login}@users.noreply.{host.partition(':')[0]}>"


def follow_up(parent: Task, words: str, *, work_key: str, by: str = "") -> TaskSpec:
    """Return the task that tries again what an earlier one did not get done; ``by`` asked for that."""
    return replace(
        parent.spec,
        instruction=words,
        source="github",
        work_key=work_key,
        parent_id=parent.id,
        requested_by=by,
        not_before=None,
        start="",
        start_base="",
        may_ask=True,
        approve_plan=False,
    )


def words_of(asked: AgentRequest | None, *, body: str = "", path: str = "") -> str:
    """Return what a task is told: the instruction, or what the bare verb means."""
    said = body if asked is None else commands.words_of(asked, _BARE_WORDS)
    return f"About {sanitise_line(path)}: {said}" if path else said


def report_on(task: Task) -> StatusReport:
    """Return how a task stands, for people."""
    return StatusReport(
        status=task.status,
        detail=task.status_reason,
        branch=task.branch,
        pull_request_url=task.pull_request_url,
    )
