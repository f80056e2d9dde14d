"""What the bot writes into tickets, as Markdown; ``speaking`` turns it into what Jira takes. Pure.

Every word that is not ours (plans, questions, titles, names) is made harmless: it mentions nobody, closes no issue,
loads no picture and hides nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from pullwright.agents.ports.report import Standing
from pullwright.agents.task import TaskStatus
from pullwright.integrations.jira.escaping import address
from pullwright.integrations.jira.syntax import BODY_LIMIT
from pullwright.integrations.markdown import bullets, code_span
from pullwright.integrations.redaction import Redactor
from pullwright.integrations.status_words import HEADLINES, VERDICTS, Wording, commands_on, how_to_go_on, link
from pullwright.integrations.untrusted import sanitise_line

_LANDED: Final = {True: "✅ **Merged.**", False: "⏹️ **The pull request was closed without being merged.**"}


class JiraTexts:
    """Writes the texts; every one goes through the same redaction."""

    def __init__(self, redactor: Redactor) -> None:
        self._words = Wording(redactor, BODY_LIMIT)

    def status(
        self,
        standing: Standing,
        *,
        requester: str = "",
        repository: str = "",
        cost: str = "",
        merged: bool | None = None,
    ) -> str:
        """Return the one comment of a task that is changed as it goes on.

        Args:
            standing: How it stands.
            requester: Account of who asked; mentioned only while an answer is waited for.
            repository: Where it works.
            cost: In words.
            merged: What became of its pull request; None while it is open.
        """
        words = self._words
        headline = HEADLINES[standing.status] if merged is None else _LANDED[merged]
        if standing.status is TaskStatus.WAITING and requester:
            headline += f" [@{sanitise_line(requester, 100)}]({address(f'mention:{requester}')})"
        then = "" if merged else how_to_go_on(standing.status)
        parts = [headline, words.passage(standing.words, BODY_LIMIT // 2), self._facts(standing, repository, cost)]
        return words.finished([*parts, words.plan(standing.plan), then])

    def refusal(self, reason: str) -> str:
        """Return the answer to somebody who may not ask, or to what can not be done."""
        return self._words.finished([self._words.refusal(reason)])

    def which_repository(self, reason: str, choices: Sequence[str]) -> str:
        """Return the question which repository a ticket is about."""
        return self._words.finished(self._words.which_repository(reason, choices))

    def unclear(self, word: str) -> str:
        """Return the answer to a command with an unknown verb."""
        said = f"I do not know {code_span(sanitise_line(word, 40))}." if word else "That command has no verb."
        return self._words.finished([said, *_help()])

    def help(self) -> str:
        """Return what can be asked for."""
        return self._words.finished(_help())

    def _facts(self, standing: Standing, repository: str, cost: str) -> str:
        begun = standing.steps and standing.status is TaskStatus.RUNNING
        doing = f"{standing.tool or 'thinking'} (step {standing.steps})" if begun else ""
        url = standing.pull_request_url
        return bullets(
            [
                f"Tasks of this repository that go first: {standing.ahead}" if standing.ahead else "",
                f"Now: {self._words.line(doing, 200)}" if doing else "",
                f"Pull request: <{url}>" if link(url) else "",
                VERDICTS[standing.verified if url else None],
                f"Repository: {code_span(sanitise_line(repository, 200))}" if repository else "",
                f"Branch: {code_span(sanitise_line(standing.branch, 200))}" if standing.branch else "",
                f"Cost so far: {self._words.line(cost, 200)}" if cost else "",
            ]
        )


def _help() -> list[str]:
    return [
        "Write one of these on a line of its own, or mention me with what you want:",
        commands_on("ticket"),
        "`repo=OWNER/NAME` and `base=BRANCH` may follow the verb.",
    ]
