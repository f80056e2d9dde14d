"""Who reports beside the intake of ``agent serve``."""

from __future__ import annotations

import anyio
import pytest
from anyio import fail_after
from pydantic import SecretStr

from pullwright.agents.change import PullRequest
from pullwright.agents.clock import SystemClock
from pullwright.agents.ports.lease import Worker
from pullwright.agents.queue.memory import MemoryStore
from pullwright.agents.testing.contracts_inbox import NEW
from pullwright.agents.testing.contracts_report import in_review
from pullwright.agents.testing.fake_code_host import FakeCodeHost
from pullwright.agents.testing.fake_reports import FakeLandings, FakeReports
from pullwright.cli.intake_parts import Intake
from pullwright.cli.intake_wiring import open_intake
from pullwright.cli.reporting_wiring import reporting
from pullwright.cli.settings import Settings

pytestmark = pytest.mark.anyio


class Watched(MemoryStore):
    """Says when somebody has the duty to report."""

    def __init__(self) -> None:
        super().__init__(SystemClock())
        self.on_duty = anyio.Event()

    async def take_duty(self, worker_id: str) -> int | None:
        turn = await super().take_duty(worker_id)
        self.on_duty.set()
        return turn


async def test_with_a_handler_the_duty_is_taken_and_left_at_the_end() -> None:
    store = Watched()
    secret = SecretStr("s" * 20)
    known = Settings(
        github_webhook_secrets=(secret,), api_token=secret, github_bot_login="pull-bot[bot]", github_bot_id=900
    )
    with fail_after(20):
        intake = await open_intake(known, store)
        async with reporting(intake, store, Worker(id="w", name="here")):
            await store.on_duty.wait()
            assert [worker.name for worker in await store.workers()] == ["here"]
            assert await store.take_duty("another") is None
    assert await store.take_duty("another") == 2
    assert await store.workers() == []


async def test_without_one_nobody_reports() -> None:
    store = Watched()
    async with reporting(Intake(), store, Worker(id="w")):
        assert await store.workers() == []


async def test_origins_hear_what_the_code_host_says_of_their_pull_requests() -> None:
    store, host, heard = Watched(), FakeCodeHost(), anyio.Event()
    report = await in_review(store)
    pull = PullRequest(number=1, url="https://x/pull/1", branch="agent/7", state="merged")
    host.add_repository("o/r").pulls.append(pull)
    origin = FakeLandings(trouble=lambda point: heard.set() if point == "after landed" else None)
    intake = Intake(reports={NEW.source: FakeReports()}, landings={NEW.source: origin})
    await store.retire("r1")
    with fail_after(20):
        async with reporting(intake, store, Worker(id="w"), host_of=lambda _: host):
            await heard.wait()
    assert origin.known == {report.task_id: True}


def test_what_hears_is_kept_when_two_intakes_become_one() -> None:
    jira, sentry = FakeLandings(), FakeLandings()
    both = Intake(landings={"jira": jira}) | Intake(landings={"sentry": sentry})
    assert both.landings == {"jira": jira, "sentry": sentry}
