"""GitHub's handler: what becomes of each meaning. It asks GitHub and the inbox, and changes nothing.

What a delivery says is a hint: the issue is read again, and only the words of the request are taken from it.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Final, Protocol

from pullwright.agents.errors import NotFound
from pullwright.agents.intake.decisions import Decision, File, Ignore, Landed, Refuse, Reply, ReplyKind, Stop
from pullwright.agents.ports.code_host import CodeHost
from pullwright.agents.ports.durable import DurableStore
from pullwright.agents.ports.inbox import Delivery
from pullwright.agents.ports.report import Standing
from pullwright.agents.task import Task
from pullwright.agents.worker.outbox import Made
from pullwright.integrations.budgets import too_many
from pullwright.integrations.commands import Verb
from pullwright.integrations.deciding import SEEN, answer, comment, has_not_begun, live_of, tell
from pullwright.integrations.github import meanings as m
from pullwright.integrations.github.around import Around
from pullwright.integrations.github.authority import Authority, Trigger
from pullwright.integrations.github.budgets import bots_in_a_row
from pullwright.integrations.github.failures_of_checks import Checks
from pullwright.integrations.github.follow_up import (
    Asked,
    FollowUps,
    asked_again,
    asked_by_comment,
    asked_by_review,
    asked_of_issue,
    review_key,
)
from pullwright.integrations.github.markers import MarkerKey
from pullwright.integrations.github.meaning_codec import meaning_from_json
from pullwright.integrations.github.pulls import PullRequests, Where, obstacle, where_of
from pullwright.integrations.github.repairs import REMEMBERED, Repairs
from pullwright.integrations.github.reports import GitHubReports
from pullwright.integrations.github.requested_work import (
    WorkTerms,
    follow_up,
    report_on,
    repository_ref,
    requested_by,
    specify,
    words_of,
)
from pullwright.integrations.github.settings import GitHubSettings
from pullwright.integrations.github.status_text import BotTexts
from pullwright.integrations.github.tasks_behind import TasksBehind, end, pull_request_of
from pullwright.integrations.github.voice import Voice, place_of
from pullwright.integrations.markers import reply_to

ELSEWHERE: Final = "somebody has started work on it already, though not from here; it ends with a pull request or not"
NO_CHOICE: Final = (
    "the model can not be chosen here: every task uses what the operator has configured; leave model= out"
)


class Moments(Protocol):
    """Looks up when something happened that a delivery does not say the time of."""

    async def of(self, request: m.WorkRequested) -> datetime | None:
        """Return when its actor set the label or made the assignment; None when that is not so any more.

        Raises:
            IntegrationError: It could not be found out.
        """
        ...


class GitHubHandler:
    """Decides on the deliveries of one GitHub: reads what they mean, and lets those decide who know about that."""

    def __init__(
        self,
        *,
        settings: GitHubSettings,
        inbox: DurableStore,
        authority: Authority,
        host: CodeHost,
        pulls: PullRequests,
        checks: Checks,
        moments: Moments,
        voice: Voice,
        texts: BotTexts,
        markers: MarkerKey,
        terms: WorkTerms | None = None,
    ) -> None:
        self._settings = settings
        self._inbox = inbox
        self._authority = authority
        self._host = host
        self._moments = moments
        self._pulls = pulls
        self._voice = voice
        self._texts = texts
        self._markers = markers
        self._terms = terms = terms or WorkTerms()
        self._behind = behind = TasksBehind(inbox, settings)
        self._around = Around(settings=settings, store=inbox, behind=behind)
        self._repairs = Repairs(
            settings=settings,
            inbox=inbox,
            behind=behind,
            pulls=pulls,
            checks=checks,
            authority=authority,
            terms=terms,
        )
        self._follow_ups = FollowUps(
            settings=settings, behind=behind, pulls=pulls, host=host, repairs=self._repairs, terms=terms
        )

    def reports(self, cost: Callable[[Standing], str]) -> GitHubReports:
        """Return what shows how the tasks stand that were filed here; ``cost`` says how much money was spent."""
        return GitHubReports(self._voice, self._texts, self._markers, cost)

    async def handle(self, delivery: Delivery) -> Decision:
        meaning = meaning_from_json(delivery.content)
        match meaning:
            case m.Ignored():
                return Ignore(reason=meaning.reason)
            case m.RequestWithdrawn():
                return await self._withdrawn(meaning)
            case m.SubjectGone():
                return await self._gone(meaning)
            case m.PullRequestClosed():
                return await self._closed(meaning)
            case m.WorkRequested() | m.ReviewSubmitted() | m.ControlRequested():
                return await self._asked(delivery, meaning)
            case m.ChecksCompleted():
                decision, about = await self._repairs.decide(delivery, meaning)
                return self._aloud(delivery, decision, about)
        return await self._around.decide(meaning)

    async def reply(self, delivery: Delivery, reply: Reply) -> Made:
        place = place_of(delivery, reply.about)
        match reply.kind:
            case ReplyKind.SEEN:
                return await self._voice.react(place)
            case ReplyKind.READY:
                return await self._voice.mark_ready(place)
        return await self._voice.comment(place, reply.text)

    async def find_reply(self, delivery: Delivery, reply: Reply) -> Made | None:
        if reply.kind is not ReplyKind.COMMENT:
            return None  # made twice is made once
        return await self._voice.find_comment(place_of(delivery, reply.about), reply_to(delivery.id))

    # What people ask for

    async def _asked(
        self, delivery: Delivery, meaning: m.WorkRequested | m.ReviewSubmitted | m.ControlRequested
    ) -> Decision:
        where = where_of(meaning)
        if where is None:
            return Ignore(reason="it names no repository")
        allowed = await self._authority.decide(
            Trigger(
                actor=meaning.actor,
                private=where.repository.private,
                bot_triggers_in_a_row=await self._bots_in_a_row(meaning),
            ),
            repository_id=where.repository.id,
            repository=where.repository.full_name,
        )
        if not allowed.allowed:
            refusal = self._refuse(delivery, allowed.reason, aloud=allowed.say_aloud)
            return replace(refusal, meaning_key=review_key(meaning, self._settings.web_host))
        if where.repository.archived:
            return Refuse(reason="the repository is archived")
        match meaning:
            case m.ControlRequested():
                return await self._control(delivery, meaning, where)
            case m.ReviewSubmitted():
                return await self._follow_up(delivery, asked_by_review(meaning, where))
        if "model" in meaning.request.arguments:
            return self._refuse(delivery, NO_CHOICE, aloud=True)
        if meaning.subject.is_pull_request:
            return await self._follow_up(delivery, asked_by_comment(meaning, where, self._settings.web_host))
        return await self._about_issue(delivery, meaning, where)

    async def _follow_up(self, delivery: Delivery, asked: Asked) -> Decision:
        return self._aloud(delivery, await self._follow_ups.decide(delivery, asked))

    async def _bots_in_a_row(self, meaning: m.Meaning) -> int:
        """Count them only when one more asks: it takes a search."""
        if meaning.actor is None or meaning.actor.kind == "User":
            return 0
        return bots_in_a_row(await self._inbox.deliveries(limit=REMEMBERED), meaning.work_key)

    async def _about_issue(self, delivery: Delivery, request: m.WorkRequested, where: Where) -> Decision:
        at = request.at or await self._moments.of(request)
        if at is None:
            return Ignore(reason="it was taken back before it was looked at")
        meaning_key = "" if request.at else request.happened(at).semantic_key
        author = request.actor.login if request.actor else ""
        tasks = await self._inbox.tasks_of(request.work_key)
        live = live_of(tasks)
        said = request.cause not in (m.Cause.LABELED, m.Cause.ASSIGNED)
        words = words_of(request.request) if said else ""
        if live and not words and live.spec.source != "github":
            return self._refuse(delivery, ELSEWHERE, aloud=True)
        if live:
            return tell(live, words, author, meaning_key=meaning_key, reply=SEEN)
        if request.request.verb is Verb.ANSWER:
            return self._refuse(delivery, "nobody waits for an answer here", aloud=True)
        number = pull_request_of(tasks[0]) if tasks else None
        again = request.request.verb in (Verb.RETRY, Verb.REBASE)
        if number is not None and (again or (words and await self._goes_on(where, number))):
            return await self._follow_up(delivery, asked_of_issue(request, where, number))
        if reason := too_many(tasks, delivery.received_at, self._terms.tasks_per_hour):
            return self._refuse(delivery, reason, aloud=True)
        ref = repository_ref(where.repository, self._settings)
        try:
            issue = await self._host.get_issue(ref, request.subject.number)
        except NotFound:
            return Ignore(reason="the issue is gone, or can not be seen")
        if issue.state != "open":
            return self._refuse(delivery, "the issue is closed; open it again first", aloud=True)
        spec = specify(request, issue, at, repository=ref, terms=self._terms, boundary=secrets.token_hex(16))
        return File(spec=spec, words=words, author=author, meaning_key=meaning_key, reply=SEEN)

    async def _goes_on(self, where: Where, number: int) -> bool:
        """Whether words about an issue are for the pull request that came of it, rather than for another one."""
        try:
            return not obstacle(await self._pulls.read(where, number))
        except NotFound:
            return False

    async def _control(self, delivery: Delivery, control: m.ControlRequested, where: Where) -> Decision:
        tasks = await self._behind.of(where.repository, control.number or 0)
        marker = self._marker_line(delivery)
        match control.verb:
            case Verb.STOP:
                live = live_of(tasks)
                if live is None:
                    return self._refuse(delivery, "nothing is being worked on here", aloud=True)
                who = control.actor.login if control.actor else "somebody"
                return Stop(task_id=live.id, reason=f"{who} asked to stop", reply=SEEN)
            case Verb.STATUS:
                text = self._texts.status(report_on(tasks[0]), marker) if tasks else ""
                return answer("status", text or self._texts.help(marker))
            case Verb.RETRY if tasks and not live_of(tasks):
                return await self._again(delivery, control, where, tasks[0])
            case Verb.RETRY:
                return Ignore(reason="there is nothing to try again")
        known = not control.unknown
        return answer("help", self._texts.help(marker) if known else self._texts.unclear(control.unknown, marker))

    async def _again(self, delivery: Delivery, control: m.ControlRequested, where: Where, last: Task) -> Decision:
        number = pull_request_of(last)
        if number is not None:
            return await self._follow_up(delivery, asked_again(control, where, number))
        by = requested_by(control.actor, self._settings.web_host)
        return File(spec=follow_up(last, last.spec.instruction, work_key=control.work_key, by=by), reply=SEEN)

    # What ends work

    async def _withdrawn(self, meaning: m.RequestWithdrawn) -> Decision:
        """Drop the task that a deleted comment asked for, if it has not begun."""
        live = live_of(await self._inbox.tasks_of(meaning.work_key))
        if live is None or not has_not_begun(live):
            return Ignore(reason="no task that waits came from it")
        origin = await self._inbox.origin(live.id)
        asked = meaning_from_json(origin.content) if origin else None
        if not isinstance(asked, m.WorkRequested) or asked.comment_id != meaning.comment_id:
            return Ignore(reason="no task that waits came from it")
        return Stop(task_id=live.id, reason="the comment that asked for it was deleted")

    async def _gone(self, meaning: m.SubjectGone) -> Decision:
        tasks = await self._inbox.tasks_of(meaning.work_key)
        if not tasks and meaning.repository:
            tasks = await self._behind.of(meaning.repository, meaning.number)
        return end(tasks, f"#{meaning.number} was {meaning.why}")

    async def _closed(self, meaning: m.PullRequestClosed) -> Decision:
        if not meaning.own or meaning.repository is None:
            return Ignore(reason="somebody else's pull request")
        tasks = await self._behind.of(meaning.repository, meaning.number, branch=meaning.branch)
        then = end(tasks, f"pull request #{meaning.number} was {'merged' if meaning.merged else 'closed'}")
        url = self._behind.url(meaning.repository, meaning.number)
        return Landed(pull_request_url=url, merged=meaning.merged, then=then)

    # What they are made of

    def _aloud(self, delivery: Delivery, decision: Decision, about: str = "") -> Decision:
        """Return a decision of somebody who does not speak, with the words for a refusal."""
        if not isinstance(decision, Refuse) or decision.reply is not None:
            return decision
        text = self._texts.refusal(decision.reason, self._marker_line(delivery, about))
        return replace(decision, reply=Reply(kind=ReplyKind.COMMENT, text=text, about=about))

    def _refuse(self, delivery: Delivery, reason: str, *, aloud: bool) -> Refuse:
        text = self._texts.refusal(reason, self._marker_line(delivery))
        return Refuse(reason=reason, reply=comment(text) if aloud else None)

    def _marker_line(self, delivery: Delivery, about: str = "") -> str:
        return self._markers.make(reply_to(delivery.id), work_key=about or delivery.work_key)
