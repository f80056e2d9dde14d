"""Mutated replies through the real client: whatever a server sends, the outcome is a classified reply or a model error.

``AGENT_FUZZ_CASES`` sets the number of cases; a hundred without it.
"""

from __future__ import annotations

import json
import os
import tracemalloc
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import anyio
import httpx2
import openai
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pullwright.agents.errors import MalformedReply, ModelError
from pullwright.agents.llm.connection import Connection
from pullwright.agents.llm.openai_model import OpenAIModel
from pullwright.agents.llm.profile import PROFILES, profile
from pullwright.agents.llm.reply import random_call_id
from pullwright.agents.llm.retry import RetryPolicy
from pullwright.agents.llm.settings import EndpointSettings
from pullwright.agents.ports.model import ModelReply, ReplyClass
from pullwright.agents.testing.contracts_model import request
from pullwright.agents.testing.endpoint_wire import STYLES, WireReply
from pullwright.agents.testing.fake_clock import FakeClock
from pullwright.agents.testing.scripted_model import Reply

CASES = int(os.environ.get("AGENT_FUZZ_CASES", "100"))
KINDS = {ReplyClass.CALLS, ReplyClass.TEXT, ReplyClass.EMPTY, ReplyClass.TRUNCATED}
USAGE = {"prompt_tokens": 900, "completion_tokens": 40, "prompt_tokens_details": {"cached_tokens": 800}}
TYPES = {"json": "application/json", "events": "text/event-stream", "page": "text/html"}

texts = st.sampled_from(
    ["", "Done.", "é€😀", "[TOOL_CALLS]bash[ARGS]{", '[TOOL_CALLS]bash[ARGS]{"command": "ls"}', "[THINK]", "<think>x"]
)
arguments = st.one_of(
    st.dictionaries(st.sampled_from(["command", "x"]), st.text(max_size=20), max_size=2),
    st.sampled_from(["", "null", "{", '{"command": NaN}', '{"a": 1}{"b": 2}', '"{}"', "[" * 3000, '{"a":' * 3000]),
)
replies = st.builds(
    Reply,
    text=texts,
    reasoning=texts,
    calls=st.lists(st.tuples(st.sampled_from(["bash", "shell", "", "a b"]), arguments), max_size=3).map(tuple),
    finish_reason=st.sampled_from(["stop", "tool_calls", "length", "model_length", "abort", "", "new"]),
)
oddities: st.SearchStrategy[object] = st.sampled_from(
    [None, True, 0, -1, 1.5, 10**30, "", "null", "\ud800", [], {}, [None], [[[{}]]], {"error": 1}, {"text": ["x"]}]
)


def mutated(value: object, position: int, replacement: object) -> tuple[object, int]:
    """Replace the node with this number, counted in depth; return the copy and the nodes left to count."""
    if position == 0:
        return replacement, -1
    position -= 1
    if isinstance(value, dict):
        copy: dict[str, object] = {}
        for key, item in value.items():
            copy[key], position = mutated(item, position, replacement) if position >= 0 else (item, position)
        return copy, position
    if isinstance(value, list):
        items = []
        for item in value:
            new, position = mutated(item, position, replacement) if position >= 0 else (item, position)
            items.append(new)
        return items, position
    return value, position


@st.composite
def answers(draw: st.DrawFn, *, stream: bool) -> tuple[int, str, bytes]:
    """Return status, content type and body of an answer that started as a good one."""
    style = STYLES[draw(st.sampled_from(sorted(STYLES)))]
    wire = WireReply(reply=draw(replies), style=style, model="m", usage=USAGE, piece=draw(st.sampled_from([1, 7, 500])))
    events: list[object] = list(wire.chunks(with_usage=draw(st.booleans()))) if stream else [wire.whole()]
    for _ in range(draw(st.integers(0, 3))):
        events = draw(changed(events))
    body = encoded(events, draw) if stream else json.dumps(events[0] if events else None).encode()
    for _ in range(draw(st.integers(0, 2))):
        body = draw(damaged(body))
    kind = draw(st.sampled_from(["events" if stream else "json"] * 6 + sorted(TYPES)))
    return draw(st.sampled_from([200] * 8 + [400, 404, 422, 429, 499, 500, 503])), TYPES[kind], body


def encoded(events: Iterable[object], draw: st.DrawFn) -> bytes:
    end = draw(st.sampled_from(["\n", "\r\n"]))
    lines = [f"data: {json.dumps(event)}{end}{end}" for event in events]
    lines += [f"data: [DONE]{end}{end}"] * draw(st.integers(0, 2))
    extra = draw(st.sampled_from(["", ": keep-alive\n\n", "event: ping\ndata: {}\n\n", "data:\n\n", "data: {\n\n"]))
    lines.insert(draw(st.integers(0, len(lines))), extra)
    return "".join(lines).encode("utf-8", "surrogatepass")


@st.composite
def changed(draw: st.DrawFn, events: list[object]) -> list[object]:
    """Change the order or one node of the events."""
    if not events:
        return events
    index = draw(st.integers(0, len(events) - 1))
    match draw(st.sampled_from(["node", "node", "twice", "drop", "swap", "error"])):
        case "node":
            node = mutated(events[index], draw(st.integers(0, 30)), draw(oddities))[0]
            return [*events[:index], node, *events[index + 1 :]]
        case "twice":
            return [*events[: index + 1], *events[index:]]
        case "drop":
            return [*events[:index], *events[index + 1 :]]
        case "swap":
            return [*events[index:], *events[:index]]
        case _:
            said = draw(st.sampled_from(["boom", "The request queue is full.", "prompt is too long"]))
            error = draw(st.sampled_from([{"error": {"message": said}}, {"object": "error", "message": said}]))
            return [*events[:index], error, *events[index:]]


@st.composite
def damaged(draw: st.DrawFn, body: bytes) -> bytes:
    position = draw(st.integers(0, len(body)))
    match draw(st.sampled_from(["cut", "flip", "insert", "page"])):
        case "cut":
            return body[:position]
        case "flip":
            return body[:position] + bytes([draw(st.integers(0, 255))]) + body[position + 1 :]
        case "insert":
            return body[:position] + draw(st.binary(max_size=8)) + body[position:]
        case _:
            return b"<html><body>502 Bad Gateway</body></html>"


class Wire(httpx2.AsyncBaseTransport):
    """Answers every request with the same bytes, in packets of a few sizes; may break off."""

    def __init__(self, status: int, kind: str, body: bytes, *, packet: int, breaks: bool) -> None:
        self._answer = status, kind, body
        self._packet = packet
        self._breaks = breaks

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        status, kind, _ = self._answer
        return httpx2.Response(status, headers={"content-type": kind}, stream=_Packets(self._packets()))

    async def _packets(self) -> AsyncIterator[bytes]:
        body = self._answer[2]
        for start in range(0, len(body), self._packet):
            yield body[start : start + self._packet]
        if self._breaks:
            raise httpx2.ReadError("reset by peer")


class _Packets(httpx2.AsyncByteStream):
    def __init__(self, packets: AsyncIterator[bytes]) -> None:
        self._packets = packets

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for packet in self._packets:
            yield packet


@asynccontextmanager
async def client(wire: Wire, name: str, *, stream: bool) -> AsyncIterator[OpenAIModel]:
    chosen = EndpointSettings(url="http://host/v1", key="hidden-key", model="m", profile=name, streaming=stream)
    http = httpx2.AsyncClient(transport=wire)
    async with openai.AsyncOpenAI(base_url=chosen.url, api_key=chosen.key, max_retries=0, http_client=http) as package:
        connection = Connection(package, chosen)
        policy = RetryPolicy(budget=1.0)
        yield OpenAIModel(connection, chosen, clock=FakeClock(), retry=policy, new_id=random_call_id)


async def outcome(wire: Wire, name: str, *, stream: bool) -> ModelReply | ModelError:
    async with client(wire, name, stream=stream) as model:
        try:
            return await model.complete(request())
        except ModelError as error:
            return error


def check(result: ModelReply | ModelError) -> None:
    if isinstance(result, ModelError):
        assert "hidden-key" not in str(result)
        assert "\n" not in str(result)
        return
    assert result.kind in KINDS
    calls = result.message.tool_calls
    assert bool(calls) is (result.kind is ReplyClass.CALLS)
    assert result.finish_reason
    if result.finish_reason in ("length", "model_length"):
        assert result.kind is ReplyClass.TRUNCATED
    assert len({call.id for call in calls}) == len(calls)
    for call in calls:
        assert isinstance(json.loads(call.arguments), dict)
        assert call.name == "bash" or call.id in result.problems


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
def test_no_answer_is_left_unclassified(stream: bool) -> None:
    @settings(max_examples=CASES // 2, deadline=None, suppress_health_check=list(HealthCheck))
    @given(
        answer=answers(stream=stream),
        name=st.sampled_from(sorted(PROFILES)),
        packet=st.sampled_from([1, 13, 100_000]),
        breaks=st.booleans(),
    )
    def holds(answer: tuple[int, str, bytes], name: str, packet: int, breaks: bool) -> None:
        wire = Wire(*answer, packet=packet, breaks=breaks)
        check(anyio.run(lambda: outcome(wire, name, stream=stream)))

    holds()


def events_of(*deltas: dict[str, object], finish: str = "tool_calls") -> bytes:
    chunks: list[object] = [{"choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    chunks.append({"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]})
    return b"".join(b"data: %b\n\n" % json.dumps(chunk).encode() for chunk in chunks) + b"data: [DONE]\n\n"


def piece(text: str, **head: object) -> dict[str, object]:
    return {"tool_calls": [{"index": 0, "function": {"arguments": text, **head}}]}


def run(body: bytes, *, packet: int = 65_536) -> ModelReply:
    wire = Wire(200, TYPES["events"], body, packet=packet, breaks=False)
    result = anyio.run(lambda: outcome(wire, "vllm", stream=True))
    assert isinstance(result, ModelReply)
    return result


def test_thousands_of_tiny_deltas() -> None:
    text = json.dumps({"command": "x" * 5_000})
    reply = run(events_of(piece("", name="bash"), *(piece(character) for character in text)))
    assert reply.message.tool_calls[0].arguments == text


def test_megabytes_of_arguments() -> None:
    text = json.dumps({"command": "é" * 1_300_000}, ensure_ascii=False)
    pieces = (piece(text[start : start + 100_000]) for start in range(0, len(text), 100_000))
    reply = run(events_of(piece("", name="bash"), *pieces))
    assert reply.message.tool_calls[0].arguments == text
    broken = run(events_of(piece(text[:-2], name="bash")))
    assert len(broken.problems) == 1


class Flood(Wire):
    """Repeats itself for ever."""

    async def _packets(self) -> AsyncIterator[bytes]:
        while True:
            yield self._answer[2]


ENDLESS = b'data: {"choices": [{"index": 0, "delta": %b}]}\n\n'
FLOODS = {
    "arguments": ENDLESS % json.dumps(piece("x" * 100_000)).encode(),
    "calls": ENDLESS % json.dumps({"tool_calls": [{"function": {"name": "bash", "arguments": "{}"}}] * 99}).encode(),
    "text": ENDLESS % json.dumps({"content": "x" * 100_000}).encode(),
    "reasoning": ENDLESS % json.dumps({"reasoning": "x" * 100_000}).encode(),
    "one line": b"data: " + b"x" * 100_000,
    "one event": b"data: " + b"x" * 100_000 + b"\n",
}


@pytest.mark.parametrize("name", FLOODS)
@pytest.mark.parametrize("stream", [True, False])
def test_a_server_that_never_stops_is_left_before_the_memory_is_full(name: str, stream: bool) -> None:
    wire = Flood(200, TYPES["events"], FLOODS[name], packet=0, breaks=False)
    tracemalloc.start()
    try:
        result = anyio.run(lambda: outcome(wire, "vllm", stream=stream))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert isinstance(result, MalformedReply)
    assert "max_tokens" in str(result)
    assert peak < 100_000_000


@pytest.mark.parametrize("name", PROFILES)
@pytest.mark.parametrize("stream", [True, False])
def test_a_page_with_status_200_is_a_broken_endpoint(name: str, stream: bool) -> None:
    wire = Wire(200, TYPES["page"], b"<html>It works!</html>", packet=100, breaks=False)
    assert profile(name).name == name
    assert isinstance(anyio.run(lambda: outcome(wire, name, stream=stream)), ModelError)
