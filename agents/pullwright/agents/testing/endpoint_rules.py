"""What a strict server refuses, as vLLM with the Mistral tokenizer does; used by ``ScriptedEndpoint``."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

JsonMapping = Mapping[str, Any]

_ID = re.compile(r"[a-zA-Z0-9]{9}")
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_ROLES = frozenset({"system", "user", "assistant", "tool"})
_EFFORTS = frozenset({"none", "high"})
_HOSTED_FIELDS = frozenset(
    {"model", "messages", "tools", "tool_choice", "temperature", "top_p", "max_tokens", "stream", "reasoning_effort"}
    | {"parallel_tool_calls", "prompt_cache_key", "random_seed", "response_format", "stop"}
)
_HOSTED_MESSAGE_FIELDS = frozenset({"role", "content", "tool_calls", "tool_call_id", "name", "prefix"})
_ID_LENGTH = 9


class Refusal(Exception):
    """The request is answered with an error."""

    def __init__(
        self,
        message: str,
        status: int = 400,
        param: str | None = None,
        *,
        kind: str = "",
        page: str = "",
        retry_after: float | None = None,
        extra: Mapping[str, int] | None = None,
    ) -> None:
        """Lay out the error.

        Args:
            message: The server's words.
            status: HTTP status.
            param: The field that is wrong.
            kind: The error's ``type``; empty for the usual one.
            page: HTML that is sent instead of an error object.
            retry_after: Seconds to wait, as the header of this name.
            extra: Further keys of the error object.
        """
        super().__init__(message)
        self.message = message
        self.status = status
        self.param = param
        self.kind = kind
        self.page = page
        self.retry_after = retry_after
        self.extra = extra or {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What this server accepts beyond the common ground."""

    model: str
    window: int
    reasoning_field: str = "reasoning"
    """Where earlier reasoning must be; empty for a list in ``content``."""
    only_known_fields: bool = False
    needs_effort: bool = True
    """Ollama takes a request without one."""
    cuts_ids: bool = False
    """Call ids are cut to their last nine characters before calls and results are paired."""


def check_request(request: JsonMapping, rules: Rules, tokens: int) -> None:
    """Refuse a request that a strict server would refuse; ``tokens`` is the length of its prompt.

    Raises:
        Refusal: With the server's words.
    """
    if request.get("model") != rules.model:
        raise Refusal(f"The model `{request.get('model')}` does not exist.", status=404)
    _check_options(request, rules)
    messages = request.get("messages")
    if not isinstance(messages, list) or not messages:
        raise Refusal("messages must not be empty")
    _History(rules=rules).check(messages)
    if tokens >= rules.window:
        raise Refusal(
            f"This model's maximum context length is {rules.window} tokens. However, your prompt contains {tokens} "
            "input tokens.",
            param="input_tokens",
        )


def _check_options(request: JsonMapping, rules: Rules) -> None:
    unknown = set(request) - _HOSTED_FIELDS
    for message in request["messages"] if isinstance(request.get("messages"), list) else ():
        unknown |= set(message) - _HOSTED_MESSAGE_FIELDS
    if rules.only_known_fields and unknown:
        raise Refusal(f"extra_forbidden: {sorted(unknown)}", status=422)
    effort = request.get("reasoning_effort")
    if effort not in _EFFORTS and (rules.needs_effort or effort is not None):
        raise Refusal(f"reasoning_effort should be one of ['none', 'high'], got {request.get('reasoning_effort')!r}")
    if "chat_template_kwargs" in request:
        raise Refusal("chat_template is not supported for Mistral tokenizers.")
    if "tools" in request:
        _check_tools(request["tools"])
    if "stream_options" in request and not request.get("stream"):
        raise Refusal("stream_options needs stream")
    if not 0 < request.get("max_tokens", 0) <= rules.window:
        raise Refusal(f"max_tokens cannot be greater than max_model_len={rules.window}", param="max_tokens")


def _check_tools(tools: Sequence[JsonMapping]) -> None:
    if not tools:
        raise Refusal("tools must not be an empty array")
    for tool in tools:
        function = tool["function"]
        if not _NAME.fullmatch(function["name"]):
            raise Refusal(f"Function name was {function['name']} but must be a-z, A-Z, 0-9, _ or -.")
        if function["parameters"].get("type") != "object":
            raise Refusal("parameters must be an object schema")


@dataclass(slots=True, kw_only=True)
class _History:
    """Walks through a conversation."""

    rules: Rules
    open_calls: list[str] = field(default_factory=list)
    seen_ids: set[str] = field(default_factory=set)
    previous: str = ""

    def check(self, messages: Sequence[JsonMapping]) -> None:
        for message in messages:
            role = message.get("role", "")
            if role not in _ROLES or (role == "system") != (not self.previous):
                raise Refusal(f"Unexpected role '{role}' after role '{self.previous}'")
            self._check_message(role, message)
            self.previous = role
        if self.open_calls:
            raise Refusal("Not the same number of function calls and responses")
        if self.previous == "assistant":
            raise Refusal("Cannot set `add_generation_prompt` to True when the last message is from the assistant.")

    def _check_message(self, role: str, message: JsonMapping) -> None:
        if role == "tool":
            self._check_result(message)
            return
        if self.open_calls:
            raise Refusal("Not the same number of function calls and responses")
        if role == "assistant":
            self._check_assistant(message)
        elif not message.get("content"):
            raise Refusal(f"a {role} message must have content")

    def _check_result(self, message: JsonMapping) -> None:
        call_id = self._known_as(message.get("tool_call_id") or "")
        if not self.open_calls or call_id != self.open_calls[0]:
            raise Refusal(f"Unexpected role 'tool': tool call id {call_id!r} is not the next open one")
        if not isinstance(message.get("content"), str) or not message["content"]:
            raise Refusal("a tool message must have either content")
        self.open_calls.pop(0)

    def _check_assistant(self, message: JsonMapping) -> None:
        self._check_reasoning(message)
        calls = message.get("tool_calls", [])
        content = message.get("content")
        if content is None or not (content or calls):
            raise Refusal("Assistant message must have either content or tool_calls, but not none.")
        for call in calls:
            self._check_call(call)

    def _check_reasoning(self, message: JsonMapping) -> None:
        keys = {"reasoning", "reasoning_content"} & set(message)
        expected = {self.rules.reasoning_field} - {""}
        if keys - expected or any(not message[key] for key in keys):
            raise Refusal(f"Invalid assistant message: {sorted(keys)}")
        if isinstance(message.get("content"), list) and expected:
            raise Refusal("sequence item 0: expected str instance, list found")

    def _check_call(self, call: JsonMapping) -> None:
        call_id, function = self._known_as(call["id"]), call["function"]
        if not _ID.fullmatch(call_id):
            raise Refusal(f"Tool call id was {call_id} but must be a-z, A-Z, 0-9, with a length of 9.")
        if call_id in self.seen_ids:
            raise Refusal(f"Tool call id {call_id} was used before")
        if not _NAME.fullmatch(function["name"]):
            raise Refusal(f"Function name was {function['name']} but must be a-z, A-Z, 0-9, _ or -.")
        if not _is_object(function["arguments"]):
            raise Refusal("invalid tool call arguments: must be valid JSON of an object")
        self.seen_ids.add(call_id)
        self.open_calls.append(call_id)

    def _known_as(self, call_id: str) -> str:
        return call_id[-_ID_LENGTH:] if self.rules.cuts_ids else call_id


def _is_object(text: object) -> bool:
    try:
        return isinstance(text, str) and isinstance(json.loads(text), dict)
    except ValueError:
        return False
