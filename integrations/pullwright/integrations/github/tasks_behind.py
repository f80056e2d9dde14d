"""The tasks of an issue or pull request: which there are, which of them lives, and what it is told."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from pullwright.agents.intake.decisions import Ignore, Stop
from pullwright.agents.ports.inbox import InboxStore
from pullwright.agents.task import Task
from pullwright.integrations.deciding import live_of
from pullwright.integrations.github.meanings import RepositoryFacts
from pullwright.integrations.github.requested_work import pull_request_url
from pullwright.integrations.github.settings import GitHubSettings
from pullwright.integrations.github.work_keys import work_key

REPAIR_SOURCE: Final = "github-checks"
"""``TaskSpec.source`` of a task that nobody asked for: checks failed."""

_ISSUE_OF_BRANCH = re.compile(r"[^/]+/(\d{1,9})-", re.ASCII)
_PULL_REQUEST = re.compile(r"/pull/(\d{1,9})$", re.ASCII)


class TasksBehind:
    """Finds tasks by the work that they are about."""

    def __init__(self, inbox: InboxStore, settings: GitHubSettings) -> None:
        self._inbox = inbox
        self._settings = settings

    def key(self, repository: RepositoryFacts, number: int) -> str:
        """Return the work key of an issue or pull request."""
        return work_key(self._settings.web_host, repository.id, number)

    def url(self, repository: RepositoryFacts, number: int) -> str:
        """Return the address of a pull request, as tasks remember it."""
        return pull_request_url(repository, number, self._settings)

    async def of(self, repository: RepositoryFacts, number: int, *, branch: str = "") -> Sequence[Task]:
        """Return the tasks of an issue or pull request, newest first.

        Args:
            repository: Under the name that it has now.
            number: Of the issue or pull request.
            branch: The pull request's. With it, the task of its issue is found although the repository had another
                name then, or the task has not noted yet that there is a pull request.
        """
        url = self.url(repository, number)
        found = [*await self._inbox.tasks_of(self.key(repository, number)), *await self._inbox.tasks_behind(url)]
        if issue := _ISSUE_OF_BRANCH.match(branch):
            of_issue = await self._inbox.tasks_of(self.key(repository, int(issue[1])))
            found += [task for task in of_issue if task.branch == branch]
            found = found or [task for task in of_issue if _may_publish(task)]
        return sorted({task.id: task for task in found}.values(), key=lambda task: task.id, reverse=True)


def is_repair(task: Task) -> bool:
    """Whether nobody asked for it: checks failed."""
    return task.spec.source == REPAIR_SOURCE


def pull_request_of(task: Task) -> int | None:
    """Return the number of the pull request that a task opened or goes on with."""
    if task.spec.continues is not None:
        return task.spec.continues.number
    found = _PULL_REQUEST.search(task.pull_request_url)
    return int(found[1]) if found else None


def end(tasks: Sequence[Task], reason: str) -> Ignore | Stop:
    """Return that the live one is stopped."""
    live = live_of(tasks)
    return Stop(task_id=live.id, reason=reason) if live else Ignore(reason=f"{reason}, and no task is on it")


def _may_publish(task: Task) -> bool:
    return not task.status.terminal and not task.pull_request_url
