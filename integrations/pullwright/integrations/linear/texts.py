"""What the bot writes into issues, as Markdown. Pure.

Every word that is not ours (plans, questions, titles, names) is made harmless: it mentions nobody, closes no issue,
loads no picture and hides nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from pullwright.agents.ports.report import Standing
from pullwright.agents.task import TaskStatus
from pullwright.integrations.markdown import clip, close_code, code_span, defuse, defuse_line
from pullwright.integrations.redaction import Redactor
from pullwright.integrations.untrusted import sanitise, sanitise_line

BODY_LIMIT: Final = 30_000
"""Characters of a comment; Linear takes more, people do not."""
MOST_STEPS: Final = 40

_HEADLINES: Final = {
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
_LANDED: Final = {True: "🎉 **The pull request was merged.**", False: "🗄️ **The pull request was closed unmerged.**"}
_CHECKED: Final = {
    True: "Its checks pass in a fresh container.",
    False: "**Its checks do not pass** in a fresh container.",
    None: "Nothing was checked in a fresh container.",
}
_STEPS: Final = {"done": "- [x] {}", "doing": "- [ ] **now:** {}", "dropped": "- [x] (not needed) {}"}
_PROFILE: Final = re.compile(r"https://linear\.app/[\w-]{1,100}/profiles/[\w.-]{1,100}", re.ASCII)
_VERBS: Final = (
    ("run", "work on this issue; what follows is the instruction"),
    ("plan", "say how I would do it, and wait"),
    ("continue", "go on with the answer that follows"),
    ("retry", "begin again"),
    ("status", "say where I am"),
    ("stop", "stop working on this"),
    ("help", "show this"),
)


class LinearTexts:
    """Writes the texts; every one goes through the same redaction."""

    def __init__(self, redactor: Redactor) -> None:
        self._redact = redactor

    def status(self, standing: Standing, *, requester: str = "", cost: str = "", merged: bool | None = None) -> str:
        """Return the one comment of a task, which is changed as it goes on.

        Args:
            standing: How it stands.
            requester: Profile of who asked; mentioned only while an answer is waited for.
            cost: In words.
            merged: What became of its pull request; None while it is open.
        """
        headline = _HEADLINES[standing.status] if merged is None else _LANDED[merged]
        # A bare link to a profile is a mention.
        if standing.status is TaskStatus.WAITING and _PROFILE.fullmatch(requester):
            headline += f" {requester}"
        if standing.status is TaskStatus.QUEUED and standing.ahead:
            headline += f" Tasks before it: {standing.ahead}."
        detail = close_code(defuse(sanitise(self._redact(standing.words)))).strip()
        parts = [headline, clip(detail, BODY_LIMIT // 2), self._facts(standing, cost), self._plan(standing.plan)]
        return self._finished([*parts, _how_to_go_on(standing.status) if merged is None else ""])

    def refusal(self, reason: str) -> str:
        """Return the answer to somebody who may not ask, or to what can not be done."""
        return self._finished([f"I did not start: {self._line(reason, 500)}."])

    def which_repository(self, reason: str, choices: Sequence[str]) -> str:
        """Return the question which repository an issue is about."""
        example = choices[0] if choices else "owner/name"
        listed = "I work on:\n\n" + "\n".join(f"- {code_span(choice)}" for choice in choices) if choices else ""
        asked = (
            f"Write {code_span(f'/agent run repo={example}')} here, or set the label {code_span(f'repo:{example}')} "
            "and ask me again."
        )
        lead = f"I can not tell which repository this is about: {self._line(reason, 300)}."
        return self._finished([lead, listed, asked])

    def help(self, unknown: str = "") -> str:
        """Return what can be asked for."""
        said = f"I do not know {code_span(sanitise_line(unknown, 40))}. " if unknown else ""
        table = "\n".join(f"- `/agent {verb}`: {what}" for verb, what in _VERBS)
        more = "`repo=OWNER/NAME`, `model=NAME` and `base=BRANCH` may follow the verb."
        return self._finished([f"{said}Begin a line of a comment with one of these:", table, more])

    def _facts(self, standing: Standing, cost: str) -> str:
        doing = f"{standing.tool or 'thinking'} (step {standing.steps})" if standing.steps else ""
        lines = [
            f"Now: {self._line(doing, 200)}" if doing and not standing.status.terminal else "",
            f"Pull request: <{standing.pull_request_url}>" if _is_link(standing.pull_request_url) else "",
            _CHECKED.get(standing.verified, "") if standing.pull_request_url else "",
            f"Branch: {code_span(sanitise_line(standing.branch, 200))}" if standing.branch else "",
            f"Cost so far: {self._line(cost, 200)}" if cost else "",
        ]
        return "\n".join(f"- {line}" for line in lines if line)

    def _plan(self, steps: Sequence[tuple[str, str]]) -> str:
        lines = [_STEPS.get(state, "- [ ] {}").format(self._line(text, 300) or "…") for text, state in steps]
        left = len(lines) - MOST_STEPS
        shown = [*lines[:MOST_STEPS], *([f"- … and {left} more"] if left > 0 else [])]
        return "\n".join(["### Plan", "", *shown]) if shown else ""

    def _line(self, text: str, limit: int) -> str:
        return defuse_line(sanitise_line(self._redact(text), limit)).rstrip(".")

    def _finished(self, parts: Iterable[str]) -> str:
        return close_code(clip(self._redact("\n\n".join(part for part in parts if part)), BODY_LIMIT))


def _how_to_go_on(status: TaskStatus) -> str:
    if status.terminal:
        return "To try again comment `/agent retry`."
    answer = "Answer with a comment that begins with `/agent continue`. " if status is TaskStatus.WAITING else ""
    return f"{answer}To stop me comment `/agent stop`."


def _is_link(url: str) -> bool:
    return url.startswith(("https://", "http://")) and not any(c.isspace() or c in "<>()[]\"'`\\" for c in url)
