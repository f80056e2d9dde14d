"""Specifications of tasks that go on with a pull request. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from pullwright.agents.change import Continuation
from pullwright.agents.message import Image
from pullwright.agents.task import Task, TaskSpec
from pullwright.integrations.github.pulls import Where
from pullwright.integrations.github.requested_work import WorkTerms, repository_ref
from pullwright.integrations.github.settings import GitHubSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a task is to do with a pull request."""

    instruction: str
    continues: Continuation
    work_key: str
    source: str = "github"
    title: str = ""
    context: str = ""
    images: tuple[Image, ...] = ()
    approve_plan: bool = False
    by: str = ""
    """Who asked, as ``requested_by`` has it."""


def go_on(wish: Wish, parent: Task | None, *, where: Where, settings: GitHubSettings, terms: WorkTerms) -> TaskSpec:
    """Return the task that adds to a pull request.

    Args:
        wish: What it is to do.
        parent: The newest task behind the pull request, if one is known.
        where: Its repository, under the name that it has now.
        settings: Of this GitHub.
        terms: What every task gets.
    """
    return TaskSpec(
        instruction=wish.instruction,
        repository=repository_ref(where.repository, settings),
        source=wish.source,
        base_ref=wish.continues.base_ref,
        title=wish.title or (parent.spec.title if parent else ""),
        context=wish.context,
        images=wish.images,
        issue_number=parent.spec.issue_number if parent else None,
        checks=terms.checks,
        budget=terms.budget,
        work_key=wish.work_key,
        may_ask=True,
        approve_plan=wish.approve_plan,
        parent_id=parent.id if parent else "",
        continues=wish.continues,
        requested_by=wish.by,
    )
