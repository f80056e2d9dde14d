"""Decides what becomes of what Linear told us, and says it there. Implements ``intake.source.Handler``."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from pullwright.agents.change import RepositoryRef
from pullwright.agents.errors import NotFound
from pullwright.agents.intake.decisions import Answer, Decision, File, Ignore, Refuse, Reply, ReplyKind, Stop
from pullwright.agents.ports.inbox import Delivery, InboxStore
from pullwright.agents.task import Task
from pullwright.agents.worker.outbox import Made
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
from pullwright.integrations.linear import meanings as m
from pullwright.integrations.linear.answers import IssueNow
from pullwright.integrations.linear.api import LinearApi
from pullwright.integrations.linear.authority import Authority
from pullwright.integrations.linear.meaning_codec import meaning_from_json
from pullwright.integrations.linear.reading import IssueReader, Outdated
from pullwright.integrations.linear.repository_choice import IssueTraits
from pullwright.integrations.linear.requested_work import WorkTerms, specify
from pullwright.integrations.linear.texts import LinearTexts
from pullwright.integrations.linear.voice import LinearVoice
from pullwright.integrations.repository_choice import RepositoryChoice, Unsure

_AGAIN: Final = frozenset({Verb.RETRY, Verb.RUN, Verb.PLAN})
"""Commands by which somebody wants to begin although there is a pull request."""

_TAKEN_BACK: Final = {m.Gone.UNLABELED: (m.Cause.LABELED,), m.Gone.UNASSIGNED: (m.Cause.ASSIGNED, m.Cause.SESSION)}
"""What ends only the work that it began."""

_SLACK: Final = timedelta(seconds=10)
"""By how much Linear's clock and ours may differ."""

Asked = m.WorkRequested | m.ControlRequested


class LinearHandler:
    """Decides on the deliveries of one workspace."""

    def __init__(
        self,
        *,
        bot: m.BotIdentity,
        inbox: InboxStore,
        authority: Authority,
        api: LinearApi,
        choice: RepositoryChoice[IssueTraits],
        repository: Callable[[str], RepositoryRef],
        voice: LinearVoice,
        texts: LinearTexts,
        terms: WorkTerms,
    ) -> None:
        """Make one; ``repository`` makes a reference of ``owner/name``."""
        self._bot = bot
        self._inbox = inbox
        self._authority = authority
        self._api = api
        self._reader = IssueReader(api)
        self._choice = choice
        self._repository = repository
        self._voice = voice
        self._texts = texts
        self._terms = terms

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
        issue_id, session = issue_of(delivery), session_of(delivery)
        if reply.kind is ReplyKind.SEEN:
            await self._voice.act(session, f"{delivery.id}:seen", "thought", "I am on it, and report in a comment.")
            await self._voice.begin(issue_id, self._terms.in_progress)
            return Made()
        made = await self._voice.comment(issue_id, f"reply:{delivery.id}", reply.text)
        await self._voice.act(session, f"{delivery.id}:reply", "response", reply.text)
        return made

    async def find_reply(self, delivery: Delivery, reply: Reply) -> Made | None:
        if reply.kind is ReplyKind.SEEN:
            return None  # moved twice is moved once
        return await self._voice.find(issue_of(delivery), f"reply:{delivery.id}")

    # What people ask for

    async def _asked(self, delivery: Delivery, asked: Asked) -> Decision:
        try:
            now = await self._api.now(asked.issue.id if asked.issue else "")
        except NotFound:
            return Ignore(reason="the issue is gone, or can not be seen")
        if now.trashed:
            return Ignore(reason="the issue was removed")
        if not self._bot.listens_to(now.identifier or ""):
            return Ignore(reason="a team that is not listened to")
        if isinstance(asked, m.WorkRequested) and asked.polled and await self._was_answered(asked, now):
            return Ignore(reason="it was dealt with already")
        verdict = await self._authority.decide(asked.actor)
        if not verdict.allowed:
            return self._refuse(verdict.reason, aloud=verdict.say_aloud)
        tasks = await self._inbox.tasks_of(asked.work_key)
        if isinstance(asked, m.ControlRequested):
            return self._control(asked, tasks)
        try:
            return await self._work(delivery, asked, now, tasks)
        except NotFound:
            return Ignore(reason="the issue is gone, or can not be seen")

    async def _work(self, delivery: Delivery, asked: m.WorkRequested, now: IssueNow, tasks: Sequence[Task]) -> Decision:
        words = words_of(asked.request) if asked.cause is m.Cause.COMMENTED else ""
        author = asked.actor.name or asked.actor.id if asked.actor else ""
        at = aware(asked.at or delivery.received_at)
        if live := live_of(tasks):
            waits = asked.session_id and not words  # Linear shows a session without a sign of life as broken
            return Answer(reason="a task is on it already", reply=SEEN) if waits else tell(live, words, author)
        again = asked.cause is m.Cause.COMMENTED and asked.request.verb in _AGAIN
        if not again and (reason := in_the_way(tasks)):
            return self._refuse(reason, aloud=True)
        if now.state.ended:
            return self._refuse("the issue is completed or canceled; move it back first", aloud=True)
        try:
            issue = await self._reader.read(now.id, asked, at)
        except Outdated:
            changed = "its title or description was changed after you asked; look at it and ask again"
            return self._refuse(changed, aloud=True)
        chosen = self._choice.choose(issue.traits, named=asked.request.arguments.get("repo", ""))
        if isinstance(chosen, Unsure):
            text = self._texts.which_repository(chosen.reason, chosen.choices)
            return Refuse(reason=chosen.reason, reply=comment(text))
        spec = specify(
            issue,
            asked.request,
            chosen=chosen,
            repository=self._repository(chosen.repository),
            work_key=asked.work_key,
            terms=self._terms,
            boundary=secrets.token_hex(16),
        )
        return File(spec=spec, words=words, author=author, reply=SEEN)

    async def _was_answered(self, asked: m.WorkRequested, now: IssueNow) -> bool:
        """Whether a task was made since, or something was said: then a hook told the same by another name."""
        at = aware(asked.at) - _SLACK if asked.at else datetime.min.replace(tzinfo=UTC)
        tasks = await self._inbox.tasks_of(asked.work_key)
        said = (one.created for one in now.comments.nodes if one.user and one.user.id == self._bot.user)
        return any(aware(moment) >= at for moment in (*(task.created_at for task in tasks), *said) if moment)

    def _control(self, control: m.ControlRequested, tasks: Sequence[Task]) -> Decision:
        live = live_of(tasks)
        match control.verb:
            case Verb.STOP if live is None:
                return self._refuse("nothing is being worked on here", aloud=True)
            case Verb.STOP if live:
                who = control.actor.name or control.actor.id if control.actor else "somebody"
                return Stop(task_id=live.id, reason=f"{who} asked to stop")
            case Verb.STATUS if tasks:
                return answer("status", self._texts.status(standing_of(tasks[0])))
        return answer("help", self._texts.help(control.unknown))

    # What ends work

    async def _withdrawn(self, meaning: m.RequestWithdrawn) -> Decision:
        """Drop the task that a deleted or changed comment asked for, if it has not begun."""
        live = live_of(await self._inbox.tasks_of(meaning.work_key))
        asked = await self._what_asked_for(live) if live and has_not_begun(live) else None
        if live is None or asked is None or asked.comment_id != meaning.comment_id:
            return Ignore(reason="no task that waits came from it")
        how = "changed; ask again" if meaning.changed else "deleted"
        return Stop(task_id=live.id, reason=f"the comment that asked for it was {how}")

    async def _gone(self, meaning: m.SubjectGone) -> Decision:
        live = live_of(await self._inbox.tasks_of(meaning.work_key))
        reason = f"the issue was {meaning.why}"
        if live is None:
            return Ignore(reason=f"{reason}, and no task is on it")
        if meaning.why in _TAKEN_BACK:
            asked = await self._what_asked_for(live)
            if asked is None or asked.cause not in _TAKEN_BACK[meaning.why]:
                return Ignore(reason=f"{reason}, but something else asked for the work")
        if not await self._is_gone(meaning):
            return Ignore(reason=f"{reason}, and is back")
        return Stop(task_id=live.id, reason=reason)

    async def _is_gone(self, meaning: m.SubjectGone) -> bool:
        """Whether it is so now: what was told may be older than what asked for the work."""
        try:
            now = await self._api.now(meaning.issue.id if meaning.issue else "")
        except NotFound:
            return True
        match meaning.why:
            case m.Gone.UNLABELED:
                return not now.is_labelled(self._bot.label)
            case m.Gone.UNASSIGNED:
                return not now.is_with(self._bot.user)
        return now.state.ended or bool(now.trashed)

    async def _what_asked_for(self, task: Task) -> m.WorkRequested | None:
        origin = await self._inbox.origin(task.id)
        asked = meaning_from_json(origin.content) if origin and origin.source == "linear" else None
        return asked if isinstance(asked, m.WorkRequested) else None

    def _refuse(self, reason: str, *, aloud: bool) -> Refuse:
        return Refuse(reason=reason, reply=comment(self._texts.refusal(reason)) if aloud else None)


def issue_of(delivery: Delivery) -> str:
    """Return the id of the issue on which a delivery is answered.

    Raises:
        NotFound: It belongs to none.
    """
    meaning = meaning_from_json(delivery.content)
    if meaning.issue is None:
        raise NotFound(f"delivery {delivery.id!r} belongs to no issue to answer in")
    return meaning.issue.id


def session_of(delivery: Delivery) -> str:
    """Return the agent session that a delivery began; empty for none."""
    meaning = meaning_from_json(delivery.content)
    return meaning.session_id if isinstance(meaning, m.WorkRequested) else ""
