from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import pytest

from pullwright.agents.budget import Budget
from pullwright.agents.calls import CallRunner, FinishRequest
from pullwright.agents.compaction import LEAST_ROOM, STEPS_BETWEEN, Compactor, Window
from pullwright.agents.conversation import fold
from pullwright.agents.errors import ContextTooLong, MalformedReply, ModelUnavailable
from pullwright.agents.events import (
    ConversationCompacted,
    QuestionAsked,
    RunEvent,
    RunResumed,
    RunStarted,
    ToolFinished,
    UserSaid,
    from_data,
    to_data,
)
from pullwright.agents.llm.counting import EndpointCounter
from pullwright.agents.loop import AgentLoop
from pullwright.agents.message import AssistantMessage, SystemMessage, ToolResult, UserMessage
from pullwright.agents.ports.model import ModelRequest, ReasoningEffort
from pullwright.agents.queue.memory import MemoryStore
from pullwright.agents.recorder import RunRecorder
from pullwright.agents.steering import Steering
from pullwright.agents.testing.contracts_store import a_spec
from pullwright.agents.testing.fake_clock import FakeClock
from pullwright.agents.testing.fake_sandbox import FakeSandbox, no_commands
from pullwright.agents.testing.scripted_model import Reply, ScriptedModel, ScriptItem
from pullwright.agents.tools.registry import coding_tools
from tests.unit.agents.journals import journal
from tests.unit.agents.pipeline_scene import Turn, finish

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


WINDOW = 32_768
LARGE = b"line of a file that is read again and again\n" * 250
TOO_LONG = ContextTooLong("the conversation does not fit")
STARTED = RunStarted(model="m", effort="high", base_ref="", base_sha="", system_prompt="Be brief.", user_prompt="Fix.")
PLAN = Reply(calls=[("plan", {"items": [{"text": "look", "state": "done"}, {"text": "mend", "state": "todo"}]})])


def look(number: int) -> Reply:
    """Read the file in another way each time, so that it is no circle."""
    return Reply(reasoning="hm", calls=[("read", {"path": "a", "limit": 250 - number})])


@dataclass(kw_only=True)
class Stage:
    """A loop over a scripted model and a sandbox in memory."""

    script: Sequence[ScriptItem]
    window: int = WINDOW
    counter: EndpointCounter = field(default_factory=EndpointCounter)
    clock: FakeClock = field(default_factory=FakeClock)

    def __post_init__(self) -> None:
        self.model = ScriptedModel(self.script)
        self.store = MemoryStore(self.clock)

    async def begin(self) -> RunRecorder:
        created = await self.store.create(a_spec(budget=Budget(), images=()))
        task = await self.store.claim("w", created.id)
        assert task is not None
        recorder = await RunRecorder.resume(self.store, task)
        await recorder.record(STARTED)
        return recorder

    async def advance(self, recorder: RunRecorder) -> FinishRequest:
        compactor = Compactor(self.model, self.counter, window=lambda: self.window)
        loop = AgentLoop(
            model=self.model,
            runner=CallRunner(toolbox=coding_tools(), recorder=recorder, clock=self.clock),
            recorder=recorder,
            steering=Steering(
                store=self.store,
                segment=Turn(task=recorder.task),
                recorder=recorder,
                clock=self.clock,
                price=lambda _: None,
            ),
            effort=ReasoningEffort.HIGH,
            compactor=compactor,
        )
        files = {"/workspace/a": LARGE}
        request = await loop.advance(FakeSandbox(dict(files), no_commands, files))
        assert isinstance(request, FinishRequest)
        return request

    async def events(self, recorder: RunRecorder) -> list[RunEvent]:
        return [entry.event for entry in await self.store.journal(recorder.task.id)]

    async def compactions(self, recorder: RunRecorder) -> list[ConversationCompacted]:
        return [event for event in await self.events(recorder) if isinstance(event, ConversationCompacted)]


class Lying(EndpointCounter):
    """Learns nothing, because the scripted model's usage has nothing to do with what it was sent."""

    def observe(self, request: ModelRequest, prompt_tokens: int) -> None:
        return


def staged(*script: ScriptItem, window: int = WINDOW) -> Stage:
    return Stage(script=script, window=window, counter=Lying())


def roles(request: ModelRequest) -> list[str]:
    return [type(message).__name__ for message in request.messages]


async def test_a_conversation_that_gets_too_long_is_replaced_by_the_models_own_notes() -> None:
    stage = staged(PLAN, *map(look, range(4)), Reply("I read a.", "thoughts"), finish())
    recorder = await stage.begin()
    await stage.advance(recorder)
    (event,) = await stage.compactions(recorder)
    asked, after = stage.model.requests[-2:]
    before = stage.model.requests[-3]
    assert asked.messages[: len(before.messages)] == before.messages, "the prefix is warm"
    assert asked.tools == before.tools
    assert asked.conversation_id == before.conversation_id
    assert roles(after) == ["SystemMessage", "UserMessage", "AssistantMessage", "UserMessage"]
    assert after.messages[:2] == before.messages[:2]
    assert event.source == "model"
    assert event.summary.endswith("I read a.")
    assert "- [done] look\n- [todo] mend" in event.content
    assert event.tokens_after < event.tokens_before
    assert event.tokens_before > Window(tokens=WINDOW, effort=ReasoningEffort.HIGH).threshold
    assert recorder.state.usage.prompt_tokens == 700, "the notes cost something too"


async def test_every_request_of_a_compacted_run_is_valid_under_the_strictest_template() -> None:
    stage = staged(*map(look, range(4)), Reply("Notes."), *map(look, range(4, 6)), finish())
    await stage.advance(await stage.begin())
    for request in stage.model.requests:
        assert isinstance(request.messages[0], SystemMessage)
        steps = request.messages[:-1] if wants_notes(request) else request.messages
        for left, right in pairwise(steps):
            assert not isinstance(right, SystemMessage)
            assert isinstance(left, (SystemMessage, AssistantMessage)) or not isinstance(right, UserMessage)


async def test_the_conversation_may_move_after_it_was_compacted() -> None:
    stage = staged(*map(look, range(4)), Reply("Notes."), look(9), finish())
    recorder = await stage.begin()
    await stage.advance(recorder)
    ids = [request.conversation_id for request in stage.model.requests]
    task_id = recorder.task.id
    assert ids == [task_id] * 5 + [f"{task_id}.1"] * 2


async def test_the_words_of_people_are_kept_and_our_own_nudges_are_not() -> None:
    stage = staged(*map(look, range(4)), Reply("Notes."), finish())
    recorder = await stage.begin()
    await recorder.record(UserSaid(step=0, content="Leave\n  b alone."), UserSaid(step=0, content="nudge", nudge=True))
    await stage.advance(recorder)
    (event,) = await stage.compactions(recorder)
    assert event.kept == ("Leave\n  b alone.",)
    assert "<message>\nLeave\n  b alone.\n</message>" in event.content
    assert "nudge" not in event.content


async def test_the_words_of_people_outlive_several_compactions() -> None:
    stage = staged(*map(look, range(4)), Reply("One."), *map(look, range(4, 8)), Reply("Two."), finish())
    recorder = await stage.begin()
    await recorder.record(UserSaid(step=0, content="Leave b alone."))
    await stage.advance(recorder)
    one, two = await stage.compactions(recorder)
    assert (one.kept, two.kept) == (("Leave b alone.",), ("Leave b alone.",))
    assert recorder.state.compactions == 2
    assert len(stage.model.requests[-1].messages) == 4, "the first notes went into the second ones"


async def test_a_resumed_run_has_the_same_messages_byte_for_byte() -> None:
    stage = staged(PLAN, *map(look, range(4)), Reply("Notes — é."), look(9), finish())
    recorder = await stage.begin()
    await stage.advance(recorder)
    stored = [(event.type, json.loads(json.dumps(to_data(event)))) for event in await stage.events(recorder)]
    resumed = fold(journal(from_data(type_, data) for type_, data in stored))
    assert resumed == recorder.state
    assert repr(resumed.messages).encode() == repr(recorder.state.messages).encode()
    assert (await RunRecorder.resume(stage.store, recorder.task)).state == recorder.state


async def test_a_model_that_calls_tools_instead_is_asked_without_them_and_nothing_is_run() -> None:
    stage = staged(
        *map(look, range(4)), Reply("x", calls=[("bash", {"command": "rm -rf ."})]), Reply("Notes."), finish()
    )
    recorder = await stage.begin()
    await stage.advance(recorder)
    (event,) = await stage.compactions(recorder)
    question = stage.model.requests[-2]
    assert (event.source, question.tools, question.effort) == ("excerpt", (), ReasoningEffort.NONE)
    assert roles(question) == ["SystemMessage", "UserMessage"]
    assert "rm -rf" not in str(recorder.state.messages)
    assert event.usage.prompt_tokens == 200


async def test_without_any_words_a_digest_is_made() -> None:
    stage = staged(*map(look, range(4)), MalformedReply("empty"), MalformedReply("empty"), finish())
    recorder = await stage.begin()
    await stage.advance(recorder)
    (event,) = await stage.compactions(recorder)
    assert event.source == "digest"
    assert "[result of read]" in event.summary


async def test_an_endpoint_that_is_gone_ends_the_attempt_and_changes_nothing() -> None:
    stage = staged(*map(look, range(4)), ModelUnavailable("gone"))
    recorder = await stage.begin()
    with pytest.raises(ModelUnavailable):
        await stage.advance(recorder)
    assert await stage.compactions(recorder) == []


async def test_an_overflow_that_nobody_saw_coming_is_compacted_once() -> None:
    stage = staged(look(1), look(2), TOO_LONG, Reply("Notes."), finish(), window=0)
    recorder = await stage.begin()
    await stage.advance(recorder)
    (event,) = await stage.compactions(recorder)
    assert event.source == "excerpt", "the conversation itself does not fit"


async def test_an_overflow_right_after_a_compaction_ends_the_run() -> None:
    stage = staged(look(1), TOO_LONG, Reply("Notes."), TOO_LONG, window=0)
    recorder = await stage.begin()
    with pytest.raises(ContextTooLong):
        await stage.advance(recorder)
    assert len(await stage.compactions(recorder)) == 1
    assert len(stage.model.requests) == 4


async def test_a_task_that_does_not_fit_by_itself_is_not_compacted() -> None:
    stage = staged(TOO_LONG, window=0)
    recorder = await stage.begin()
    with pytest.raises(ContextTooLong):
        await stage.advance(recorder)
    small = staged(window=LEAST_ROOM)
    with pytest.raises(ContextTooLong, match="larger window"):
        await small.advance(await small.begin())
    assert small.model.requests == []


async def test_two_compactions_are_at_least_some_steps_apart() -> None:
    def answer(number: int) -> ScriptItem:
        return lambda request: Reply("Notes.") if wants_notes(request) else look(number)

    stage = staged(*map(answer, range(40)), finish(), window=24_000)
    recorder = await stage.begin()
    await stage.advance(recorder)
    steps = [event.step for event in await stage.compactions(recorder)]
    assert len(steps) > 5
    assert all(later - earlier >= STEPS_BETWEEN for earlier, later in pairwise(steps))


def wants_notes(request: ModelRequest) -> bool:
    return "Do not call a tool now" in str(request.messages[-1])


async def test_the_cap_of_a_reply_fits_the_room_that_is_left() -> None:
    stage = staged(*map(look, range(3)), finish(), window=40_000)
    await stage.advance(await stage.begin())
    for request in stage.model.requests:
        counted = stage.counter.estimate(request).tokens
        assert 0 < request.max_tokens <= 40_000 - counted


@pytest.mark.parametrize("effort", list(ReasoningEffort))
@pytest.mark.parametrize("tokens", [4096, 8192, 32_768, 131_072, 262_144])
def test_half_of_the_window_is_the_conversations_whatever_the_window(tokens: int, effort: ReasoningEffort) -> None:
    window = Window(tokens=tokens, effort=effort)
    assert tokens // 2 <= window.threshold < tokens
    assert window.room(window.threshold) >= LEAST_ROOM


def test_r6_the_room_for_a_reply_is_16k_for_high_and_4k_for_none() -> None:
    for effort, room in ((ReasoningEffort.HIGH, 16_384), (ReasoningEffort.NONE, 4_096)):
        window = Window(tokens=262_144, effort=effort)
        assert window.room(window.threshold) == room


def test_what_is_said_while_the_notes_are_written_is_not_lost() -> None:
    late = UserSaid(step=1, content="Wait!")
    event = ConversationCompacted(step=1, covered=2, summary="s", content="c")
    state = fold(journal([STARTED, late, event]))
    assert state.messages[-1] == UserMessage(content="Wait!")
    assert state.said == ("Wait!",)


def test_what_a_person_answered_outlives_a_compaction() -> None:
    asked = QuestionAsked(step=1, question="red or blue?", wait="input_required", call_id="c")
    answer = ToolFinished(step=1, result=ToolResult(call_id="c", name="ask", content="red"))
    state = fold(journal([STARTED, asked, answer, RunResumed(step=1, cut=3, checkpoint=0)]))
    (said,) = state.said
    assert "red or blue?" in said
    assert said.endswith("red")
    assert state.question is None
