"""What the bot writes into issues, as Markdown. Pure.

Every word that is not ours (plans, questions, titles, names) is made harmless: it mentions nobody, closes no issue,
loads no picture and hides nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from pullwright.agents.ports.report import Standing
from pullwright.agents.task import TaskStatus
from pullwright.integrations.markdown import bullets, code_span
from pullwright.integrations.redaction import Redactor
from pullwright.integrations.status_words import HEADLINES, Wording, commands_on, how_to_go_on, link
from pullwright.integrations.untrusted import sanitise_line

BODY_LIMIT: Final = 30_000
"""Characters of a comment; Linear takes more, people do not."""

_LANDED: Final = {True: "🎉 **The pull request was merged.**", False: "🗄️ **The pull request was closed unmerged.**"}
_CHECKED: Final = {
    True: "Its checks pass in a fresh container.",
    False: "**Its checks do not pass** in a fresh container.",
    None: "Nothing was checked in a fresh container.",
}
_PROFILE: Final = re.compile(r"https://linear\.app/[\w-]{1,100}/profiles/[\w.-]{1,100}", re.ASCII)


class LinearTexts:
    """Writes the texts; every one goes through the same redaction."""

    def __init__(self, redactor: Redactor) -> None:
        self._words = Wording(redactor, BODY_LIMIT)

    def status(self, standing: Standing, *, requester: str = "", cost: str = "", merged: bool | None = None) -> str:
        """Return the one comment of a task, which is changed as it goes on.

        Args:
            standing: How it stands.
            requester: Profile of who asked; mentioned only while an answer is waited for.
            cost: In words.
            merged: What became of its pull request; None while it is open.
        """
        headline = HEADLINES[standing.status] if merged is None else _LANDED[merged]
        # A bare link to a profile is a mention.
        if standing.status is TaskStatus.WAITING and _PROFILE.fullmatch(requester):
            headline += f" {requester}"
        if standing.status is TaskStatus.QUEUED and standing.ahead:
            headline += f" Tasks before it: {standing.ahead}."
        words = self._words
        parts = [
            headline,
            words.passage(standing.words, BODY_LIMIT // 2),
            self._facts(standing, cost),
            words.plan(standing.plan),
        ]
        return words.finished([*parts, how_to_go_on(standing.status) if merged is None else ""])

    def refusal(self, reason: str) -> str:
        """Return the answer to somebody who may not ask, or to what can not be done."""
        return self._words.finished([self._words.refusal(reason)])

    def which_repository(self, reason: str, choices: Sequence[str]) -> str:
        """Return the question which repository an issue is about."""
        return self._words.finished(self._words.which_repository(reason, choices))

    def help(self, unknown: str = "") -> str:
        """Return what can be asked for."""
        said = f"I do not know {code_span(sanitise_line(unknown, 40))}. " if unknown else ""
        more = "`repo=OWNER/NAME`, `model=NAME` and `base=BRANCH` may follow the verb."
        lead = f"{said}Begin a line of a comment with one of these:"
        return self._words.finished([lead, commands_on("issue"), more])

    def _facts(self, standing: Standing, cost: str) -> str:
        doing = f"{standing.tool or 'thinking'} (step {standing.steps})" if standing.steps else ""
        lines = [
            f"Now: {self._words.line(doing, 200)}" if doing and not standing.status.terminal else "",
            f"Pull request: <{standing.pull_request_url}>" if link(standing.pull_request_url) else "",
            _CHECKED.get(standing.verified, "") if standing.pull_request_url else "",
            f"Branch: {code_span(sanitise_line(standing.branch, 200))}" if standing.branch else "",
            f"Cost so far: {self._words.line(cost, 200)}" if cost else "",
        ]
        return bullets(lines)
