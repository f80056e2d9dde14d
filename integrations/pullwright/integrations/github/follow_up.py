"""What people ask of a pull request that the bot opened: its live task is told, or a task goes on with it."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from pullwright.agents.errors import AuthFailed, NotFound
from pullwright.agents.intake.decisions import Decision, File, Ignore, Refuse
from pullwright.agents.ports.code_host import CodeHost, Issue
from pullwright.agents.ports.inbox import Delivery
from pullwright.agents.task import Task, TaskSpec
from pullwright.integrations.budgets import too_many
from pullwright.integrations.commands import INSTRUCTION_LIMIT, AgentRequest, Verb
from pullwright.integrations.deciding import SEEN, live_of, tell
from pullwright.integrations.github import meanings as m
from pullwright.integrations.github.continued_work import Wish, go_on
from pullwright.integrations.github.pulls import (
    PullRequestFacts,
    PullRequests,
    Where,
    continuation,
    obstacle,
)
from pullwright.integrations.github.remarks import render_remarks
from pullwright.integrations.github.repairs import Repairs
from pullwright.integrations.github.requested_work import WorkTerms, repository_ref, requested_by, words_of
from pullwright.integrations.github.settings import GitHubSettings
from pullwright.integrations.github.tasks_behind import TasksBehind, is_repair
from pullwright.integrations.time_of_check import as_of
from pullwright.integrations.untrusted import render_issue, sanitise, sanitise_line

SOMEBODY_ELSES: Final = "somebody else's commits are on the branch, and a rebase would replace them"
BUSY: Final = "a task is on this pull request; ask again when it has ended"
NO_QUESTION: Final = "nobody waits for an answer here"
GONE: Final = "the pull request is gone, or can not be seen"

_COMMITS = 100
_WHOLE_REVIEW: Final = "Address the remarks of the review."
_REST_OF_REVIEW: Final = "The review has more remarks, which are below; address them too."


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What somebody who may ask wants of a pull request."""

    where: Where
    number: int
    verb: Verb
    words: str
    """The signed ones: what instructs."""
    bare: bool
    """Whether these are only what the verb means."""
    actor: m.Actor | None
    at: datetime | None
    review_id: int | None
    title: str | None = None
    body: str | None = None
    """Of the pull request, as they were signed; None where they were not."""
    meaning_key: str = ""

    @property
    def author(self) -> str:
        """Login of whoever asks."""
        return self.actor.login if self.actor else ""


class FollowUps:
    """Decides what becomes of requests about pull requests. A ``Refuse`` from here is to be said aloud."""

    def __init__(
        self,
        *,
        settings: GitHubSettings,
        behind: TasksBehind,
        pulls: PullRequests,
        host: CodeHost,
        repairs: Repairs,
        terms: WorkTerms,
    ) -> None:
        self._settings = settings
        self._behind = behind
        self._pulls = pulls
        self._host = host
        self._repairs = repairs
        self._terms = terms

    async def decide(self, delivery: Delivery, asked: Asked) -> Decision:
        """Decide on one request; whoever asks may."""
        tasks = await self._behind.of(asked.where.repository, asked.number)
        if live := live_of(tasks):
            return await self._tell(live, asked)
        try:
            pull = await self._pulls.read(asked.where, asked.number)
        except NotFound:
            return Ignore(reason=GONE)
        tasks = await self._behind.of(asked.where.repository, asked.number, branch=pull.branch)
        if live := live_of(tasks):
            return await self._tell(live, asked)
        asked = _same_again(asked, tasks)
        reason = obstacle(pull) or too_many(tasks, delivery.received_at, self._terms.tasks_per_hour)
        if reason := reason or await self._why_not(asked):
            return Refuse(reason=reason, meaning_key=asked.meaning_key)
        return await self._file(asked, pull, tasks)

    async def _tell(self, live: Task, asked: Asked) -> Decision:
        if asked.verb is Verb.REBASE:
            return Refuse(reason=BUSY, meaning_key=asked.meaning_key)
        return tell(live, await self._whole(asked), asked.author, meaning_key=asked.meaning_key, reply=SEEN)

    async def _file(self, asked: Asked, pull: PullRequestFacts, tasks: Sequence[Task]) -> Decision:
        try:
            issue = await self._host.get_issue(repository_ref(asked.where.repository, self._settings), asked.number)
        except NotFound:
            return Ignore(reason=GONE)
        # Somebody else's words after the request were never agreed to.
        then = _as_asked(issue, asked)
        remarks = await self._remarks(asked)
        again = _last_asked(tasks) if _is_again(asked) else None
        failures = await self._failures(asked, pull)
        if failures:
            asked = replace(asked, words=words_of(AgentRequest(verb=Verb.FIX)))
        parts = [render_issue(then, _boundary()), remarks, again.spec.context if again else "", failures]
        wish = Wish(
            instruction=again.spec.instruction if again else _instruction(asked, remarks),
            continues=continuation(pull, rebase=asked.verb is Verb.REBASE),
            work_key=self._behind.key(asked.where.repository, asked.number),
            title=sanitise_line(then.title),
            context="\n\n".join(part for part in parts if part),
            images=then.images,
            approve_plan=asked.verb is Verb.PLAN,
            by=requested_by(asked.actor, self._settings.web_host),
        )
        spec = self._spec(wish, tasks, asked.where)
        words = "\n\n".join(part for part in (asked.words, remarks) if part)
        return File(spec=spec, words=words, author=asked.author, meaning_key=asked.meaning_key, reply=SEEN)

    def _spec(self, wish: Wish, tasks: Sequence[Task], where: Where) -> TaskSpec:
        parent = tasks[0] if tasks else None
        return go_on(wish, parent, where=where, settings=self._settings, terms=self._terms)

    async def _whole(self, asked: Asked) -> str:
        remarks = await self._remarks(asked)
        return "\n\n".join(part for part in (_instruction(asked, remarks), remarks) if part)

    async def _remarks(self, asked: Asked) -> str:
        if asked.review_id is None:
            return ""
        try:
            found = await self._pulls.remarks(asked.where, asked.number, asked.review_id)
        except NotFound:
            return ""
        return render_remarks(
            found, review_id=asked.review_id, reviewer=asked.author, at=asked.at, boundary=_boundary()
        )

    async def _failures(self, asked: Asked, pull: PullRequestFacts) -> str:
        """Return what failed on the head, where somebody asks without saying for what: then it is that."""
        if not _may_mean_checks(asked):
            return ""
        try:
            return await self._repairs.context(asked.where, pull)
        except AuthFailed:  # not everybody lets the bot read checks, and it was asked for something
            return ""

    async def _why_not(self, asked: Asked) -> str:
        if asked.verb is Verb.ANSWER:
            return NO_QUESTION
        if asked.verb is not Verb.REBASE:
            return ""
        commits = await self._pulls.commits(asked.where, asked.number)
        if len(commits) >= _COMMITS:
            return f"there are {_COMMITS} commits or more on the branch, which is too many for me to bring along"
        return "" if all(commit.own for commit in commits) else SOMEBODY_ELSES


def asked_by_comment(request: m.WorkRequested, where: Where, host: str) -> Asked:
    """Return what a comment asks for: of the pull request itself, or at a line of it."""
    review = request.review_id if request.cause is m.Cause.REVIEW_COMMENTED else None
    return Asked(
        where=where,
        number=request.subject.number,
        verb=request.request.verb,
        words=words_of(request.request, path=request.path),
        bare=not request.request.instruction,
        actor=request.actor,
        at=request.at,
        review_id=review,
        title=request.subject.title,
        body=request.subject.body,
        meaning_key=review_key(request, host),
    )


def review_key(meaning: m.Meaning, host: str) -> str:
    """Return the name that a review and its remarks share: whichever is heard first speaks for all of it."""
    if not isinstance(meaning, m.WorkRequested) or meaning.cause is not m.Cause.REVIEW_COMMENTED:
        return ""
    return f"review:{host}:{meaning.review_id}" if meaning.review_id is not None else ""


def asked_by_review(review: m.ReviewSubmitted, where: Where) -> Asked:
    """Return what a review asks for."""
    request = review.request or AgentRequest(
        verb=Verb.RUN, instruction=sanitise(review.body).strip()[:INSTRUCTION_LIMIT]
    )
    said = words_of(review.request, body=request.instruction) if request.instruction else _WHOLE_REVIEW
    return Asked(
        where=where,
        number=review.number,
        verb=request.verb,
        words=said,
        bare=not request.instruction,
        actor=review.actor,
        at=review.at,
        review_id=review.review_id,
    )


def asked_of_issue(request: m.WorkRequested, where: Where, number: int) -> Asked:
    """Return what a comment on an issue asks for of the pull request that came from it."""
    return Asked(
        where=where,
        number=number,
        verb=request.request.verb,
        words=words_of(request.request),
        bare=not request.request.instruction,
        actor=request.actor,
        at=request.at,
        review_id=None,
    )


def asked_again(control: m.ControlRequested, where: Where, number: int) -> Asked:
    """Return that the last thing is to be tried again."""
    return Asked(
        where=where,
        number=number,
        verb=Verb.RETRY,
        words=words_of(AgentRequest(verb=Verb.RETRY)),
        bare=True,
        actor=control.actor,
        at=None,
        review_id=None,
    )


def _instruction(asked: Asked, remarks: str) -> str:
    """Return the words, and that the rest of the review counts when they are only a part of it."""
    several = remarks.count("(part of the review)") > 1 and asked.words != _WHOLE_REVIEW
    return f"{asked.words}\n\n{_REST_OF_REVIEW}" if several else asked.words


def _as_asked(issue: Issue, asked: Asked) -> Issue:
    if asked.at is None:
        return issue
    title = issue.title if asked.title is None else asked.title
    return as_of(issue, asked.at, title=title, body=issue.body if asked.body is None else asked.body)


def _same_again(asked: Asked, tasks: Sequence[Task]) -> Asked:
    """Return the request; to try a rebase again is to ask for a rebase."""
    last = _last_asked(tasks) if _is_again(asked) else None
    rebase = last is not None and last.spec.continues is not None and last.spec.continues.rebase
    return replace(asked, verb=Verb.REBASE, words=words_of(AgentRequest(verb=Verb.REBASE))) if rebase else asked


def _last_asked(tasks: Sequence[Task]) -> Task | None:
    return next((task for task in tasks if not is_repair(task)), None)


def _is_again(asked: Asked) -> bool:
    return asked.verb is Verb.RETRY and asked.bare


def _may_mean_checks(asked: Asked) -> bool:
    return asked.bare and asked.review_id is None and asked.verb in (Verb.RUN, Verb.FIX, Verb.CONTINUE)


def _boundary() -> str:
    return secrets.token_hex(16)
