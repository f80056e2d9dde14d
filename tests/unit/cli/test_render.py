from __future__ import annotations

import io
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from pullwright.agents.budget import Usage
from pullwright.agents.change import CheckResult, Evidence
from pullwright.agents.events import (
    ChangeVerified,
    ConversationCompacted,
    JournalEntry,
    ModelReplied,
    RunEvent,
    RunFinished,
    RunStarted,
    ToolFinished,
)
from pullwright.agents.llm.prices import MEDIUM_3_5, PriceList, Prices
from pullwright.agents.message import AssistantMessage, ToolResult
from pullwright.agents.ports.model import Delta
from pullwright.agents.testing.contracts_store import every_event, finished
from pullwright.cli.render import JsonView, printable
from pullwright.cli.terminal_view import TerminalView


def entry(event: RunEvent, seq: int = 1) -> JournalEntry:
    return JournalEntry(task_id="t", seq=seq, attempt=1, at=datetime(2026, 11, 1, tzinfo=UTC), event=event)


@given(st.text())
def test_nothing_that_steers_a_terminal_gets_through(text: str) -> None:
    shown = printable(text)
    assert not any(ord(char) < 32 and char not in "\n\t" for char in shown)
    assert not any(char in shown for char in "\x1b\x7f\x9b\u202e\u200b\u2066\U000e0041")


def test_hostile_output_is_shown_as_text() -> None:
    out = io.StringIO()
    view = TerminalView(Console(file=out, force_terminal=False, width=80))
    hostile = ToolResult(call_id="x", name="bash", content="\x1b]0;owned\x07 [bold]not markup[/bold]")
    view.entry(entry(ToolFinished(step=1, result=hostile)))
    assert "\x1b" not in out.getvalue()
    assert "[bold]not markup[/bold]" in out.getvalue()


def test_every_event_can_be_shown() -> None:
    out = io.StringIO()
    view = TerminalView(Console(file=out, force_terminal=True, width=100))
    with view.live():
        for event in [*every_event(), finished("succeeded")]:
            view.delta(Delta(reasoning="hm"))
            view.entry(entry(event))
    assert "▸ bash true" in out.getvalue()
    assert "✔ look" in out.getvalue()
    assert "succeeded" in out.getvalue()


MODEL = "mistralai/Mistral-Medium-3.5-128B"
STARTED = RunStarted(model=MODEL, effort="high", base_ref="", base_sha="", system_prompt="", user_prompt="")


def shown(events: list[RunEvent], prices: PriceList, *, calls: bool = False) -> str:
    out = io.StringIO()
    view = TerminalView(Console(file=out, force_terminal=False, width=200), prices, calls=calls)
    for event in events:
        view.entry(entry(event))
    return out.getvalue()


def replied(step: int, usage: Usage, endpoint: str = "", first_token_seconds: float = 0.0) -> ModelReplied:
    return ModelReplied(
        step=step,
        message=AssistantMessage(content="x"),
        kind="text",
        usage=usage,
        endpoint=endpoint,
        first_token_seconds=first_token_seconds,
    )


def test_the_end_says_what_the_run_cost() -> None:
    usage = Usage(
        prompt_tokens=1_000_000,
        cached_tokens=900_000,
        completion_tokens=2_000,
        reasoning_tokens=1_500,
        model_seconds=102.0,
    )
    ended = RunFinished(status="succeeded", reason="ok", usage=usage, steps=1)
    events: list[RunEvent] = [STARTED, replied(1, usage, first_token_seconds=2.0), ended]
    tokens = "1 steps, 1000000 (900000 cached) + 2000 (1500 reasoning) tokens, 20 tokens/s, first token after 2.0 s"
    assert f"({tokens}, $1.52, 408 GPU-seconds, " in shown(events, {"": Prices(table=(MEDIUM_3_5,), gpus=4)})
    assert f"({tokens}, 0 s)" in shown(events, {"": Prices()}), "an endpoint without a price is no error"


def test_a_run_on_several_endpoints_pays_each_its_own_price_and_compactions_where_it_was() -> None:
    million = Usage(prompt_tokens=1_000_000, model_seconds=10.0)
    events: list[RunEvent] = [
        STARTED,
        replied(1, million, "own"),
        replied(2, million, "api"),
        ConversationCompacted(step=2, covered=4, summary="s", content="c", usage=million),
        RunFinished(status="succeeded", reason="ok", usage=million + million + million, steps=2),
    ]
    prices = {"own": Prices(gpus=2), "api": Prices(table=(MEDIUM_3_5,))}
    assert ", $3.00, 20 GPU-seconds, " in shown(events, prices)


def test_every_call_can_be_shown_with_what_it_took() -> None:
    usage = Usage(prompt_tokens=100, cached_tokens=90, completion_tokens=20, model_seconds=3.0)
    events: list[RunEvent] = [STARTED, replied(1, usage, "gpu-1", first_token_seconds=1.0)]
    line = "step 1, 100 (90 cached) + 20 tokens, 10 tokens/s, first token after 1.0 s, at gpu-1"
    assert line in shown(events, {}, calls=True)
    assert line not in shown(events, {})


def test_what_checks_said_of_each_side_stands_on_one_line() -> None:
    before, alone, after = (CheckResult(command="make", exit_code=code, seconds=1.0, output="") for code in (0, 1, 0))
    evidence = Evidence(chosen_by="owner", before=(before,), after=(after,), tests_alone=(alone,))
    text = shown([ChangeVerified(evidence=evidence, refused="it lacks a thing")], {})
    assert "✔ make: passes in 1.0 s (on the base: passes, with its tests alone: exit code 1)" in text
    assert "✘ it lacks a thing" in text


@pytest.mark.parametrize("event", every_event(), ids=lambda event: event.type)
def test_json_is_one_object_per_line(event: RunEvent) -> None:
    out = io.StringIO()
    JsonView(print, out).entry(entry(event, seq=7))
    (line,) = out.getvalue().splitlines()
    data = json.loads(line)
    assert (data["type"], data["seq"], data["task"]) == (event.type, 7, "t")
