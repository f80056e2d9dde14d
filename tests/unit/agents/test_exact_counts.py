from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import pytest

from pullwright.agents.errors import ConfigError
from pullwright.agents.llm.exact_counts import FirstOf, ServerCounter, TokenizerCounter
from pullwright.agents.llm.settings import EndpointSettings
from pullwright.agents.testing.contracts_model import request

pytestmark = pytest.mark.anyio

Handler = Callable[[httpx2.Request], httpx2.Response]


@asynccontextmanager
async def counter(profile: str, handler: Handler) -> AsyncIterator[ServerCounter]:
    settings = EndpointSettings(url="http://engine:8000/v1/", key="secret", profile=profile)
    async with httpx2.AsyncClient(transport=httpx2.MockTransport(handler)) as client:
        yield ServerCounter(client, settings, model=lambda: "medium")


@pytest.mark.parametrize(
    ("profile", "path", "answer", "effort"),
    [
        ("vllm", "/tokenize", {"count": 42, "max_model_len": 9}, False),
        ("nim-vllm", "/tokenize", {"count": 42}, False),
        ("sglang", "/tokenize", {"tokens": [1], "count": 42}, True),
        ("llamacpp", "/v1/chat/completions/input_tokens", {"input_tokens": 42}, True),
    ],
)
async def test_a_server_is_asked_on_its_own_path(
    profile: str, path: str, answer: dict[str, object], effort: bool
) -> None:
    seen: list[httpx2.Request] = []

    def handle(asked: httpx2.Request) -> httpx2.Response:
        seen.append(asked)
        return httpx2.Response(200, json=answer)

    async with counter(profile, handle) as known:
        assert await known.count(request()) == 42
    body = json.loads(seen[0].content)
    assert str(seen[0].url) == f"http://engine:8000{path}"
    assert seen[0].headers["authorization"] == "Bearer secret"
    assert {"model", "messages", "tools"} <= set(body)
    assert ("reasoning_effort" in body) is effort


@pytest.mark.parametrize("profile", ["ollama", "mistral"])
async def test_a_server_that_does_not_count_is_not_asked(profile: str) -> None:
    async with counter(profile, unexpected) as known:
        assert not known.offered
        assert await known.count(request()) is None


@pytest.mark.parametrize(
    "answer",
    [
        httpx2.Response(200, text="<html>"),
        httpx2.Response(200, json=[1]),
        httpx2.Response(200, json={"count": [4, 2]}),
        httpx2.Response(200, json={"count": True}),
        httpx2.Response(200, json={"count": -1}),
        httpx2.Response(500, json={"count": 3}),
    ],
)
async def test_an_answer_without_a_number_is_none(answer: httpx2.Response) -> None:
    async with counter("vllm", lambda asked: answer) as known:
        assert await known.count(request()) is None
        assert known.offered


async def test_a_server_without_the_path_is_asked_once() -> None:
    asked = 0

    def handle(_: httpx2.Request) -> httpx2.Response:
        nonlocal asked
        asked += 1
        return httpx2.Response(404)

    async with counter("vllm", handle) as known:
        assert await known.count(request()) is None
        assert await known.count(request()) is None
    assert asked == 1


async def test_a_server_that_is_gone_leaves_no_number() -> None:
    def handle(asked: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectError("refused", request=asked)

    async with (
        counter("vllm", handle) as known,
        counter("vllm", lambda _: httpx2.Response(200, json={"count": 7})) as two,
    ):
        assert await known.count(request()) is None
        assert await FirstOf(known, two).count(request()) == 7
        assert await FirstOf(known).count(request()) is None


async def test_a_tokenizer_that_can_not_be_had_is_a_wrong_setting(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="mistral-common"):
        await TokenizerCounter.load(tmp_path / "tekken.json")


def unexpected(asked: httpx2.Request) -> httpx2.Response:
    raise AssertionError(f"asked {asked.url}")
