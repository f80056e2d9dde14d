"""What every source says in the same words about a task, and how words of others get into it. Pure.

Every word that is not ours (plans, questions, titles, names) is made harmless: it mentions nobody, closes no issue,
loads no picture and hides nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from pullwright.agents.task import TaskStatus
from pullwright.integrations.markdown import bullets, clip, close_code, code_span, defuse, defuse_line
from pullwright.integrations.redaction import Redactor
from pullwright.integrations.untrusted import sanitise, sanitise_line

HEADLINES: Final[Mapping[TaskStatus, str]] = {
    TaskStatus.SCHEDULED: "⏳ **Delayed.** I will go on by myself.",
    TaskStatus.QUEUED: "⏳ **Queued.** I will begin as soon as there is room.",
    TaskStatus.RUNNING: "🔨 **Working on it.**",
    TaskStatus.WAITING: "✋ **Waiting for an answer.**",
    TaskStatus.CANCELING: "⏹️ **Stopping.**",
    TaskStatus.CANCELED: "⏹️ **Stopped.**",
    TaskStatus.SUCCEEDED: "✅ **Done.**",
    TaskStatus.FAILED: "❌ **It did not work out.**",
    TaskStatus.REJECTED: "❌ **It did not work out.**",
}
VERDICTS: Final[Mapping[bool | None, str]] = {
    None: "",
    True: "Verified: the checks passed in a fresh container",
    False: "**Not verified**: no check ran and passed in a fresh container",
}
"""What the checks said of the change; None when they were not asked."""
MOST_STEPS: Final = 40

_STEPS: Final = {"done": "- [x] {}", "doing": "- [ ] **now:** {}", "dropped": "- [x] (not needed) {}"}
_URL: Final = re.compile(r"https?://[^\s<>()\[\]\"'`\\]{1,2000}")


class Wording:
    """Words of others, made fit for what is written; every text goes through the same redaction."""

    def __init__(self, redactor: Redactor, limit: int) -> None:
        """Make one; ``limit`` is how many characters a whole text may have."""
        self._redact = redactor
        self._limit = limit

    def line(self, text: str, limit: int) -> str:
        """Return a name or a reason as a part of a sentence."""
        return defuse_line(sanitise_line(self._redact(text), limit)).rstrip(".")

    def passage(self, text: str, limit: int) -> str:
        """Return Markdown of others, cut at so many characters."""
        return close_code(clip(defuse(sanitise(self._redact(text))), limit)).strip()

    def plan(self, steps: Sequence[tuple[str, str]]) -> str:
        """Return the steps of a plan, each with its state: ``open``, ``doing``, ``done``, ``dropped``."""
        lines = [_STEPS.get(state, "- [ ] {}").format(self.line(text, 300) or "…") for text, state in steps]
        left = len(lines) - MOST_STEPS
        shown = [*lines[:MOST_STEPS], *([f"- … and {left} more"] if left > 0 else [])]
        return "\n".join(["### Plan", "", *shown]) if shown else ""

    def refusal(self, reason: str) -> str:
        """Return the answer to somebody who may not ask, or to what can not be done."""
        return f"I did not start: {self.line(reason, 500)}."

    def which_repository(self, reason: str, choices: Sequence[str]) -> Sequence[str]:
        """Return the question which repository something is about, in paragraphs."""
        example = choices[0] if choices else "owner/name"
        listed = f"I work on:\n\n{bullets(code_span(choice) for choice in choices)}" if choices else ""
        asked = (
            f"Write {code_span(f'/agent run repo={example}')} here, or set the label {code_span(f'repo:{example}')} "
            "and ask me again."
        )
        return [f"I can not tell which repository this is about: {self.line(reason, 300)}.", listed, asked]

    def finished(self, paragraphs: Iterable[str], last: str = "") -> str:
        """Return the whole text; ``last`` is ours, and survives every cut."""
        text = self._redact("\n\n".join(part for part in paragraphs if part))
        room = self._limit - len(last) - 2 if last else self._limit
        return "\n\n".join(filter(None, (close_code(clip(text, room)), last)))


def link(url: str) -> str:
    """Return a plain address; empty for everything else."""
    return url if _URL.fullmatch(url) else ""


def commands(rows: Iterable[tuple[str, str]]) -> str:
    """Return a list of verbs and what they do."""
    return bullets(f"`/agent {verb}`: {what}" for verb, what in rows)


def commands_on(thing: str) -> str:
    """Return the list for a tracker, whose issues or tickets are the ``thing``."""
    return commands(
        (
            ("run", f"work on this {thing}; what follows is the instruction"),
            ("plan", "say how I would do it, and wait"),
            ("continue", "go on with the answer that follows"),
            ("retry", "begin again"),
            ("status", "say where I am"),
            ("stop", "stop working on this"),
            ("help", "show this"),
        )
    )


def is_over(status: TaskStatus) -> bool:
    """Whether nothing more comes of a task, or soon will not."""
    return status.terminal or status is TaskStatus.CANCELING


def how_to_go_on(status: TaskStatus) -> str:
    """Return what may be commented on a tracker's issue or ticket."""
    if is_over(status):
        return "To try again comment `/agent retry`."
    answer = "Answer with a comment that begins with `/agent continue`. " if status is TaskStatus.WAITING else ""
    return f"{answer}To stop me comment `/agent stop`."
