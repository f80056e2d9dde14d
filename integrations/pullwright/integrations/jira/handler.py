"""Decides what becomes of what Jira told us, and says it there. Implements ``intake.source.Handler``."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final, Protocol

from pullwright.agents.change import RepositoryRef
from pullwright.agents.errors import NotFound
from pullwright.agents.intake.decisions import Decision, File, Ignore, Refuse, Reply, ReplyKind, Stop
from pullwright.agents.ports.inbox import Delivery, InboxStore
from pullwright.agents.task import Task
from pullwright.agents.worker.outbox import Made
from pullwright.integrations.budgets import too_many
from pullwright.integrations.commands import Verb, words_of
from pullwright.integrations.deciding import (
    SEEN,
    answer,
    aware,
    comment,
    has_not_begun,
    in_the_way,
    live_of,
    standing_of,
    tell,
)
from pullwright.integrations.jira import meanings as m
from pullwright.integrations.jira.authority import Authority
from pullwright.integrations.jira.changes import DONE
from pullwright.integrations.jira.meaning_codec import meaning_from_json
from pullwright.integrations.jira.repository_choice import TicketTraits
from pullwright.integrations.jira.requested_work import WorkTerms, specify
from pullwright.integrations.jira.status_text import JiraTexts
from pullwright.integrations.jira.tickets import Ticket
from pullwright.integrations.jira.voice import Voice, place_of
from pullwright.integrations.markers import reply_to
from pullwright.integrations.repository_choice import RepositoryChoice, Unsure

_SPOKEN: Final = frozenset({m.Cause.COMMENTED, m.Cause.AUTOMATION})
"""What has words of its own."""
_AGAIN: Final = frozenset({Verb.RETRY, Verb.RUN, Verb.PLAN})
"""Commands by which somebody wants to begin although there is a pull request."""

_TAKEN_BACK: Final = {
    m.Gone.UNLABELED: (m.Cause.LABELED, m.Cause.CREATED),
    m.Gone.UNASSIGNED: (m.Cause.ASSIGNED, m.Cause.CREATED),
}
"""What ends only the work that it began."""

Asked = m.WorkRequested | m.ControlRequested


class Reader(Protocol):
    """Reads tickets. Both methods raise NotFound for one that is gone, or can not be seen."""

    async def now(self, reference: str) -> m.TicketNow:
        """Return what a ticket is at this moment."""
        ...

    async def read(self, reference: str, at: datetime, *, asking_comment: str = "") -> Ticket:
        """Return a ticket as it was at a moment."""
        ...


class JiraHandler:
    """Decides on the deliveries of one Jira."""

    def __init__(
        self,
        *,
        bot: m.BotIdentity,
        inbox: InboxStore,
        authority: Authority,
        reader: Reader,
        choice: RepositoryChoice[TicketTraits],
        repository: Callable[[str], RepositoryRef],
        voice: Voice,
        texts: JiraTexts,
        repository_field: str = "",
        terms: WorkTerms | None = None,
    ) -> None:
        """Make one; ``repository`` makes a reference of ``owner/name``, ``repository_field`` may hold one."""
        self._bot = bot
        self._inbox = inbox
        self._authority = authority
        self._reader = reader
        self._choice = choice
        self._repository_field = repository_field
        self._repository = repository
        self._voice = voice
        self._texts = texts
        self._terms = terms or WorkTerms()

    async def handle(self, delivery: Delivery) -> Decision:
        meaning = meaning_from_json(delivery.content)
        match meaning:
            case m.WorkRequested() | m.ControlRequested():
                return await self._asked(delivery, meaning)
            case m.RequestWithdrawn():
                return await self._withdrawn(meaning)
            case m.SubjectGone():
                return await self._gone(meaning)
        return Ignore(reason=meaning.reason if isinstance(meaning, m.Ignored) else "there is nothing to do")

    async def reply(self, delivery: Delivery, reply: Reply) -> Made:
        place = place_of(delivery)
        if reply.kind is ReplyKind.SEEN:
            return await self._voice.move(place, self._terms.in_progress) or Made()
        return await self._voice.comment(place, reply.text, reply_to(delivery.id))

    async def find_reply(self, delivery: Delivery, reply: Reply) -> Made | None:
        if reply.kind is ReplyKind.SEEN:
            return None  # moved twice is moved once
        return await self._voice.find_comment(place_of(delivery), reply_to(delivery.id))

    # What people ask for

    async def _asked(self, delivery: Delivery, asked: Asked) -> Decision:
        try:
            now = await self._reader.now(asked.ticket.reference if asked.ticket else "")
        except NotFound:
            return Ignore(reason="the ticket is gone, or can not be seen")
        facts = now.facts
        if not self._bot.listens_to(facts.project):
            return Ignore(reason="a project that is not listened to")
        if isinstance(asked, m.WorkRequested) and self._is_taken_back(asked.cause, now):
            return Ignore(reason="what asked for it was taken back")
        verdict = await self._authority.decide(
            asked.actor, project=facts.project, public=asked.public and facts.service_desk
        )
        if not verdict.allowed:
            return self._refuse(verdict.reason, aloud=verdict.say_aloud)
        # Named anew: Automation may know no more than the key.
        tasks = await self._inbox.tasks_of(self._bot.work_key(facts.id))
        if isinstance(asked, m.ControlRequested):
            return self._control(asked, tasks)
        return await self._work(delivery, asked, facts, tasks)

    def _is_taken_back(self, cause: m.Cause, now: m.TicketNow) -> bool:
        """Whether a label or an assignment is gone by now: what took it back may have been told before."""
        match cause:
            case m.Cause.LABELED:
                return self._bot.label.casefold() not in now.labels
            case m.Cause.ASSIGNED:
                return now.assignee != self._bot.account
        return False

    async def _work(
        self, delivery: Delivery, asked: m.WorkRequested, now: m.TicketFacts, tasks: Sequence[Task]
    ) -> Decision:
        words = words_of(asked.request) if asked.cause in _SPOKEN else ""
        author = asked.actor.name or asked.actor.account if asked.actor else ""
        if live := live_of(tasks):
            return tell(live, words, author)
        again = asked.cause is m.Cause.COMMENTED and asked.request.verb in _AGAIN
        if not again and (reason := in_the_way(tasks)):
            return self._refuse(reason, aloud=True)
        if reason := too_many(tasks, delivery.received_at, self._terms.tasks_per_hour):
            return self._refuse(reason, aloud=True)
        at = aware(asked.at or delivery.received_at)
        try:
            ticket = await self._reader.read(now.id, at, asking_comment=asked.comment_id)
        except NotFound:
            return Ignore(reason="the ticket is gone, or can not be seen")
        if ticket.status.category.key == DONE:
            return self._refuse("the ticket is done; move it back first", aloud=True)
        field = ticket.traits.text_of(self._repository_field).strip()
        chosen = self._choice.choose(ticket.traits, named=asked.request.arguments.get("repo", ""), field=field)
        if isinstance(chosen, Unsure):
            text = self._texts.which_repository(chosen.reason, chosen.choices)
            return Refuse(reason=chosen.reason, reply=comment(text))
        spec = specify(
            ticket,
            asked.request,
            chosen=chosen,
            repository=self._repository(chosen.repository),
            work_key=self._bot.work_key(now.id),
            terms=self._terms,
            boundary=secrets.token_hex(16),
        )
        return File(spec=spec, words=words, author=author, reply=SEEN if self._terms.in_progress else None)

    def _control(self, control: m.ControlRequested, tasks: Sequence[Task]) -> Decision:
        live = live_of(tasks)
        match control.verb:
            case Verb.STOP if live is None:
                return self._refuse("nothing is being worked on here", aloud=True)
            case Verb.STOP if live:
                who = control.actor.name or control.actor.account if control.actor else "somebody"
                return Stop(task_id=live.id, reason=f"{who} asked to stop")
            case Verb.STATUS if tasks:
                return answer("status", self._status(tasks[0]))
        if control.unknown:
            return answer("help", self._texts.unclear(control.unknown))
        return answer("help", self._texts.help())

    def _status(self, task: Task) -> str:
        return self._texts.status(standing_of(task), repository=task.spec.repository.slug)

    # What ends work

    async def _withdrawn(self, meaning: m.RequestWithdrawn) -> Decision:
        """Drop the task that a deleted comment asked for, if it has not begun."""
        live = live_of(await self._inbox.tasks_of(meaning.work_key))
        if live is None or not has_not_begun(live):
            return Ignore(reason="no task that waits came from it")
        asked = await self._what_asked_for(live)
        if asked is None or asked.comment_id != meaning.comment_id:
            return Ignore(reason="no task that waits came from it")
        return Stop(task_id=live.id, reason="the comment that asked for it was deleted")

    async def _gone(self, meaning: m.SubjectGone) -> Decision:
        live = live_of(await self._inbox.tasks_of(meaning.work_key))
        reason = f"the ticket was {meaning.why}"
        if live is None:
            return Ignore(reason=f"{reason}, and no task is on it")
        asked = await self._what_asked_for(live)
        if meaning.why in _TAKEN_BACK and (asked is None or asked.cause not in _TAKEN_BACK[meaning.why]):
            return Ignore(reason=f"{reason}, but something else asked for the work")
        if meaning.ticket and await self._is_wanted_again(meaning.why, meaning.ticket.reference):
            return Ignore(reason=f"{reason}, but is not any more")
        return Stop(task_id=live.id, reason=reason)

    async def _is_wanted_again(self, why: m.Gone, reference: str) -> bool:
        """Whether what ended the work does not hold by now: deliveries come late, and in any order."""
        try:
            now = await self._reader.now(reference)
        except NotFound:
            return False
        match why:
            case m.Gone.DONE:
                return not now.done
            case m.Gone.UNLABELED:
                return self._bot.label.casefold() in now.labels
            case m.Gone.UNASSIGNED:
                return now.assignee == self._bot.account
            case m.Gone.DELETED | m.Gone.UNSEEN | m.Gone.MOVED_AWAY:
                return self._bot.listens_to(now.facts.project)

    async def _what_asked_for(self, task: Task) -> m.WorkRequested | None:
        origin = await self._inbox.origin(task.id)
        asked = meaning_from_json(origin.content) if origin and origin.source == "jira" else None
        return asked if isinstance(asked, m.WorkRequested) else None

    def _refuse(self, reason: str, *, aloud: bool) -> Refuse:
        return Refuse(reason=reason, reply=comment(self._texts.refusal(reason)) if aloud else None)
