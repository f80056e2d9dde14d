from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pullwright.agents.llm import counting
from pullwright.agents.llm.counting import Count, EndpointCounter, Ratio, message_units
from pullwright.agents.message import (
    AssistantMessage,
    Image,
    Message,
    SystemMessage,
    ToolCall,
    ToolResult,
    ToolSpec,
    UserMessage,
)
from pullwright.agents.ports.model import ModelRequest

TOOLS = (ToolSpec(name="bash", description="Run a command.", parameters={"type": "object"}),)
texts = st.text(max_size=400)
messages: st.SearchStrategy[Message] = st.one_of(
    st.builds(UserMessage, content=texts),
    st.builds(AssistantMessage, content=texts, reasoning=texts),
    st.builds(
        AssistantMessage,
        tool_calls=st.tuples(st.builds(ToolCall, id=st.just("abcdefgh1"), name=st.just("bash"), arguments=texts)),
    ),
    st.builds(ToolResult, call_id=st.just("abcdefgh1"), name=st.just("bash"), content=texts),
)
conversations = st.lists(messages, max_size=12)


def request(*history: Message, conversation_id: str = "c") -> ModelRequest:
    return ModelRequest(
        conversation_id=conversation_id, messages=(SystemMessage(content="Be brief."), *history), tools=TOOLS
    )


def units(asked: ModelRequest) -> int:
    return sum(map(message_units, asked.messages)) + sum(map(counting.tool_units, asked.tools))


class Known:
    """An exact counter that knows the number."""

    def __init__(self, tokens: int | None) -> None:
        self.tokens = tokens
        self.asked = 0

    async def count(self, request: ModelRequest) -> int | None:
        self.asked += 1
        return self.tokens


@given(conversations, messages, st.integers(0, 10**6))
def test_a_longer_conversation_never_counts_less(history: list[Message], more: Message, prompt_tokens: int) -> None:
    counter = EndpointCounter()
    counter.observe(request(*history), prompt_tokens)
    shorter = counter.estimate(request(*history)).tokens
    assert counter.estimate(request(*history, more)).tokens >= shorter


@given(conversations, st.lists(messages, min_size=1, max_size=6))
def test_what_the_endpoint_reported_is_taken_as_it_is(history: list[Message], more: list[Message]) -> None:
    counter = EndpointCounter()
    counter.observe(request(*history), 1000)
    assert counter.estimate(request(*history)) == Count(tokens=1000, anchored=True, guessed=0)
    grown = counter.estimate(request(*history, *more))
    assert grown.tokens == 1000 + round(sum(map(message_units, more)) * counter._ratio.value)


@given(st.floats(0.4, 2.5), st.lists(st.integers(500, 20_000), min_size=20, max_size=30))
def test_the_ratio_converges_to_what_the_endpoint_needs(truth: float, sizes: list[int]) -> None:
    ratio = Ratio()
    for size in sizes:
        ratio.observe(size, round(size * truth))
    assert ratio.value == pytest.approx(truth, rel=0.02)


@given(st.integers(1, 10_000), st.integers(1, 50_000), st.integers(1, 50_000))
def test_more_reported_tokens_never_lower_the_ratio(size: int, one: int, other: int) -> None:
    less, more = Ratio(), Ratio()
    less.observe(size, min(one, other))
    more.observe(size, max(one, other))
    assert less.value <= more.value


def test_the_sum_of_several_samples_does_not_spoil_the_ratio_but_a_changed_endpoint_is_believed() -> None:
    ratio = Ratio()
    assert ratio.observe(10_000, 9_000)
    settled = ratio.value
    assert not ratio.observe(10_000, 27_000)
    assert ratio.value == settled
    assert ratio.observe(10_000, 9_000)
    assert not ratio.observe(10_000, 20_000)
    assert ratio.observe(10_000, 20_000)
    assert ratio.value == 2.0


def test_each_message_is_measured_once(monkeypatch: pytest.MonkeyPatch) -> None:
    measured: list[Message] = []

    def measure(message: Message) -> int:
        measured.append(message)
        return message_units(message)

    monkeypatch.setattr(counting, "message_units", measure)
    counter = EndpointCounter()
    history: list[Message] = []
    for number in range(30):
        history.append(UserMessage(content=str(number)))
        counter.estimate(request(*history))
        counter.observe(request(*history), 100 + number)
    assert len(measured) == 31


@given(conversations, conversations)
def test_another_history_under_the_same_id_is_measured_as_itself(one: list[Message], other: list[Message]) -> None:
    counter = EndpointCounter()
    counter.estimate(request(*one))
    assert counter.estimate(request(*other)).tokens == units(request(*other))


def test_a_history_that_lost_messages_loses_what_was_reported_for_them() -> None:
    counter = EndpointCounter()
    history = [UserMessage(content="x" * 3000), UserMessage(content="y" * 3000)]
    counter.observe(request(*history), units(request(*history)))
    shorter = counter.estimate(request(history[0]))
    guessed = units(request(history[0]))
    assert shorter == Count(tokens=guessed, anchored=False, guessed=guessed)


def test_pictures_are_counted_by_their_size() -> None:
    header = b"\x89PNG\r\n\x1a\n" + bytes(8) + (800).to_bytes(4, "big") + (600).to_bytes(4, "big")
    bare = message_units(UserMessage(content="look"))
    small = message_units(UserMessage(content="look", images=(Image(media_type="image/png", content=header),)))
    broken = message_units(UserMessage(content="look", images=(Image(media_type="image/png", content=b"?"),)))
    assert (small - bare, broken - bare) == (29 * 22 + 22, 55 * 55 + 55)


@pytest.mark.anyio
async def test_the_exact_number_is_asked_for_only_where_the_estimate_can_not_decide() -> None:
    asked = request(UserMessage(content="x" * 30_000))
    exact = Known(7_777)
    counter = EndpointCounter(exact)
    assert not (await counter.count(asked)).exact
    assert not (await counter.count(asked, limit=200_000)).exact
    assert not (await counter.count(asked, limit=5_000)).exact, "too long in any case"
    assert exact.asked == 0
    assert await counter.count(asked, limit=11_000) == Count(tokens=7_777, exact=True)
    assert counter.estimate(asked) == Count(tokens=7_777, anchored=True), "what was asked for is learned"


@pytest.mark.anyio
async def test_an_exact_counter_without_a_number_leaves_the_estimate() -> None:
    asked = request(UserMessage(content="x" * 30_000))
    counter = EndpointCounter(Known(None))
    guess = await counter.count(asked, limit=10_000)
    assert guess == Count(tokens=units(asked), guessed=units(asked))


@pytest.mark.anyio
async def test_near_a_limit_the_tail_decides_whether_a_step_costs_a_count() -> None:
    exact = Known(9_500)
    counter = EndpointCounter(exact)
    history: list[Message] = [UserMessage(content="x" * 30_000)]
    counter.observe(request(*history), 9_000)
    for number in range(5):  # a known prefix and a short tail: no request per step, however near the limit is
        history.append(UserMessage(content=f"step {number}"))
        assert not (await counter.count(request(*history), limit=10_000)).exact
    assert exact.asked == 0
    history.append(UserMessage(content="y" * 3_000))
    assert (await counter.count(request(*history), limit=10_000)).exact
    assert exact.asked == 1


def test_r22_only_what_the_endpoint_itself_reported_is_known() -> None:
    counter = EndpointCounter()
    asked = request(UserMessage(content="x" * 3_000))
    assert counter.known(asked) == 0, "a first guess proves nothing"
    counter.observe(asked, 1_000)
    more = request(UserMessage(content="x" * 3_000), AssistantMessage(content="y"))
    assert 1_000 < counter.known(more) < 1_010
    assert counter.known(replace(more, conversation_id="another")) == 0
