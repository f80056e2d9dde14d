"""What leaves for our own Sentry, as values: whatever an event is, no secret is left in it."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pullwright.agents.budget import Usage
from pullwright.agents.events import (
    ConversationCompacted,
    JournalEntry,
    ModelReplied,
    RunEvent,
    RunFinished,
    RunStarted,
    TaskMoved,
    ToolFinished,
)
from pullwright.agents.message import AssistantMessage, ToolResult
from pullwright.agents.token_patterns import secret_forms
from pullwright.integrations.redaction import Redactor
from pullwright.integrations.sentry.agent_spans import MOST, AgentTrace
from pullwright.integrations.sentry.outgoing import DEPTH, Outgoing
from tests.unit.integrations.sentry.samples import NOW

SECRET = "our own/secret+value="
TOKEN = "ghp_" + "A1b2" * 9
OUTGOING = Outgoing(Redactor([SECRET]))
FORMS = [*secret_forms(SECRET), TOKEN]

PLANTED = st.tuples(st.text(max_size=8), st.sampled_from(FORMS), st.text(max_size=8)).map(" ".join)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | PLANTED | st.binary(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=8) | PLANTED, inner, max_size=4)
        | st.tuples(inner, inner)
    ),
    max_leaves=15,
)
NAMES = st.sampled_from(
    ["message", "exception", "contexts", "extra", "tags", "breadcrumbs", "request", "spans", "trace_id", "data", "vars"]
)
EVENTS = st.dictionaries(NAMES, VALUES)


@given(EVENTS)
def test_nothing_planted_is_left(event: dict[str, Any]) -> None:
    for sent in (OUTGOING.event(event), OUTGOING.transaction(event), OUTGOING.breadcrumb(event) or {}):
        shown = repr(sent) + json.dumps(sent)
        assert not any(form in shown for form in FORMS)


def test_what_is_not_needed_does_not_leave() -> None:
    frame = {"lineno": 1, "function": "f", "vars": {"a": 1}, "context_line": "x", "pre_context": [], "abs_path": "/a"}
    event = {
        "request": {"url": "x"},
        "user": {"id": 1},
        "server_name": "host",
        "modules": {"a": "1"},
        "exception": {"values": [{"type": "E", "stacktrace": {"frames": [frame]}}]},
        "contexts": {"mine": {"api_key": "abc", "Authorization": ["abc"], "count": 3, "when": NOW}},
        "event_id": "0123456789abcdef0123456789abcdef",
        "timestamp": "2026-03-02T12:00:00.000000Z",
    }
    sent = OUTGOING.event(event)
    assert sent.keys() == {"exception", "contexts", "event_id", "timestamp"}
    values: Any = sent["exception"]
    assert values["values"][0]["stacktrace"]["frames"] == [{"lineno": 1, "function": "f"}]
    contexts: Any = sent["contexts"]
    assert contexts["mine"]["api_key"] == contexts["mine"]["Authorization"] == "[redacted]"
    assert contexts["mine"]["count"] == 3
    assert sent["event_id"] == event["event_id"]
    assert sent["timestamp"] == event["timestamp"]


def test_depth_ends() -> None:
    deep: Any = TOKEN
    for _ in range(DEPTH + 10):
        deep = [deep]
    assert "[redacted]" in repr(OUTGOING.event({"extra": deep}))


@pytest.mark.parametrize("category", ["subprocess", "httplib", "http"])
def test_crumbs_of_programs_and_requests_do_not_leave(category: str) -> None:
    assert OUTGOING.breadcrumb({"category": category, "message": "x"}) is None
    kept = OUTGOING.breadcrumb({"category": "query", "message": f"x {TOKEN}", "data": {"a": "b"}})
    assert kept == {"category": "query", "message": "x [redacted]", "data": None}


USAGE = Usage(prompt_tokens=10, completion_tokens=2, model_seconds=3.0)


def trace_of(*events: tuple[int, RunEvent]) -> AgentTrace:
    trace = AgentTrace(task_id="01T", attempt=2)
    for seq, (attempt, event) in enumerate(events, start=1):
        at = NOW + timedelta(seconds=10 * seq)
        trace.add(JournalEntry(task_id="01T", seq=seq, attempt=attempt, at=at, event=event))
    return trace


REPLY = ModelReplied(step=1, message=AssistantMessage(content="x"), kind="calls", usage=USAGE)
STARTED = RunStarted(model="m", effort="high", base_ref="main", base_sha="a", system_prompt="", user_prompt="")
TOOL = ToolFinished(step=1, result=ToolResult(call_id="a", name="bash", content="x"), seconds=4.0)


def test_a_trace_is_of_one_attempt() -> None:
    trace = trace_of((1, STARTED), (1, REPLY), (2, REPLY), (2, TOOL), (2, ConversationCompacted(
        step=1, covered=1, summary="s", content="c", usage=USAGE
    )))  # fmt: skip
    assert [span.name for span in trace.spans] == ["chat m", "execute_tool bash", "chat m"]
    whole = trace.whole()
    assert whole.data["gen_ai.usage.total_tokens"] == 24
    assert whole.began == NOW + timedelta(seconds=27)
    assert whole.ended == NOW + timedelta(seconds=50)
    assert not trace.over


def test_a_trace_is_over_with_its_attempt() -> None:
    ended = RunFinished(status="failed", reason="x", usage=USAGE, steps=1)
    failed = trace_of((2, REPLY), (2, ended))
    assert failed.over
    assert failed.whole().failed
    assert trace_of((2, REPLY), (2, TaskMoved(old="running", new="queued"))).over
    assert not trace_of((2, REPLY), (2, TaskMoved(old="running", new="canceling"))).over
    assert trace_of((2, REPLY), (3, REPLY)).over
    assert trace_of().whole().ended is not None


def test_a_very_long_run_is_cut() -> None:
    trace = trace_of(*([(2, REPLY)] * (MOST + 5)))
    assert (len(trace.spans), trace.left_out) == (MOST, 5)
    assert trace.usage.prompt_tokens == 10 * (MOST + 5)
