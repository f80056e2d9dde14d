from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pullwright.agents.llm.body import BodyEncoder, request_options
from pullwright.agents.llm.profile import PROFILES, profile
from pullwright.agents.llm.render import render_message, render_messages, render_tools
from pullwright.agents.llm.settings import EndpointSettings
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
from pullwright.agents.ports.model import ModelRequest, ReasoningEffort

RULES = SystemMessage(content="rules")
CALL = ToolCall(id="aB3dE6gH9", name="bash", arguments='{"command": "ls"}')
THOUGHTFUL = AssistantMessage(content="I look.", reasoning="Where?", tool_calls=(CALL,))
TOOLS = tuple(
    ToolSpec(name=name, description="…", parameters={"type": "object", "properties": {}}) for name in ("read", "bash")
)

texts = st.text(max_size=20)
calls = st.builds(
    ToolCall,
    id=st.integers(0, 10**9 - 1).map("{:09}".format),
    name=st.sampled_from(["bash", "read"]),
    arguments=st.dictionaries(texts, texts, max_size=3).map(json.dumps),
)
conversations = st.lists(
    st.one_of(
        st.builds(UserMessage, content=texts),
        st.builds(AssistantMessage, content=texts, reasoning=texts, tool_calls=st.lists(calls, max_size=3).map(tuple)),
        st.builds(ToolResult, call_id=st.just(CALL.id), name=st.just("bash"), content=texts),
    ),
    max_size=8,
)


def request(*messages: Message, conversation_id: str = "task-1", effort: str = "high") -> ModelRequest:
    """One turn after our instructions."""
    messages = (RULES, *messages)
    return ModelRequest(conversation_id=conversation_id, messages=messages, tools=TOOLS, effort=ReasoningEffort(effort))


def body(encoder: BodyEncoder, name: str, *messages: Message, effort: str = "high") -> bytes:
    asked = request(*messages, effort=effort)
    settings = EndpointSettings(url="http://host/v1")
    return encoder.encode(asked, request_options(asked, profile(name), settings, model="m", max_tokens=100))


@given(messages=conversations, cut=st.integers(min_value=0, max_value=8))
def test_the_next_request_extends_this_one_for_every_profile(messages: list[Message], cut: int) -> None:
    for name in PROFILES:
        encoder = BodyEncoder(profile(name))
        earlier = body(encoder, name, *messages[:cut])
        later = body(encoder, name, *messages)
        assert earlier.endswith(b"]}"), name
        # Under a strict template the next words of a person go on in the last message, within its text.
        grows = profile(name).strict_template and earlier.endswith(b'"}]}')
        assert later.startswith(earlier[: -4 if grows else -2]), name


@given(messages=conversations)
def test_remembered_pieces_are_what_rendering_from_scratch_gives(messages: list[Message]) -> None:
    for name in PROFILES:
        warm = BodyEncoder(profile(name))
        for end in range(len(messages) + 1):
            last = body(warm, name, *messages[:end])
        assert last == body(BodyEncoder(profile(name)), name, *messages), name
        assert json.loads(last)["messages"] == render_messages([RULES, *messages], profile(name)), name


def test_a_conversation_that_was_rewritten_is_rendered_anew() -> None:
    encoder = BodyEncoder(profile("vllm"))
    body(encoder, "vllm", UserMessage(content="a"), UserMessage(content="b"), UserMessage(content="c"))
    rewritten = json.loads(body(encoder, "vllm", UserMessage(content="a"), UserMessage(content="x")))
    assert [message["content"] for message in rewritten["messages"]] == ["rules", "a", "x"]


def test_many_conversations_do_not_mix() -> None:
    encoder = BodyEncoder(profile("vllm"))
    options: dict[str, object] = {"model": "m"}
    for number in range(200):
        encoder.encode(request(UserMessage(content=str(number)), conversation_id=str(number)), options)
    again = encoder.encode(request(UserMessage(content="0"), conversation_id="0"), options)
    assert json.loads(again)["messages"][1:] == [{"role": "user", "content": "0"}]


@pytest.mark.parametrize("name", ["vllm", "ollama", "nim-vllm"])
def test_reasoning_goes_back_as_reasoning(name: str) -> None:
    rendered = render_message(THOUGHTFUL, profile(name))
    assert (rendered["reasoning"], rendered["content"]) == ("Where?", "I look.")
    assert "reasoning_content" not in rendered


@pytest.mark.parametrize("name", ["sglang", "llamacpp", "nim-sglang"])
def test_reasoning_goes_back_as_reasoning_content(name: str) -> None:
    rendered = render_message(THOUGHTFUL, profile(name))
    assert rendered["reasoning_content"] == "Where?"
    assert "reasoning" not in rendered


def test_reasoning_goes_back_as_a_thinking_item_to_the_hosted_api() -> None:
    rendered = render_message(THOUGHTFUL, profile("mistral"))
    assert rendered["content"] == [
        {"type": "thinking", "thinking": [{"type": "text", "text": "Where?"}]},
        {"type": "text", "text": "I look."},
    ]
    silent = render_message(AssistantMessage(reasoning="Hm.", tool_calls=(CALL,)), profile("mistral"))
    assert silent["content"] == [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}]


@pytest.mark.parametrize("name", PROFILES)
def test_empty_reasoning_is_never_sent(name: str) -> None:
    rendered = render_message(AssistantMessage(content="Done."), profile(name))
    assert rendered == {"role": "assistant", "content": "Done."}


@pytest.mark.parametrize("name", PROFILES)
def test_a_call_without_words_has_an_empty_content(name: str) -> None:
    rendered = render_message(AssistantMessage(tool_calls=(CALL,)), profile(name))
    assert rendered == {
        "role": "assistant",
        "content": "",
        "tool_calls": [
            {"id": "aB3dE6gH9", "type": "function", "function": {"name": "bash", "arguments": '{"command": "ls"}'}}
        ],
    }


def test_a_tool_result_is_a_string_that_is_never_empty() -> None:
    result = ToolResult(call_id=CALL.id, name="bash", content="")
    assert render_message(result, profile("vllm")) == {
        "role": "tool",
        "tool_call_id": "aB3dE6gH9",
        "content": "(no output)",
    }
    assert render_message(result, profile("ollama"))["name"] == "bash"


def test_images_are_parts_of_the_user_message() -> None:
    message = UserMessage(content="See", images=(Image(media_type="image/png", content=b"\x89PNG"),))
    assert render_message(message, profile("vllm"))["content"] == [
        {"type": "text", "text": "See"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw=="}},
    ]


def test_tools_are_sorted_and_strict_where_that_pins_their_names() -> None:
    rendered = [tool["function"] for tool in render_tools(TOOLS, profile("vllm"))]
    assert [(tool["name"], tool["strict"]) for tool in rendered] == [  # type: ignore[index]
        ("bash", True),
        ("read", True),
    ]
    assert "strict" not in str(render_tools(TOOLS, profile("sglang")))


def test_options_follow_the_model_card_and_the_effort() -> None:
    high = json.loads(body(BodyEncoder(profile("vllm")), "vllm", UserMessage(content="a")))
    none = json.loads(body(BodyEncoder(profile("vllm")), "vllm", UserMessage(content="a"), effort="none"))
    assert (high["reasoning_effort"], high["temperature"], high["top_p"]) == ("high", 0.7, 0.95)
    assert (none["reasoning_effort"], none["top_p"]) == ("none", 1.0)
    assert (high["max_tokens"], high["tool_choice"], high["session_id"]) == (100, "auto", "task-1")
    assert high["stream_options"] == {"include_usage": True}


def test_the_hosted_api_gets_no_field_that_it_refuses() -> None:
    sent = json.loads(body(BodyEncoder(profile("mistral")), "mistral", UserMessage(content="a")))
    assert set(sent) == {
        "model",
        "messages",
        "tools",
        "tool_choice",
        "temperature",
        "top_p",
        "max_tokens",
        "stream",
        "reasoning_effort",
    }


def test_operators_choose_sampling_and_streaming() -> None:
    settings = EndpointSettings(url="http://host/v1", temperature=0.0, top_p=0.5, streaming=False)
    options = request_options(request(), profile("vllm"), settings, model="m", max_tokens=1)
    assert (options["temperature"], options["top_p"]) == (0.0, 0.5)
    assert not {"stream", "stream_options"} & set(options)


def test_no_tools_means_no_tool_fields() -> None:
    asked = ModelRequest(conversation_id="c", messages=(RULES, UserMessage(content="a")), tools=())
    options = request_options(asked, profile("vllm"), EndpointSettings(url="u"), model="m", max_tokens=1)
    sent = json.loads(BodyEncoder(profile("vllm")).encode(asked, options))
    assert not {"tools", "tool_choice"} & set(sent)


def test_text_that_is_no_unicode_is_still_sent() -> None:
    sent = json.loads(body(BodyEncoder(profile("vllm")), "vllm", UserMessage(content="bad \udcff name")))
    assert sent["messages"][1]["content"] == "bad ? name"
