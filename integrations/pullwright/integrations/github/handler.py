"""GitHub's handler: what becomes of each meaning. It asks GitHub and the inbox, and changes nothing.

What a delivery says is a hint: the issue is read again, and only the words of the request are taken from it.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, Protocol

from pullwright.agents.errors import NotFound
from pullwright.agents.intake.decisions import (
    Answer,
    Decision,
    File,
    Ignore,
    Refuse,
    Reply,
    ReplyKind,
    Stop,
    Tell,
)
from pullwright.agents.ports.code_host import CodeHost
from pullwright.agents.ports.inbox import Delivery, InboxStore
from pullwright.agents.ports.store import SignalKind
from pullwright.agents.task import Task, TaskStatus
from pullwright.agents.worker.outbox import Made
from pullwright.integrations.github import meanings as m
from pullwright.integrations.github.authority import Authority, Trigger
from pullwright.integrations.github.grammar import Verb
from pullwright.integrations.github.markers import Marker, MarkerKey
from pullwright.integrations.github.meaning_codec import meaning_from_json
from pullwright.integrations.github.requested_work import (
    WorkTerms,
    follow_up,
    pull_request_url,
    report_on,
    repository_ref,
    specify,
    words_of,
)
from pullwright.integrations.github.settings import GitHubSettings
from pullwright.integrations.github.status_text import BotTexts
from pullwright.integrations.github.voice import Place, Voice
from pullwright.integrations.untrusted import sanitise

SEEN: Final = Reply(kind=ReplyKind.SEEN)

ENDED: Final = "the task behind this pull request has ended, and I can not add commits to it yet; ask on the issue"

NOT_YET: Final[Mapping[type[m.Meaning], str]] = {
    m.AuthorizationRevoked: "tokens of persons are not kept",
    m.ChecksCompleted: "checks are not repaired yet",
    m.HookConfirmed: "the hook works",
    m.HookDeleted: "the hook is gone",
    m.HumanPushed: "pushes of others are not followed yet",
    m.InstallationChanged: "installations are not followed yet",
    m.RepositoryChanged: "changes of repositories are not followed yet",
    m.ThreadResolved: "threads are not followed yet",
}
"""Meanings that nothing is done about. This is where the care for pull requests takes over."""


class Moments(Protocol):
    """Looks up when something happened that a delivery does not say the time of."""

    async def of(self, request: m.WorkRequested) -> datetime | None:
        """Return when its actor set the label or made the assignment; None when that is not so any more.

        Raises:
            IntegrationError: It could not be found out.
        """
        ...


class GitHubHandler:
    """Decides on the deliveries of one GitHub."""

    def __init__(
        self,
        *,
        settings: GitHubSettings,
        inbox: InboxStore,
        authority: Authority,
        host: CodeHost,
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
        self._voice = voice
        self._texts = texts
        self._markers = markers
        self._terms = terms or WorkTerms()

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
        return Ignore(reason=NOT_YET[type(meaning)])

    async def reply(self, delivery: Delivery, reply: Reply) -> Made:
        place = self._place(delivery)
        if reply.kind is ReplyKind.SEEN:
            return await self._voice.react(place)
        return await self._voice.comment(place, reply.text)

    async def find_reply(self, delivery: Delivery, reply: Reply) -> Made | None:
        if reply.kind is ReplyKind.SEEN:
            return None  # made twice is made once
        return await self._voice.find_comment(self._place(delivery), _marker(delivery))

    # What people ask for

    async def _asked(
        self, delivery: Delivery, meaning: m.WorkRequested | m.ReviewSubmitted | m.ControlRequested
    ) -> Decision:
        if meaning.repository is None:
            return Ignore(reason="it names no repository")
        allowed = await self._authority.decide(
            Trigger(actor=meaning.actor, private=meaning.repository.private),
            repository_id=meaning.repository.id,
            repository=meaning.repository.full_name,
        )
        if not allowed.allowed:
            return self._refuse(delivery, allowed.reason, aloud=allowed.say_aloud)
        if meaning.repository.archived:
            return Refuse(reason="the repository is archived")
        match meaning:
            case m.ControlRequested():
                return await self._control(delivery, meaning, meaning.repository)
            case m.ReviewSubmitted():
                words = words_of(meaning.request, body=sanitise(meaning.body).strip() or "See the review.")
                return await self._about_pull_request(delivery, meaning, meaning.repository, meaning.number, words)
        if meaning.subject.is_pull_request:
            words = words_of(meaning.request, path=meaning.path)
            return await self._about_pull_request(delivery, meaning, meaning.repository, meaning.subject.number, words)
        return await self._about_issue(delivery, meaning, meaning.repository)

    async def _about_issue(
        self, delivery: Delivery, request: m.WorkRequested, repository: m.RepositoryFacts
    ) -> Decision:
        at = request.at or await self._moments.of(request)
        if at is None:
            return Ignore(reason="it was taken back before it was looked at")
        meaning_key = "" if request.at else request.happened(at).semantic_key
        author = request.actor.login if request.actor else ""
        live = _live(await self._inbox.tasks_of(request.work_key))
        said = request.cause not in (m.Cause.LABELED, m.Cause.ASSIGNED)
        words = words_of(request.request) if said else ""
        if live:
            return self._tell(live, words, author, meaning_key)
        ref = repository_ref(repository, self._settings)
        try:
            issue = await self._host.get_issue(ref, request.subject.number)
        except NotFound:
            return Ignore(reason="the issue is gone, or can not be seen")
        if issue.state != "open":
            return self._refuse(delivery, "the issue is closed; open it again first", aloud=True)
        spec = specify(request, issue, at, repository=ref, terms=self._terms, boundary=secrets.token_hex(16))
        return File(spec=spec, words=words, author=author, meaning_key=meaning_key, reply=SEEN)

    async def _about_pull_request(
        self, delivery: Delivery, meaning: m.Meaning, repository: m.RepositoryFacts, number: int, words: str
    ) -> Decision:
        """Tell the task that works on a pull request. One that has ended does not go on with it yet."""
        tasks = await self._behind(repository, number, meaning.work_key)
        author = meaning.actor.login if meaning.actor else ""
        if live := _live(tasks):
            return self._tell(live, words, author)
        if not tasks:
            return self._refuse(delivery, "I work only on pull requests that I opened", aloud=True)
        return self._refuse(delivery, ENDED, aloud=True)

    def _tell(self, task: Task, words: str, author: str, meaning_key: str = "") -> Decision:
        if not words:
            return Ignore(reason="a task is on it already")
        if task.status is TaskStatus.CANCELING:
            return Ignore(reason="the task is being stopped")
        kind = SignalKind.ANSWER if task.status is TaskStatus.WAITING else SignalKind.MESSAGE
        return Tell(task_id=task.id, kind=kind, text=words, author=author, meaning_key=meaning_key, reply=SEEN)

    async def _control(
        self, delivery: Delivery, control: m.ControlRequested, repository: m.RepositoryFacts
    ) -> Decision:
        tasks = await self._behind(repository, control.number or 0, control.work_key)
        marker = self._marker_line(delivery)
        match control.verb:
            case Verb.STOP:
                live = _live(tasks)
                if live is None:
                    return self._refuse(delivery, "nothing is being worked on here", aloud=True)
                who = control.actor.login if control.actor else "somebody"
                return Stop(task_id=live.id, reason=f"{who} asked to stop", reply=SEEN)
            case Verb.STATUS:
                text = self._texts.status(report_on(tasks[0]), marker) if tasks else ""
                return _answer("status", text or self._texts.help(marker))
            case Verb.RETRY if tasks and not _live(tasks):
                if tasks[0].pull_request_url:
                    return self._refuse(delivery, ENDED, aloud=True)
                spec = follow_up(tasks[0], tasks[0].spec.instruction, work_key=control.work_key)
                return File(spec=spec, reply=SEEN)
            case Verb.RETRY:
                return Ignore(reason="there is nothing to try again")
        known = not control.unknown
        return _answer("help", self._texts.help(marker) if known else self._texts.unclear(control.unknown, marker))

    # What ends work

    async def _withdrawn(self, meaning: m.RequestWithdrawn) -> Decision:
        """Drop the task that a deleted comment asked for, if it has not begun."""
        live = _live(await self._inbox.tasks_of(meaning.work_key))
        if live is None or live.status not in (TaskStatus.SCHEDULED, TaskStatus.QUEUED):
            return Ignore(reason="no task that waits came from it")
        origin = await self._inbox.origin(live.id)
        asked = meaning_from_json(origin.content) if origin else None
        if not isinstance(asked, m.WorkRequested) or asked.comment_id != meaning.comment_id:
            return Ignore(reason="no task that waits came from it")
        return Stop(task_id=live.id, reason="the comment that asked for it was deleted")

    async def _gone(self, meaning: m.SubjectGone) -> Decision:
        tasks = await self._inbox.tasks_of(meaning.work_key)
        if not tasks and meaning.repository:
            tasks = await self._behind(meaning.repository, meaning.number, meaning.work_key)
        return _end(tasks, f"#{meaning.number} was {meaning.why}")

    async def _closed(self, meaning: m.PullRequestClosed) -> Decision:
        if not meaning.own or meaning.repository is None:
            return Ignore(reason="somebody else's pull request")
        tasks = await self._behind(meaning.repository, meaning.number, meaning.work_key)
        return _end(tasks, f"pull request #{meaning.number} was {'merged' if meaning.merged else 'closed'}")

    # What they are made of

    async def _behind(self, repository: m.RepositoryFacts, number: int, work_key: str) -> Sequence[Task]:
        """Return the tasks of an issue or pull request, newest first."""
        url = pull_request_url(repository, number, self._settings)
        found = [*await self._inbox.tasks_of(work_key), *await self._inbox.tasks_behind(url)]
        return sorted({task.id: task for task in found}.values(), key=lambda task: task.id, reverse=True)

    def _refuse(self, delivery: Delivery, reason: str, *, aloud: bool) -> Refuse:
        text = self._texts.refusal(reason, self._marker_line(delivery))
        return Refuse(reason=reason, reply=Reply(kind=ReplyKind.COMMENT, text=text) if aloud else None)

    def _marker_line(self, delivery: Delivery) -> str:
        return self._markers.make(_marker(delivery), work_key=delivery.work_key)

    def _place(self, delivery: Delivery) -> Place:
        meaning = meaning_from_json(delivery.content)
        if meaning.repository is None:
            raise NotFound(f"delivery {delivery.id!r} names no repository to answer in")
        in_review = isinstance(meaning, m.WorkRequested) and meaning.cause is m.Cause.REVIEW_COMMENTED
        return Place(
            repository=meaning.repository.full_name,
            number=_number(meaning),
            work_key=delivery.work_key,
            repository_id=meaning.repository.id,
            installation_id=meaning.installation_id,
            comment_id=meaning.comment_id if isinstance(meaning, m.WorkRequested | m.ControlRequested) else None,
            in_review=in_review,
        )


def _number(meaning: m.Meaning) -> int:
    match meaning:
        case m.WorkRequested():
            return meaning.subject.number
        case m.ReviewSubmitted() | m.SubjectGone() | m.PullRequestClosed():
            return meaning.number
        case m.ControlRequested() if meaning.number is not None:
            return meaning.number
    raise NotFound(f"delivery {meaning.delivery_id!r} belongs to no issue to answer in")


def _live(tasks: Sequence[Task]) -> Task | None:
    return next((task for task in tasks if not task.status.terminal), None)


def _end(tasks: Sequence[Task], reason: str) -> Decision:
    live = _live(tasks)
    return Stop(task_id=live.id, reason=reason) if live else Ignore(reason=f"{reason}, and no task is on it")


def _answer(what: str, text: str) -> Answer:
    return Answer(reason=what, reply=Reply(kind=ReplyKind.COMMENT, text=text))


def _marker(delivery: Delivery) -> Marker:
    return Marker(task_id=delivery.id, step="reply")
