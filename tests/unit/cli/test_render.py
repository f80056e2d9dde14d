from __future__ import annotations

import io
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from pullwright.agents.budget import Usage
from pullwright.agents.events import (
    BudgetNoted,
    JournalEntry,
    ModelReplied,
    QuestionAsked,
    RunEvent,
    RunFinished,
    RunResumed,
    RunStarted,
    TaskMoved,
    ToolFinished,
)
from pullwright.agents.llm.prices import Prices
from pullwright.agents.message import AssistantMessage, ToolResult
from pullwright.agents.ports.model import Delta
from pullwright.agents.testing.contracts_store import every_event, finished
from pullwright.cli.render import JsonView, TerminalView, printable


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


def test_the_end_says_what_the_run_cost() -> None:
    out = io.StringIO()
    view = TerminalView(Console(file=out, force_terminal=False, width=200), Prices(gpus=4))
    usage = Usage(
        prompt_tokens=1_000_000,
        cached_tokens=900_000,
        completion_tokens=2_000,
        reasoning_tokens=1_500,
        model_seconds=102.0,
    )
    model = "mistralai/Mistral-Medium-3.5-128B"
    view.entry(
        entry(RunStarted(model=model, effort="high", base_ref="", base_sha="", system_prompt="", user_prompt=""))
    )
    replied = ModelReplied(
        step=1, message=AssistantMessage(content="x"), kind="text", usage=usage, first_token_seconds=2.0
    )
    view.entry(entry(replied))
    view.entry(entry(RunFinished(status="succeeded", reason="ok", usage=usage, steps=1)))
    assert (
        "1 steps, 1000000 (900000 cached) + 2000 (1500 reasoning) tokens, 20 tokens/s, first token after 2.0 s, "
        "$1.52 at API prices, 408 GPU-seconds"
    ) in out.getvalue()


@pytest.mark.parametrize("event", every_event(), ids=lambda event: event.type)
def test_json_is_one_object_per_line(event: RunEvent) -> None:
    out = io.StringIO()
    JsonView(print, out).entry(entry(event, seq=7))
    (line,) = out.getvalue().splitlines()
    data = json.loads(line)
    assert (data["type"], data["seq"], data["task"]) == (event.type, 7, "t")


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (TaskMoved(old="", new="queued"), ""),
        (TaskMoved(old="queued", new="running", worker_id="w"), ""),
        (TaskMoved(old="running", new="queued", reason="its worker was lost"), "● queued again: its worker was lost"),
        (TaskMoved(old="running", new="scheduled", reason="endpoint away"), "● tried again later: endpoint away"),
        (TaskMoved(old="scheduled", new="queued"), ""),
        (TaskMoved(old="waiting", new="queued"), "● answered"),
        (TaskMoved(old="running", new="canceling", reason="enough"), "● to be canceled: enough"),
        (TaskMoved(old="queued", new="canceled"), "● canceled"),
        (RunResumed(step=7, cut=9, checkpoint=3, reason="its worker was lost"), "● goes on after step 7: its worker"),
        (QuestionAsked(step=1, question="tabs?", wait="input_required"), "? tabs?"),
        (BudgetNoted(step=1, limit="steps", spent=80, allowed=100), "● 80 of 100 steps spent"),
        (BudgetNoted(step=1, limit="steps", spent=100, allowed=200, raised=True), "● limit of steps raised to 200"),
    ],
)
def test_what_happens_around_a_run_is_shown_when_it_is_worth_a_line(event: RunEvent, line: str) -> None:
    out = io.StringIO()
    TerminalView(Console(file=out, force_terminal=False, width=80)).entry(entry(event))
    assert out.getvalue().startswith(line)
    assert bool(out.getvalue()) == bool(line)
