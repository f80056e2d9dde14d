from __future__ import annotations

import pytest

from pullwright.agents.errors import ConfigError
from pullwright.agents.llm.profile import PROFILES, ReasoningReplay, profile


def test_there_is_one_profile_for_each_server() -> None:
    assert set(PROFILES) == {"vllm", "sglang", "llamacpp", "ollama", "nim-vllm", "nim-sglang", "mistral"}
    assert all(profile(name).name == name for name in PROFILES)


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"'tgi'.*vllm.*mistral"):
        profile("tgi")


def test_nim_is_its_engine() -> None:
    assert profile("nim-vllm").reasoning_replay is ReasoningReplay.REASONING
    assert profile("nim-sglang").reasoning_replay is ReasoningReplay.REASONING_CONTENT
    assert not profile("nim-sglang").streams


def test_sglang_is_not_asked_to_stream_and_not_given_strict_tools() -> None:
    assert (profile("sglang").streams, profile("sglang").strict_tools) == (False, False)
    assert (profile("vllm").streams, profile("vllm").strict_tools) == (True, True)
