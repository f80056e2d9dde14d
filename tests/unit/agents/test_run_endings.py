"""What a run leaves when it ends: nothing at the endpoint, and its price in the pull request."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import anyio
import pytest

from pullwright.agents.budget import Usage
from pullwright.agents.conversation import fold
from pullwright.agents.errors import ContextTooLong, EndpointMisconfigured
from pullwright.agents.events import JournalEntry, ModelReplied, RunFinished
from pullwright.agents.llm.prices import Price, PriceList, Prices
from pullwright.agents.message import AssistantMessage
from pullwright.agents.ports.model import ModelReply, ReplyClass
from pullwright.agents.task import TaskStatus
from pullwright.agents.testing.contracts_engine import until
from pullwright.agents.testing.fake_code_host import FakeCodeHost
from pullwright.agents.testing.scripted_model import Reply, ScriptedModel, ScriptItem
from tests.unit.agents.pipeline_scene import LOOK, WRITE, Scene, finish

pytestmark = [pytest.mark.anyio]


async def publish(folder: Path, script: list[ScriptItem], prices: PriceList) -> str:
    host = FakeCodeHost(token="t")
    repository = host.add_repository("o/r")
    scene = Scene(model=ScriptedModel(script), patches=folder / "patches", prices=prices, host=host)
    task = await scene.file(checks=("make",), repository=host.ref("o/r"), publish=True)
    repository.branches.add(f"agent/{task.id}")
    done = await scene.advance(task)
    assert done.status is TaskStatus.SUCCEEDED, done.status_reason
    (body,) = repository.bodies.values()
    return body


async def test_the_pull_request_says_what_the_run_cost(tmp_path: Path) -> None:
    price = Price(pattern="", prompt=Decimal(1000), completion=Decimal(10_000))
    body = await publish(tmp_path, [WRITE, finish()], {"": Prices(table=(price,))})
    assert body.endswith("cost=$0.40"), "2 calls of 100 and 10 tokens"


async def test_without_a_price_nothing_is_said(tmp_path: Path) -> None:
    assert (await publish(tmp_path, [WRITE, finish()], {})).endswith("cost=")


async def test_every_conversation_of_a_run_is_released_when_it_is_compacted_and_at_the_end(tmp_path: Path) -> None:
    script: list[ScriptItem] = [WRITE, LOOK, ContextTooLong("too long"), Reply("What was done."), finish()]
    scene = Scene(model=ScriptedModel(script), patches=tmp_path / "patches")
    done = await scene.run()
    assert done.status is TaskStatus.SUCCEEDED, done.status_reason
    used = {request.conversation_id for request in scene.model.requests}
    assert used == {done.id, f"{done.id}.notes", f"{done.id}.1"}
    assert used == set(scene.model.released)
    assert scene.model.released[-1] == f"{done.id}.1"


async def test_a_failed_and_a_canceled_run_release_their_conversation_too(tmp_path: Path) -> None:
    failing = Scene(model=ScriptedModel([EndpointMisconfigured("wrong")]), patches=tmp_path / "patches")
    failed = await failing.run()
    assert (failed.status, failing.model.released) == (TaskStatus.FAILED, [failed.id])
    waiting = Scene(
        model=ScriptedModel([Reply(calls=[("bash", {"command": "forever"})])]), patches=tmp_path / "patches"
    )
    task = await waiting.file()
    async with anyio.create_task_group() as group:
        group.start_soon(waiting.advance, task)
        await until(lambda: len(waiting.model.requests) == 1)
        await anyio.wait_all_tasks_blocked()
        group.cancel_scope.cancel()
    assert waiting.model.released == [task.id]


async def test_the_last_event_says_how_fast_the_model_was(tmp_path: Path) -> None:
    usage = Usage(prompt_tokens=100, completion_tokens=50, model_seconds=3.0)
    message = AssistantMessage(content="x")
    reply = ModelReply(message=message, kind=ReplyClass.TEXT, usage=usage, first_token_seconds=1.0)
    scene = Scene(model=ScriptedModel([reply, EndpointMisconfigured("wrong")]), patches=tmp_path / "patches")
    ended = (await scene.events(await scene.run()))[-1]
    assert isinstance(ended, RunFinished)
    assert (ended.usage, ended.first_token_seconds, ended.tokens_per_second) == (usage, 1.0, 25.0)


def test_a_run_knows_what_it_spent_at_each_endpoint() -> None:
    one, two = Usage(prompt_tokens=1, model_seconds=1.0), Usage(prompt_tokens=10)

    def replied(step: int, usage: Usage, endpoint: str) -> JournalEntry:
        message = AssistantMessage(content="x")
        event = ModelReplied(step=step, message=message, kind="text", usage=usage, endpoint=endpoint)
        return JournalEntry(task_id="t", seq=step, attempt=1, at=datetime(2026, 11, 1, tzinfo=UTC), event=event)

    state = fold([replied(1, one, "a"), replied(2, two, "b"), replied(3, one, "a")])
    assert state.spent == {"a": one + one, "b": two}
    assert (state.usage, state.endpoint) == (one + two + one, "a")
