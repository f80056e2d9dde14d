"""Sentry's handler: what becomes of each meaning. It asks Sentry and the inbox, and changes nothing.

What a delivery says is a hint: the issue and its event are read again, and only the words of a person are taken from
it. An alert that does not pass the gate is ignored with the reason, in silence on Sentry, because nobody asked;
whoever asked gets an answer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from pullwright.agents.intake.decisions import Decision, Ignore, Later, Reply, ReplyKind, Stop, Tell
from pullwright.agents.intake.sparing import Sparing
from pullwright.agents.ports.inbox import Delivery
from pullwright.agents.ports.store import SignalKind
from pullwright.agents.task import Task, TaskStatus
from pullwright.agents.worker.outbox import Made
from pullwright.integrations.deciding import comment, has_not_begun
from pullwright.integrations.sentry import meanings as m
from pullwright.integrations.sentry.api import SentryApi
from pullwright.integrations.sentry.asking import NO_EVENT, NO_ISSUE, ON_IT, Asking
from pullwright.integrations.sentry.cases import Cases
from pullwright.integrations.sentry.earlier import COOL_DOWN, why_not_again
from pullwright.integrations.sentry.filing import Filing
from pullwright.integrations.sentry.found import Finder, Found, Tasks
from pullwright.integrations.sentry.gate import GateRules, judge_event, judge_issue
from pullwright.integrations.sentry.incident import Incident
from pullwright.integrations.sentry.meaning_codec import issue_of, meaning_from_json
from pullwright.integrations.sentry.requested_work import WorkTerms, related_words, shown_name
from pullwright.integrations.sentry.scrubbing import Scrubber
from pullwright.integrations.sentry.texts import SentryTexts
from pullwright.integrations.sentry.voice import SentryVoice

RATE_SECONDS: Final = 1200.0
"""How long an alert waits when its project has had its tasks of the hour."""

EVENT_SECONDS: Final = 20.0
"""How long an issue waits for its first event: Sentry tells of one before its own API has the other."""
EVENT_TRIES: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class SentryPolicy:
    """What the operator wants."""

    rules: GateRules
    users: frozenset[str] = frozenset()
    """Ids of the only people who may ask; empty for everybody who may comment or assign in the organization."""
    cool_down: timedelta = COOL_DOWN
    acknowledges: bool = True
    """Whether a comment says that work begins; not where the task's state is shown on the issue anyway."""


class SentryHandler:
    """Decides on the deliveries of one organization."""

    def __init__(
        self,
        *,
        me: m.SentryIdentity,
        policy: SentryPolicy,
        inbox: Tasks,
        api: SentryApi,
        voice: SentryVoice,
        texts: SentryTexts,
        scrubber: Scrubber,
        now: Callable[[], datetime],
        monotonic: Callable[[], float],
        terms: WorkTerms | None = None,
    ) -> None:
        rules = policy.rules
        self._me = me
        self._policy = policy
        self._voice = voice
        self._texts = texts
        self._now = now
        self._projects = Sparing(monotonic)
        self._cases = Cases(api, voice)
        self._finder = Finder(me, rules, self._cases, inbox)
        self._filing = Filing(
            rules, self._cases, voice, texts, scrubber, terms or WorkTerms(), acknowledges=policy.acknowledges
        )
        self._asking = Asking(rules, policy.users, self._finder, self._filing, texts, now)

    async def handle(self, delivery: Delivery) -> Decision:
        meaning = meaning_from_json(delivery.content)
        if self._me.is_me(meaning.actor):
            return Ignore(reason="we did it ourselves")
        match meaning:
            case m.IssueRaised():
                return await self._raised(delivery, meaning)
            case m.WorkRequested() | m.ControlRequested():
                return await self._asking.asked(meaning)
            case m.RequestWithdrawn():
                return await self._asking.withdrawn(meaning)
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
        return await self._voice.comment(issue_of(delivery), _named(delivery), reply.text)

    async def find_reply(self, delivery: Delivery, reply: Reply) -> Made | None:
        if reply.kind is not ReplyKind.COMMENT:
            return None
        return await self._voice.find(issue_of(delivery), _named(delivery))

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
            early = delivery.put_off < EVENT_TRIES
            return Later(seconds=EVENT_SECONDS, reason=NO_EVENT) if early else Ignore(reason=NO_EVENT)
        verdict = judge_event(issue, incident, rules, now)
        if not verdict.passed:
            return Ignore(reason=verdict.reason)
        found = await self._finder.found(issue, incident)
        return await self._join(found, found.live) if found.live else await self._take(found, incident, raised)

    async def _take(self, found: Found, incident: Incident, raised: m.IssueRaised) -> Decision:
        """Make a task of an issue that passes the gate, unless there are reasons not to."""
        issue = found.issue
        if reason := why_not_again(found.tasks, issue, self._now(), cool_down=self._policy.cool_down):
            return Ignore(reason=reason)
        if url := await self._finder.in_review(found.tasks):
            return Ignore(reason=f"{url} is there for it, and is not merged yet")
        if not self._projects.allows(issue.project, found.root_key):
            return Later(seconds=RATE_SECONDS, reason=f"the project {issue.project!r} has had its tasks of this hour")
        case = await self._filing.case(found, incident, rule=raised.rule)
        if case.seer.pull_requests and not issue.regressed:
            return Ignore(reason=f"Sentry has opened a pull request for it itself: {case.seer.pull_requests[0]}")
        filed = await self._filing.file(found, case)
        # Whoever is quicker meanwhile is joined the next time.
        return replace(filed, patient=True)

    async def _join(self, found: Found, live: Task) -> Decision:
        """Tell a task that one more issue has its cause; of its own issue it need not hear again."""
        if live.status is TaskStatus.CANCELING or await self._finder.is_about(live, found.issue):
            return Ignore(reason=ON_IT)
        text = self._voice.with_cause(found.issue.id, self._texts.joined(live.spec.fixes), found.cause)
        return Tell(
            task_id=live.id,
            kind=SignalKind.MESSAGE,
            text=related_words(found.issue),
            author="Sentry",
            meaning_key=f"related:{live.id}:{found.issue.id}",
            reply=comment(text),
        )

    # What ends work

    async def _gone(self, gone: m.IssueGone) -> Decision:
        found = await self._finder.look_up(gone.issue_id)
        if found is None:
            return Ignore(reason=NO_ISSUE)
        if found.issue.open:
            return Ignore(reason=f"the issue was {gone.why}, and is open again")
        if found.live is None:
            return Ignore(reason=f"the issue was {gone.why}, and no task is on it")
        if not await self._finder.is_about(found.live, found.issue):
            return Ignore(reason=f"the issue was {gone.why}, and the task on its cause is for another one as well")
        return Stop(task_id=found.live.id, reason=f"{shown_name(found.issue)} was {gone.why} on Sentry")

    async def _rival(self, rival: m.RivalFix) -> Decision:
        found = await self._finder.look_up(rival.issue_id)
        live = found.live if found else None
        if found is None or live is None or not has_not_begun(live):
            return Ignore(reason="Sentry has opened a pull request, and no task waits for it")
        if not await self._finder.is_about(live, found.issue):
            return Ignore(reason="Sentry has opened a pull request, and the task on its cause is for another issue")
        return Stop(task_id=live.id, reason=f"Sentry has opened a pull request for {shown_name(found.issue)} itself")


def _named(delivery: Delivery) -> str:
    return f"reply:{delivery.id}"
