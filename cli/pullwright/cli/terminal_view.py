"""Shows journal entries to people: as lines, with a live status below them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pullwright.agents.budget import Pace, Usage
from pullwright.agents.change import CheckResult, Evidence
from pullwright.agents.events import (
    BudgetNoted,
    ChangeCommitted,
    ChangePublished,
    ChangeVerified,
    ConversationCompacted,
    EgressDecided,
    JournalEntry,
    ModelReplied,
    PlanUpdated,
    QuestionAsked,
    RunFinished,
    RunResumed,
    RunStarted,
    TaskMoved,
    ToolFinished,
    UserSaid,
)
from pullwright.agents.llm.prices import PriceList, cost_of_run
from pullwright.agents.message import ToolCall
from pullwright.agents.ports.model import Delta
from pullwright.cli.render import duration, printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

_WAITS_FOR = {
    "scheduled": "waiting for its time",
    "queued": "waiting for a worker",
    "running": "preparing the files and the sandbox",
}

RESULT_LINES = 8
DIFF_LINES = 20


class TerminalView:
    """Lines for people, and on a terminal a live line that says what is going on."""

    def __init__(
        self, console: Console, prices: PriceList | None = None, *, calls: bool = False, way_out: str = ""
    ) -> None:
        self._console = console
        self._prices = prices or {}
        self._shows_calls = calls
        self._way_out = f" ({way_out})" if way_out else ""
        self._spent: dict[str, Usage] = {}
        self._endpoint = ""
        self._model = ""
        self._pace = Pace()
        self._started = time.monotonic()
        self._tokens = 0
        self._step = 0
        self._doing = "preparing the files and the sandbox"
        self._streamed = 0
        self._calls: dict[str, ToolCall] = {}

    @contextmanager
    def live(self) -> Iterator[None]:
        """Keep the live line on the screen inside the block; nothing happens where there is no terminal."""
        if not self._console.is_terminal:
            yield
            return
        with self._console.status(_Ticking(self._status_line)):
            yield

    def note(self, text: str) -> None:
        self._line(text, "dim")

    def delta(self, delta: Delta) -> None:
        self._streamed += len(delta.text) + len(delta.reasoning)
        self._doing = f"{'thinking' if delta.reasoning else 'writing'}, {self._streamed} characters"

    def entry(self, entry: JournalEntry) -> None:
        match entry.event:
            case RunStarted() as event:
                self._line(f"● {event.model} ({event.effort}) on {event.base_ref} at {event.base_sha[:12]}", "bold")
                self._doing, self._model = "waiting for the model", event.model
            case ModelReplied() as event:
                self._replied(event)
            case ToolFinished() as event:
                self._tool_finished(event)
            case PlanUpdated() as event:
                self._plan(event)
            case ConversationCompacted() as event:
                self._compacted(event)
            case EgressDecided() as event:
                self._blocked(event)
            case TaskMoved() | RunResumed() | QuestionAsked() | BudgetNoted() | UserSaid() as event:
                self._around(event)
            case ChangeCommitted() | ChangeVerified() | ChangePublished() as event:
                self._change(event)
            case RunFinished() as event:
                self._finished(event)

    def _around(self, event: TaskMoved | RunResumed | QuestionAsked | BudgetNoted | UserSaid) -> None:
        """Show what came from around the run."""
        match event:
            case UserSaid():
                self._line(f"→ {event.content}", "yellow")
            case TaskMoved():
                self._moved(event)
            case RunResumed():
                self._line(f"● goes on after step {event.step}{_because(event.reason)}", "bold")
                self._step, self._doing = event.step, "waiting for the model"
            case QuestionAsked():
                self._line(f"? {event.question}", "bold yellow")
                self._doing = "waiting for an answer"
            case BudgetNoted(raised=True):
                self._line(f"● limit of {event.limit} raised to {event.allowed:g}", "yellow")
            case BudgetNoted():
                self._line(f"● {event.spent:g} of {event.allowed:g} {event.limit} spent", "yellow")

    def _moved(self, event: TaskMoved) -> None:
        """Show a move that a person did not expect; that a task is queued and claimed goes without saying."""
        match event.old, event.new:
            case "", "scheduled":
                self._line(f"● begins in {duration(event.seconds)}{self._way_out}", "yellow")
            case "running", "scheduled":
                again = f"tried again in {duration(event.seconds)}" if event.seconds else "tried again later"
                self._line(f"● {again}{_because(event.reason)}{self._way_out}", "yellow")
            case ("running" | "canceling", "queued"):
                self._line(f"● queued again{_because(event.reason)}", "yellow")
            case "waiting", "queued":
                self._line("● answered", "yellow")
            case _, "canceling":
                self._line(f"● to be canceled{_because(event.reason)}", "yellow")
            case _, "canceled" | "rejected" | "failed":
                self._line(f"● {event.new}{_because(event.reason)}", "bold red")
        self._doing = _WAITS_FOR.get(event.new, self._doing)

    def _replied(self, event: ModelReplied) -> None:
        self._step, self._streamed = event.step, 0
        self._spend(event.usage, event.endpoint)
        pace = Pace.of(event.usage, event.first_token_seconds)
        self._pace += pace
        if event.message.content.strip():
            self._line(event.message.content.strip(), "")
        for call in event.message.tool_calls:
            self._calls[call.id] = call
            self._doing = f"{call.name} {_gist(call)}"
            if call.name != "plan":
                self._line(f"▸ {self._doing}", "cyan")
            self._edit_diff(call)
        if self._shows_calls:
            place = [f"at {event.endpoint}"] if event.endpoint else []
            self._line(f"  {', '.join([f'step {event.step}', *_spent(event.usage, pace), *place])}", "dim")

    def _spend(self, usage: Usage, endpoint: str) -> None:
        self._tokens += usage.total_tokens
        self._endpoint = endpoint
        self._spent[endpoint] = self._spent.get(endpoint, Usage()) + usage

    def _tool_finished(self, event: ToolFinished) -> None:
        self._doing = "waiting for the model"
        call = self._calls.pop(event.result.call_id, None)
        quiet = call is not None and call.name in {"plan", "read", "edit", "write"} and not event.result.is_error
        if not quiet:
            self._block(event.result.content, "red" if event.result.is_error else "dim")

    def _plan(self, event: PlanUpdated) -> None:
        marks = {"done": "✔", "doing": "◐", "todo": "○"}
        for text, state in event.items:
            self._line(f"  {marks.get(state, '○')} {text}", "green" if state == "done" else "")

    def _compacted(self, event: ConversationCompacted) -> None:
        self._spend(event.usage, self._endpoint)
        before, after = event.tokens_before, event.tokens_after
        self._line(f"● conversation compacted from about {before} to {after} tokens", "bold")

    def _blocked(self, event: EgressDecided) -> None:
        refused = {f"{item.target}: {item.rule}": None for item in event.decisions if not item.allowed}
        for line in refused:
            self._line(f"⊘ blocked {line}", "yellow")

    def _edit_diff(self, call: ToolCall) -> None:
        if call.name != "edit":
            return
        arguments = _arguments(call)
        removed = [f"- {line}" for line in str(arguments.get("old", "")).splitlines()]
        added = [f"+ {line}" for line in str(arguments.get("new", "")).splitlines()]
        for line in [*removed[:DIFF_LINES], *added[:DIFF_LINES]]:
            self._line(f"    {line}", "red" if line.startswith("-") else "green")

    def _change(self, event: ChangeCommitted | ChangeVerified | ChangePublished) -> None:
        match event:
            case ChangeCommitted():
                self._committed(event)
            case ChangeVerified():
                self._verified(event.evidence)
                if event.refused:
                    self._line(f"✘ {event.refused}", "red")
            case ChangePublished():
                self._published(event)

    def _committed(self, event: ChangeCommitted) -> None:
        self._line(f"● {event.title}", "bold")
        for file in event.files:
            count = "binary" if file.added is None else f"+{file.added} -{file.removed}"
            self._line(f"    {file.path} ({count})", "")
        self._doing = "checking in a fresh container"

    def _verified(self, evidence: Evidence) -> None:
        sides = {"on the base": evidence.before, "with its tests alone": evidence.tests_alone}
        for result in evidence.after:
            others = [f"{name}: {_verdict(was)}" for name, side in sides.items() for was in side if _same(was, result)]
            told = f" ({', '.join(others)})" if others else ""
            mark, style = ("✔", "green") if result.passed else ("✘", "red")
            self._line(f"{mark} {result.command}: {_verdict(result)} in {result.seconds:.1f} s{told}", style)
            if not result.passed:
                self._block(result.output, "red")
        self._doing = "publishing"

    def _published(self, event: ChangePublished) -> None:
        if event.pull_request_url:
            self._line(f"● pull request {event.pull_request_url}", "bold green")
            return
        self._line(f"● branch {event.branch}", "bold green")
        self._line(f"● patch  {event.patch_path}", "bold green")

    def _finished(self, event: RunFinished) -> None:
        money = str(cost_of_run(self._spent, self._prices, model=self._model))
        cost = ", ".join(filter(None, [f"{event.steps} steps", *_spent(event.usage, self._pace), money]))
        style = "bold green" if event.status == "succeeded" else "bold red"
        self._line(f"● {event.status}: {event.reason} ({cost}, {time.monotonic() - self._started:.0f} s)", style)
        if event.patch_path and event.status != "succeeded":
            self._line(f"● work so far {event.patch_path}", "bold")

    def _block(self, text: str, style: str) -> None:
        lines = text.splitlines()
        shown = lines if len(lines) <= RESULT_LINES else [*lines[:3], f"… {len(lines) - 7} lines …", *lines[-4:]]
        for line in shown:
            self._line(f"    {line}", style)

    def _line(self, text: str, style: str) -> None:
        self._console.print(printable(text), style=style or None, markup=False, highlight=False, soft_wrap=True)

    def _status_line(self) -> str:
        seconds = int(time.monotonic() - self._started)
        line = (
            f"step {self._step} · {self._tokens} tokens · {seconds // 60}:{seconds % 60:02} · {printable(self._doing)}"
        )
        return " ".join(line.split())[: max(20, self._console.width - 4)]


class _Ticking:
    """A line that is made anew whenever the screen is, so that its clock goes on while nothing happens."""

    def __init__(self, line: Callable[[], str]) -> None:
        self._line = line

    def __rich__(self) -> Text:
        from rich.text import Text

        return Text(self._line())


def _spent(usage: Usage, pace: Pace) -> Iterator[str]:
    cached = f" ({usage.cached_tokens} cached)" if usage.cached_tokens else ""
    thought = f" ({usage.reasoning_tokens} reasoning)" if usage.reasoning_tokens else ""
    yield f"{usage.prompt_tokens}{cached} + {usage.completion_tokens}{thought} tokens"
    if pace.tokens_per_second:
        yield f"{pace.tokens_per_second:.0f} tokens/s"
    if pace.mean_first_token_seconds:
        yield f"first token after {pace.mean_first_token_seconds:.1f} s"


def _because(reason: str) -> str:
    return f": {reason}" if reason else ""


def _arguments(call: ToolCall) -> dict[str, Any]:
    value = json.loads(call.arguments)
    return value if isinstance(value, dict) else {}


def _gist(call: ToolCall) -> str:
    arguments = _arguments(call)
    for key in ("command", "path", "pattern", "question", "title"):
        if key in arguments:
            return " ".join(str(arguments[key]).split())[:160]
    return ""


def _same(one: CheckResult, other: CheckResult) -> bool:
    return one.command == other.command


def _verdict(result: CheckResult) -> str:
    if result.exit_code is None:
        return "stopped at its time limit"
    return "passes" if result.passed else f"exit code {result.exit_code}"
