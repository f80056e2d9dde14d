"""Taking up: the first thing a later attempt does: it tells the journal where it goes on, and closes what was open."""

from __future__ import annotations

from typing import Final

from pullwright.agents.calls import CallRunner, FinishRequest, Pause, not_run
from pullwright.agents.events import ModelReplied, RunEvent, RunResumed, UserSaid
from pullwright.agents.ports.model import ReplyClass
from pullwright.agents.ports.sandbox import Sandbox
from pullwright.agents.ports.store import Signal, SignalKind, TaskStore
from pullwright.agents.recorder import RunRecorder
from pullwright.agents.resumption import ResumePoint
from pullwright.agents.tools.base import Effect, ToolContext

INTERRUPTED: Final = (
    "Interrupted: the run stopped in the middle of this step, and whether this call was run is not known. The files "
    "are those of before this step; background services, files that git ignores and everything outside /workspace are "
    "gone. Look before you repeat it, and do not repeat what may have ended it."
)
NOT_REPEATED: Final = "not run: the step was interrupted before"
NEW_SANDBOX: Final = (
    "[The run goes on in a new sandbox on the same files. Background services, files that git ignores and everything "
    "outside /workspace are gone: start or make again what you need of them.]"
)
NUDGE_CUT_OFF: Final = "Your reply was cut off at the output limit, so nothing in it was run. Take smaller steps."
NUDGE_NO_CALL: Final = "That was no tool call. Go on by calling a tool; when the work is done, call `finish`."


def nudge(kind: ReplyClass, step: int) -> UserSaid:
    """Return what is said to a reply that called nothing."""
    content = NUDGE_CUT_OFF if kind is ReplyClass.TRUNCATED else NUDGE_NO_CALL
    return UserSaid(step=step, content=content, nudge=True)


class TakingUp:
    """Goes on from a point of a run's journal, once."""

    def __init__(
        self, point: ResumePoint, *, store: TaskStore, recorder: RunRecorder, runner: CallRunner, reason: str = ""
    ) -> None:
        self._point = point
        self._store = store
        self._recorder = recorder
        self._runner = runner
        self._reason = reason

    @property
    def changes_files(self) -> bool:
        """Whether the open calls, run again or not, may leave files that no checkpoint stands for yet."""
        return any(map(self._runner.toolbox.changes_files, self._point.open))

    async def take_up(self, sandbox: Sandbox) -> FinishRequest | Pause | None:
        """Give every open call its result and record that with where the run goes on, all or none.

        Returns what an open call wants of the run itself; None when the model is to be asked next. May be called again
        after an error: nothing was recorded.

        Raises:
            SandboxError: The sandbox broke, or ended.
            LeaseLost: Another attempt owns the run.
        """
        request = self._request()
        events: list[RunEvent] = []
        consumed: list[str] = []
        if isinstance(request, Pause) and (answer := await self._answer()) is not None:
            events, consumed = self._runner.answer(self._point.open[0], answer.text, self._point.step), [answer.id]
            request = None
        elif request is None:
            events = await self._results(sandbox)
        if request is None:
            events += [*self._hint(), *(UserSaid(step=self._point.step, content=words) for words in self._point.said)]
        await self._recorder.record(self._resumed(), *events, consumed=consumed)
        return request

    def _resumed(self) -> RunResumed:
        point = self._point
        return RunResumed(
            step=point.step,
            cut=point.cut,
            checkpoint=point.checkpoint.number if point.checkpoint else 0,
            reason=self._reason,
            usage=self._recorder.state.usage,
        )

    def _request(self) -> FinishRequest | Pause | None:
        reply = self._point.reply
        if reply is None or not self._point.open:
            return None
        return self._runner.request(reply.message, {})

    async def _answer(self) -> Signal | None:
        """Return the answer to the question that the open call asked, if it is there."""
        asked = self._recorder.state.question
        if asked is None or asked.call_id != self._point.open[0].id:
            return None
        signals = await self._store.signals(self._recorder.task.id)
        return next((one for one in signals if one.kind is SignalKind.ANSWER), None)

    async def _results(self, sandbox: Sandbox) -> list[RunEvent]:
        """Run again what may be run again; from the first call on that may not, none is."""
        context = ToolContext(sandbox=sandbox, step=self._point.step)
        events: list[RunEvent] = []
        stopped = False
        for call in self._point.open:
            if stopped:
                events.append(not_run(call, context.step, NOT_REPEATED))
            elif self._runner.toolbox.effect(call) is Effect.ONCE:
                events.append(not_run(call, context.step, INTERRUPTED))
                stopped = True
            else:
                events += (await self._runner.run(call, None, context))[0]
        return events

    def _hint(self) -> list[UserSaid]:
        """Return what the model has to know before it goes on, where no result says it."""
        point, toolbox = self._point, self._runner.toolbox
        hints: list[UserSaid] = []
        if point.reply is not None and not point.open:
            hints.append(nudge(ReplyClass(point.reply.kind), point.step))
        replies = [one.event for one in self._recorder.folded.spoken if isinstance(one.event, ModelReplied)]
        calls = [call for reply in replies if reply.step <= point.step for call in reply.message.tool_calls]
        if any(map(toolbox.changes_files, calls)) and not any(toolbox.effect(one) is Effect.ONCE for one in point.open):
            hints.append(UserSaid(step=point.step, content=NEW_SANDBOX, nudge=True))
        return hints
