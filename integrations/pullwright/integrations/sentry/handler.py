"""Sentry's handler: what becomes of each meaning. It asks Sentry and the inbox, and changes nothing.

What a delivery says is a hint: the issue and its event are read again, and only the words of a person are taken from
it. An alert that does not pass the gate is ignored with the reason, in silence on Sentry, because nobody asked;
whoever asked gets an answer.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from pullwright.agents.errors import NotFound
from pullwright.agents.intake.decisions import (
    Answer,
    Decision,
    File,
    Ignore,
    Later,
    Refuse,
    Reply,
    ReplyKind,
    Stop,
    Tell,
)
from pullwright.agents.intake.sparing import Sparing
from pullwright.agents.ports.inbox import Delivery, InboxStore
from pullwright.agents.ports.store import SignalKind
from pullwright.agents.task import Task, TaskStatus
from pullwright.agents.worker.outbox import Made
from pullwright.integrations.commands import Verb
from pullwright.integrations.sentry import meanings as m
from pullwright.integrations.sentry.api import SentryApi
from pullwright.integrations.sentry.cases import Cases
from pullwright.integrations.sentry.earlier import COOL_DOWN, again, came_back
from pullwright.integrations.sentry.gate import GateRules, IssueFacts, judge_event, judge_issue
from pullwright.integrations.sentry.incident import Incident
from pullwright.integrations.sentry.meaning_codec import meaning_from_json
from pullwright.integrations.sentry.requested_work import (
    Order,
    WorkTerms,
    related_words,
    shown_name,
    specify,
)
from pullwright.integrations.sentry.scrubbing import Scrubber
from pullwright.integrations.sentry.texts import SentryTexts
from pullwright.integrations.sentry.voice import SentryVoice

RATE_SECONDS: Final = 1200.0
"""How long an alert waits when its project has had its tasks of the hour."""

NO_ISSUE: Final = "the issue is gone, or can not be seen"
NO_EVENT: Final = "Sentry has no event of the issue any more"
ON_IT: Final = "a task is on it already"


@dataclass(frozen=True, slots=True, kw_only=True)
class SentryPolicy:
    """What the operator wants."""

    rules: GateRules
    users: frozenset[str] = frozenset()
    """Ids of the only people who may ask; empty for everybody who may comment or assign in the organization."""
    cool_down: timedelta = COOL_DOWN
    acknowledges: bool = True
    """Whether a comment says that work begins; not where the task's state is shown on the issue anyway."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """An issue that was read."""

    issue: IssueFacts
    incident: Incident
    root_key: str
    tasks: Sequence[Task]

    @property
    def live(self) -> Task | None:
        return next((task for task in self.tasks if not task.status.terminal), None)


class SentryHandler:
    """Decides on the deliveries of one organization."""

    def __init__(
        self,
        *,
        me: m.SentryIdentity,
        policy: SentryPolicy,
        inbox: InboxStore,
        api: SentryApi,
        voice: SentryVoice,
        texts: SentryTexts,
        scrubber: Scrubber,
        now: Callable[[], datetime],
        monotonic: Callable[[], float],
        terms: WorkTerms | None = None,
    ) -> None:
        self._me = me
        self._policy = policy
        self._inbox = inbox
        self._cases = Cases(api)
        self._voice = voice
        self._texts = texts
        self._scrubber = scrubber
        self._now = now
        self._projects = Sparing(monotonic)
        self._terms = terms or WorkTerms()

    async def handle(self, delivery: Delivery) -> Decision:
        meaning = meaning_from_json(delivery.content)
        if self._me.is_me(meaning.actor):
            return Ignore(reason="we did it ourselves")
        match meaning:
            case m.IssueRaised():
                return await self._raised(delivery, meaning)
            case m.WorkRequested() | m.ControlRequested():
                return await self._asked(meaning)
            case m.RequestWithdrawn():
                return await self._withdrawn(meaning)
            case m.IssueGone():
                return await self._gone(meaning)
            case m.RivalFix():
                return await self._rival(meaning)
            case m.InstallationChanged():
                return Ignore(reason=f"the integration was {'installed' if meaning.installed else 'removed'}")
            case m.Ignored():
                return Ignore(reason=meaning.reason)
        raise AssertionError(f"no rule for {meaning}")

    async def reply(self, delivery: Delivery, reply: Reply) -> Made:
        if reply.kind is not ReplyKind.COMMENT:
            return Made()  # Sentry knows no reactions
        return await self._voice.comment(_issue_of(delivery), _named(delivery), reply.text)

    async def find_reply(self, delivery: Delivery, reply: Reply) -> Made | None:
        if reply.kind is not ReplyKind.COMMENT:
            return None
        return await self._voice.find(_issue_of(delivery), _named(delivery))

    # What Sentry tells

    async def _raised(self, delivery: Delivery, raised: m.IssueRaised) -> Decision:
        """Decide on an issue that nobody asked for."""
        rules, now = self._policy.rules, self._now()
        issue = await self._cases.issue(raised.issue_id)
        if issue is None:
            return Ignore(reason=NO_ISSUE)
        first = judge_issue(issue, rules, now)
        if not first.passed:
            return Ignore(reason=first.reason)
        incident = await self._cases.incident(issue.id, raised.event_id)
        if incident is None:
            return Ignore(reason=NO_EVENT)
        verdict = judge_event(issue, incident, rules, now)
        if not verdict.passed:
            return Ignore(reason=verdict.reason)
        found = await self._found(issue, incident)
        if found.live is not None:
            return await self._join(found, found.live)
        taking_up = again(found.tasks, issue, now, cool_down=self._policy.cool_down)
        if taking_up.reason:
            return Ignore(reason=taking_up.reason)
        if not self._projects.allows(issue.project, found.root_key):
            return Later(seconds=RATE_SECONDS, reason=f"the project {issue.project!r} has had its tasks of this hour")
        filed = await self._file(found, parent=taking_up.parent, rule=raised.rule)
        # Of one issue one delivery is taken at a time, so whoever is quicker has another issue with this cause.
        return replace(filed, words=related_words(issue), author="Sentry")

    async def _join(self, found: _Found, live: Task) -> Decision:
        """Tell a task that one more issue has its cause; of its own issue it need not hear again."""
        if live.status is TaskStatus.CANCELING or await self._is_origin(live, found.issue.id):
            return Ignore(reason=ON_IT)
        key = f"related:{live.id}:{found.issue.id}"
        words = related_words(found.issue)
        return Tell(task_id=live.id, kind=SignalKind.MESSAGE, text=words, author="Sentry", meaning_key=key)

    async def _file(self, found: _Found, *, parent: Task | None = None, words: str = "", rule: str = "") -> File:
        route = self._policy.rules.routes[found.issue.project]
        case = await self._cases.case(found.issue, found.incident, route, rule=rule)
        order = Order(
            work_key=found.root_key,
            boundary=secrets.token_hex(16),
            words=words,
            may_ask=bool(words),
            parent=parent,
        )
        spec = specify(case, order, self._terms, self._scrubber)
        returned = parent.pull_request_url if parent and came_back(parent, found.issue) else ""
        text = self._texts.taken(route.repository, again=returned)
        reply = Reply(kind=ReplyKind.COMMENT, text=text) if self._policy.acknowledges else None
        return File(spec=spec, words=words, reply=reply)

    # What people ask for

    async def _asked(self, asked: m.WorkRequested | m.ControlRequested) -> Decision:
        if self._policy.users and asked.actor.id not in self._policy.users:
            return self._refuse("you are not among the people who may ask me for work here")
        if isinstance(asked, m.ControlRequested) and asked.verb is Verb.HELP:
            return _answer("help", self._texts.help(asked.unknown))
        issue = await self._cases.issue(asked.issue_id)
        if issue is None:
            return Ignore(reason=NO_ISSUE)
        incident = await self._cases.incident(issue.id)
        if incident is None:
            return self._refuse(NO_EVENT)
        found = await self._found(issue, incident)
        if isinstance(asked, m.ControlRequested):
            return self._control(asked, found)
        return await self._work(asked, found)

    async def _work(self, asked: m.WorkRequested, found: _Found) -> Decision:
        live, last = found.live, found.tasks[0] if found.tasks else None
        if live is not None:
            return _told(live, asked)
        verdict = judge_event(found.issue, found.incident, self._policy.rules, self._now(), asked=True)
        if not verdict.passed:
            return self._refuse(verdict.reason)
        words = asked.instruction or ("Go on with it, please." if asked.in_words else "")
        filed = await self._file(found, parent=last, words=words)
        spec = replace(filed.spec, may_ask=True, approve_plan=True) if asked.verb is Verb.PLAN else filed.spec
        return replace(filed, spec=spec, author=asked.actor.name)

    def _control(self, control: m.ControlRequested, found: _Found) -> Decision:
        if control.verb is Verb.STOP:
            if found.live is None:
                return self._refuse("nothing is being worked on here")
            who = control.actor.name or "somebody"
            return Stop(task_id=found.live.id, reason=f"{who} asked on Sentry to stop", reply=None)
        if not found.tasks:
            return _answer("status", self._texts.help())
        task = found.tasks[0]
        text = self._texts.status(task.status, words=task.status_reason, pull_request_url=task.pull_request_url)
        return _answer("status", text)

    async def _withdrawn(self, withdrawn: m.RequestWithdrawn) -> Decision:
        live = await self._live(withdrawn.issue_id)
        waits = live is not None and live.status in (TaskStatus.SCHEDULED, TaskStatus.QUEUED)
        origin = await self._origin(live) if live and waits else None
        if live and isinstance(origin, m.WorkRequested) and origin.comment_id == withdrawn.comment_id:
            return Stop(task_id=live.id, reason="the comment that asked for it was deleted")
        return Ignore(reason="no task that waits came from it")

    # What ends work

    async def _gone(self, gone: m.IssueGone) -> Decision:
        live = await self._live(gone.issue_id)
        if live is None:
            return Ignore(reason=f"the issue was {gone.why}, and no task is on it")
        if not await self._is_origin(live, gone.issue_id):
            return Ignore(reason=f"the issue was {gone.why}, and the task on its cause is for another one as well")
        return Stop(task_id=live.id, reason=f"{_shown(gone)} was {gone.why} on Sentry")

    async def _rival(self, rival: m.RivalFix) -> Decision:
        live = await self._live(rival.issue_id)
        if live is None or live.status not in (TaskStatus.SCHEDULED, TaskStatus.QUEUED):
            return Ignore(reason="Sentry has opened a pull request, and no task waits for it")
        return Stop(task_id=live.id, reason=f"Sentry has opened a pull request for {_shown(rival)} itself")

    # What they are made of

    async def _found(self, issue: IssueFacts, incident: Incident) -> _Found:
        route = self._policy.rules.routes.get(issue.project)
        cause = await self._cases.cause(issue.id, incident)
        root_key = self._me.root_key(f"{route.repository.slug if route else issue.project}/{cause}")
        return _Found(issue=issue, incident=incident, root_key=root_key, tasks=await self._inbox.tasks_of(root_key))

    async def _live(self, issue_id: str) -> Task | None:
        issue = await self._cases.issue(issue_id)
        incident = await self._cases.incident(issue_id) if issue else None
        return (await self._found(issue, incident)).live if issue and incident else None

    async def _origin(self, task: Task) -> m.Meaning | None:
        origin = await self._inbox.origin(task.id)
        return meaning_from_json(origin.content) if origin and origin.content else None

    async def _is_origin(self, task: Task, issue_id: str) -> bool:
        origin = await self._origin(task)
        return origin is not None and origin.issue_id == issue_id

    def _refuse(self, reason: str) -> Refuse:
        return Refuse(reason=reason, reply=Reply(kind=ReplyKind.COMMENT, text=self._texts.refusal(reason)))


def _told(live: Task, asked: m.WorkRequested) -> Decision:
    if live.status is TaskStatus.CANCELING:
        return Ignore(reason="the task is being stopped")
    if not asked.instruction:
        return Ignore(reason=ON_IT)
    kind = SignalKind.ANSWER if live.status is TaskStatus.WAITING else SignalKind.MESSAGE
    return Tell(task_id=live.id, kind=kind, text=asked.instruction, author=asked.actor.name)


def _answer(what: str, text: str) -> Answer:
    return Answer(reason=what, reply=Reply(kind=ReplyKind.COMMENT, text=text))


def _issue_of(delivery: Delivery) -> str:
    issue_id = meaning_from_json(delivery.content).issue_id
    if not issue_id:
        raise NotFound(f"delivery {delivery.id!r} belongs to no issue to answer in")
    return issue_id


def _named(delivery: Delivery) -> str:
    return f"reply:{delivery.id}"


def _shown(meaning: m.Meaning) -> str:
    return shown_name(IssueFacts(id=meaning.issue_id))
