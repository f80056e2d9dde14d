"""What the bot writes into issues and pull requests, apart from pull requests themselves. Pure.

Every word that is not ours (plans, questions, titles, names) is made harmless: it mentions nobody, closes no issue,
loads no picture and hides nothing. The marker comes last and survives every cut.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pullwright.agents.task import TaskStatus
from pullwright.integrations.github.text import BODY_LIMIT
from pullwright.integrations.markdown import bullets, code_span
from pullwright.integrations.redaction import Redactor
from pullwright.integrations.status_words import HEADLINES, VERDICTS, Wording, commands, is_over, link
from pullwright.integrations.untrusted import sanitise_line

_AT = re.compile(r"@(?=[A-Za-z0-9])")
MOST_CHECKS: Final = 5
"""So many checks are named."""
_COMMIT = re.compile(r"[0-9a-f]{7,64}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusReport:
    """What the status comment of a task says."""

    status: TaskStatus
    requester: str = ""
    """Login of the person who asked; named without being notified again."""
    detail: str = ""
    """The question, the reason, or the result in a sentence or two (Markdown, untrusted)."""
    ahead: int = 0
    """How many tasks of the repository go first, while it is queued."""
    doing: str = ""
    """What it does right now, in words of ours."""
    plan: Sequence[tuple[str, str]] = ()
    """As in ``Standing``."""
    branch: str = ""
    pull_request_url: str = ""
    verified: bool | None = None
    """What the checks said of the change; None when they were not asked."""
    checks: Sequence[tuple[str, int | None]] = ()
    """Their commands and exit codes; None for one that took too long."""
    tests_fail_alone: bool = False
    """Whether the tests of the change were seen to fail without the rest of it."""
    commit: str = ""
    """The commit that was published last."""
    details_url: str = ""
    """Where the whole run can be seen."""
    cost: str = ""
    """In words, such as "12,345 tokens in 7 steps"."""


class BotTexts:
    """Writes the texts; every one goes through the same redaction."""

    def __init__(self, redactor: Redactor, *, name: str) -> None:
        """Take the redactor and the name by which people mention the bot; empty when only commands work."""
        self._words = Wording(redactor, BODY_LIMIT)
        self._name = _AT.sub("", sanitise_line(name, 100)).removesuffix("[bot]")

    def status(self, report: StatusReport, marker: str) -> str:
        """Return the one comment of a task that is edited as it goes on."""
        words = self._words
        parts = [
            HEADLINES[report.status],
            words.passage(report.detail, BODY_LIMIT // 2),
            self._facts(report),
            words.plan(report.plan),
        ]
        return words.finished([*parts, self._how_to_go_on(report.status)], marker)

    def refusal(self, reason: str, marker: str) -> str:
        """Return the answer to somebody who may not ask; ``Decision.say_aloud`` says whether to send it."""
        return self._words.finished([self._words.refusal(reason)], marker)

    def unclear(self, word: str, marker: str) -> str:
        """Return the answer to a command with an unknown verb."""
        said = f"I do not know {code_span(sanitise_line(word, 40))}." if word else "That command has no verb."
        return self._words.finished([said, *self._help()], marker)

    def help(self, marker: str) -> str:
        """Return what can be asked for."""
        return self._words.finished(self._help(), marker)

    def _facts(self, report: StatusReport) -> str:
        lines = [
            _ahead(report.ahead),
            f"Now: {self._words.line(report.doing, 200)}" if report.doing else "",
            f"Pull request: {report.pull_request_url}" if link(report.pull_request_url) else "",
            f"Commit: {report.commit}" if _COMMIT.fullmatch(report.commit) else "",
            _verdict(report),
            f"Branch: {code_span(sanitise_line(report.branch, 200))}" if report.branch else "",
            f"Asked for by {code_span(sanitise_line(report.requester, 100))}" if report.requester else "",
            f"Cost so far: {self._words.line(report.cost, 200)}" if report.cost else "",
            f"[The whole run]({report.details_url})" if link(report.details_url) else "",
        ]
        return bullets(lines)

    def _how_to_go_on(self, status: TaskStatus) -> str:
        if is_over(status):
            return "To try again write `/agent retry` on a line of its own."
        answer = f"Answer with a comment that begins with {self._call()}. " if status is TaskStatus.WAITING else ""
        return f"{answer}To stop me write `/agent stop` on a line of its own."

    def _call(self) -> str:
        return f"{code_span('@' + self._name)} or `/agent answer`" if self._name else "`/agent answer`"

    def _help(self) -> list[str]:
        mention = f", or mention {code_span('@' + self._name)} with what you want" if self._name else ""
        rows = (
            ("run", "work on this issue; what follows is the instruction"),
            ("fix", "repair this, or the failing checks of this pull request"),
            ("plan", "say how I would do it, and wait"),
            ("answer", "take what follows as the answer to my question"),
            ("continue", "go on"),
            ("retry", "begin again"),
            ("rebase", "bring the branch up to date with its base"),
            ("status", "say where I am"),
            ("stop", "stop working on this"),
            ("help", "show this"),
        )
        return [
            f"Write one of these on a line of its own{mention}:",
            commands(rows),
            "`base=BRANCH` may follow `run`. Only people who may write here are heard.",
        ]


def _verdict(report: StatusReport) -> str:
    verdict = VERDICTS[report.verified]
    if not (verdict and report.checks):
        return verdict
    ran = [
        f"{code_span(sanitise_line(command, 120))} ({'it took too long' if code is None else f'exit code {code}'})"
        for command, code in report.checks[:MOST_CHECKS]
    ]
    left = len(report.checks) - len(ran)
    alone = "; its tests fail without the change" if report.verified and report.tests_fail_alone else ""
    return f"{verdict}: {', '.join(ran)}{f' and {left} more' if left else ''}{alone}"


def _ahead(tasks: int) -> str:
    if tasks == 1:
        return "1 other task of this repository goes first"
    return f"{tasks} other tasks of this repository go first" if tasks else ""
