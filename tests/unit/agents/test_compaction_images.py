from __future__ import annotations

import struct
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pullwright.agents.budget import Usage
from pullwright.agents.compaction import UNKNOWN_IMAGE_TOKENS, Compactor, Window, resume_text
from pullwright.agents.conversation import RunState, fold
from pullwright.agents.errors import ContextTooLong
from pullwright.agents.events import ConversationCompacted, ModelReplied, RunEvent, RunStarted, from_data, to_data
from pullwright.agents.llm.counting import EndpointCounter
from pullwright.agents.llm.images import LONGEST_SIDE, oldest_beyond, tokens_of
from pullwright.agents.message import AssistantMessage, Image, UserMessage
from pullwright.agents.ports.model import ModelRequest, ReasoningEffort
from pullwright.agents.testing.scripted_model import Reply, ScriptedModel
from tests.unit.agents.journals import journal

pytestmark = pytest.mark.anyio
STARTED = RunStarted(model="m", effort="high", base_ref="", base_sha="", system_prompt="Be brief.", user_prompt="Fix.")
WINDOW = 131_072


def picture(name: str, width: int = LONGEST_SIDE, height: int = LONGEST_SIDE) -> Image:
    """The first bytes of a PNG; one of the full size costs about 3,080 tokens."""
    content = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">II", width, height)
    return Image(media_type="image/png", content=content, name=name)


def spoken(step: int) -> ModelReplied:
    return ModelReplied(step=step, message=AssistantMessage(content="Hm."), kind="text", usage=Usage())


async def compacted(state: RunState, window: int = WINDOW) -> ConversationCompacted:
    model = ScriptedModel([Reply("I did this."), Reply("I did this.")])
    request = ModelRequest(conversation_id="c", messages=state.messages, tools=(), effort=ReasoningEffort.HIGH)
    compactor = Compactor(model, EndpointCounter(), window=lambda: window)
    return await compactor.after_overflow(request, state, ContextTooLong("too long"))


def pictures(state: RunState) -> list[str]:
    first = state.messages[1]
    assert isinstance(first, UserMessage)
    return [image.name for image in first.images]


async def test_r16_the_oldest_pictures_go_at_a_compaction_and_a_line_says_so() -> None:
    images = tuple(picture(name) for name in "abcd")
    events: list[RunEvent] = [STARTED, spoken(1)]
    state = fold(journal(events), images=images)
    assert pictures(state) == ["a", "b", "c", "d"]
    event = await compacted(state)
    assert event.images_dropped == 2
    assert "[2 of the task's pictures, the oldest, are left out from here on.]" in event.content
    again = fold(journal([*events, from_data(event.type, to_data(event))]), images=images)
    assert again == state.apply(event)
    assert pictures(again) == ["c", "d"]


async def test_the_line_is_said_again_by_the_next_compaction() -> None:
    state = fold(journal([STARTED, spoken(1)]), images=tuple(picture(name) for name in "abcd"))
    state = state.apply(await compacted(state)).apply(spoken(9))
    same = await compacted(state)
    assert same.images_dropped == 0
    assert "[2 of the task's pictures" in same.content
    smaller = await compacted(state, window=WINDOW // 2)
    assert pictures(state.apply(smaller)) == ["d"]
    assert "[3 of the task's pictures" in smaller.content


@pytest.mark.parametrize("images", [(), (picture("a", 800, 600), picture("b", 800, 600))])
async def test_pictures_that_fit_stay_without_a_word(images: tuple[Image, ...]) -> None:
    state = fold(journal([STARTED, spoken(1)]), images=images)
    event = await compacted(state)
    assert event.images_dropped == 0
    assert "pictures" not in event.content
    assert state.apply(event).messages[1] == state.messages[1]


def test_an_unknown_window_has_room_for_two_pictures() -> None:
    window = Window(tokens=0, effort=ReasoningEffort.HIGH)
    assert window.image_tokens == UNKNOWN_IMAGE_TOKENS
    assert oldest_beyond([picture(name) for name in "abcd"], window.image_tokens) == 2
    assert "pictures" not in resume_text((), ())


@given(
    st.lists(st.builds(picture, st.just("a"), st.integers(1, 4000), st.integers(1, 4000)), max_size=8),
    st.integers(0, 30_000),
)
def test_what_is_kept_fits_and_one_more_would_not(images: Sequence[Image], tokens: int) -> None:
    dropped = oldest_beyond(images, tokens)
    assert sum(map(tokens_of, images[dropped:])) <= tokens
    assert not dropped or sum(map(tokens_of, images[dropped - 1 :])) > tokens
