"""Looking what happened in Linear, where nothing can reach in here, or what a hook told may have been lost.

Comments are named as the hooks name them, so whatever both tell is known once. Changes have no name in common: what is
found here counts only when no task was made since, and nothing was said.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime

from pullwright.agents.ports.inbox import NewDelivery
from pullwright.integrations.commands import COMMAND, AgentRequest, Verb
from pullwright.integrations.linear import meanings as m
from pullwright.integrations.linear.answers import EndedIssue, FoundIssue, HistoryPart
from pullwright.integrations.linear.api import LinearApi
from pullwright.integrations.linear.door import new_delivery
from pullwright.integrations.linear.events import actor_of, request_of, shared
from pullwright.integrations.linear.payloads import CommentPart, UserPart


class LinearPolling:
    """``Source`` that asks for issues and comments."""

    def __init__(self, api: LinearApi, bot: m.BotIdentity, *, connection: str) -> None:
        """Make one; ``connection`` is what its deliveries say that they came by."""
        self._api = api
        self._bot = bot
        self._connection = connection

    @property
    def name(self) -> str:
        return f"Linear ({self._connection})"

    async def missed(self, since: datetime) -> AsyncIterator[NewDelivery]:
        # The end of an issue comes first: a request that is newer than it may follow.
        async for ended in self._api.ended(since):
            yield self._delivery(_ended(ended))
        async for issue in self._api.asked_for(since, label=self._bot.label, user=self._bot.user):
            if (asked := self._asked(issue, since)) and self._bot.listens_to(issue.identifier or ""):
                yield self._delivery(asked)
        words = [COMMAND, *([f"@{self._bot.name}", f"/profiles/{self._bot.name}"] if self._bot.name else [])]
        async for comment in self._api.spoken(since, words):
            if spoken := self._spoken(comment):
                yield self._delivery(spoken)

    def _delivery(self, meaning: m.Meaning) -> NewDelivery:
        return new_delivery(meaning, self._connection, meaning.delivery_id)

    def _asked(self, issue: FoundIssue, since: datetime) -> m.WorkRequested | None:
        """Return the newest request that an issue's labels and people make; those of the bot itself are none."""
        found: list[tuple[datetime, str, UserPart | None, m.Cause]] = [
            (change.created, change.id, change.actor, cause)
            for change in issue.history.nodes
            if (cause := self._cause(change, issue))
        ]
        if not found and (cause := self._standing_cause(issue)):
            found.append((issue.created, "created", issue.creator, cause))
        at, name, by, cause = max(found, key=lambda one: one[0], default=(since, "", None, m.Cause.LABELED))
        if not name or at < since or issue.state.ended or (by and by.id == self._bot.user):
            return None
        key = f"poll-{issue.id}-{name}"
        return m.WorkRequested(
            **shared(key, issue, actor_of(by)),
            semantic_key=key,
            cause=cause,
            request=AgentRequest(verb=Verb.RUN),
            at=at,
            polled=True,
        )

    def _cause(self, change: HistoryPart, issue: FoundIssue) -> m.Cause | None:
        """Return what a change asked for, as long as the issue is still so."""
        label = self._bot.label
        added = any(one.name.casefold() == label.casefold() for one in change.added or ())
        if added and issue.is_labelled(label):
            return m.Cause.LABELED
        given = self._bot.user in (change.to_assignee, change.to_delegate and change.to_delegate.id)
        return m.Cause.ASSIGNED if given and self._is_mine(issue) else None

    def _standing_cause(self, issue: FoundIssue) -> m.Cause | None:
        """Return what an issue asked for from its first moment."""
        if issue.is_labelled(self._bot.label):
            return m.Cause.LABELED
        return m.Cause.ASSIGNED if self._is_mine(issue) else None

    def _is_mine(self, issue: FoundIssue) -> bool:
        return self._bot.listens_to_assignment and issue.is_with(self._bot.user)

    def _spoken(self, comment: CommentPart) -> m.Meaning | None:
        if comment.issue is None or comment.user is None or comment.user.id == self._bot.user:
            return None
        if not self._bot.listens_to(comment.issue.identifier or ""):
            return None
        about = shared(f"poll-{comment.id}", comment.issue, actor_of(comment.user))
        return request_of(comment, about, self._bot)


def _ended(issue: EndedIssue) -> m.SubjectGone:
    at = issue.completed or issue.canceled
    key = f"poll-{issue.id}-ended-{at.isoformat() if at else ''}"
    return m.SubjectGone(**shared(key, issue, None), semantic_key=key, why=m.Gone.ENDED)
