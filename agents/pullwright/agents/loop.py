"""The loop: ask the model, run what it calls, record both, until it finishes or may not go on.

Each step is recorded twice: the model's reply before any of its calls runs, and the results before the next reply is
asked for. The next request is always made from what was recorded, so what a crash leaves behind is what would have
happened. While the model thinks about the next step, the files of the last one are kept as a checkpoint.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final

from anyio import create_task_group

from pullwright.agents.calls import CallRunner, FinishRequest, Pause
from pullwright.agents.compaction import Compactor, conversation_id
from pullwright.agents.errors import ContextTooLong, MalformedReply, PullwrightError
from pullwright.agents.events import ConversationCompacted, ModelReplied, ToolFinished
from pullwright.agents.llm.counting import EndpointCounter
from pullwright.agents.message import AssistantMessage, ToolResult
from pullwright.agents.ports.model import DeltaListener, Model, ModelReply, ModelRequest, ReasoningEffort, ReplyClass
from pullwright.agents.ports.sandbox import Sandbox
from pullwright.agents.recorder import RunRecorder
from pullwright.agents.steering import Steering
from pullwright.agents.taking_up import TakingUp, nudge
from pullwright.agents.tools.base import ToolContext

IDLE_REPLIES: Final = 3
"""Replies in a row without a call that can be run, after which the run fails."""

CUT_OFF: Final = "[This reply was cut off at the output limit.]"

Keep = Callable[[Sandbox, int], Awaitable[None]]
"""Keeps the files of a sandbox as they are after a step."""


class AgentLoop:
    """Drives one attempt at a run. What it knows of the run is what the recorder has made durable.

    Args:
        model: Who is asked.
        runner: Runs what the model calls.
        recorder: Makes every step durable.
        steering: Looks after the run between its steps.
        effort: How hard the model thinks.
        taking_up: Goes on from where an earlier attempt was; None for the first one.
        keep: Keeps the files of a sandbox after a step that may have changed them; called while the model thinks.
        on_delta: Told what the model says while it says it.
        compactor: Keeps the conversation within the model's window; without one it is made shorter only after the
            endpoint has refused it.
    """

    def __init__(
        self,
        *,
        model: Model,
        runner: CallRunner,
        recorder: RunRecorder,
        steering: Steering,
        effort: ReasoningEffort,
        taking_up: TakingUp | None = None,
        keep: Keep | None = None,
        on_delta: DeltaListener | None = None,
        compactor: Compactor | None = None,
    ) -> None:
        self._model = model
        self._runner = runner
        self._recorder = recorder
        self._steering = steering
        self._effort = effort
        self._taking_up = taking_up
        self._keep = keep
        self._unkept: int | None = None
        """The step that changed files which no checkpoint stands for yet; none of its calls runs any more."""
        self._on_delta = on_delta
        self._compactor = compactor or Compactor(model, EndpointCounter(), window=lambda: 0)

    async def advance(self, sandbox: Sandbox) -> FinishRequest | Pause:
        """Take steps until the model asks to finish, or the attempt has to end with its files kept.

        Raises:
            BudgetExceeded: A limit was reached, and nobody allows more; everything so far is recorded.
            ModelError: The endpoint gave no usable reply, or the conversation does not fit and can not be made shorter.
            SandboxGone: The sandbox ended; every call has its result, so that another sandbox may go on from here.
            SandboxError: The sandbox broke in another way.
            LeaseLost: Another attempt owns the run.
        """
        request = await self._take_up(sandbox)
        idle = 0
        while request is None:
            pause = await self._steering.between_steps()
            if pause is not None:
                await self.keep_files(sandbox)
                return pause
            reply = await self._ask_while_keeping(sandbox)
            usable = False
            if reply.kind is ReplyClass.CALLS:
                request = self._runner.request(reply.message, reply.problems)
                usable = request is not None or await self._run_calls(reply, sandbox)
            else:
                await self._recorder.record(nudge(reply.kind, self._recorder.state.steps))
            idle = 0 if usable else idle + 1
            if idle >= IDLE_REPLIES:
                raise MalformedReply(
                    f"the model {self._model.name!r} gave {idle} replies in a row without a usable tool call; "
                    "check the endpoint with `agent doctor` (is its tool-call parser on?)"
                )
        return request

    async def send_back(self, request: FinishRequest, content: str) -> None:
        """Give the open finish call a result that sends the model back to work."""
        result = ToolResult(call_id=request.call.id, name=request.call.name, content=content, is_error=True)
        await self._recorder.record(ToolFinished(step=self._recorder.state.steps, result=result))

    async def _take_up(self, sandbox: Sandbox) -> FinishRequest | Pause | None:
        if self._taking_up is None:
            return None
        request = await self._taking_up.take_up(sandbox)
        self._unkept = self._recorder.state.steps if self._taking_up.changes_files else None
        self._taking_up = None
        return request

    async def _ask_while_keeping(self, sandbox: Sandbox) -> ModelReply:
        if self._unkept is None:
            return await self._ask_model()
        trouble: list[PullwrightError] = []

        async def keep() -> None:
            try:
                await self.keep_files(sandbox)
            except PullwrightError as exc:
                trouble.append(exc)

        async with create_task_group() as group:
            group.start_soon(keep)
            try:
                reply = await self._ask_model()
            except PullwrightError as exc:
                trouble.append(exc)
        if trouble:  # outside of the group, which would wrap it
            raise trouble[0]
        return reply

    async def keep_files(self, sandbox: Sandbox) -> None:
        """Keep the files that the last step left, unless that was done."""
        if self._keep is not None and self._unkept is not None:
            await self._keep(sandbox, self._unkept)
        self._unkept = None

    async def _ask_model(self) -> ModelReply:
        state = self._recorder.state
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
            tools=self._runner.toolbox.specs,
            effort=self._effort,
        )

    async def _run_calls(self, reply: ModelReply, sandbox: Sandbox) -> bool:
        """Run the calls in order and say whether any of them could be run."""
        context = ToolContext(sandbox=sandbox, step=self._recorder.state.steps)
        events, ran, lost = await self._runner.run_all(reply.message, reply.problems, context)
        await self._recorder.record(*events)
        if any(map(self._runner.toolbox.changes_files, reply.message.tool_calls)):
            self._unkept = context.step
        if lost is not None:
            raise lost
        return ran


def _storable(reply: ModelReply) -> AssistantMessage:
    """Return what may be replayed: never empty, and no calls from a reply that was cut off."""
    message = reply.message
    if reply.kind is ReplyClass.TRUNCATED:
        return AssistantMessage(content=message.content or CUT_OFF)
    if not message.content and not message.tool_calls:
        return replace(message, content=CUT_OFF if reply.finish_reason == "length" else "(nothing)")
    return message
