"""What the bot writes into tickets, as Markdown; ``speaking`` turns it into what Jira takes. Pure.

Every word that is not ours (plans, questions, titles, names) is made harmless: it mentions nobody, closes no issue,
loads no picture and hides nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from pullwright.integrations.jira.escaping import address
from pullwright.integrations.jira.syntax import BODY_LIMIT
from pullwright.integrations.markdown import clip, close_code, code_span, defuse, defuse_line
from pullwright.integrations.redaction import Redactor
from pullwright.integrations.untrusted import sanitise, sanitise_line

MOST_STEPS: Final = 40


class Phase(StrEnum):
    """Where the task is."""

    QUEUED = "queued"
    WORKING = "working"
    WAITING = "waiting"
    DELAYED = "delayed"
    DONE = "done"
    FAILED = "failed"
    STOPPED = "stopped"
    MERGED = "merged"
    CLOSED = "closed"


_HEADLINES: Final = {
    Phase.QUEUED: "⏳ **Queued.** I will begin as soon as there is room.",
    Phase.WORKING: "🔨 **Working on it.**",
    Phase.WAITING: "✋ **Waiting for an answer.**",
    Phase.DELAYED: "⏳ **Delayed.** I will go on by myself.",
    Phase.DONE: "✅ **Done.**",
    Phase.FAILED: "❌ **It did not work out.**",
    Phase.STOPPED: "⏹️ **Stopped.**",
    Phase.MERGED: "✅ **Merged.**",
    Phase.CLOSED: "⏹️ **The pull request was closed without being merged.**",
}
_ENDED: Final = frozenset({Phase.DONE, Phase.FAILED, Phase.STOPPED, Phase.CLOSED})
_VERDICTS: Final = {
    None: "",
    True: "Verified: the checks passed in a fresh container",
    False: "**Not verified**: no check ran and passed in a fresh container",
}
_STEPS: Final = {"done": "- [x] {}", "doing": "- [ ] **now:** {}", "dropped": "- [x] (not needed) {}"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """What the one comment of a task says."""

    phase: Phase
    requester: str = ""
    """Account of who asked; mentioned only while an answer is waited for."""
    detail: str = ""
    """The question, the reason, or the result in a sentence or two (Markdown, untrusted)."""
    ahead: int = 0
    """How many tasks of the repository go first, while it is queued."""
    doing: str = ""
    """What is being done right now, in our words."""
    plan: Sequence[tuple[str, str]] = ()
    """Steps and their states: ``open``, ``doing``, ``done``, ``dropped``."""
    repository: str = ""
    branch: str = ""
    pull_request_url: str = ""
    verified: bool | None = None
    """What the checks said of the change; None when they were not asked."""
    cost: str = ""
    """In words."""


class JiraTexts:
    """Writes the texts; every one goes through the same redaction."""

    def __init__(self, redactor: Redactor) -> None:
        self._redact = redactor

    def progress(self, progress: Progress) -> str:
        """Return the one comment of a task that is changed as it goes on."""
        headline = _HEADLINES[progress.phase]
        if progress.phase is Phase.WAITING and progress.requester:
            headline += (
                f" [@{sanitise_line(progress.requester, 100)}](" + address(f"mention:{progress.requester}") + ")"
            )
        parts = [headline, *self._facts(progress), *self._plan(progress.plan), _how_to_go_on(progress.phase)]
        return self._finished(parts)

    def refusal(self, reason: str) -> str:
        """Return the answer to somebody who may not ask, or to what can not be done."""
        return self._finished([f"I did not start: {self._line(reason, 500)}."])

    def which_repository(self, reason: str, choices: Sequence[str]) -> str:
        """Return the question which repository a ticket is about."""
        example = choices[0] if choices else "owner/name"
        return self._finished(
            [
                f"I can not tell which repository this is about: {self._line(reason, 300)}.",
                *(["I work on:\n\n" + "\n".join(f"- {code_span(choice)}" for choice in choices)] if choices else []),
                f"Write {code_span(f'/agent run repo={example}')} here, or set the label "
                f"{code_span(f'repo:{example}')} and ask me again.",
            ]
        )

    def unclear(self, word: str) -> str:
        """Return the answer to a command with an unknown verb."""
        said = f"I do not know {code_span(sanitise_line(word, 40))}." if word else "That command has no verb."
        return self._finished([said, *_help()])

    def help(self) -> str:
        """Return what can be asked for."""
        return self._finished(_help())

    def _facts(self, progress: Progress) -> Iterable[str]:
        if detail := close_code(defuse(sanitise(self._redact(progress.detail)))).strip():
            yield clip(detail, BODY_LIMIT // 2)
        lines = [
            f"Tasks of this repository that go first: {progress.ahead}" if progress.ahead else "",
            f"Now: {self._line(progress.doing, 200)}" if progress.doing else "",
            f"Pull request: <{progress.pull_request_url}>" if _is_link(progress.pull_request_url) else "",
            _VERDICTS[progress.verified],
            f"Repository: {code_span(sanitise_line(progress.repository, 200))}" if progress.repository else "",
            f"Branch: {code_span(sanitise_line(progress.branch, 200))}" if progress.branch else "",
            f"Cost so far: {self._line(progress.cost, 200)}" if progress.cost else "",
        ]
        if shown := [f"- {line}" for line in lines if line]:
            yield "\n".join(shown)

    def _plan(self, steps: Sequence[tuple[str, str]]) -> Iterable[str]:
        if not steps:
            return
        lines = [_STEPS.get(state, "- [ ] {}").format(self._line(text, 300) or "…") for text, state in steps]
        left = len(lines) - MOST_STEPS
        yield "\n".join(["### Plan", "", *lines[:MOST_STEPS], *([f"- … and {left} more"] if left > 0 else [])])

    def _line(self, text: str, limit: int) -> str:
        return defuse_line(sanitise_line(self._redact(text), limit)).rstrip(".")

    def _finished(self, parts: Iterable[str]) -> str:
        return close_code(clip(self._redact("\n\n".join(part for part in parts if part)), BODY_LIMIT))


def _how_to_go_on(phase: Phase) -> str:
    if phase is Phase.MERGED:
        return ""
    if phase in _ENDED:
        return "To try again comment `/agent retry`."
    answer = "Answer with a comment that begins with `/agent continue`. " if phase is Phase.WAITING else ""
    return f"{answer}To stop me comment `/agent stop`."


def _help() -> list[str]:
    rows = (
        ("run", "work on this ticket; what follows is the instruction"),
        ("plan", "say how I would do it, and wait"),
        ("continue", "go on with the answer that follows"),
        ("retry", "begin again"),
        ("status", "say where I am"),
        ("stop", "stop working on this"),
        ("help", "show this"),
    )
    table = "\n".join(f"- `/agent {verb}`: {what}" for verb, what in rows)
    return [
        "Write one of these on a line of its own, or mention me with what you want:",
        table,
        "`repo=OWNER/NAME` and `base=BRANCH` may follow the verb.",
    ]


def _is_link(url: str) -> bool:
    return url.startswith(("https://", "http://")) and not any(c.isspace() or c in "<>()[]\"'`\\" for c in url)
