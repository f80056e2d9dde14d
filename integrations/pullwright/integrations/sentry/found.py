"""What is known of an issue before it is decided on: itself, its event, its cause, and the tasks on that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from pullwright.agents.ports.inbox import InboxStore
from pullwright.agents.ports.report import InReview
from pullwright.agents.task import Task
from pullwright.integrations.deciding import live_of
from pullwright.integrations.sentry import meanings as m
from pullwright.integrations.sentry.cases import Cases
from pullwright.integrations.sentry.gate import GateRules, IssueFacts
from pullwright.integrations.sentry.incident import Incident
from pullwright.integrations.sentry.meaning_codec import meaning_from_json
from pullwright.integrations.sentry.requested_work import short_name


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """An issue that was read."""

    issue: IssueFacts
    incident: Incident | None
    """None when Sentry has no event of it any more."""
    cause: str
    """Its fingerprint; empty when nothing says what it is."""
    root_key: str
    """Empty like ``cause``."""
    tasks: Sequence[Task]
    """On the cause, newest first."""

    @property
    def live(self) -> Task | None:
        """The task that is on it now."""
        return live_of(self.tasks)

    @property
    def last(self) -> Task | None:
        """The task that was made last."""
        return self.tasks[0] if self.tasks else None

    @property
    def before(self) -> Task | None:
        """The task that a new one goes on from: the last one with a pull request, else the last one."""
        return next((task for task in self.tasks if task.pull_request_url), self.last)


class Tasks(InboxStore, Protocol):
    """Where tasks are found by their cause, and which pull requests are waited for."""

    async def in_review(self) -> Sequence[InReview]:
        """As ``ReportStore.in_review``."""
        ...


class Finder:
    """Looks issues up. Every method may raise ``IntegrationError``."""

    def __init__(self, me: m.SentryIdentity, rules: GateRules, cases: Cases, inbox: Tasks) -> None:
        self._me = me
        self._rules = rules
        self._cases = cases
        self._inbox = inbox

    async def found(self, issue: IssueFacts, incident: Incident | None) -> Found:
        """Return an issue with the tasks on its cause."""
        route = self._rules.routes.get(issue.project)
        cause = await self._cases.cause(issue.id, incident)
        root_key = self._me.root_key(route.repository.slug if route else issue.project, cause) if cause else ""
        tasks = await self._inbox.tasks_of(root_key) if root_key else ()
        return Found(issue=issue, incident=incident, cause=cause, root_key=root_key, tasks=tasks)

    async def look_up(self, issue_id: str) -> Found | None:
        """Return an issue by its id with the latest event; None when it is gone, or can not be seen."""
        issue = await self._cases.issue(issue_id)
        return await self.found(issue, await self._cases.incident(issue.id)) if issue else None

    async def origin(self, task: Task) -> m.Meaning | None:
        """Return what became a task; None when it is not kept any more."""
        origin = await self._inbox.origin(task.id)
        return meaning_from_json(origin.content) if origin and origin.content else None

    async def in_review(self, tasks: Sequence[Task]) -> str:
        """Return the pull request of tasks that is neither merged nor closed, as far as we know; empty for none."""
        waited_for = {one.task_id for one in await self._inbox.in_review()} if tasks else set()
        return next((task.pull_request_url for task in tasks if task.id in waited_for), "")

    async def is_about(self, task: Task, issue: IssueFacts) -> bool:
        """Whether a task was made for this issue, and not for another one with the same cause."""
        if short_name(issue) in task.spec.fixes:
            return True
        origin = await self.origin(task)
        return origin is not None and origin.issue_id == issue.id
