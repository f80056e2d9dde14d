"""What people read of a standing."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pullwright.agents.budget import Usage
from pullwright.agents.errors import NotFound
from pullwright.agents.ports.inbox import Delivery
from pullwright.agents.ports.report import Standing
from pullwright.agents.queue.memory import MemoryStore
from pullwright.agents.task import TaskStatus
from pullwright.agents.testing.fake_clock import FakeClock
from pullwright.agents.worker.outbox import Made
from pullwright.integrations.github.door import new_delivery
from pullwright.integrations.github.events import interpret
from pullwright.integrations.github.markers import MarkerKey
from pullwright.integrations.github.meanings import Actor, ChecksCompleted, CheckSource, RepositoryFacts
from pullwright.integrations.github.reports import GitHubReports, report_of
from pullwright.integrations.github.status_text import BotTexts
from pullwright.integrations.github.voice import Place
from pullwright.integrations.markers import Marker
from pullwright.integrations.redaction import Redactor
from pullwright.integrations.status_words import HEADLINES
from tests.unit.integrations.github.payload_samples import BOT, ISSUE, comment, delivery

STANDING = Standing(task_id="t1", status=TaskStatus.RUNNING, steps=1, tool="bash")
MARKERS = MarkerKey(b"k" * 16)


@dataclass
class FakeVoice:
    """Keeps comments by their id."""

    comments: dict[str, str] = field(default_factory=dict)
    numbers: list[int] = field(default_factory=list)
    """Where the comments were written."""
    reactions: list[tuple[int | None, str]] = field(default_factory=list)

    async def react(self, place: Place, content: str = "eyes") -> Made:
        self.reactions.append((place.comment_id, content))
        return Made()

    async def comment(self, place: Place, text: str) -> Made:
        number = str(len(self.comments) + 1)
        self.comments[number] = text
        self.numbers.append(place.number)
        return Made(external_id=number)

    async def change_comment(self, place: Place, comment: str, text: str) -> None:
        if comment not in self.comments:
            raise NotFound("it was deleted")
        self.comments[comment] = text

    async def mark_ready(self, place: Place) -> Made:
        raise NotImplementedError

    async def find_comment(self, place: Place, marker: Marker) -> Made | None:
        texts = self.comments.items()
        return next((Made(external_id=key) for key, text in texts if _marker(place, text) == marker), None)


def _marker(place: Place, text: str) -> Marker | None:
    return MARKERS.find(text, work_key=place.work_key)


async def origin() -> Delivery:
    """Return a request that came in by a comment."""
    store = MemoryStore(FakeClock())
    asked = delivery("issue_comment.created", issue=ISSUE, comment=comment("/agent run x"))
    await store.receive(new_delivery(interpret(asked, BOT), "main", "k1"))
    return (await store.deliveries())[0]


def reports_of(voice: FakeVoice) -> GitHubReports:
    return GitHubReports(voice, BotTexts(Redactor(), name="pull-bot"), MARKERS, lambda _: "$0.12")


@pytest.mark.anyio
async def test_a_comment_is_written_found_and_changed() -> None:
    voice, asked = FakeVoice(), await origin()
    reports = reports_of(voice)
    assert await reports.find(asked, STANDING, 1) is None
    first = await reports.write(asked, STANDING, 1)
    assert await reports.find(asked, STANDING, 1) == first
    assert await reports.find(asked, STANDING, 2) is None
    await reports.rewrite(asked, replace(STANDING, status=TaskStatus.WAITING, words="which?"), 1, first.external_id)
    assert "which?" in voice.comments["1"]
    assert "Asked for by `ann`" in voice.comments["1"]
    assert "0 tokens in 1 step, $0.12" in voice.comments["1"]
    second = await reports.write(asked, STANDING, 2)
    assert await reports.find(asked, STANDING, 2) == second
    assert await reports.find(asked, replace(STANDING, task_id="t2"), 1) is None


@pytest.mark.anyio
async def test_a_task_about_another_place_is_shown_there() -> None:
    voice, asked = FakeVoice(), await origin()
    reports, repair = reports_of(voice), replace(STANDING, work_key="github.com/5#9")
    await reports.write(asked, repair, 1)
    assert voice.numbers == [9]
    assert await reports.find(asked, repair, 1) is not None
    await reports.write(asked, replace(STANDING, work_key=asked.work_key), 1)
    assert voice.numbers == [9, 7]


@pytest.mark.anyio
async def test_a_repair_is_shown_where_it_is_made_and_nobody_asked_for_it() -> None:
    ended = ChecksCompleted(
        delivery_id="d",
        actor=Actor(id=1, login="pull-bot[bot]", kind="Bot"),
        repository=RepositoryFacts(id=5, full_name="acme/shop", private=True),
        source=CheckSource.CHECK_RUN,
        sha="a" * 40,
        branch="agent/7-x",
        conclusion="failure",
        name="tests",
        id=1,
    )
    store, voice = MemoryStore(FakeClock()), FakeVoice()
    await store.receive(new_delivery(ended, "main", "k1"))
    [asked] = await store.deliveries()
    await reports_of(voice).write(asked, replace(STANDING, work_key="github.com/5#9"), 1)
    assert voice.numbers == [9]
    assert "Asked for" not in voice.comments["1"]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("status", "sign"),
    [
        (TaskStatus.SUCCEEDED, ["rocket"]),
        (TaskStatus.FAILED, ["confused"]),
        (TaskStatus.REJECTED, ["confused"]),
        (TaskStatus.CANCELED, []),
    ],
)
async def test_the_request_gets_a_sign_at_the_end(status: TaskStatus, sign: list[str]) -> None:
    voice = FakeVoice()
    await reports_of(voice).sign(await origin(), replace(STANDING, status=status))
    assert voice.reactions == [(11, one) for one in sign]


def test_what_it_does_is_said_in_words() -> None:
    def doing(**changes: object) -> str:
        return report_of(replace(STANDING, **changes), requester="").doing  # type: ignore[arg-type]

    assert doing() == "running a command (step 1)"
    assert doing(tool="") == "thinking (step 1)"
    assert doing(tool="made-up") == "thinking (step 1)"
    assert doing(steps=0) == "getting ready"
    assert doing(status=TaskStatus.WAITING) == ""


def test_the_plan_the_cost_and_the_verdict() -> None:
    plan = (("look", "done"), ("fix", "doing"), ("tell", "todo"), ("odd", "?"))
    standing = replace(STANDING, plan=plan, steps=2, usage=Usage(prompt_tokens=12_000, completion_tokens=345))
    report = report_of(standing, requester="ann")
    assert report.plan == plan
    assert (report.cost, report.requester) == ("12,345 tokens in 2 steps", "ann")
    judged = replace(standing, verified=False)
    assert report_of(judged, requester="").verified is None  # it may still repair that
    assert report_of(replace(judged, pull_request_url="https://x/1"), requester="").verified is False
    assert report_of(replace(judged, status=TaskStatus.SUCCEEDED), requester="").verified is False


@given(st.sampled_from(TaskStatus), st.integers(0, 5), st.text(max_size=20))
def test_every_status_can_be_said(status: TaskStatus, ahead: int, words: str) -> None:
    standing = replace(STANDING, status=status, ahead=ahead, words=words)
    assert HEADLINES[report_of(standing, requester="").status]
