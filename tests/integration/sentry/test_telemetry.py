"""Ourselves in Sentry, as it arrives at a real server: what is there, and what must not be."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sentry_sdk
from anyio import create_task_group, wait_all_tasks_blocked

from pullwright.agents.budget import Usage
from pullwright.agents.clock import SystemClock
from pullwright.agents.errors import ConfigError, StoreUnavailable
from pullwright.agents.events import ModelReplied, RunEvent, RunStarted, ToolFinished
from pullwright.agents.message import AssistantMessage, ToolCall, ToolResult
from pullwright.agents.queue.memory import MemoryStore
from pullwright.agents.task import Task, TaskStatus
from pullwright.agents.testing.contracts_store import a_spec, finished
from pullwright.agents.token_patterns import secret_forms
from pullwright.integrations.sentry.telemetry import Telemetry, TelemetrySettings
from pullwright.integrations.testing.sentry_sink import SentrySink

pytestmark = pytest.mark.anyio

OURS = "our own endpoint key/with=odd+signs"
GITHUB = "ghp_" + "A1b2" * 9
OPENAI = "sk-proj-" + "Zz9y" * 8
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJlLW9mLXRva2Vu"
PASSWORD = "correct-horse-battery"
EMAIL = "ann@customer.example"
PLANTED = (*secret_forms(OURS), GITHUB, OPENAI, JWT, PASSWORD, EMAIL)

logger = logging.getLogger("pullwright.rehearsal")


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[SentrySink]:
    made = SentrySink(tmp_path)
    yield made
    made.close()


@pytest.fixture
def telemetry(sink: SentrySink) -> Iterator[Telemetry]:
    settings = TelemetrySettings(dsn=sink.dsn, release="pullwright@1", environment="test", ca_file=sink.ca_file)
    with Telemetry.opened(settings, [OURS]) as opened:
        yield opened


def fail_with(message: str) -> None:
    local = {"password": PASSWORD, "anything": OURS}
    literal = "correct-horse-battery"
    raise RuntimeError(f"{message} ({len(local)}, {len(literal)})")


def nothing_leaked(sink: SentrySink) -> None:
    received = sink.received.decode("utf-8", "replace")
    assert [secret for secret in PLANTED if secret in received] == []


def agent_spans(sink: SentrySink) -> list[dict[str, Any]]:
    """Return the spans of the agent, which the SDK sends beside their transaction, with their attributes."""
    spans = [span for item in sink.items("span") for span in item["items"]]
    return [{**span, **{name: one["value"] for name, one in span["attributes"].items()}} for span in spans]


def flush() -> None:
    sentry_sdk.flush(timeout=5)


def test_planted_secrets_do_not_leave_with_errors(telemetry: Telemetry, sink: SentrySink) -> None:
    logger.warning("asked https://ann:%s@host.example/path?token=%s", PASSWORD, OPENAI)
    subprocess.run([sys.executable, "-c", "", GITHUB], check=True)
    try:
        fail_with(f"401 for key {OURS}, header Authorization: Bearer {JWT}, from {EMAIL}")
    except RuntimeError:
        sentry_sdk.set_context("anything", {"deep": [{"api_key": PASSWORD, "text": f"x {GITHUB} y"}], "raw": b"k" * 3})
        sentry_sdk.set_user({"email": EMAIL, "ip_address": "203.0.113.7"})
        sentry_sdk.set_extra("url", f"https://host.example/a?key={PASSWORD}")
        sentry_sdk.set_tag("token", PASSWORD)
        logger.exception("it failed with %s", OPENAI, extra={"headers": {"Authorization": f"Bearer {JWT}"}})
    flush()
    [event] = sink.items("event")
    nothing_leaked(sink)
    [raised] = event["exception"]["values"]
    assert raised["type"] == "RuntimeError"
    assert raised["value"].startswith("401 for key [redacted]")
    frames = raised["stacktrace"]["frames"]
    assert [frame["function"] for frame in frames][-1] == "fail_with"
    assert not {"vars", "context_line", "pre_context", "abs_path"} & set(frames[-1])
    assert event["logentry"]["message"] == "it failed with %s"
    assert not {"request", "user", "server_name", "modules"} & event.keys()
    assert event["release"] == "pullwright@1"
    crumbs = event["breadcrumbs"]["values"][-1:]
    assert [crumb["message"] for crumb in crumbs] == ["asked https://[redacted]@host.example/path?[redacted]"]


def test_planted_secrets_do_not_leave_with_spans_that_others_make(telemetry: Telemetry, sink: SentrySink) -> None:
    with sentry_sdk.start_transaction(op="task", name=f"task {GITHUB}") as transaction:
        transaction.set_data("headers", {"Authorization": f"Bearer {JWT}", "Cookie": PASSWORD})
        with sentry_sdk.start_span(op="subprocess", name=f"git push {OURS}"):
            pass
        with sentry_sdk.start_span(op="http.client", name=f"GET https://x/?token={OPENAI}"):
            pass
        with sentry_sdk.start_span(op="gen_ai.chat", name=f"chat {OPENAI}") as span:
            span.set_data("gen_ai.input.messages", f"my key is {OURS}, mail {EMAIL}")
            span.set_data("password", PASSWORD)
    flush()
    [sent] = sink.items("transaction")
    nothing_leaked(sink)
    assert sent["spans"] == []
    assert [span["name"] for span in agent_spans(sink)] == ["chat [redacted]"]


async def a_run(store: MemoryStore) -> Task:
    await store.create(replace(a_spec(), source="sentry"))
    task = await store.claim("w")
    assert task is not None
    started = RunStarted(
        model="devstral", effort="high", base_ref="main", base_sha="a" * 40, system_prompt=OURS, user_prompt=GITHUB
    )
    call = ToolCall(id="abcdefghi", name="bash", arguments=f'{{"command": "echo {OPENAI}"}}')
    usage = Usage(prompt_tokens=100, cached_tokens=40, completion_tokens=7, reasoning_tokens=2, model_seconds=1.5)
    reply = ModelReplied(
        step=1,
        message=AssistantMessage(content=f"the key is {OURS}", tool_calls=(call,)),
        kind="calls",
        usage=usage,
        first_token_seconds=0.5,
    )
    result = ToolResult(call_id="abcdefghi", name="bash", content=f"out: {PASSWORD}", is_error=True)
    odd = ToolResult(call_id="abcdefghj", name=f"tool {GITHUB}", content=EMAIL)
    events: list[RunEvent] = [
        started,
        reply,
        ToolFinished(step=1, result=result, seconds=0.25),
        ToolFinished(step=1, result=odd),
    ]
    await store.append(task, events)
    return task


async def test_a_run_is_listened_to_and_becomes_spans(telemetry: Telemetry, sink: SentrySink) -> None:
    store = MemoryStore(SystemClock())
    task = await a_run(store)
    async with create_task_group() as group:
        group.start_soon(telemetry.follow, store, task)
        await store.finish(task, TaskStatus.SUCCEEDED, finished("succeeded"))
    flush()
    [sent] = sink.items("transaction")
    nothing_leaked(sink)
    assert sent["transaction"] == "invoke_agent pullwright"
    trace = sent["contexts"]["trace"]
    assert (trace["op"], trace["status"]) == ("gen_ai.invoke_agent", "ok")
    assert trace["data"]["gen_ai.usage.total_tokens"] == 107
    chat, tool, odd = agent_spans(sink)
    names = [(span["sentry.op"], span["name"], span["status"]) for span in (chat, tool, odd)]
    assert names == [
        ("gen_ai.chat", "chat devstral", "ok"),
        ("gen_ai.execute_tool", "execute_tool bash", "error"),
        ("gen_ai.execute_tool", "execute_tool unknown", "ok"),
    ]
    told = {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "devstral",
        "gen_ai.conversation.id": task.id,
        "gen_ai.usage.input_tokens": 100,
        "gen_ai.usage.input_tokens.cached": 40,
        "gen_ai.usage.output_tokens": 7,
        "gen_ai.usage.output_tokens.reasoning": 2,
        "gen_ai.response.time_to_first_token": 0.5,
    }
    assert told.items() <= chat.items()
    assert tool["gen_ai.tool.name"] == "bash"
    assert chat["end_timestamp"] - chat["start_timestamp"] == pytest.approx(1.5, abs=0.01)
    assert tool["end_timestamp"] - tool["start_timestamp"] == pytest.approx(0.25, abs=0.01)
    assert {span["trace_id"] for span in (chat, tool, odd)} == {trace["trace_id"]}
    assert {span["parent_span_id"] for span in (chat, tool, odd)} == {trace["span_id"]}
    assert (sent["tags"]["task"], sent["tags"]["source"]) == (task.id, "sentry")
    assert len(sent["tags"]["repository"]) == 12


async def test_a_run_that_stops_here_is_told_as_far_as_it_came(telemetry: Telemetry, sink: SentrySink) -> None:
    store = MemoryStore(SystemClock())
    task = await a_run(store)
    async with create_task_group() as group:
        group.start_soon(telemetry.follow, store, task)
        await wait_all_tasks_blocked()
        group.cancel_scope.cancel()
    flush()
    nothing_leaked(sink)
    assert len(agent_spans(sink)) == 3


class Broken(MemoryStore):
    async def wait(self, task_id: str, *, after: int) -> None:
        raise StoreUnavailable("the database is away")


async def test_a_journal_that_can_not_be_read_harms_nobody(telemetry: Telemetry, sink: SentrySink) -> None:
    store = Broken(SystemClock())
    task = await a_run(store)
    await telemetry.follow(store, task)
    flush()
    assert len(agent_spans(sink)) == 3


async def test_a_run_that_did_nothing_is_not_told(telemetry: Telemetry, sink: SentrySink) -> None:
    store = MemoryStore(SystemClock())
    await store.create(a_spec())
    task = await store.claim("w")
    assert task is not None
    await store.finish(task, TaskStatus.FAILED, finished("failed"))
    await telemetry.follow(store, task)
    flush()
    assert sink.received == b""


def test_a_dsn_that_is_none_is_said_so() -> None:
    with pytest.raises(ConfigError, match="SENTRY_DSN is no DSN"):
        Telemetry(TelemetrySettings(dsn="not a dsn"), [])
