"""What happens around the bot's work: somebody pushes, threads are settled, repositories and installations change."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

from pullwright.agents.intake.decisions import Decision, Ignore, Stop, Tell
from pullwright.agents.ports.durable import DurableStore
from pullwright.agents.ports.store import SignalKind
from pullwright.agents.task import Task, TaskStatus
from pullwright.integrations.deciding import live_of
from pullwright.integrations.github import meanings as m
from pullwright.integrations.github.settings import GitHubSettings
from pullwright.integrations.github.tasks_behind import TasksBehind, is_repair
from pullwright.integrations.untrusted import sanitise_line

logger = logging.getLogger(__name__)

_LIVE: Final = frozenset(status for status in TaskStatus if not status.terminal)
_MOST: Final = 1000
"""How many live tasks are looked through for those of a repository."""

_REPOSITORY: Final = {
    "renamed": "work that comes uses the new name",
    "transferred": "work that comes uses the new name",
    "unarchived": "work can be asked for again",
    "privatized": "nothing changes for the work",
    "publicized": "nothing changes for the work",
}
_HOOK_GONE: Final = (
    "the webhook %s of GitHub at %r was deleted: nothing is told any more; make it again (`agent github setup` checks "
    "it), or run `agent serve --poll`"
)
_REVOKED: Final = (
    "%s revoked the App's authorization at %r; no tokens of persons are kept here, so nothing has to be done"
)


class Around:
    """Decides on what nobody asked for."""

    def __init__(self, *, settings: GitHubSettings, store: DurableStore, behind: TasksBehind) -> None:
        self._settings = settings
        self._store = store
        self._behind = behind

    async def decide(self, meaning: m.Meaning) -> Decision:
        """Decide on one of these meanings."""
        match meaning:
            case m.HumanPushed():
                return await self._pushed(meaning)
            case m.ThreadResolved():
                return await self._settled(meaning)
            case m.RepositoryChanged():
                return await self._repository(meaning)
            case m.InstallationChanged():
                return await self._installation(meaning)
            case m.HookDeleted():
                logger.error(_HOOK_GONE, meaning.hook_id or "", self._settings.web_host)
                return Ignore(reason="the hook is gone; the log says what to do")
            case m.AuthorizationRevoked():
                who = sanitise_line(meaning.actor.login, 100) if meaning.actor else "somebody"
                logger.warning(_REVOKED, who, self._settings.web_host)
                return Ignore(reason="tokens of persons are not kept")
        return Ignore(reason="the hook works")

    async def _pushed(self, push: m.HumanPushed) -> Decision:
        """End a repair, which was of the commit before; let whoever asked for anything else go on knowing of it."""
        who = _who(push)
        live = await self._live(push, push.number)
        if live is None:
            return Ignore(reason=f"{who} pushed, and no task is on the pull request")
        if is_repair(live):
            return Stop(task_id=live.id, reason=f"{who} pushed to the pull request")
        words = (
            f"{who} pushed to the branch of the pull request, which now is at {push.after[:12]} (it was at "
            f"{push.before[:12]}). Their commits stay: do not undo them."
        )
        return _note(live, words, who)

    async def _settled(self, thread: m.ThreadResolved) -> Decision:
        who = _who(thread)
        live = await self._live(thread, thread.number)
        if live is None:
            return Ignore(reason="no task is on the pull request")
        first = min(thread.comment_ids, default=0)
        where = f" on {sanitise_line(thread.path)}" if thread.path else ""
        name = f" {first}" if first else ""
        return _note(live, f"{who} settled the review thread{name}{where}: nothing more is wanted there.", who)

    async def _live(self, meaning: m.HumanPushed | m.ThreadResolved, number: int) -> Task | None:
        if meaning.repository is None:
            return None
        branch = meaning.branch if isinstance(meaning, m.HumanPushed) else ""
        return live_of(await self._behind.of(meaning.repository, number, branch=branch))

    async def _repository(self, change: m.RepositoryChanged) -> Decision:
        if not change.ends_work or change.repository is None:
            return Ignore(reason=_REPOSITORY.get(change.action, "nothing changes for the work"))
        start = self._behind.key(change.repository, 0)[:-1]
        return await self._stop(
            lambda task: task.spec.work_key.startswith(start), f"the repository was {change.action}"
        )

    async def _installation(self, change: m.InstallationChanged) -> Decision:
        if change.ends_access:
            account = change.account.casefold()
            done = "suspended" if change.action == "suspend" else "removed"
            return await self._stop(lambda task: self._is_of(task, account), f"the App was {done} there")
        starts = tuple(self._behind.key(one, 0)[:-1] for one in change.removed)
        if not starts:
            return Ignore(reason="no access was taken away")
        return await self._stop(
            lambda task: task.spec.work_key.startswith(starts), "the App can not see the repository any more"
        )

    def _is_of(self, task: Task, account: str) -> bool:
        place = task.spec.repository
        here = place.host.casefold() == self._settings.web_host.casefold()
        return bool(account) and here and place.owner.casefold() == account

    async def _stop(self, concerns: Callable[[Task], bool], reason: str) -> Decision:
        tasks = [task for task in await self._store.list(limit=_MOST, statuses=_LIVE) if concerns(task)]
        if not tasks:
            return Ignore(reason=f"{reason}, and no task is on it")
        return Stop(task_id=tasks[0].id, reason=reason, others=tuple(task.id for task in tasks[1:]))


def _note(live: Task, words: str, who: str) -> Decision:
    if live.status is TaskStatus.CANCELING:
        return Ignore(reason="the task is being stopped")
    return Tell(task_id=live.id, kind=SignalKind.MESSAGE, text=words, author=who)


def _who(meaning: m.Meaning) -> str:
    return sanitise_line(meaning.actor.login, 100) if meaning.actor else "somebody"
