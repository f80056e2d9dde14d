"""What becomes of what people ask for on an issue of Sentry. Whoever asks in words gets an answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Final

from pullwright.agents.intake.decisions import Answer, Decision, Ignore, Refuse, Stop, Tell
from pullwright.agents.ports.store import SignalKind
from pullwright.agents.task import Task, TaskStatus
from pullwright.integrations.commands import BARE_WORDS, Verb, is_branch
from pullwright.integrations.deciding import answer, comment, has_not_begun, in_the_way
from pullwright.integrations.sentry import meanings as m
from pullwright.integrations.sentry.earlier import came_back
from pullwright.integrations.sentry.filing import Filing
from pullwright.integrations.sentry.found import Finder, Found
from pullwright.integrations.sentry.gate import GateRules, judge_event
from pullwright.integrations.sentry.texts import SentryTexts

NO_ISSUE: Final = "the issue is gone, or can not be seen"
NO_EVENT: Final = "Sentry has no event of the issue any more"
ON_IT: Final = "a task is on it already"
NO_CHOICE: Final = (
    "the model can not be chosen here: every task uses what the operator has configured; leave model= out"
)
NO_BRANCH: Final = "what base= names is no branch; name one, or leave base= out"

_AGAIN: Final = frozenset({Verb.RETRY, Verb.CONTINUE, Verb.FIX})
Asked = m.WorkRequested | m.ControlRequested


class Asking:
    """Decides on requests. Every method may raise ``IntegrationError``."""

    def __init__(
        self,
        rules: GateRules,
        users: frozenset[str],
        finder: Finder,
        filing: Filing,
        texts: SentryTexts,
        now: Callable[[], datetime],
    ) -> None:
        """Make one; ``users`` are the only people who may ask, and empty for everybody."""
        self._rules = rules
        self._users = users
        self._finder = finder
        self._filing = filing
        self._texts = texts
        self._now = now

    async def asked(self, asked: Asked) -> Decision:
        """Decide on what a person wants."""
        if self._users and asked.actor.id not in self._users:
            return self._refuse("you are not among the people who may ask me for work here")
        if isinstance(asked, m.ControlRequested) and asked.verb is Verb.HELP:
            return answer("help", self._texts.help(asked.unknown))
        found = await self._finder.look_up(asked.issue_id)
        if found is None:
            return Ignore(reason=NO_ISSUE)
        return self._control(asked, found) if isinstance(asked, m.ControlRequested) else await self._work(asked, found)

    async def withdrawn(self, withdrawn: m.RequestWithdrawn) -> Decision:
        """Drop the task that a deleted comment asked for, if it has not begun."""
        found = await self._finder.look_up(withdrawn.issue_id)
        live = found.live if found else None
        origin = await self._finder.origin(live) if live and has_not_begun(live) else None
        if live and isinstance(origin, m.WorkRequested) and origin.comment_id == withdrawn.comment_id:
            return Stop(task_id=live.id, reason="the comment that asked for it was deleted")
        return Ignore(reason="no task that waits came from it")

    async def _work(self, asked: m.WorkRequested, found: Found) -> Decision:
        if reason := _impossible(asked):
            return self._refuse(reason)
        if found.live is not None:
            return self._told(found.live, asked)
        if found.incident is None:
            return self._refuse(NO_EVENT)
        verdict = judge_event(found.issue, found.incident, self._rules, self._now(), asked=True)
        if not verdict.passed:
            return self._refuse(verdict.reason)
        if reason := _there_already(asked, found):
            return self._refuse(reason)
        words = asked.instruction or (_bare(asked.verb) if asked.in_words else "")
        case = await self._filing.case(found, found.incident)
        filed = await self._filing.file(found, case, words=words, base=asked.base)
        spec = replace(filed.spec, may_ask=True, approve_plan=True) if asked.verb is Verb.PLAN else filed.spec
        return replace(filed, spec=spec, author=asked.actor.name)

    def _told(self, live: Task, asked: m.WorkRequested) -> Decision:
        if not asked.in_words:
            return Ignore(reason=ON_IT)
        if live.status is TaskStatus.CANCELING:
            return self._refuse("the task on it is being stopped; ask again in a moment")
        waits = live.status is TaskStatus.WAITING
        words = asked.instruction or (_bare(asked.verb) if waits else "")
        if not words:
            return self._status(live)
        kind = SignalKind.ANSWER if waits else SignalKind.MESSAGE
        return Tell(task_id=live.id, kind=kind, text=words, author=asked.actor.name)

    def _control(self, control: m.ControlRequested, found: Found) -> Decision:
        if control.verb is Verb.STOP:
            if found.live is None:
                return self._refuse("nothing is being worked on here")
            who = control.actor.name or "somebody"
            return Stop(task_id=found.live.id, reason=f"{who} asked on Sentry to stop", reply=None)
        return self._status(found.last) if found.last else answer("status", self._texts.help())

    def _status(self, task: Task) -> Answer:
        text = self._texts.status(task.status, words=task.status_reason, pull_request_url=task.pull_request_url)
        return answer("status", text)

    def _refuse(self, reason: str) -> Refuse:
        return Refuse(reason=reason, reply=comment(self._texts.refusal(reason)))


def _bare(verb: Verb) -> str:
    """Return what a verb says without an instruction."""
    return BARE_WORDS.get(verb, "Go on.")


def _impossible(asked: m.WorkRequested) -> str:
    if asked.model:
        return NO_CHOICE
    if asked.base and not is_branch(asked.base):
        return NO_BRANCH
    if asked.verb is Verb.REBASE:
        return "a branch is brought up to date where its pull request is; ask there"
    return ""


def _there_already(asked: m.WorkRequested, found: Found) -> str:
    """Return why nothing is begun while a pull request is there; empty when it came back, or more is wanted."""
    last = found.last
    if last is None or last.status is not TaskStatus.SUCCEEDED or not last.pull_request_url:
        return ""
    if asked.instruction or asked.verb in _AGAIN or came_back(last, found.issue):
        return ""
    return in_the_way([last])
