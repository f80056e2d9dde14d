from __future__ import annotations

import pytest

from pullwright.agents.llm.discovery import Facts
from pullwright.agents.llm.settings import EndpointSettings
from pullwright.agents.testing.scripted_endpoint import Quirk, ScriptedEndpoint

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("style", "quirk", "window"),
    [
        ("llamacpp", Quirk.F17_SLOT_WINDOW, 5000),
        ("llamacpp", Quirk.F18_NO_DONE, 262_144),
        ("ollama", Quirk.F19_TRUNCATES, 5000),
        ("vllm", Quirk.F1_SMALL_PIECES, 0),
    ],
)
async def test_the_window_of_one_request_is_asked_for(style: str, quirk: Quirk, window: int) -> None:
    with ScriptedEndpoint([], style=style, quirks={quirk}, slot=5000) as endpoint:
        async with Facts.open(EndpointSettings(url=endpoint.url)) as facts:
            assert await facts.served_window(style, endpoint.model) == window
            assert await facts.served_window(style, "another") in (0, window if style == "llamacpp" else 0)


@pytest.mark.parametrize("body", [None, "<html>", [], {"data": 3}, {"data": [3, {"owned_by": 7}]}, {"data": [{}]}])
async def test_r1_a_strange_list_of_models_suggests_nothing(body: object) -> None:
    with ScriptedEndpoint([]) as endpoint:
        async with Facts.open(EndpointSettings(url=endpoint.url)) as facts:
            assert await facts.suggest_profile(body) == ""


async def test_nobody_there_is_no_answer() -> None:
    async with Facts.open(EndpointSettings(url="http://127.0.0.1:9/v1", key="k")) as facts:
        assert await facts.ask("/props") is None
