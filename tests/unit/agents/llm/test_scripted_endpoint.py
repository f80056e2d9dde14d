from __future__ import annotations

import json
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from pullwright.agents.testing.endpoint_rules import Refusal, Rules, check_request
from pullwright.agents.testing.endpoint_script import by_turn, read_script
from pullwright.agents.testing.scripted_endpoint import ScriptedEndpoint
from pullwright.agents.testing.scripted_model import Reply

RULES = Rules(model="m", window=1000)
SYSTEM = {"role": "system", "content": "s"}
USER = {"role": "user", "content": "u"}
CALL = {"id": "aaaaaaaaa", "type": "function", "function": {"name": "bash", "arguments": "{}"}}
ASKED = {"role": "assistant", "content": "", "tool_calls": [CALL]}
RESULT = {"role": "tool", "tool_call_id": "aaaaaaaaa", "content": "ok"}


def check(*messages: dict[str, Any], rules: Rules = RULES, tokens: int = 1, **fields: Any) -> None:
    request = {"model": "m", "messages": messages and list(messages), "reasoning_effort": "high", "max_tokens": 10}
    check_request({**request, **fields}, rules, tokens)


def test_an_ordinary_conversation_passes() -> None:
    check(SYSTEM, USER, ASKED, RESULT)
    check(SYSTEM, USER, {"role": "assistant", "content": "a", "reasoning": "r"}, USER, ASKED, RESULT, USER)


@pytest.mark.parametrize(
    "messages",
    [
        [],
        [USER],
        [SYSTEM, USER, SYSTEM],
        [SYSTEM, USER, ASKED],
        [SYSTEM, USER, ASKED, USER],
        [SYSTEM, USER, RESULT],
        [SYSTEM, USER, ASKED, RESULT, RESULT],
        [SYSTEM, USER, ASKED, RESULT, ASKED, RESULT],
        [SYSTEM, USER, ASKED, {**RESULT, "content": ""}],
        [SYSTEM, USER, {"role": "assistant", "content": ""}, USER],
        [SYSTEM, USER, {"role": "assistant", "content": None, "tool_calls": [CALL]}, RESULT],
        [SYSTEM, USER, {"role": "assistant", "content": "a"}],
        [SYSTEM, USER, {"role": "assistant", "content": "a", "reasoning": ""}, USER],
        [SYSTEM, USER, {"role": "assistant", "content": "a", "reasoning_content": "r"}, USER],
        [SYSTEM, USER, {"role": "assistant", "content": [{"type": "text", "text": "a"}]}, USER],
        [SYSTEM, USER, {**ASKED, "tool_calls": [{**CALL, "id": "call_1"}]}, RESULT],
        [SYSTEM, USER, {**ASKED, "tool_calls": [{**CALL, "function": {"name": "a b", "arguments": "{}"}}]}, RESULT],
        [SYSTEM, USER, {**ASKED, "tool_calls": [{**CALL, "function": {"name": "a", "arguments": "{"}}]}, RESULT],
        [SYSTEM, {"role": "developer", "content": "a"}],
        [SYSTEM, {"role": "user", "content": ""}],
    ],
)
def test_what_a_strict_server_refuses_is_refused(messages: list[dict[str, Any]]) -> None:
    with pytest.raises(Refusal) as refused:
        check(*messages)
    assert refused.value.status == 400


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"model": "x"}, 404),
        ({"reasoning_effort": "low"}, 400),
        ({"chat_template_kwargs": {}}, 400),
        ({"tools": []}, 400),
        ({"tools": [{"function": {"name": "a b", "parameters": {"type": "object"}}}]}, 400),
        ({"tools": [{"function": {"name": "a", "parameters": {}}}]}, 400),
        ({"stream_options": {}}, 400),
        ({"max_tokens": 1001}, 400),
        ({"tokens": 1000}, 400),
    ],
)
def test_options_that_a_strict_server_refuses(fields: dict[str, Any], status: int) -> None:
    with pytest.raises(Refusal) as refused:
        check(SYSTEM, USER, **fields)
    assert refused.value.status == status


def test_the_hosted_api_refuses_unknown_fields() -> None:
    hosted = Rules(model="m", window=1000, reasoning_field="", only_known_fields=True)
    check(SYSTEM, USER, rules=hosted)
    with pytest.raises(Refusal, match="extra_forbidden"):
        check(SYSTEM, USER, rules=hosted, session_id="x")


def test_conversations_are_answered_each_from_its_script() -> None:
    answer = by_turn({"#1": [Reply("one"), Reply("two")], "": [Reply("other")]})
    asked = {"messages": [SYSTEM, {"role": "user", "content": [{"type": "text", "text": "fix #1"}]}]}
    assert answer(asked).text == "one"
    assert answer(asked).text == "one"
    asked["messages"] += [ASKED, RESULT]
    assert answer(asked).text == "two"
    assert answer({"messages": [SYSTEM, USER]}).text == "other"
    asked["messages"] += [ASKED, RESULT]
    with pytest.raises(Refusal, match="turn 3"):
        answer(asked)
    with pytest.raises(Refusal, match="marker"):
        by_turn({"#1": []})({"messages": [SYSTEM]})


def test_a_script_file_is_a_list_or_conversations(tmp_path: Path) -> None:
    path = tmp_path / "script.json"
    replies = [{"text": "t", "reasoning": "r", "calls": [{"name": "bash", "arguments": {"command": "ls"}}]}]
    for content in (replies, {"u": replies}):
        path.write_text(json.dumps(content))
        reply = read_script(path)({"messages": [SYSTEM, USER]})
        assert reply == Reply("t", "r", (("bash", {"command": "ls"}),))


def post(url: str, body: dict[str, Any]) -> Any:
    request = urllib.request.Request(url + "/chat/completions", json.dumps(body).encode())
    with urllib.request.urlopen(request, timeout=5) as response:
        return json.load(response)


def test_it_runs_as_a_program(tmp_path: Path) -> None:
    script = tmp_path / "script.json"
    script.write_text(json.dumps([{"text": "hello"}]))
    command = [sys.executable, "-m", "pullwright.agents.testing.scripted_endpoint", "--script", str(script)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().removeprefix("listening on ").strip()
            asked = {"model": "scripted-mistral", "messages": [SYSTEM, USER]}
            reply = post(url, {**asked, "reasoning_effort": "none", "max_tokens": 5})
        finally:
            process.terminate()
    assert reply["choices"][0]["message"]["content"] == "hello"


def test_a_script_that_is_used_up_is_an_error() -> None:
    with ScriptedEndpoint([]) as endpoint, pytest.raises(urllib.error.HTTPError) as refused:
        post(endpoint.url, {"model": endpoint.model, "messages": [SYSTEM, USER], "max_tokens": 1} | HIGH)
    with refused.value as error:
        assert error.code == 400
        assert "no more replies" in error.read().decode()


HIGH = {"reasoning_effort": "high"}


@pytest.mark.parametrize("path", ["/models/x", "/other"])
def test_other_paths_are_not_found(path: str) -> None:
    with ScriptedEndpoint([]) as endpoint, pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(endpoint.url + path, timeout=5)
    with refused.value as error:
        assert error.code == 404
