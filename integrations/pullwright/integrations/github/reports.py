"""Shows on GitHub how a task stands: one comment that is changed, and a reaction at the end; see ``Reports``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from pullwright.agents.ports.inbox import Delivery
from pullwright.agents.ports.report import Shown, Standing
from pullwright.agents.task import TaskStatus
from pullwright.integrations.github.markers import MarkerKey
from pullwright.integrations.github.meaning_codec import meaning_from_json
from pullwright.integrations.github.meanings import ChecksCompleted
from pullwright.integrations.github.status_text import BotTexts, StatusReport
from pullwright.integrations.github.voice import Place, Voice, place_of
from pullwright.integrations.markers import status_of

_SIGNS: Final = {
    TaskStatus.SUCCEEDED: "rocket",
    TaskStatus.FAILED: "confused",
    TaskStatus.REJECTED: "confused",
}
_DOING: Final = {
    "ask": "asking a question",
    "bash": "running a command",
    "edit": "editing a file",
    "finish": "handing in",
    "plan": "planning",
    "read": "reading a file",
    "search": "searching the code",
    "service": "looking after a service",
    "write": "writing a file",
}


class GitHubReports:
    """Implements ``Reports``."""

    def __init__(self, voice: Voice, texts: BotTexts, markers: MarkerKey, cost: Callable[[Standing], str]) -> None:
        """Take what says how much money was spent; empty when that is not known."""
        self._voice = voice
        self._texts = texts
        self._markers = markers
        self._cost = cost

    async def write(self, origin: Delivery, standing: Standing, number: int) -> Shown:
        made = await self._voice.comment(_place(origin, standing), self._text(origin, standing, number))
        return Shown(external_id=made.external_id, url=made.url)

    async def find(self, origin: Delivery, standing: Standing, number: int) -> Shown | None:
        found = await self._voice.find_comment(_place(origin, standing), status_of(standing.task_id, number))
        return Shown(external_id=found.external_id, url=found.url) if found else None

    async def rewrite(self, origin: Delivery, standing: Standing, number: int, comment: str) -> None:
        await self._voice.change_comment(_place(origin, standing), comment, self._text(origin, standing, number))

    async def sign(self, origin: Delivery, standing: Standing) -> None:
        if sign := _SIGNS.get(standing.status):
            await self._voice.react(_place(origin, standing), sign)

    def _text(self, origin: Delivery, standing: Standing, number: int) -> str:
        report = report_of(standing, requester=_requester(origin), cost=self._cost(standing))
        work_key = _place(origin, standing).work_key
        return self._texts.status(report, self._markers.make(status_of(standing.task_id, number), work_key=work_key))


def report_of(standing: Standing, *, requester: str, cost: str = "") -> StatusReport:
    """Return what the status comment says of a standing."""
    return StatusReport(
        status=standing.status,
        requester=requester,
        detail=standing.words,
        ahead=standing.ahead,
        doing=_doing(standing) if standing.status is TaskStatus.RUNNING else "",
        plan=standing.plan,
        branch=standing.branch,
        pull_request_url=standing.pull_request_url,
        verified=standing.verified if standing.status is TaskStatus.SUCCEEDED or standing.pull_request_url else None,
        checks=standing.checks,
        tests_fail_alone=standing.tests_fail_alone,
        commit=standing.commit if standing.pull_request_url else "",
        cost=_cost(standing, cost),
    )


def _place(origin: Delivery, standing: Standing) -> Place:
    return place_of(origin, "" if standing.work_key == origin.work_key else standing.work_key)


def _requester(origin: Delivery) -> str:
    """Return who asked; nobody did where checks failed, though somebody's push started them."""
    meaning = meaning_from_json(origin.content)
    return meaning.actor.login if meaning.actor and not isinstance(meaning, ChecksCompleted) else ""


def _doing(standing: Standing) -> str:
    if not standing.steps:
        return "getting ready"
    return f"{_DOING.get(standing.tool, 'thinking')} (step {standing.steps})"


def _cost(standing: Standing, money: str) -> str:
    if not standing.steps:
        return ""
    steps = f"{standing.steps} step{'' if standing.steps == 1 else 's'}"
    return f"{standing.usage.total_tokens:,} tokens in {steps}{f', {money}' if money else ''}"
