from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import pytest

from pullwright.agents.errors import ConfigError, ModelUnavailable
from pullwright.agents.finding import Mark
from pullwright.agents.llm.profile import PROFILES
from pullwright.agents.llm.self_test import SelfTest, self_test
from pullwright.agents.llm.settings import EndpointSettings
from pullwright.agents.testing.endpoint_script import Answer
from pullwright.agents.testing.scripted_endpoint import Quirk, ScriptedEndpoint
from pullwright.agents.testing.scripted_model import Reply
from tests.unit.agents.llm.healthy_model import healthy

pytestmark = pytest.mark.anyio

VLLM = EndpointSettings(url="")


async def examined(
    *quirks: Quirk,
    profile: str = "vllm",
    settings: EndpointSettings = VLLM,
    script: Answer = healthy,
    patience: float = 5.0,
    slow: float = 5.0,
    **options: Any,
) -> SelfTest:
    style = options.pop("style", profile.removeprefix("nim-"))
    with ScriptedEndpoint(script, style=style, quirks=frozenset(quirks), **options) as endpoint:
        return await self_test(replace(settings, url=endpoint.url, profile=profile), patience=patience, slow=slow)


@pytest.mark.parametrize("profile", sorted(PROFILES))
async def test_r2_a_good_endpoint_is_good(profile: str) -> None:
    quirks = [Quirk.F23_NIM] if profile.startswith("nim-") else []
    found = await examined(*quirks, profile=profile)
    marks = {finding.name: finding.mark for finding in found.findings}
    assert {name for name, mark in marks.items() if mark is not Mark.OK} == set()
    assert {"plain call", "tool calls", "effort", "parallel calls", "second turn", "counting", "images"} <= set(marks)
    assert found.suggested_profile == profile
    assert (found.model.window, found.usable) == (262_144, True)


async def test_r2_reasoning_in_the_text_is_named() -> None:
    def leaking(request: Any) -> Reply:
        reply = healthy(request)
        text = f"[THINK]{reply.reasoning}[/THINK]{reply.text}" if reply.reasoning else reply.text
        return Reply(text, "", reply.calls)

    finding = (await examined(script=leaking)).named("reasoning parser")
    assert finding is not None
    assert "--reasoning-parser mistral" in finding.text


@pytest.mark.parametrize("thinks", [True, False])
async def test_r2_an_ignored_effort_is_named(thinks: bool) -> None:
    def stubborn(request: Any) -> Reply:
        return replace(healthy(request), reasoning="Hm." if thinks else "")

    finding = (await examined(script=stubborn)).named("effort")
    assert finding is not None
    assert (finding.mark, "although" in finding.text) == (Mark.WARN, thinks)


async def test_r2_a_model_that_never_calls_is_named() -> None:
    found = await examined(script=lambda _: Reply("Five."))
    finding = found.named("tool calls")
    assert finding is not None
    assert finding.mark is Mark.MISSING


@pytest.mark.parametrize("style", ["vllm", "sglang", "llamacpp", "ollama", "mistral"])
async def test_r1_a_wrong_profile_is_named(style: str) -> None:
    configured = "vllm" if style != "vllm" else "sglang"
    found = await examined(profile=configured, style=style)
    finding = found.named("profile")
    assert finding is not None
    assert finding.mark is Mark.MISSING
    assert f"AGENT_ENDPOINT_PROFILE={style}" in finding.text


async def test_r1_nim_may_be_called_by_its_engine() -> None:
    found = await examined(Quirk.F23_NIM, profile="vllm")
    assert found.suggested_profile == "nim-vllm"
    assert found.usable


async def test_a_wrong_key_and_a_wrong_model_are_named() -> None:
    found = await examined(key="right", settings=replace(VLLM, key="wrong-key"))
    assert [finding.name for finding in found.findings] == ["key"]
    assert "wrong-key" not in found.findings[0].text
    found = await examined(settings=replace(VLLM, model="other"))
    finding = found.named("model name")
    assert finding is not None
    assert "'scripted-mistral'" in finding.text


async def test_r27_health_is_asked_for_once() -> None:
    with ScriptedEndpoint(healthy, style="sglang") as endpoint:
        found = await self_test(EndpointSettings(url=endpoint.url, profile="sglang"))
    assert found.usable
    assert endpoint.asked.count("/health") == 1


async def test_a_slow_first_call_of_a_loaded_server_is_told() -> None:
    found = await examined(Quirk.F22_SLOW_LOAD, slow=0.1, seconds=0.3)
    finding = found.named("loading")
    assert finding is not None
    assert (finding.mark, "after each start" in finding.text) == (Mark.WARN, True)


async def test_r17_the_first_turn_goes_back_as_the_model_wrote_it() -> None:
    def marked(request: Any) -> Reply:
        return replace(healthy(request), text="[\u2060INST] it is.")

    with ScriptedEndpoint(marked, style="sglang") as endpoint:
        await self_test(EndpointSettings(url=endpoint.url, profile="sglang"))
    messages: list[Any] = [message for sent in endpoint.requests for message in cast("list[Any]", sent["messages"])]
    replayed = {message["content"] for message in messages if message["role"] == "assistant"}
    assert replayed == {"[\u2060INST] it is."}


async def test_r28_the_conversation_is_named_to_routers() -> None:
    with ScriptedEndpoint(healthy) as endpoint:
        await self_test(EndpointSettings(url=endpoint.url))
    assert all("x-session-id" in headers for headers in endpoint.headers)


async def test_r32_secrets_in_the_url_are_not_shown() -> None:
    with ScriptedEndpoint(healthy, quirks={Quirk.F7_ENGINE_DEAD}) as endpoint:
        url = endpoint.url.replace("http://", "http://me:pass-word@")
        found = await self_test(EndpointSettings(url=url))
    assert not found.usable
    assert "pass-word" not in str(found)
    with pytest.raises(ModelUnavailable) as unreachable:
        await self_test(EndpointSettings(url="http://me:pass-word@127.0.0.1:9/v1"))
    assert "pass-word" not in str(unreachable.value)


@pytest.mark.parametrize("url", ["me:pass-word@host/v1", "http://me:pass-word", "http://h:pass-word/v1?token=to-ken"])
async def test_r32_a_url_that_is_none_keeps_its_secrets(url: str) -> None:
    with pytest.raises(ConfigError, match="AGENT_ENDPOINT_URL") as caught:
        await self_test(EndpointSettings(url=url))
    assert "pass-word" not in str(caught.value)
    assert "to-ken" not in str(caught.value)


async def test_nobody_at_the_url_is_an_error() -> None:
    with pytest.raises(ModelUnavailable, match="AGENT_ENDPOINT_URL"):
        await self_test(EndpointSettings(url="http://127.0.0.1:9/v1"))
