"""Asks Sentry for unresolved issues: what a hook told in vain, or never could because nothing reaches in here."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta

from pullwright.agents.ports.inbox import NewDelivery
from pullwright.integrations.sentry.api import SentryApi
from pullwright.integrations.sentry.door import new_delivery
from pullwright.integrations.sentry.gate import GateRules, IssueFacts, judge_issue
from pullwright.integrations.sentry.meanings import Cause, IssueRaised, SentryIdentity


class SentrySource:
    """The unresolved issues of the configured projects, as far as they pass the gate.

    It is also how issues are watched after a fix: one that comes back is unresolved again.
    """

    def __init__(
        self,
        connection: str,
        api: SentryApi,
        me: SentryIdentity,
        rules: GateRules,
        *,
        now: Callable[[], datetime],
    ) -> None:
        self._connection = connection
        self._api = api
        self._me = me
        self._rules = rules
        self._now = now

    @property
    def name(self) -> str:
        return f"sentry/{self._connection}"

    async def missed(self, since: datetime) -> AsyncIterator[NewDelivery]:
        now, projects = self._now(), sorted(self._rules.routes)
        if not projects:
            return
        hours = max(math.ceil((now - since) / timedelta(hours=1)), 1)
        for issue in await self._api.unresolved(projects, query=f"lastSeen:-{hours}h"):
            recent = issue.last_seen is None or issue.last_seen >= since
            if recent and judge_issue(issue, self._rules, now).passed:
                yield self._delivery(issue, now)

    def _delivery(self, issue: IssueFacts, now: datetime) -> NewDelivery:
        # It is looked at once a day, and when it has become twice as frequent. One that has come back may come back
        # again after the next fix, which nothing in a list tells, so that one is looked at every hour.
        moment = f"{now:%Y-%m-%dT%H}" if issue.regressed else f"{now:%Y-%m-%d}"
        state = f"{issue.substatus}:{issue.events.bit_length()}:{moment}"
        key = f"polled:{issue.id}:{state}"
        cause = Cause.RETURNED if issue.regressed else Cause.POLLED
        meaning = IssueRaised(
            delivery_id=key,
            issue_id=issue.id,
            project=issue.project,
            work_key=self._me.news_key(issue.id),
            semantic_key=key,
            cause=cause,
        )
        return new_delivery(meaning, self._connection, key)
