"""Requests that quirks refuse, and how each server words an error; used by ``ScriptedEndpoint``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from types import MappingProxyType

from pullwright.agents.testing.endpoint_quirks import Quirk
from pullwright.agents.testing.endpoint_rules import JsonMapping, Refusal, Rules

_SKEW = "adapt_llg_grammar.<locals>.build() missing 1 required positional argument: 'force_tool_names' (mistral_common)"
_ALTERNATE = (
    "Jinja Exception: After the optional system message, conversation roles must alternate user and assistant roles"
    " except for tool calls and results."
)
_EFFORT = "Jinja Exception: reasoning_effort must be either 'none' or 'high'"
_PAGE = "<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>"

_ALWAYS: Mapping[Quirk, tuple[int, str]] = MappingProxyType(
    {
        Quirk.F7_ENGINE_DEAD: (500, "EngineCore encountered an issue. See stack trace (above) for the root cause."),
        Quirk.F8_ADMISSION: (503, "The engine is currently busy: the limit of queued requests is reached."),
        Quirk.F18_LOADING: (503, "Loading model"),
        Quirk.F18_UNPARSABLE: (500, "The model produced output that does not match the expected peg-native format"),
        Quirk.F21_BUSY: (503, "server busy, please try again. maximum pending requests exceeded"),
        Quirk.F21_NOT_FOUND: (404, "model 'scripted-mistral' not found, try pulling it first"),
        Quirk.F23_RETIRED: (410, "The model has reached its end of life and is not available any more."),
        Quirk.F24_RATE_LIMIT: (429, "Requests rate limit exceeded"),
        Quirk.F30_UNAVAILABLE: (503, "no healthy upstream"),
    }
)
_OVERFLOWING = {Quirk.F14_CAP_OVER_WINDOW, Quirk.F17_SLOT_WINDOW}


def refuse(request: JsonMapping, quirks: Set[Quirk], rules: Rules, tokens: int, *, slot: int) -> None:
    """Refuse what these quirks refuse; ``slot`` is the window that a slot really has.

    Raises:
        Refusal: With the server's words.
    """
    for quirk in quirks & set(_ALWAYS):
        status, message = _ALWAYS[quirk]
        raise Refusal(message, status=status, retry_after=7.0 if quirk is Quirk.F24_RATE_LIMIT else None)
    if Quirk.F25_BAD_GATEWAY in quirks:
        raise Refusal("bad gateway", status=502, page=_PAGE)
    if Quirk.F14_OVERLOAD_CHUNK in quirks and not request.get("stream"):
        raise Refusal("The request queue is full.", status=503)
    if Quirk.F5_SKEW in quirks and request.get("tools"):
        raise Refusal(_SKEW)
    if Quirk.F8_PRIORITY in quirks and request.get("priority"):
        raise Refusal("Got priority but Priority scheduling is not enabled.")
    if Quirk.F16_TEMPLATE_500 in quirks:
        _follow_template(request)
    if Quirk.F18_NO_IMAGES in quirks and _has_images(request["messages"]):
        raise Refusal("image input is not supported - hint: you may need to provide the mmproj", status=500)
    if Quirk.F21_STRICT_HISTORY in quirks:
        _check_ollama(request["messages"])
    if quirks & _OVERFLOWING:
        _check_room(request, quirks, rules.window, tokens, slot)


def _check_room(request: JsonMapping, quirks: Set[Quirk], window: int, tokens: int, slot: int) -> None:
    total = tokens + request.get("max_tokens", 0)
    if Quirk.F14_CAP_OVER_WINDOW in quirks and total > window:
        raise Refusal(
            f"Requested token count exceeds the model's maximum context length of {window} tokens. You requested a"
            f" total of {total} tokens."
        )
    if Quirk.F17_SLOT_WINDOW in quirks and tokens > slot:
        raise Refusal(
            f"the request exceeds the available context size ({slot} tokens), try increasing it",
            kind="exceed_context_size_error",
            extra={"n_prompt_tokens": tokens, "n_ctx": slot},
        )


def _follow_template(request: JsonMapping) -> None:
    if request.get("reasoning_effort") not in ("none", "high"):
        raise Refusal(_EFFORT, status=500)
    expected = "user"
    for message in request["messages"]:
        role = message["role"]
        if role == "system" or role == "tool" or message.get("tool_calls"):
            continue
        if role != expected:
            raise Refusal(_ALTERNATE, status=500)
        expected = "assistant" if role == "user" else "user"


def _has_images(messages: Sequence[JsonMapping]) -> bool:
    return any(part.get("type") == "image_url" for message in messages for part in _parts(message))


def _parts(message: JsonMapping) -> Sequence[JsonMapping]:
    content = message.get("content")
    return content if isinstance(content, list) else ()


def _check_ollama(messages: Sequence[JsonMapping]) -> None:
    for message in messages:
        if message.get("content") is None and not message.get("tool_calls"):
            raise Refusal("invalid message content type: <nil>")
        for part in _parts(message):
            url = part.get("image_url", {}).get("url", "data:")
            if not url.startswith("data:"):
                raise Refusal("image URLs are not currently supported, please use base64 encoded data instead")


def error_body(refusal: Refusal, *, flat: bool, hosted: bool) -> object:
    """The body of an error as the server of this style words it."""
    if hosted and refusal.status == 422:
        detail = [{"type": "extra_forbidden", "loc": ["body"], "msg": refusal.message}]
        return {"object": "error", "message": {"detail": detail}, "type": "invalid_request_error", "code": None}
    error = {
        "message": refusal.message,
        "type": refusal.kind or ("BadRequestError" if refusal.status < 500 else "InternalServerError"),
        "param": refusal.param,
        "code": refusal.status,
        **refusal.extra,
    }
    return {"object": "error", **error} if flat else {"error": error}
