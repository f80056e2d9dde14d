"""Exact token counts: asked of the server, or made with the model's own tokenizer file.

Both render the request as the endpoint's profile does. Neither ever fails a run: where a number can not be had, there
is none, and the caller's estimate stands.
"""

from __future__ import annotations

import importlib
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from ssl import PROTOCOL_TLS_CLIENT, SSLContext, create_default_context
from typing import Any, Final, Self

import anyio
import httpx2
from anyio import to_thread

from pullwright.agents.errors import ConfigError
from pullwright.agents.llm.profile import Profile, profile
from pullwright.agents.llm.render import JsonObject, render_messages, render_tools
from pullwright.agents.llm.settings import EndpointSettings
from pullwright.agents.ports.model import ModelRequest

COUNT_SECONDS: Final = 10.0
"""How long a server may take to count; a call to the model waits for it."""

_TOKENIZE: Final = "/tokenize"
_PATHS: Final[Mapping[str, str]] = {
    "vllm": _TOKENIZE,
    "nim-vllm": _TOKENIZE,
    "sglang": _TOKENIZE,
    "nim-sglang": _TOKENIZE,
    "llamacpp": "/v1/chat/completions/input_tokens",
}
"""Below the server's root, not below ``/v1``."""
_TAKES_EFFORT: Final = frozenset({"sglang", "nim-sglang", "llamacpp"})
_NOT_OFFERED: Final = frozenset({404, 405, 410, 501})
_NUMBERS: Final = ("count", "input_tokens")


class ServerCounter:
    """Implements ``ExactCounter`` by asking the server; gives up for good when the server does not know the path."""

    def __init__(self, client: httpx2.AsyncClient, settings: EndpointSettings, *, model: Callable[[], str]) -> None:
        self._client = client
        self._profile = profile(settings.profile)
        self._path = _PATHS.get(settings.profile, "")
        self._url = settings.url.rstrip("/").removesuffix("/v1") + self._path
        self._headers = {"Authorization": f"Bearer {settings.key}"} if settings.key else {}
        self._model = model

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: EndpointSettings, *, model: Callable[[], str]) -> AsyncIterator[Self]:
        """Make one, without asking anything yet, and close its connection at the end.

        Args:
            settings: The endpoint.
            model: Tells the model's name as the endpoint knows it; empty while nobody knows, and then nothing is asked.
        """
        secure = settings.url.startswith("https:")
        # Loading the trusted certificates takes 25 ms; a context without any trusts nobody.
        trusted = await to_thread.run_sync(create_default_context) if secure else SSLContext(PROTOCOL_TLS_CLIENT)
        async with httpx2.AsyncClient(verify=trusted, follow_redirects=False, timeout=None) as client:
            yield cls(client, settings, model=model)

    @staticmethod
    def offered_by(profile: str) -> bool:
        """Whether servers of a kind count."""
        return profile in _PATHS

    @property
    def offered(self) -> bool:
        """Whether the server counts, as far as is known."""
        return bool(self._path)

    async def count(self, request: ModelRequest) -> int | None:
        model = self._model()
        if not self._path or not model:
            return None
        body = self._body(request, model)
        with anyio.move_on_after(COUNT_SECONDS):
            try:
                response = await self._client.post(self._url, json=body, headers=self._headers)
            except httpx2.HTTPError:
                return None
            if response.status_code in _NOT_OFFERED:
                self._path = ""
            return _number(response)
        return None

    def _body(self, request: ModelRequest, model: str) -> JsonObject:
        body = {"model": model, **rendered(request, self._profile)}
        if self._profile.name in _TAKES_EFFORT:
            body["reasoning_effort"] = request.effort.value
        return body


class TokenizerCounter:
    """Implements ``ExactCounter`` with mistral-common and the tokenizer file that came with the weights."""

    def __init__(self, tokenizer: Any, request_type: Any, refusals: tuple[type[Exception], ...]) -> None:
        self._tokenizer = tokenizer
        self._request_type = request_type
        self._refusals = refusals
        self._profile = profile("vllm")

    @classmethod
    async def load(cls, path: Path) -> TokenizerCounter:
        """Read the file, in a thread; takes a second or two.

        Raises:
            ConfigError: mistral-common is not installed, or the file is no tokenizer of its kind.
        """
        return await to_thread.run_sync(cls._load, path)

    @classmethod
    def _load(cls, path: Path) -> TokenizerCounter:
        try:
            exceptions = importlib.import_module("mistral_common.exceptions")
            mode = importlib.import_module("mistral_common.protocol.instruct.validator").ValidationMode.test
            request_type = importlib.import_module("mistral_common.protocol.instruct.request").ChatCompletionRequest
            tokenizer_type = importlib.import_module("mistral_common.tokens.tokenizers.mistral").MistralTokenizer
        except ImportError as exc:
            raise ConfigError(
                f"counting with {str(path)!r} needs mistral-common ({exc}); pip install mistral-common"
            ) from exc
        refused = (exceptions.MistralCommonException, ValueError, TypeError, KeyError)
        try:
            return cls(tokenizer_type.from_file(str(path), mode=mode), request_type, refused)
        except (OSError, *refused) as exc:
            raise ConfigError(f"{str(path)!r} is no tokenizer file of mistral-common: {exc}") from exc

    async def count(self, request: ModelRequest) -> int | None:
        return await to_thread.run_sync(self._count, request)

    def _count(self, request: ModelRequest) -> int | None:
        try:
            asked = self._request_type.from_openai(**rendered(request, self._profile))
            return len(self._tokenizer.encode_chat_completion(asked).tokens)
        except self._refusals:
            return None


class FirstOf:
    """Implements ``ExactCounter`` by the first of several that has a number."""

    def __init__(self, *counters: ServerCounter | TokenizerCounter) -> None:
        self._counters = counters

    async def count(self, request: ModelRequest) -> int | None:
        for counter in self._counters:
            tokens = await counter.count(request)
            if tokens is not None:
                return tokens
        return None


def rendered(request: ModelRequest, profile: Profile) -> JsonObject:
    """Return what of a request costs prompt tokens, in the words of a profile."""
    body: JsonObject = {"messages": render_messages(request.messages, profile)}
    if request.tools:
        body["tools"] = render_tools(request.tools, profile)
    return body


def _number(response: httpx2.Response) -> int | None:
    if not response.is_success:
        return None
    try:
        answer = response.json()
    except ValueError:
        return None
    numbers = [answer.get(name) for name in _NUMBERS] if isinstance(answer, Mapping) else []
    return next((value for value in numbers if type(value) is int and value > 0), None)
