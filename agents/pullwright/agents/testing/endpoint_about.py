"""What each server says about itself, outside of chat; used by ``ScriptedEndpoint``."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass
from types import MappingProxyType

from pullwright.agents.testing.endpoint_quirks import Quirk
from pullwright.agents.testing.endpoint_wire import JsonObject

_OWNERS: Mapping[str, str] = MappingProxyType(
    {"vllm": "vllm", "sglang": "sglang", "llamacpp": "llamacpp", "ollama": "library", "mistral": "mistralai"}
)
_ENGINES = frozenset({"vllm", "sglang"})


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """Facts of one server, and where it tells them."""

    style: str
    model: str
    window: int
    slot: int
    """Tokens that a request really has."""
    quirks: Set[Quirk]

    def answer(self, path: str, *, loading: bool, loaded: bool = True) -> tuple[int, object]:
        """Status and body of a GET; 404 where this server has no such path."""
        if path == "/v1/models":
            return 200, {"object": "list", "data": [self._entry()]}
        if path == "/health" and self.style not in ("ollama", "mistral"):
            return self._health(loading)
        if path.startswith("/v1/health/") or path == "/v1/metrics":
            return (200, {"message": "Service is ready."}) if Quirk.F23_NIM in self.quirks else _NOT_FOUND
        return self._of_style(loaded=loaded).get(path, _NOT_FOUND)

    def count(self, path: str, tokens: int) -> tuple[int, object] | None:
        """Answer a POST that asks for the length of a prompt; None where this server does not count there."""
        if path in ("/tokenize", "/v1/tokenize") and self.style in _ENGINES:
            return 200, {"count": tokens, "max_model_len": self.window, "tokens": [0] * tokens}
        if path == "/v1/chat/completions/input_tokens" and self.style == "llamacpp":
            return 200, {"object": "response.input_tokens", "input_tokens": tokens}
        return None

    def _entry(self) -> JsonObject:
        entry: JsonObject = {"id": self.model, "object": "model", "owned_by": _OWNERS[self.style]}
        if self.style in _ENGINES:
            entry["max_model_len"] = self.window
        elif self.style == "llamacpp":
            entry["meta"] = {"n_ctx_train": self.window}
        elif self.style == "mistral":
            entry["max_context_length"] = self.window
        return entry

    def _health(self, loading: bool) -> tuple[int, object]:
        if Quirk.F7_ENGINE_DEAD in self.quirks:
            return 503, {}
        if loading:
            return 503, {"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}}
        return 200, {"status": "ok"}

    def _of_style(self, *, loaded: bool) -> Mapping[str, tuple[int, object]]:
        if self.style == "llamacpp":
            settings = {"n_ctx": self.slot}
            return {"/props": (200, {"default_generation_settings": settings, "total_slots": 1})}
        if self.style == "ollama":
            model = {"name": self.model, "model": self.model, "context_length": self.slot}
            listed = {"models": [model] if loaded else []}
            return {"/api/version": (200, {"version": "0.20.0"}), "/api/ps": (200, listed)}
        return {}


_NOT_FOUND: tuple[int, object] = (404, {"detail": "Not Found"})
