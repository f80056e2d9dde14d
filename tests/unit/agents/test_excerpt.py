from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pullwright.agents.excerpt import LEFT_OUT, RESULT_CHARS, clipped, excerpt
from pullwright.agents.message import AssistantMessage, Message, SystemMessage, ToolCall, ToolResult, UserMessage

texts = st.text(max_size=900)
messages: st.SearchStrategy[Message] = st.one_of(
    st.builds(SystemMessage, content=texts),
    st.builds(UserMessage, content=texts),
    st.builds(
        AssistantMessage,
        content=texts,
        tool_calls=st.lists(st.builds(ToolCall, id=texts, name=texts, arguments=texts), max_size=2).map(tuple),
    ),
    st.builds(ToolResult, call_id=texts, name=texts, content=texts, is_error=st.booleans()),
)


@given(st.lists(messages), st.integers(0, 5000))
def test_an_excerpt_is_never_longer_than_its_limit(history: list[Message], limit: int) -> None:
    assert len(excerpt(history, limit)) <= limit


@given(texts, st.integers(0, 900))
def test_clipped_text_keeps_its_ends(text: str, limit: int) -> None:
    short = clipped(text, limit)
    assert len(short) <= limit
    assert short == text or len(text) > limit
    assert short[: max(0, limit - 5) // 2] == text[: max(0, limit - 5) // 2]


def test_the_newest_messages_are_kept_in_their_order() -> None:
    history = [UserMessage(content=f"message {number} {'x' * 100}") for number in range(100)]
    lines = excerpt(history, 1_000).splitlines()
    assert lines[0] == LEFT_OUT
    assert [line.split()[2] for line in lines[1:]] == [str(number) for number in range(100 - len(lines) + 1, 100)]


def test_reasoning_is_left_out_and_results_are_cut() -> None:
    call = ToolCall(id="abcdefgh1", name="bash", arguments='{"command": "make"}')
    result = ToolResult(call_id=call.id, name="bash", content="a" * 5_000 + "the end", is_error=True)
    text = excerpt([AssistantMessage(content="I look.", reasoning="secret", tool_calls=(call,)), result], 10_000)
    assert text.startswith('[assistant] I look.\n[assistant] bash {"command": "make"}\n[result of bash, failed] aaa')
    assert text.endswith("the end")
    assert "secret" not in text
    assert len(text) < RESULT_CHARS + 200
