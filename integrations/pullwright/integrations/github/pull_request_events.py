"""What happens to pull requests: reviews, pushes, the end. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from pullwright.integrations.github.grammar import read_request
from pullwright.integrations.github.markers import holds_marker
from pullwright.integrations.github.meanings import (
    HumanPushed,
    Meaning,
    PullRequestClosed,
    ReviewSubmitted,
    ThreadResolved,
)
from pullwright.integrations.github.reading import Missing, Reader, Reading, actor_of, stamp


def _reviewed(reading: Reading) -> Meaning:
    review, pull = reading.payload.review, reading.pull_request()
    if review is None:
        raise Missing("review")
    if not reading.is_own_pull_request():
        return reading.ignored("a review of somebody else's pull request")
    if reading.by_me() or reading.bot.is_me(actor_of(review.user)) or holds_marker(review.body or ""):
        return reading.ignored("written by the bot itself")
    state = review.state.lower()
    request = read_request(review.body or "", [reading.bot.login])
    if state == "approved" or (state != "changes_requested" and request is None):
        return reading.ignored("a review that does not ask for anything")
    return ReviewSubmitted(
        **reading.shared(),
        work_key=reading.work_key(pull.number),
        semantic_key=f"review:{reading.bot.host}:{review.id}",
        number=pull.number,
        review_id=review.id,
        state=state,
        body=review.body or "",
        commit=review.commit_id or "",
        request=request,
        at=review.submitted_at,
    )


def _thread_resolved(reading: Reading) -> Meaning:
    thread, pull = reading.payload.thread, reading.pull_request()
    if thread is None:
        raise Missing("thread")
    if not reading.is_own_pull_request():
        return reading.ignored("a thread of somebody else's pull request")
    if reading.by_me():
        return reading.ignored("settled by the bot itself")
    return ThreadResolved(
        **reading.shared(),
        work_key=reading.work_key(pull.number),
        semantic_key=f"resolved:{thread.node_id}@{reading.delivery.id}",
        number=pull.number,
        thread=thread.node_id,
        comment_ids=tuple(comment.id for comment in thread.comments),
        path=next((comment.path for comment in thread.comments if comment.path), ""),
    )


def _pull_request_closed(reading: Reading) -> Meaning:
    pull = reading.pull_request()
    key = reading.work_key(pull.number)
    return PullRequestClosed(
        **reading.shared(),
        work_key=key,
        semantic_key=f"closed:{key}@{stamp(pull.closed_at) or reading.delivery.id}",
        number=pull.number,
        merged=bool(pull.merged or pull.merged_at),
        own=reading.is_own_pull_request(),
        branch=pull.head.ref,
    )


def _synchronized(reading: Reading) -> Meaning:
    pull, payload = reading.pull_request(), reading.payload
    if not reading.is_own_pull_request():
        return reading.ignored("a push to somebody else's pull request")
    if reading.by_me():
        return reading.ignored("pushed by the bot itself")
    after = payload.after or pull.head.sha
    key = reading.work_key(pull.number)
    return HumanPushed(
        **reading.shared(),
        work_key=key,
        semantic_key=f"pushed:{key}:{after}",
        number=pull.number,
        before=payload.before or "",
        after=after,
        branch=pull.head.ref,
    )


PULL_REQUEST_READERS: Mapping[str, Reader] = {
    "pull_request_review.submitted": _reviewed,
    "pull_request_review_thread.resolved": _thread_resolved,
    "pull_request.closed": _pull_request_closed,
    "pull_request.synchronize": _synchronized,
}
