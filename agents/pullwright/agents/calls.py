"""Calls: runs what a reply calls; what it wants of the run itself (to finish, to ask) is taken out before that."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pullwright.agents.errors import SandboxGone, ToolError, ToolRejected
from pullwright.agents.events import PlanUpdated, QuestionAsked, RunEvent, ToolFinished
from pullwright.agents.message import AssistantMessage, ToolCall, ToolResult
from pullwright.agents.ports.clock import Clock
from pullwright.agents.progress import ProgressWatch
from pullwright.agents.recorder import RunRecorder
from pullwright.agents.task import WaitReason
from pullwright.agents.tools.base import Toolbox, ToolContext
from pullwright.agents.tools.conduct import Ask, AskArguments, Finish, FinishArguments, Plan, PlanArguments

SANDBOX_LOST: Final = (
    "The sandbox ended while this ran ({reason}). A new one is opened on the same files; background services are gone. "
    "Look at what was done before you repeat it, and do not repeat what ended it."
)
NOT_RUN: Final = "not run: the sandbox ended before"
FINISH_ALONE: Final = "not done: call finish alone, in a turn of its own, after you have seen the other results"
ASK_ALONE: Final = "not asked: call ask alone, in a turn of its own, after you have seen the other results"
PLAN_ALONE: Final = "not shown: your first plan has to be approved; send it alone, in a turn of its own"
APPROVED: Final = "The plan is approved ({words}). Now act on it with another tool."
NOT_APPROVED: Final = "The plan is not approved. This is what was said to it:\n{words}\nSend a new plan with `plan`."

_YES: Final = re.compile(r"(y|yes|ok|okay|approved?|go on|go ahead)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishRequest:
    """The model says that it is done; its call is still open and gets its result from the verification."""

    call: ToolCall
    title: str
    summary: str
    checks: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """The attempt ends here and the run goes on later: when it is its turn, or when a question is answered."""

    reason: str
    question: QuestionAsked | None = None


def is_yes(words: str) -> bool:
    """Say whether a person agrees, whatever they say beyond that."""
    return _YES.match(words.strip()) is not None


class CallRunner:
    """Runs the calls of one run's replies."""

    def __init__(self, *, toolbox: Toolbox, recorder: RunRecorder, clock: Clock) -> None:
        self.toolbox = toolbox
        self._recorder = recorder
        self._clock = clock
        self._progress = ProgressWatch()

    @property
    def _may_ask(self) -> bool:
        return self._recorder.task.spec.may_ask

    @property
    def _must_approve(self) -> bool:
        """Whether the next plan is the first; only a plan that was approved gets into the journal as one."""
        spec = self._recorder.task.spec
        return spec.may_ask and spec.approve_plan and not self._recorder.state.plan

    def request(self, message: AssistantMessage, problems: Mapping[str, str]) -> FinishRequest | Pause | None:
        """Return what a reply wants of the run itself; None when its calls are to be run, or rejected."""
        call = message.tool_calls[0]
        if len(message.tool_calls) > 1 or call.id in problems:
            return None
        try:
            _, arguments = self.toolbox.parse(call)
        except ToolRejected:
            return None  # the ordinary path tells the model what is wrong
        match arguments:
            case FinishArguments():
                return _finish_request(call, arguments)
            case AskArguments() if self._may_ask:
                return self._question(call, arguments.question, WaitReason.INPUT_REQUIRED)
            case PlanArguments() if self._must_approve:
                plan = "\n".join(f"{number}. {text}" for number, (text, _) in enumerate(arguments.pairs, start=1))
                return self._question(call, f"May it go on like this?\n{plan}", WaitReason.APPROVAL_REQUIRED)
        return None

    def answer(self, call: ToolCall, words: str, step: int) -> list[RunEvent]:
        """Return what becomes of a question's call when a person has answered."""
        _, arguments = self.toolbox.parse(call)
        events: list[RunEvent] = []
        if isinstance(arguments, PlanArguments):
            if is_yes(words):
                events.append(PlanUpdated(step=step, items=arguments.pairs))
            words = (APPROVED if is_yes(words) else NOT_APPROVED).format(words=words)
        return [*events, ToolFinished(step=step, result=ToolResult(call_id=call.id, name=call.name, content=words))]

    async def run_all(
        self, message: AssistantMessage, problems: Mapping[str, str], context: ToolContext
    ) -> tuple[list[RunEvent], bool, SandboxGone | None]:
        """Run the calls in order; return their events, whether any could be run, and what ended the sandbox."""
        ran = False
        lost: SandboxGone | None = None
        events: list[RunEvent] = []
        for call in message.tool_calls:
            if lost is not None:
                events.append(not_run(call, context.step, NOT_RUN))
                continue
            try:
                new, usable = await self.run(call, problems.get(call.id), context)
            except SandboxGone as exc:
                lost = exc
                new, usable = [not_run(call, context.step, SANDBOX_LOST.format(reason=exc))], True
            events.extend(new)
            ran = ran or usable
        return events, ran, lost

    async def run(self, call: ToolCall, problem: str | None, context: ToolContext) -> tuple[list[RunEvent], bool]:
        """Run one call and return its events and whether it could be run.

        Raises:
            NoProgress: The model turns in circles.
            SandboxError: The sandbox broke, or ended.
        """
        started = self._clock.monotonic()
        events: tuple[RunEvent, ...] = ()
        usable = True
        try:
            if problem is not None:
                raise ToolRejected(problem)
            tool, arguments = self.toolbox.parse(call)
            self._reject_crowded(call)
            outcome = await tool.run(arguments, context)
            content, is_error, events = outcome.content, outcome.is_error, outcome.events
        except ToolError as exc:
            content, is_error = str(exc), True
            usable = not isinstance(exc, ToolRejected)
        content = (content or "(no output)") + self._progress.remark(call, content)
        result = ToolResult(call_id=call.id, name=call.name, content=content, is_error=is_error)
        finished = ToolFinished(step=context.step, result=result, seconds=self._clock.monotonic() - started)
        return [*events, finished], usable

    def _reject_crowded(self, call: ToolCall) -> None:
        """Refuse a call that has to be alone in its reply; one that is alone is taken out before it is run."""
        if call.name == Finish.name:
            raise ToolRejected(FINISH_ALONE)
        if call.name == Ask.name and self._may_ask:
            raise ToolRejected(ASK_ALONE)
        if call.name == Plan.name and self._must_approve:
            raise ToolRejected(PLAN_ALONE)

    def _question(self, call: ToolCall, question: str, wait: WaitReason) -> Pause:
        asked = QuestionAsked(step=self._recorder.state.steps, question=question, wait=wait.value, call_id=call.id)
        return Pause(reason=question, question=asked)


def not_run(call: ToolCall, step: int, content: str) -> ToolFinished:
    """Return the result of a call that was not run."""
    return ToolFinished(step=step, result=ToolResult(call_id=call.id, name=call.name, content=content, is_error=True))


def _finish_request(call: ToolCall, arguments: FinishArguments) -> FinishRequest:
    return FinishRequest(
        call=call,
        title=" ".join(arguments.title.split()),
        summary=arguments.summary,
        checks=tuple(check for check in arguments.checks if check.strip()),
    )
