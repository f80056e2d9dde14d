"""Issues and comments: who asks for what, and when it is not wanted any more. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from pullwright.integrations.commands import AgentRequest, Verb
from pullwright.integrations.github.grammar import read_request
from pullwright.integrations.github.markers import holds_marker
from pullwright.integrations.github.meanings import (
    Cause,
    ControlRequested,
    Gone,
    Meaning,
    RequestWithdrawn,
    Subject,
    SubjectGone,
    WorkRequested,
)
from pullwright.integrations.github.reading import (
    Reader,
    Reading,
    actor_of,
    is_bot,
    stamp,
    subject_of_issue,
    subject_of_pull_request,
)


def _labeled(reading: Reading) -> Meaning:
    label = reading.payload.label
    if label is None or label.name.casefold() != reading.bot.label.casefold():
        return reading.ignored("another label")
    return _asked(reading, Cause.LABELED, AgentRequest(verb=Verb.RUN), f"labeled:{label.name.casefold()}")


def _assigned(reading: Reading) -> Meaning:
    if not is_bot(reading, reading.payload.assignee):
        return reading.ignored("assigned to somebody else")
    return _asked(reading, Cause.ASSIGNED, AgentRequest(verb=Verb.RUN), "assigned")


def _asked(reading: Reading, cause: Cause, request: AgentRequest, key: str) -> Meaning:
    if reading.by_me():
        return reading.ignored("done by the bot itself")
    issue = reading.issue()
    number_key = reading.work_key(issue.number)
    # The payload has no time of the event. Until it is looked up, the delivery stands for it: a person who sets the
    # label a second time must not be mistaken for an echo of the first.
    return WorkRequested(
        **reading.shared(),
        work_key=number_key,
        semantic_key=f"{key}:{number_key}@{reading.delivery.id}",
        cause=cause,
        request=request,
        subject=subject_of_issue(issue),
    )


def _opened(reading: Reading) -> Meaning:
    issue = reading.issue()
    request = read_request(issue.body or "", [reading.bot.login]) if reading.bot.reads_new_issues else None
    if request is None:
        return reading.ignored("a new issue that does not ask for anything")
    if reading.by_me() or holds_marker(issue.body or ""):
        return reading.ignored("written by the bot itself")
    key = reading.work_key(issue.number)
    if not request.verb.starts_work:
        return _control(reading, request, issue.number, f"opened:{key}")
    return WorkRequested(
        **reading.shared(),
        work_key=key,
        semantic_key=f"opened:{key}",
        cause=Cause.OPENED,
        request=request,
        subject=subject_of_issue(issue),
        at=issue.created_at,
    )


def _commented(reading: Reading) -> Meaning:
    return _read_comment(reading, Cause.COMMENTED, subject_of_issue(reading.issue()))


def _review_commented(reading: Reading) -> Meaning:
    if not reading.is_own_pull_request():
        return reading.ignored("a review comment on somebody else's pull request")
    return _read_comment(reading, Cause.REVIEW_COMMENTED, subject_of_pull_request(reading.pull_request()))


def _read_comment(reading: Reading, cause: Cause, subject: Subject) -> Meaning:
    comment = reading.comment()
    author = actor_of(comment.user)
    if reading.by_me() or reading.bot.is_me(author) or holds_marker(comment.body or ""):
        return reading.ignored("written by the bot itself")
    request = read_request(comment.body or "", [reading.bot.login])
    if request is None:
        return reading.ignored("a comment that does not ask for anything")
    kind = "issue_comment" if cause is Cause.COMMENTED else "review_comment"
    key = f"{kind}:{reading.bot.host}:{comment.id}:{stamp(comment.created_at)}"
    if not request.verb.starts_work:
        return _control(reading, request, subject.number, key)
    return WorkRequested(
        **reading.shared(),
        work_key=reading.work_key(subject.number),
        semantic_key=key,
        cause=cause,
        request=request,
        subject=subject,
        at=comment.created_at,
        comment_id=comment.id,
        review_id=comment.pull_request_review_id,
        thread_id=(comment.in_reply_to_id or comment.id) if cause is Cause.REVIEW_COMMENTED else None,
        path=comment.path or "",
    )


def _control(reading: Reading, request: AgentRequest, number: int, key: str) -> ControlRequested:
    return ControlRequested(
        **reading.shared(),
        work_key=reading.work_key(number),
        semantic_key=key,
        verb=request.verb,
        number=number,
        comment_id=reading.payload.comment.id if reading.payload.comment else None,
        unknown=request.unknown,
    )


def _comment_deleted(reading: Reading) -> Meaning:
    if reading.by_me():
        return reading.ignored("done by the bot itself")
    comment = reading.comment()
    number = reading.payload.issue.number if reading.payload.issue else reading.pull_request().number
    return RequestWithdrawn(
        **reading.shared(),
        work_key=reading.work_key(number),
        semantic_key=f"{reading.delivery.event}_deleted:{reading.bot.host}:{comment.id}",
        comment_id=comment.id,
    )


def _edited(reading: Reading) -> Meaning:
    return reading.ignored("an edited comment never asks for anything")


def _gone(why: Gone) -> Reader:
    def read(reading: Reading) -> Meaning:
        if reading.by_me():
            return reading.ignored("done by the bot itself")
        if why is Gone.UNLABELED:
            label = reading.payload.label
            if label is None or label.name.casefold() != reading.bot.label.casefold():
                return reading.ignored("another label")
        if why is Gone.UNASSIGNED and not is_bot(reading, reading.payload.assignee):
            return reading.ignored("somebody else was unassigned")
        issue = reading.payload.issue or reading.pull_request()
        key = reading.work_key(issue.number)
        return SubjectGone(
            **reading.shared(),
            work_key=key,
            semantic_key=f"{why}:{key}@{reading.delivery.id}",
            number=issue.number,
            why=why,
        )

    return read


ISSUE_READERS: Mapping[str, Reader] = {
    "issues.labeled": _labeled,
    "issues.assigned": _assigned,
    "issues.opened": _opened,
    "issues.unlabeled": _gone(Gone.UNLABELED),
    "issues.unassigned": _gone(Gone.UNASSIGNED),
    "issues.closed": _gone(Gone.CLOSED),
    "issues.transferred": _gone(Gone.TRANSFERRED),
    "issues.deleted": _gone(Gone.DELETED),
    "issues.locked": _gone(Gone.LOCKED),
    "pull_request.locked": _gone(Gone.LOCKED),
    "issue_comment.created": _commented,
    "issue_comment.edited": _edited,
    "issue_comment.deleted": _comment_deleted,
    "pull_request_review_comment.created": _review_commented,
    "pull_request_review_comment.edited": _edited,
    "pull_request_review_comment.deleted": _comment_deleted,
}
