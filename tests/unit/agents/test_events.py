from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pullwright.agents.budget import Usage
from pullwright.agents.conversation import fold
from pullwright.agents.events import ModelReplied, RunEvent, RunStarted, ToolFinished, UserSaid, from_data, to_data
from pullwright.agents.message import AssistantMessage, ToolCall, ToolResult
from pullwright.agents.testing.contracts_store import every_event
from tests.unit.agents.journals import journal

texts = st.text(st.characters(exclude_categories=["Cs"]))
calls = st.builds(ToolCall, id=texts, name=texts, arguments=texts)
events: st.SearchStrategy[RunEvent] = st.one_of(
    st.builds(
        ModelReplied,
        step=st.integers(0, 99),
        message=st.builds(AssistantMessage, content=texts, reasoning=texts, tool_calls=st.lists(calls).map(tuple)),
        kind=texts,
        usage=st.builds(Usage, prompt_tokens=st.integers(0, 10**9)),
    ),
    st.builds(
        ToolFinished, step=st.integers(0, 99), result=st.builds(ToolResult, call_id=texts, name=texts, content=texts)
    ),
    st.builds(UserSaid, step=st.integers(0, 99), content=texts),
)
start = RunStarted(model="m", effort="high", base_ref="", base_sha="", system_prompt="s", user_prompt="u")


@pytest.mark.parametrize("event", every_event(), ids=lambda event: event.type)
def test_every_event_survives_the_journal(event: RunEvent) -> None:
    assert from_data(event.type, json.loads(json.dumps(to_data(event)))) == event


@given(st.lists(events))
def test_a_journal_read_back_gives_the_same_conversation(history: list[RunEvent]) -> None:
    revived = [from_data(event.type, json.loads(json.dumps(to_data(event)))) for event in history]
    assert fold(journal([start, *revived])) == fold(journal([start, *history]))


@given(st.lists(events), st.lists(events))
def test_more_events_only_ever_extend_the_messages(first: list[RunEvent], more: list[RunEvent]) -> None:
    before, after = fold(journal([start, *first])), fold(journal([start, *first, *more]))
    assert after.messages[: len(before.messages)] == before.messages


def test_a_field_of_a_newer_release_is_ignored_and_an_unknown_type_is_named() -> None:
    assert from_data("user.said", {"step": 1, "content": "x", "later": True}) == UserSaid(step=1, content="x")
    with pytest.raises(ValueError, match="newer release"):
        from_data("user.sang", {})
