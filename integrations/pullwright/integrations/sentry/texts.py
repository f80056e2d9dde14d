"""What is written on Sentry's issues. Pure; every word that is not ours is made harmless."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from pullwright.agents.change import RepositoryRef
from pullwright.agents.task import TaskStatus
from pullwright.integrations.markdown import code_span
from pullwright.integrations.redaction import Redactor
from pullwright.integrations.status_words import Wording, commands, link
from pullwright.integrations.untrusted import sanitise_line

REPORT_LIMIT: Final = 20_000
BODY_LIMIT: Final = 30_000
"""Characters of a comment: room for a report and what is said along with it."""

_HEADLINES: Final = {
    TaskStatus.SCHEDULED: "**Delayed.** I will go on by myself.",
    TaskStatus.QUEUED: "**Queued.** I will begin as soon as there is room.",
    TaskStatus.RUNNING: "**Working on it:** first a test that fails like this, then a fix.",
    TaskStatus.WAITING: "**Waiting for an answer.** Answer with a comment that begins with `/agent`.",
    TaskStatus.CANCELING: "**Stopping.**",
    TaskStatus.SUCCEEDED: "**Done.**",
    TaskStatus.FAILED: "**It did not work out.**",
    TaskStatus.CANCELED: "**Stopped.**",
    TaskStatus.REJECTED: "**It could not be begun.**",
}


class SentryTexts:
    """Writes the comments; what others have said goes through the same redaction in all of them."""

    def __init__(self, redactor: Redactor) -> None:
        self._words = Wording(redactor, BODY_LIMIT)

    def taken(self, repository: RepositoryRef, *, again: str = "") -> str:
        """Return that work begins; ``again`` is the pull request that did not help."""
        where = code_span(sanitise_line(repository.slug, 200))
        before = f" {again} was to fix it, and it came back." if link(again) else ""
        return (
            f"I am on it, in {where}.{before} First I write a test that fails like this; if I can not reproduce it, I "
            "say here what I found instead of guessing. To stop me write `/agent stop`."
        )

    def refusal(self, reason: str) -> str:
        """Return the answer to a person whose request can not be met."""
        return self._words.refusal(reason)

    def status(
        self, status: TaskStatus, *, words: str = "", pull_request_url: str = "", report: str = "", doing: str = ""
    ) -> str:
        """Return how a task stands.

        Args:
            status: Its status.
            words: Why it is so, or the question.
            pull_request_url: Where its change is.
            report: What was found out, of a run that ended without a change.
            doing: What it does just now.
        """
        parts = [
            f"{_HEADLINES[status]}{f' ({self._words.line(doing, 100)})' if doing else ''}",
            self._words.passage(words, 2000),
        ]
        if link(pull_request_url):
            parts.append(f"Pull request: {pull_request_url}")
        if report:
            parts += ["What I found; there is no change:", self._words.passage(report, REPORT_LIMIT)]
        return self._words.finished(parts)

    def joined(self, others: Iterable[str]) -> str:
        """Return that an issue is worked on together with others, which are named as Sentry does."""
        names = ", ".join(code_span(sanitise_line(name, 100)) for name in others)
        return f"This has the same cause as {names or 'another issue'}. I am on that, and one change is to fix both."

    def landed(self, pull_request_url: str, *, merged: bool, resolved: bool = False) -> str:
        """Return what became of a pull request.

        Args:
            pull_request_url: Which one.
            merged: Whether it was merged.
            resolved: Whether the issue is resolved now.
        """
        what = pull_request_url if link(pull_request_url) else "The pull request"
        if not merged:
            return f"{what} was closed without being merged. To let me try again write `/agent retry`."
        then = "The issue is resolved in the next release. " if resolved else ""
        return f"{what} was merged. {then}When the error is seen again after that, I go on from there."

    def help(self, unknown: str = "") -> str:
        """Return what can be asked for."""
        rows = (
            ("run", "work on this issue; what follows is the instruction, after `base=BRANCH` if you like"),
            ("plan", "say how I would do it, and wait"),
            ("continue", "go on with the answer that follows"),
            ("retry", "begin again"),
            ("status", "say where I am"),
            ("stop", "stop working on this"),
            ("help", "show this"),
        )
        said = f"I do not know {code_span(sanitise_line(unknown, 40))}. " if unknown else ""
        return self._words.finished([f"{said}Begin a line of a comment with one of these:", commands(rows)])
