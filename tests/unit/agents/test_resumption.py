"""Properties of going on: whatever a run's journal holds, and wherever it was cut."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import anyio
from hypothesis import given
from hypothesis import strategies as st

from pullwright.agents.budget import Usage
from pullwright.agents.calls import CallRunner, Pause
from pullwright.agents.conversation import RunState, fold
from pullwright.agents.events import (
    CheckpointMade,
    ConversationCompacted,
    JournalEntry,
    ModelReplied,
    QuestionAsked,
    RunEvent,
    RunResumed,
    RunStarted,
    TaskMoved,
    ToolFinished,
    UserSaid,
    from_data,
    to_data,
)
from pullwright.agents.message import AssistantMessage, Message, SystemMessage, ToolCall, ToolResult, UserMessage
from pullwright.agents.queue.memory import MemoryStore
from pullwright.agents.recorder import RunRecorder
from pullwright.agents.resumption import ResumePoint, resume_points, seconds_run
from pullwright.agents.taking_up import TakingUp
from pullwright.agents.testing.contracts_store import a_spec
from pullwright.agents.testing.fake_clock import FakeClock
from pullwright.agents.testing.fake_sandbox import FakeSandbox, no_commands
from pullwright.agents.tools.registry import coding_tools
from tests.unit.agents.journals import journal

TOOLS = coding_tools()
CALLS = {
    "pure": ("read", '{"path": "a"}'),
    "idempotent": ("write", '{"path": "a", "content": "x"}'),
    "once": ("bash", '{"command": "true"}'),
    "wrong": ("bash", "{}"),
    "finish": ("finish", '{"title": "t", "summary": "s"}'),
    "ask": ("ask", '{"question": "q?"}'),
}
STARTED = RunStarted(model="m", effort="high", base_ref="main", base_sha="a" * 40, system_prompt="s", user_prompt="u")
SPENT = Usage(prompt_tokens=10, completion_tokens=1)


@dataclass(frozen=True)
class Step:
    """What a run does in one step, as far as its journal shows it."""

    calls: tuple[str, ...]
    kept: bool
    late: bool
    """The checkpoint was made after the model had answered."""
    said: str
    compacted: bool


steps = st.builds(
    Step,
    calls=st.one_of(
        st.lists(st.sampled_from(["pure", "idempotent", "once", "wrong"]), max_size=3).map(tuple),
        st.sampled_from([("finish",), ("ask",)]),
    ),
    kept=st.booleans(),
    late=st.booleans(),
    said=st.sampled_from(["", "", "Use tabs.", "Hurry."]),
    compacted=st.booleans(),
)


def batches(run: Sequence[Step], *, all_kept: bool) -> Iterator[list[RunEvent]]:
    """Yield what a run that goes like this appends to its journal, transaction by transaction."""
    yield [STARTED]
    number, late, length = 0, list[RunEvent](), 2
    for at, step in enumerate(run, start=1):
        if step.compacted and length > 2:
            yield [ConversationCompacted(step=at - 1, covered=length, summary="n", content="c", usage=SPENT)]
            length = 4
        calls = tuple(ToolCall(id=f"{at}.{place}", name=CALLS[kind][0], arguments=CALLS[kind][1])
                      for place, kind in enumerate(step.calls))  # fmt: skip
        message = AssistantMessage(content=f"{at}", tool_calls=calls)
        kind = "calls" if calls else "text"
        yield [ModelReplied(step=at, message=message, kind=kind, usage=SPENT)]
        if late:
            yield late
        late = []
        if not calls:
            yield [UserSaid(step=at, content="go on", nudge=True)]
        elif step.calls == ("ask",):
            yield [QuestionAsked(step=at, question="q?", wait="input_required", call_id=calls[0].id)]
        if calls:
            yield [
                ToolFinished(step=at, result=ToolResult(call_id=one.id, name=one.name, content="ok")) for one in calls
            ]
        length += 1 + max(1, len(calls))
        if any(map(TOOLS.changes_files, calls)) and (step.kept or all_kept):
            number += 1
            made: list[RunEvent] = [CheckpointMade(step=at, number=number, sha="", tree="")]
            if step.late and not all_kept:
                late = made
            else:
                yield made
        if step.said:
            yield [UserSaid(step=at, content=step.said)]
            length += 1


def well_formed(messages: Sequence[Message], open_call: str | None) -> None:
    """Check what every chat template needs: calls answered at once and in order, and no two replies in a row."""
    assert [type(message) for message in messages[:2]] == [SystemMessage, UserMessage]
    waiting: list[str] = []
    before: Message | None = None
    for message in messages[2:]:
        if isinstance(message, ToolResult):
            assert message.call_id == waiting.pop(0)
        else:
            assert not waiting
            assert not (isinstance(message, AssistantMessage) and isinstance(before, AssistantMessage))
        if isinstance(message, AssistantMessage):
            waiting = [call.id for call in message.tool_calls]
        before = message
    assert waiting == ([open_call] if open_call else [])


async def attempt(store: MemoryStore, task_id: str) -> RunRecorder:
    claimed = await store.claim("w", task_id)
    assert claimed is not None
    return await RunRecorder.resume(store, claimed)


async def take_up(store: MemoryStore, recorder: RunRecorder, point: ResumePoint) -> str | None:
    """Go on from a point; return the id of the call that stays open, if one does."""
    runner = CallRunner(toolbox=TOOLS, recorder=recorder, clock=FakeClock())
    files = {"/workspace/a": b"old\n"}
    sandbox = FakeSandbox(dict(files), no_commands, files)
    request = await TakingUp(point, store=store, recorder=recorder, runner=runner).take_up(sandbox)
    if request is None:
        return None
    return point.open[0].id if isinstance(request, Pause) else request.call.id


def points(recorder: RunRecorder) -> list[ResumePoint]:
    return list(resume_points(recorder.folded, TOOLS.changes_files))


def void_steps(recorder: RunRecorder, cut: int) -> int:
    """Count the steps whose files are made again, in the journal that was there."""
    void = {
        entry.event.step
        for entry in recorder.earlier
        if isinstance(entry.event, ToolFinished) and entry.seq > cut and entry.event.result.name in ("bash", "write")
    }
    return len(void)


def spent(entries: Sequence[JournalEntry]) -> Usage:
    found = [one.event.usage for one in entries if isinstance(one.event, (ModelReplied, ConversationCompacted))]
    return sum(found, Usage())


def revived(entries: Sequence[JournalEntry]) -> RunState:
    """Read a journal back from what is stored of it."""
    events = (from_data(one.event.type, json.loads(json.dumps(to_data(one.event)))) for one in entries)
    return fold(journal(events))


@given(st.lists(steps, max_size=7), st.integers(0, 40), st.integers(0, 3), st.booleans())
def test_r13_every_call_has_one_result_in_order_wherever_a_run_was_cut(
    run: list[Step], length: int, damaged: int, all_kept: bool
) -> None:
    async def scenario() -> None:
        store = MemoryStore(FakeClock())
        task = await store.create(a_spec(images=(), may_ask=True))
        first = await attempt(store, task.id)
        for batch in islice(batches(run, all_kept=all_kept), length + 1):
            await first.record(*batch)
        said = list(first.state.said)
        await store.release(first.task, reason="")
        second = await attempt(store, task.id)
        if all_kept:
            assert void_steps(second, points(second)[0].cut) <= 1
        point = points(second)[: damaged + 1][-1]
        holds = fold([entry for entry in second.earlier if entry.seq <= point.cut])
        open_call = await take_up(store, second, point)
        state = second.state
        well_formed(state.messages, open_call)
        assert state.messages[: len(holds.messages)] == holds.messages
        heard = "\n".join(state.said)
        assert all(words in heard for words in said)
        assert state.usage == spent(await store.journal(task.id))
        whole = await store.journal(task.id)
        assert revived(whole) == state
        assert repr(revived(whole).messages).encode() == repr(state.messages).encode()
        await store.release(second.task, reason="")
        third = await attempt(store, task.id)
        again = next(one for one in points(third) if one.checkpoint == point.checkpoint)
        assert await take_up(store, third, again) == open_call
        assert stable(third.state.messages) == stable(state.messages)
        assert sorted(third.state.said) == sorted(state.said)

    anyio.run(scenario)


def stable(messages: Sequence[Message]) -> list[Message]:
    """Leave out what only tells that the sandbox is a new one, and where words stand that are said again."""
    return [message for message in messages if not isinstance(message, UserMessage)]


def test_the_step_before_the_cut_keeps_its_reply_and_loses_its_results() -> None:
    run = [Step(("once",), True, False, "", False), Step(("once", "pure"), False, False, "Hurry.", False)]
    events = [event for batch in batches(run, all_kept=False) for event in batch]
    recorder = fold(journal(events))
    assert len(recorder.messages) == 8
    resumed = RunResumed(step=2, cut=5, checkpoint=1)
    state = fold(journal([*events, resumed]))
    assert isinstance(state.messages[-1], AssistantMessage)
    assert (state.steps, state.said, state.usage) == (2, (), recorder.usage)
    assert state.checkpoint is not None
    assert state.checkpoint.number == 1


def test_checkpoints_go_on_being_counted_where_one_is_void() -> None:
    made = [CheckpointMade(step=number, number=number, sha="", tree="") for number in (1, 2)]
    back = RunResumed(step=0, cut=1, checkpoint=0)
    state = fold(journal([STARTED, *made, back]))
    assert (state.checkpoint, state.checkpoints) == (None, 2)


def test_only_running_counts_as_time() -> None:
    moved: list[RunEvent] = [TaskMoved(old="queued", new="running"), UserSaid(step=0, content="")]
    first = journal([*moved, TaskMoved(old="waiting", new="queued")], attempt=1)
    second = journal(moved, attempt=2, after=1000)
    assert seconds_run([*first, *second], before=2) == 1.0
    assert seconds_run([*first, *second], before=3) == 2.0
    assert seconds_run([], before=1) == 0.0
