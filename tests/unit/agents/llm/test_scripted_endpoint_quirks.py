"""The scripted endpoint really has the quirks that it is told to have."""

from __future__ import annotations

import json
import socket
import urllib.error
import urllib.request
from typing import Any

import pytest

from pullwright.agents.testing.endpoint_packets import packets
from pullwright.agents.testing.endpoint_quirks import Strikes
from pullwright.agents.testing.scripted_endpoint import Quirk, ScriptedEndpoint
from pullwright.agents.testing.scripted_model import Reply

TOOL = {"type": "function", "function": {"name": "bash", "parameters": {"type": "object"}}}
BODY: dict[str, Any] = {
    "model": "scripted-mistral",
    "messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}],
    "reasoning_effort": "high",
    "max_tokens": 100,
}
LISTS = Reply("a [1] b", "", [("bash", {"n": 1}), ("bash", {"n": 2})])


def post(endpoint: ScriptedEndpoint, **fields: Any) -> str:
    sent = urllib.request.Request(endpoint.url + "/chat/completions", json.dumps({**BODY, **fields}).encode())
    with urllib.request.urlopen(sent, timeout=5) as response:
        return str(response.read().decode())


def deltas(stream: str) -> list[dict[str, Any]]:
    events = [json.loads(line[6:]) for line in stream.splitlines() if line.startswith("data: {")]
    return [event["choices"][0]["delta"] for event in events if event["choices"]]


def refused(endpoint: ScriptedEndpoint, **fields: Any) -> tuple[int, Any]:
    with pytest.raises(urllib.error.HTTPError) as raised:
        post(endpoint, **fields)
    with raised.value as error:
        return error.code, json.load(error)


def test_f10_f11_damage_is_done_to_streams_only() -> None:
    quirks = {Quirk.F10_BRACKETS, Quirk.F11_SECOND_CALL}
    with ScriptedEndpoint([LISTS, LISTS], style="sglang", quirks=quirks) as endpoint:
        streamed = deltas(post(endpoint, stream=True, tools=[TOOL]))
        whole = json.loads(post(endpoint, tools=[TOOL]))["choices"][0]["message"]
    assert "".join(delta.get("content") or "" for delta in streamed) == "a [1 b"
    assert {call["index"] for delta in streamed for call in delta.get("tool_calls", ())} == {0}
    assert (whole["content"], len(whole["tool_calls"])) == ("a [1] b", 2)


def test_f13_a_bad_call_vanishes_or_comes_as_text() -> None:
    bad = Reply("I go.", "", [("shell", {})])
    with ScriptedEndpoint([bad, bad], style="sglang", quirks={Quirk.F13_DROPPED_CALL}) as endpoint:
        whole = json.loads(post(endpoint, tools=[TOOL]))["choices"][0]
        streamed = deltas(post(endpoint, tools=[TOOL], stream=True))
    assert (whole["message"], whole["finish_reason"]) == ({"role": "assistant", "content": ""}, "stop")
    assert "[TOOL_CALLS]shell" in "".join(delta.get("content") or "" for delta in streamed)


def test_f14_f17_errors_have_their_servers_shape() -> None:
    quirks = {Quirk.F14_FLAT_ERRORS, Quirk.F14_CAP_OVER_WINDOW}
    with ScriptedEndpoint([], quirks=quirks, window=110) as endpoint:
        status, body = refused(endpoint)
    assert (status, body["object"], "error" in body) == (400, "error", False)
    assert "Requested token count exceeds" in body["message"]
    with ScriptedEndpoint([], style="llamacpp", quirks={Quirk.F17_SLOT_WINDOW}, slot=5) as endpoint:
        status, body = refused(endpoint)
    assert (status, body["error"]["type"], body["error"]["n_ctx"]) == (400, "exceed_context_size_error", 5)


def test_f19_f20_ollama_says_nothing() -> None:
    quirks = {Quirk.F19_TRUNCATES, Quirk.F19_THINKS_UNASKED, Quirk.F20_STOPS}
    script = [Reply("Hello."), Reply("Hello.")]
    with ScriptedEndpoint(script, style="ollama", quirks=quirks, slot=5) as endpoint:
        stopped = post(endpoint, stream=True)
        unasked = {name: value for name, value in BODY.items() if name != "reasoning_effort"}
        sent = urllib.request.Request(endpoint.url + "/chat/completions", json.dumps(unasked).encode())
        with urllib.request.urlopen(sent, timeout=5) as response:
            reply = json.load(response)
    assert "[DONE]" not in stopped
    assert "stop" not in stopped
    assert reply["usage"]["prompt_tokens"] == 5
    assert reply["choices"][0]["message"]["reasoning"]


@pytest.mark.parametrize("place", ["top", "message"])
def test_f24_unknown_keys_are_refused_anywhere(place: str) -> None:
    messages = [BODY["messages"][0], {**BODY["messages"][1], "reasoning_content": "r"}]
    fields = {"session_id": "x"} if place == "top" else {"messages": messages}
    with ScriptedEndpoint([], style="mistral", quirks={Quirk.F24_STRICT_FIELDS}) as endpoint:
        status, body = refused(endpoint, **fields)
    assert (status, body["message"]["detail"][0]["type"]) == (422, "extra_forbidden")


def test_f23_f18_paths_of_health() -> None:
    quirks = {Quirk.F23_NIM, Quirk.F18_LOADING}
    with ScriptedEndpoint([Reply("Hello.")], quirks=quirks) as endpoint:
        root = endpoint.url.removesuffix("/v1")
        with urllib.request.urlopen(root + "/v1/health/ready", timeout=5) as response:
            assert response.status == 200
        with pytest.raises(urllib.error.HTTPError) as raised:
            urllib.request.urlopen(root + "/health", timeout=5)
        raised.value.close()
        assert refused(endpoint)[0] == 503
        with urllib.request.urlopen(root + "/health", timeout=5) as response:
            assert response.status == 200
        assert "Hello." in post(endpoint)


def test_f25_resets_are_resets() -> None:
    with ScriptedEndpoint([Reply("Hello.")], quirks={Quirk.F25_RESET_BEFORE}) as endpoint:
        with pytest.raises((ConnectionError, urllib.error.URLError, socket.timeout)):
            post(endpoint)
        assert len(endpoint.requests) == 1


def test_f25_packets_end_anywhere_and_add_up() -> None:
    events = ['{"a":"é🎉"}', "[DONE]", "x"]
    plain = b"".join(packets(events, set()))
    for quirk in (Quirk.F25_ONE_BYTE, Quirk.F25_SPLIT_CHARACTER, Quirk.F25_TWO_EVENTS):
        assert b"".join(packets(events, {quirk})) == plain
    assert all(len(packet) == 1 for packet in packets(events, {Quirk.F25_ONE_BYTE}))
    assert len(list(packets(events, {Quirk.F25_TWO_EVENTS}))) == 2
    assert b"\r\n\r\n" in b"".join(packets(events, {Quirk.F25_CRLF}))
    with pytest.raises(UnicodeDecodeError):
        next(packets(events, {Quirk.F25_SPLIT_CHARACTER})).decode()


def test_passing_quirks_pass_one_after_the_other() -> None:
    strikes = Strikes({Quirk.F10_BRACKETS, Quirk.F18_LOADING, Quirk.F26_EMPTY}, times=2)
    struck = [strikes.next() - {Quirk.F10_BRACKETS} for _ in range(5)]
    assert struck == [{Quirk.F18_LOADING}] * 2 + [{Quirk.F26_EMPTY}] * 2 + [set()]
