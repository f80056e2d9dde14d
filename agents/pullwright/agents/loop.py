"""The loop: ask the model, run what it calls, record both, until it finishes or may not go on.

Each step is recorded twice: the model's reply before any of its calls runs, and the results before the next reply is
asked for. The next request is always made from what was recorded, so what a crash leaves behind is what would have
happened. While the model thinks about the next step, the files of the last one are kept as a checkpoint.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Final

from anyio import create_task_group

from pullwright.agents.compaction import Compactor, conversation_id
from pullwright.agents.errors import (
    ContextTooLong,
    MalformedReply,
    PullwrightError,
    SandboxGone,
    ToolError,
    ToolRejected,
)
from pullwright.agents.events import ConversationCompacted, ModelReplied, RunEvent, ToolFinished, UserSaid
from pullwright.agents.llm.counting import EndpointCounter
from pullwright.agents.message import AssistantMessage, ToolCall, ToolResult
from pullwright.agents.ports.clock import Clock
from pullwright.agents.ports.model import DeltaListener, Model, ModelReply, ModelRequest, ReasoningEffort, ReplyClass
from pullwright.agents.ports.sandbox import Sandbox
from pullwright.agents.progress import ProgressWatch
from pullwright.agents.recorder import RunRecorder
from pullwright.agents.tools.base import Effect, Toolbox, ToolContext
from pullwright.agents.tools.conduct import Finish, FinishArguments

IDLE_REPLIES: Final = 3
"""Replies in a row without a call that can be run, after which the run fails."""

CUT_OFF = "[This reply was cut off at the output limit.]"
NUDGE_CUT_OFF = "Your reply was cut off at the output limit, so nothing in it was run. Take smaller steps."
NUDGE_NO_CALL = "That was no tool call. Go on by calling a tool; when the work is done, call `finish`."
SANDBOX_LOST = (
    "The sandbox ended while this ran ({reason}). A new one is opened on the same files; background services are gone. "
    "Look at what was done before you repeat it, and do not repeat what ended it."
)
NOT_RUN = "not run: the sandbox ended before"
FINISH_ALONE = "not done: call finish alone, in a turn of its own, after you have seen the other results"


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishRequest:
    """The model says that it is done; its call is still open and gets its result from the verification."""

    call: ToolCall
    title: str
    summary: str
    checks: tuple[str, ...]


class AgentLoop:
    """Drives one run. What it knows of the run is what the recorder has made durable.

    Args:
        model: Who is asked.
        toolbox: What may be called.
        recorder: Makes every step durable.
        clock: Tells the time.
        effort: How hard the model thinks.
        ask: Puts a question to a person.
        keep: Keeps the files of a sandbox after a step that may have changed them; called while the model thinks.
        on_delta: Told what the model says while it says it.
        compactor: Keeps the conversation within the model's window; without one it is made shorter only after the
            endpoint has refused it.
    """

    def __init__(
        self,
        *,
        model: Model,
        toolbox: Toolbox,
        recorder: RunRecorder,
        clock: Clock,
        effort: ReasoningEffort,
        ask: Callable[[str], Awaitable[str]],
        keep: Callable[[Sandbox], Awaitable[None]] | None = None,
        on_delta: DeltaListener | None = None,
        compactor: Compactor | None = None,
    ) -> None:
        self._model = model
        self._toolbox = toolbox
        self._recorder = recorder
        self._clock = clock
        self._effort = effort
        self._ask = ask
        self._keep = keep
        self._changed = False
        self._on_delta = on_delta
        self._compactor = compactor or Compactor(model, EndpointCounter(), window=lambda: 0)
        self._progress = ProgressWatch()
        self._started = clock.monotonic()

    async def advance(self, sandbox: Sandbox) -> FinishRequest:
        """Take steps until the model asks to finish.

        Raises:
            BudgetExceeded: A limit was reached; everything so far is recorded.
            ModelError: The endpoint gave no usable reply, or the conversation does not fit and can not be made shorter.
            SandboxGone: The sandbox ended; every call has its result, so that another sandbox may go on from here.
            SandboxError: The sandbox broke in another way.
            LeaseLost: Another attempt owns the run.
        """
        idle = 0
        while True:
            reply = await self._ask_while_keeping(sandbox)
            if reply.kind is ReplyClass.CALLS:
                finish = self._finish_request(reply)
                if finish is not None:
                    return finish
                idle = 0 if await self._run_calls(reply, sandbox) else idle + 1
            else:
                idle += 1
                await self._nudge(reply.kind)
            if idle >= IDLE_REPLIES:
                raise MalformedReply(
                    f"the model {self._model.name!r} gave {idle} replies in a row without a usable tool call; "
                    "check the endpoint with `agent doctor` (is its tool-call parser on?)"
                )

    async def send_back(self, request: FinishRequest, content: str) -> None:
        """Give the open finish call a result that sends the model back to work."""
        result = ToolResult(call_id=request.call.id, name=request.call.name, content=content, is_error=True)
        await self._recorder.record(ToolFinished(step=self._recorder.state.steps, result=result))

    async def _ask_while_keeping(self, sandbox: Sandbox) -> ModelReply:
        if self._keep is None or not self._changed:
            return await self._ask_model()
        self._changed = False
        trouble: list[PullwrightError] = []

        async def keep(keep: Callable[[Sandbox], Awaitable[None]]) -> None:
            try:
                await keep(sandbox)
            except PullwrightError as exc:
                trouble.append(exc)

        async with create_task_group() as group:
            group.start_soon(keep, self._keep)
            try:
                reply = await self._ask_model()
            except PullwrightError as exc:
                trouble.append(exc)
        if trouble:  # outside of the group, which would wrap it
            raise trouble[0]
        return reply

    async def _ask_model(self) -> ModelReply:
        state = self._recorder.state
        seconds = self._clock.monotonic() - self._started
        self._recorder.task.spec.budget.check(steps=state.steps, usage=state.usage, seconds=seconds)
        reply = await self._complete()
        replied = ModelReplied(
            step=state.steps + 1,
            message=_storable(reply),
            kind=reply.kind.value,
            usage=reply.usage,
            finish_reason=reply.finish_reason,
            first_token_seconds=reply.first_token_seconds,
            retries=reply.retries,
            endpoint=reply.endpoint,
        )
        await self._recorder.record(replied)
        return reply

    async def _complete(self) -> ModelReply:
        """Ask; a conversation that turns out too long is made shorter and sent once more."""
        request = await self._fitting_request()
        try:
            return await self._send(request)
        except ContextTooLong as exc:
            await self._recorder.record(await self._compactor.after_overflow(request, self._recorder.state, exc))
        return await self._send(await self._fitting_request())

    async def _send(self, request: ModelRequest) -> ModelReply:
        reply = await self._model.complete(request, self._on_delta)
        self._compactor.observe(request, reply.usage.prompt_tokens)
        return reply

    async def _fitting_request(self) -> ModelRequest:
        fitting = await self._compactor.fit(self._request(), self._recorder.state)
        if isinstance(fitting, ConversationCompacted):
            await self._recorder.record(fitting)
            fitting = await self._compactor.fit(self._request(), self._recorder.state)
        assert isinstance(fitting, ModelRequest)  # a conversation is not compacted twice in one step
        return fitting

    def _request(self) -> ModelRequest:
        state = self._recorder.state
        return ModelRequest(
            conversation_id=conversation_id(self._recorder.task.id, state.compactions),
            messages=state.messages,
            tools=self._toolbox.specs,
            effort=self._effort,
        )

    async def _nudge(self, kind: ReplyClass) -> None:
        content = NUDGE_CUT_OFF if kind is ReplyClass.TRUNCATED else NUDGE_NO_CALL
        await self._recorder.record(UserSaid(step=self._recorder.state.steps, content=content, nudge=True))

    async def _run_calls(self, reply: ModelReply, sandbox: Sandbox) -> bool:
        """Run the calls in order and say whether any of them could be run."""
        context = ToolContext(sandbox=sandbox, step=self._recorder.state.steps, ask=self._ask)
        ran = False
        lost: SandboxGone | None = None
        events: list[RunEvent] = []
        for call in reply.message.tool_calls:
            if lost is not None:
                events.append(_not_run(call, context.step, NOT_RUN))
                continue
            try:
                new, usable = await self._run_call(call, reply.problems.get(call.id), context)
            except SandboxGone as exc:
                lost = exc
                new, usable = [_not_run(call, context.step, SANDBOX_LOST.format(reason=exc))], True
            events.extend(new)
            ran = ran or usable
        await self._recorder.record(*events)
        if lost is not None:
            raise lost
        return ran

    def _finish_request(self, reply: ModelReply) -> FinishRequest | None:
        call = reply.message.tool_calls[0]
        if len(reply.message.tool_calls) > 1 or call.name != Finish.name or call.id in reply.problems:
            return None
        try:
            _, arguments = self._toolbox.parse(call)
        except ToolRejected:
            return None  # the ordinary path tells the model what is wrong
        assert isinstance(arguments, FinishArguments)
        return FinishRequest(
            call=call,
            title=" ".join(arguments.title.split()),
            summary=arguments.summary,
            checks=tuple(check for check in arguments.checks if check.strip()),
        )

    async def _run_call(self, call: ToolCall, problem: str | None, context: ToolContext) -> tuple[list[RunEvent], bool]:
        started = self._clock.monotonic()
        events: tuple[RunEvent, ...] = ()
        usable = True
        try:
            if problem is not None:
                raise ToolRejected(problem)
            tool, arguments = self._toolbox.parse(call)
            if call.name == Finish.name:
                raise ToolRejected(FINISH_ALONE)
            self._changed = self._changed or tool.effect is not Effect.PURE
            outcome = await tool.run(arguments, context)
            content, is_error, events = outcome.content, outcome.is_error, outcome.events
        except ToolError as exc:
            content, is_error = str(exc), True
            usable = not isinstance(exc, ToolRejected)
        content = (content or "(no output)") + self._progress.remark(call, content)
        result = ToolResult(call_id=call.id, name=call.name, content=content, is_error=is_error)
        finished = ToolFinished(step=context.step, result=result, seconds=self._clock.monotonic() - started)
        return [*events, finished], usable


def _not_run(call: ToolCall, step: int, content: str) -> ToolFinished:
    return ToolFinished(step=step, result=ToolResult(call_id=call.id, name=call.name, content=content, is_error=True))


def _storable(reply: ModelReply) -> AssistantMessage:
    """Return what may be replayed: never empty, and no calls from a reply that was cut off."""
    message = reply.message
    if reply.kind is ReplyClass.TRUNCATED:
        return AssistantMessage(content=message.content or CUT_OFF)
    if not message.content and not message.tool_calls:
        return replace(message, content=CUT_OFF if reply.finish_reason == "length" else "(nothing)")
    return message
