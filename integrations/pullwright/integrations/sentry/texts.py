"""What is written on Sentry's issues. Pure; every word that is not ours is made harmless."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from pullwright.agents.change import RepositoryRef
from pullwright.agents.task import TaskStatus
from pullwright.integrations.markdown import clip, close_code, code_span, defuse, defuse_line
from pullwright.integrations.redaction import Redactor
from pullwright.integrations.untrusted import sanitise, sanitise_line

REPORT_LIMIT: Final = 20_000

_URL: Final = re.compile(r"https?://[^\s<>()\[\]\"'`\\]{1,2000}")

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
    """Writes the comments; every one goes through the same redaction."""

    def __init__(self, redactor: Redactor) -> None:
        self._redact = redactor

    def taken(self, repository: RepositoryRef, *, again: str = "") -> str:
        """Return that work begins; ``again`` is the pull request that did not help."""
        where = code_span(sanitise_line(repository.slug, 200))
        before = f" {again} was to fix it, and it came back." if _URL.fullmatch(again) else ""
        return (
            f"I am on it, in {where}.{before} First I write a test that fails like this; if I can not reproduce it, I "
            "say here what I found instead of guessing. To stop me write `/agent stop`."
        )

    def refusal(self, reason: str) -> str:
        """Return the answer to a person whose request can not be met."""
        return f"I did not start: {self._line(reason, 500)}."

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
        parts = [f"{_HEADLINES[status]}{f' ({self._line(doing, 100)})' if doing else ''}", self._quoted(words, 2000)]
        if _URL.fullmatch(pull_request_url):
            parts.append(f"Pull request: {pull_request_url}")
        if report:
            parts += ["What I found; there is no change:", self._quoted(report, REPORT_LIMIT)]
        return self._joined(parts)

    def help(self, unknown: str = "") -> str:
        """Return what can be asked for."""
        rows = (
            ("run", "work on this issue; what follows is the instruction"),
            ("plan", "say how I would do it, and wait"),
            ("continue", "go on with the answer that follows"),
            ("retry", "begin again"),
            ("status", "say where I am"),
            ("stop", "stop working on this"),
            ("help", "show this"),
        )
        table = "\n".join(f"- `/agent {verb}`: {what}" for verb, what in rows)
        said = f"I do not know {code_span(sanitise_line(unknown, 40))}. " if unknown else ""
        return self._joined([f"{said}Begin a line of a comment with one of these:", table])

    def _line(self, text: str, limit: int) -> str:
        return defuse_line(sanitise_line(self._redact(text), limit)).rstrip(".")

    def _quoted(self, text: str, limit: int) -> str:
        return close_code(clip(defuse(sanitise(self._redact(text))), limit)).strip()

    def _joined(self, parts: Iterable[str]) -> str:
        return self._redact("\n\n".join(part for part in parts if part))
