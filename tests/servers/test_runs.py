"""Whole runs of the agent against real servers: `make test-servers` starts them.

What must hold is that every run ends cleanly and every turn was understood. Whether a small model is clever enough is
counted and printed, never asserted.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pullwright.integrations.testing.forge import RehearsalForge
from pullwright.integrations.testing.sample import SampleRepository
from tests.e2e.stage import Ran, Stage, prune
from tests.servers.one_line_bugs import BUGS
from tests.servers.tally import LINES

pytestmark = [pytest.mark.servers, pytest.mark.docker, pytest.mark.timeout(3600)]

ROUNDS = int(os.environ.get("AGENT_TEST_ROUNDS", "2"))


class RemoteEndpoint:
    """An endpoint that somebody else started."""

    def __init__(self, variable: str) -> None:
        self.url = os.environ.get(variable, "")
        if not self.url:
            pytest.skip(f"set {variable}, or run `make test-servers`")


@pytest.fixture
def forge(tmp_path: Path) -> Iterator[RehearsalForge]:
    with RehearsalForge(tmp_path / "forge") as forge:
        yield forge
    prune(tmp_path / "agent-home")


def run(tmp_path: Path, forge: RehearsalForge, variable: str, sample: SampleRepository, **settings: str) -> Ran:
    extra = {f"AGENT_{name.upper()}": value for name, value in settings.items()}
    stage = Stage(folder=tmp_path, forge=forge, endpoint=RemoteEndpoint(variable), extra=extra, seconds=1200)
    forge.create_sample("acme", sample)
    return stage.agent("run", "fix issue #42", "--check", sample.check, "--json", cwd=stage.clone(sample))


def ended_cleanly(ran: Ran) -> None:
    assert ran.code in {0, 1, 3}, ran.err
    assert [event["type"] for event in ran.events][:3] == ["task.moved", "task.moved", "run.started"]
    assert ran.events[-1]["type"] == "run.finished"
    asked = [call["id"] for event in ran.events if event["type"] == "model.replied" for call in calls(event)]
    answered = [event["data"]["result"]["call_id"] for event in ran.events if event["type"] == "tool.finished"]
    unanswered = asked[len(answered) :]
    assert asked[: len(answered)] == answered
    assert len(unanswered) <= 1  # the finish that was accepted, or the step that a limit cut off
    reason = ran.events[-1]["data"]["reason"]
    assert not any(word in reason for word in ("refused the request", "400", "500", "internal error")), reason


def calls(event: dict) -> list[dict]:  # type: ignore[type-arg]
    return list(event["data"]["message"]["tool_calls"])


def test_vllm_with_mistrals_parsers_takes_an_issue_to_a_pull_request(tmp_path: Path, forge: RehearsalForge) -> None:
    sample = BUGS["add"]
    ran = run(tmp_path, forge, "AGENT_TEST_VLLM_URL", sample, endpoint_profile="vllm")
    assert ran.code == 0, ran.err + ran.out
    ended_cleanly(ran)
    replies = [event["data"] for event in ran.events if event["type"] == "model.replied"]
    assert [[call["name"] for call in reply["message"]["tool_calls"]] for reply in replies] == [["bash"], ["finish"]]
    assert all(reply["message"]["reasoning"] for reply in replies)
    assert replies[1]["usage"]["cached_tokens"] > 0, "the second request did not extend the first"
    (pull,) = forge.pull_requests("acme", sample.name)
    assert b"+    return a + b" in forge.pull_request_diff("acme", sample.name, pull.number)


@pytest.mark.parametrize("round_", range(ROUNDS))
@pytest.mark.parametrize("name", sorted(BUGS))
def test_a_small_model_on_llama_server_ends_cleanly(
    name: str, round_: int, tmp_path: Path, forge: RehearsalForge
) -> None:
    begun = time.monotonic()
    ran = run(
        tmp_path,
        forge,
        "AGENT_TEST_LLAMA_URL",
        BUGS[name],
        endpoint_profile="llamacpp",
        reasoning_effort="none",
        max_steps="12",
        max_minutes="15",
    )
    ended_cleanly(ran)
    solved = len(forge.pull_requests("acme", BUGS[name].name)) == 1
    assert solved == (ran.code == 0)
    last = ran.events[-1]["data"]
    usage = last["usage"]
    how = "pull request" if solved else "no change that passes"
    line = (
        f"{name:12} round {round_ + 1}: {how:22} {last['steps']:3} steps"
        f" {usage['prompt_tokens']:7} + {usage['completion_tokens']:5} tokens, {usage['cached_tokens']:7} cached,"
        f" {time.monotonic() - begun:5.0f} s  {last['reason'].splitlines()[0][:90]}"
    )
    LINES.append(line)
