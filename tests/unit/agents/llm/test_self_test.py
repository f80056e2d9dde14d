from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pullwright.agents.errors import ModelUnavailable
from pullwright.agents.llm.findings import Mark
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
    **options: Any,
) -> SelfTest:
    style = options.pop("style", profile.removeprefix("nim-"))
    with ScriptedEndpoint(script, style=style, quirks=frozenset(quirks), **options) as endpoint:
        return await self_test(replace(settings, url=endpoint.url, profile=profile), patience=patience)


@pytest.mark.parametrize("profile", sorted(PROFILES))
async def test_r2_a_good_endpoint_is_good(profile: str) -> None:
    quirks = [Quirk.F23_NIM] if profile.startswith("nim-") else []
    found = await examined(*quirks, profile=profile)
    marks = {finding.name: finding.mark for finding in found.findings}
    assert {name for name, mark in marks.items() if mark is not Mark.OK} == set()
    assert {"plain call", "tool calls", "effort", "parallel calls", "second turn", "counting", "images"} <= set(marks)
    assert found.suggested_profile == profile
    assert (found.model.window, found.usable) == (262_144, True)


DEFECTS = [
    (Quirk.F4_NO_PARSER, "vllm", "tool parser", Mark.MISSING, "--tool-call-parser mistral"),
    (Quirk.F4_NO_PARSER, "sglang", "tool parser", Mark.MISSING, "--tool-call-parser mistral"),
    (Quirk.F5_SKEW, "vllm", "mistral-common", Mark.MISSING, "<1.13"),
    (Quirk.F7_ERROR_CHUNK, "vllm", "replies", Mark.WARN, "failed once"),
    (Quirk.F7_ENGINE_DEAD, "vllm", "engine", Mark.MISSING, "EngineCore"),
    (Quirk.F8_ADMISSION, "vllm", "load", Mark.WARN, "overloaded"),
    (Quirk.F9_GLUED_CALLS, "vllm", "parallel calls", Mark.WARN, "damaged"),
    (Quirk.F14_OVERLOAD_CHUNK, "sglang", "load", Mark.WARN, "overloaded"),
    (Quirk.F17_SLOT_WINDOW, "llamacpp", "window", Mark.MISSING, "-np"),
    (Quirk.F18_LOADING, "llamacpp", "loading", Mark.MISSING, "loading"),
    (Quirk.F18_NO_DONE, "llamacpp", "replies", Mark.WARN, "failed once"),
    (Quirk.F18_UNPARSABLE, "llamacpp", "replies", Mark.WARN, "failed once"),
    (Quirk.F18_NO_IMAGES, "llamacpp", "images", Mark.WARN, "--mmproj"),
    (Quirk.F19_TRUNCATES, "ollama", "window", Mark.MISSING, "OLLAMA_CONTEXT_LENGTH"),
    (Quirk.F20_STOPS, "ollama", "replies", Mark.WARN, "failed once"),
    (Quirk.F21_BUSY, "ollama", "load", Mark.WARN, "server busy"),
    (Quirk.F21_NOT_FOUND, "ollama", "model name", Mark.MISSING, "try pulling it"),
    (Quirk.F23_RETIRED, "nim-vllm", "model name", Mark.MISSING, "410"),
    (Quirk.F24_RATE_LIMIT, "mistral", "load", Mark.WARN, "slow down"),
    (Quirk.F24_STRICT_FIELDS, "vllm", "fields", Mark.MISSING, "extra_forbidden"),
    (Quirk.F25_PAGE, "vllm", "replies", Mark.WARN, "failed once"),
    (Quirk.F26_EMPTY, "vllm", "plain call", Mark.WARN, "empty"),
    (Quirk.F28_SAME_IDS, "vllm", "parallel calls", Mark.OK, "work"),
    (Quirk.F29_NAN, "vllm", "arguments", Mark.WARN, "no JSON"),
    (Quirk.F30_UNAVAILABLE, "vllm", "load", Mark.WARN, "no healthy upstream"),
]


@pytest.mark.parametrize(
    ("quirk", "profile", "name", "mark", "words"), DEFECTS, ids=lambda value: value if isinstance(value, str) else ""
)
async def test_r2_a_defect_is_named(quirk: Quirk, profile: str, name: str, mark: Mark, words: str) -> None:
    found = await examined(quirk, profile=profile)
    named = [one for one in found.findings if one.name == name]
    assert [(one.mark, words in one.text) for one in named] == [(mark, True)], found.findings
    assert found.usable is (mark is not Mark.MISSING)
    assert all("\n" not in one.text for one in found.findings)


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


async def test_r24_a_server_that_hangs_is_named() -> None:
    found = await examined(Quirk.F27_SLOW_START, patience=0.2)
    assert [finding.name for finding in found.findings if finding.mark is Mark.MISSING] == ["time"]


async def test_r27_the_self_test_does_not_ask_for_health() -> None:
    with ScriptedEndpoint(healthy, style="sglang", quirks={Quirk.F15_SLOW_HEALTH}) as endpoint:
        found = await self_test(EndpointSettings(url=endpoint.url, profile="sglang"))
    assert found.usable
    assert "/health" not in endpoint.asked


async def test_nobody_at_the_url_is_an_error() -> None:
    with pytest.raises(ModelUnavailable, match="AGENT_ENDPOINT_URL"):
        await self_test(EndpointSettings(url="http://127.0.0.1:9/v1"))
