from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pullwright.agents.egress import EgressDecision
from pullwright.agents.errors import ToolFailed, ToolRejected
from pullwright.agents.message import ToolCall
from pullwright.agents.ports.sandbox import Base, ExecResult, ServiceState
from pullwright.agents.testing.fake_sandbox import FakeProvider, FakeSandbox, output
from pullwright.agents.tools.base import ToolContext
from pullwright.agents.tools.conduct import NOBODY_ANSWERS
from pullwright.agents.tools.registry import coding_tools
from pullwright.agents.tools.service import describe

pytestmark = pytest.mark.anyio

BASE = Base(mirror=Path("/m"), ref="main", sha="a" * 40)


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def use(
    name: str, arguments: dict[str, Any], files: dict[str, bytes], **results: ExecResult
) -> tuple[str, FakeSandbox]:
    """Run one tool and return what the model gets, and the sandbox afterwards."""

    async def shell(command: str, sandbox: FakeSandbox) -> ExecResult:
        return next((result for word, result in results.items() if word in command), output("ran\n"))

    box = coding_tools()
    tool, parsed = box.parse(ToolCall(id="x", name=name, arguments=json.dumps(arguments)))
    async with FakeProvider(files, shell).open(BASE, task_id="t") as workspace, workspace.open_sandbox() as sandbox:
        outcome = await tool.run(parsed, ToolContext(sandbox=sandbox, step=1))
        assert isinstance(sandbox, FakeSandbox)
        return outcome.content, sandbox


def test_the_tools_are_the_nine_that_are_promised() -> None:
    names = [spec.name for spec in coding_tools().specs]
    assert names == ["ask", "bash", "edit", "finish", "plan", "read", "search", "service", "write"]


def test_schemas_hold_nothing_that_a_servers_grammar_chokes_on() -> None:
    text = json.dumps([spec.parameters for spec in coding_tools().specs])
    for word in ("$ref", "$defs", "maxLength", "minLength", "maxItems", 'title": "', "maximum"):
        assert word not in text
    finish = next(spec for spec in coding_tools().specs if spec.name == "finish")
    assert set(finish.parameters["properties"]) == {"title", "summary", "checks"}
    assert finish.parameters["properties"]["title"]["description"]


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("shell", "{}", "the tools are: ask, bash, edit"),
        ("bash", "{}", "command"),
        ("bash", '{"command": "x", "cmd": "y"}', "cmd"),
        ("bash", '{"command": "x", "timeout": 99999}', "timeout"),
        ("plan", '{"items": [{"text": "x", "state": "later"}]}', "items.0.state"),
        ("read", "[]", "arguments"),
    ],
)
def test_a_wrong_call_is_told_what_would_be_right(name: str, arguments: str, message: str) -> None:
    with pytest.raises(ToolRejected, match=message):
        coding_tools().parse(ToolCall(id="x", name=name, arguments=arguments))


async def test_bash_tells_output_and_how_it_ended() -> None:
    content, _ = await use("bash", {"command": "make"}, {}, make=output("out\n", stderr="err\n", exit_code=2))
    assert content == "out\n[stderr]\nerr\n[exit code 2]"


async def test_a_command_that_was_stopped_says_why() -> None:
    stopped = output("some\n", exit_code=None, timed_out=True)
    content, _ = await use("bash", {"command": "sleep", "timeout": 3}, {}, sleep=stopped)
    assert "stopped after 3 s" in content


def refused(target: str, rule: str = "not on the allow list") -> EgressDecision:
    return EgressDecision(allowed=False, kind="connect", target=target, rule=rule)


async def test_what_egress_refused_is_said_once_each() -> None:
    allowed = EgressDecision(allowed=True, kind="pypi", target="requests 2.32.3", rule="packages are allowed")
    egress = (refused("example.com:443"), allowed, refused("example.com:443"), refused("example.com:80", "443 only"))
    content, _ = await use("bash", {"command": "make"}, {}, make=replace(output("out\n"), egress=egress))
    assert content.splitlines() == [
        "out",
        "[exit code 0]",
        "[blocked by the egress policy: example.com:443 (not on the allow list); ask the owner if it is needed]",
        "[blocked by the egress policy: example.com:80 (443 only); ask the owner if it is needed]",
    ]


async def test_many_refusals_are_counted() -> None:
    egress = tuple(refused(f"host-{number}:443") for number in range(17))
    content, _ = await use("bash", {"command": "make"}, {}, make=replace(output(""), egress=egress))
    assert len(content.splitlines()) == 12
    assert content.endswith("[blocked by the egress policy: 7 more]")


async def use_service(calls: list[dict[str, Any]], **results: ExecResult) -> tuple[list[str], FakeSandbox]:
    """Call ``service`` several times on one sandbox and return what the model gets."""

    async def shell(command: str, sandbox: FakeSandbox) -> ExecResult:
        return results[command]

    box = coding_tools()
    said: list[str] = []
    async with FakeProvider({}, shell).open(BASE, task_id="t") as workspace, workspace.open_sandbox() as sandbox:
        assert isinstance(sandbox, FakeSandbox)
        for arguments in calls:
            tool, parsed = box.parse(ToolCall(id="x", name="service", arguments=json.dumps(arguments)))
            said.append((await tool.run(parsed, ToolContext(sandbox=sandbox, step=1))).content)
        return said, sandbox


async def test_a_service_is_started_looked_at_and_stopped() -> None:
    calls: list[dict[str, Any]] = [
        {"action": "start", "name": "web", "command": "serve"},
        {"action": "log", "name": "web"},
        {"action": "stop", "name": "web"},
    ]
    said, sandbox = await use_service(calls, serve=output("listening on 8000\n"))
    assert "'web' is started" in said[0]
    assert said[1] == "listening on 8000\n[service 'web' is running]"
    assert said[2] == "listening on 8000\n[service 'web' was ended by a signal]"
    assert sandbox.commands == ["serve"]
    assert not sandbox.services


async def test_a_service_that_ended_says_how() -> None:
    state = ServiceState(name="web", running=False, exit_code=3)
    assert describe(state) == "[service 'web' ended with exit code 3]"


@pytest.mark.parametrize("arguments", [{"action": "log", "name": "x"}, {"action": "stop", "name": "x"}])
async def test_a_service_that_is_not_there_is_a_failure(arguments: dict[str, Any]) -> None:
    with pytest.raises(ToolFailed, match="no service 'x'"):
        await use_service([arguments])


@pytest.mark.parametrize(
    "arguments", [{"action": "start", "name": "x"}, {"action": "stop", "name": "x", "command": "y"}]
)
async def test_a_command_goes_with_start_and_with_nothing_else(arguments: dict[str, Any]) -> None:
    with pytest.raises(ToolRejected, match="command"):
        await use_service([arguments])


async def test_read_numbers_lines_and_says_what_is_left() -> None:
    text = b"".join(b"line %d\n" % number for number in range(1, 6))
    content, _ = await use("read", {"path": "f", "offset": 2, "limit": 2}, {"f": text})
    assert content == "2\tline 2\n3\tline 3\n[2 more lines; go on with offset 4]"


async def test_read_survives_binary_empty_and_foreign_bytes() -> None:
    files = {"b": b"\0\1", "e": b"", "l": b"caf\xe9\n"}
    assert "binary" in (await use("read", {"path": "b"}, files))[0]
    assert "empty" in (await use("read", {"path": "e"}, files))[0]
    assert (await use("read", {"path": "l"}, files))[0] == "1\tcaf\ufffd"


async def test_a_missing_file_or_a_folder_is_a_failure_with_advice() -> None:
    with pytest.raises(ToolFailed, match="does not exist"):
        await use("read", {"path": "nope"}, {})
    with pytest.raises(ToolFailed, match="directory"):
        await use("read", {"path": "d"}, {"d/f": b""})


async def test_edit_keeps_every_other_byte() -> None:
    _, sandbox = await use("edit", {"path": "f", "old": "b", "new": "é"}, {"f": b"\xff a\r\nb\r\n"})
    assert sandbox.files["/workspace/f"] == b"\xff a\r\n\xc3\xa9\r\n"


async def test_write_makes_the_file() -> None:
    content, sandbox = await use("write", {"path": "d/new.txt", "content": "é\n"}, {})
    assert sandbox.files["/workspace/d/new.txt"] == "é\n".encode()
    assert "3 bytes" in content


async def test_search_quotes_what_the_model_wrote() -> None:
    content, sandbox = await use("search", {"pattern": "a'b; rm -rf /", "path": "-x y"}, {}, rg=output("f:1:hit\n"))
    assert content == "f:1:hit"
    assert "'a'\"'\"'b; rm -rf /'" in sandbox.commands[0]
    assert "-- '-x y'" in sandbox.commands[0]


async def test_nothing_found_is_an_answer_and_a_bad_pattern_a_failure() -> None:
    assert (await use("search", {"pattern": "x"}, {}, rg=output("", exit_code=1)))[0] == "nothing matches"
    with pytest.raises(ToolFailed, match="unclosed"):
        await use("search", {"pattern": "("}, {}, rg=output("", exit_code=2, stderr="unclosed group"))


async def test_ask_gives_the_answer_of_whoever_is_there() -> None:
    assert (await use("ask", {"question": "why?"}, {}))[0] == NOBODY_ANSWERS
