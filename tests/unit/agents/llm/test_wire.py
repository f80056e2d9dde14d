from __future__ import annotations

from typing import Any

import pytest

from pullwright.agents.llm.wire import RawCall, RawReply, ReplyCollector, read_content
from pullwright.agents.ports.model import Delta


def collect(*chunks: object) -> RawReply:
    collector = ReplyCollector()
    for chunk in chunks:
        collector.add(chunk)
    return collector.reply()


def delta(finish: str | None = None, **fields: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": fields, "finish_reason": finish}]}


def fragment(index: int | None = 0, call_id: str | None = None, **function: Any) -> dict[str, Any]:
    return {"tool_calls": [{"index": index, "id": call_id, "function": function}]}


def pairs(raw: RawReply) -> list[tuple[str, str]]:
    return [(call.name, call.arguments) for call in raw.calls]


@pytest.mark.parametrize("field", ["reasoning", "reasoning_content"])
def test_reasoning_is_read_from_either_field(field: str) -> None:
    raw = collect(delta(**{field: "I "}), delta(**{field: "think"}), delta(content="so."), delta("stop"))
    assert (raw.reasoning, raw.text, raw.finish_reason) == ("I think", "so.", "stop")


def test_reasoning_is_read_from_a_list() -> None:
    assert read_content(
        [
            {"type": "thinking", "thinking": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
            {"type": "thinking", "thinking": "c"},
            {"type": "text", "text": "d"},
            "e",
            7,
        ]
    ) == ("de", "abc")
    assert read_content(None) == ("", "")


def test_arguments_come_in_pieces() -> None:
    raw = collect(
        delta(**fragment(0, "x", name="bash", arguments='{"a')),
        delta(**fragment(0, None, name=None, arguments='": 1}')),
        delta("tool_calls"),
    )
    assert raw.calls == [RawCall(name="bash", arguments='{"a": 1}', server_id="x")]


def test_parallel_calls_are_told_apart_by_index() -> None:
    raw = collect(
        delta(**fragment(0, "x", name="a", arguments="{")),
        delta(**fragment(1, "y", name="b", arguments="{")),
        delta(**fragment(0, None, arguments="}")),
        delta(**fragment(1, None, arguments="}")),
    )
    assert pairs(raw) == [("a", "{}"), ("b", "{}")]


def test_a_second_call_under_the_same_index_is_another_call() -> None:
    raw = collect(
        delta(**fragment(0, "x", name="a", arguments="{}")), delta(**fragment(0, "y", name="a", arguments='{"n":1}'))
    )
    assert pairs(raw) == [("a", "{}"), ("a", '{"n":1}')]


def test_complete_calls_without_ids_under_one_index_are_two() -> None:
    raw = collect(
        delta(**fragment(0, "null", name="a", arguments={"n": 1})),
        delta(**fragment(0, "null", name="b", arguments={"n": 2})),
    )
    assert pairs(raw) == [("a", '{"n": 1}'), ("b", '{"n": 2}')]


def test_a_repeated_name_is_not_a_new_call() -> None:
    raw = collect(
        delta(**fragment(0, "x", name="bash", arguments="")),
        delta(**fragment(0, "x", name="bash", arguments='{"a":')),
        delta(**fragment(0, "x", name="bash", arguments="1}")),
    )
    assert pairs(raw) == [("bash", '{"a":1}')]


def test_calls_without_an_index_come_in_order_of_arrival() -> None:
    raw = collect(
        delta(**fragment(None, "x", name="a", arguments="{")),
        delta(**fragment(None, None, arguments="}")),
        delta(**fragment(None, "y", name="b", arguments=None)),
    )
    assert pairs(raw) == [("a", "{}"), ("b", "")]


def test_a_whole_reply_is_read_like_a_stream() -> None:
    raw = collect(
        {
            "choices": [
                {
                    "message": {
                        "content": None,
                        "reasoning": "r",
                        "tool_calls": [
                            {"id": "1", "function": {"name": "a", "arguments": "{}"}},
                            {"id": "1", "function": {"name": "b", "arguments": {}}},
                        ],
                    },
                    "finish_reason": "tool_calls",
                }
            ],
            "usage": {"prompt_tokens": 5, "completion_tokens": 2, "reasoning_tokens": 1},
        }
    )
    assert pairs(raw) == [("a", "{}"), ("b", "{}")]
    assert (raw.reasoning, raw.text) == ("r", "")
    assert raw.usage.reasoning_tokens == 1


def test_the_last_usage_counts() -> None:
    first = {"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 1}}
    last = {
        "choices": [],
        "usage": {
            "prompt_tokens": 5,
            "completion_tokens": 9,
            "prompt_tokens_details": {"cached_tokens": 4},
            "completion_tokens_details": {"reasoning_tokens": 3},
        },
    }
    usage = collect(first, last).usage
    assert (usage.prompt_tokens, usage.completion_tokens, usage.cached_tokens, usage.reasoning_tokens) == (5, 9, 4, 3)


def test_cached_tokens_come_from_timings_where_usage_has_none() -> None:
    chunk = {"usage": {"prompt_tokens": 5, "prompt_tokens_details": None}, "timings": {"cache_n": 3}}
    assert collect(chunk).usage.cached_tokens == 3


@pytest.mark.parametrize(
    "chunk",
    [
        None,
        "text",
        [],
        {},
        {"choices": []},
        {"choices": [None]},
        {"choices": [{"delta": None}]},
        {"choices": [{"delta": {"tool_calls": "x"}}]},
        {"choices": [{"delta": {"tool_calls": [None]}}]},
        {"choices": [{"delta": {"content": 5}}]},
        {"usage": None},
    ],
)
def test_chunks_of_unknown_shape_are_ignored(chunk: object) -> None:
    assert collect(chunk) == RawReply()


def test_what_a_person_sees_is_returned() -> None:
    collector = ReplyCollector()
    assert collector.add(delta(role="assistant", content="")) is None
    assert not collector.started
    assert collector.add(delta(reasoning="hm")) == Delta(reasoning="hm")
    assert collector.add(delta(content="ok")) == Delta(text="ok")
    assert collector.started


def test_a_call_starts_the_reply_too() -> None:
    collector = ReplyCollector()
    assert collector.add(delta(**fragment(0, "x", name="bash", arguments=""))) is None
    assert collector.started
