"""Why a call to an endpoint failed, told by status and text: servers agree on neither.

Pure: takes what the transport saw, returns a class that the retry policy and the error tree understand.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from enum import StrEnum
from math import isfinite

from pullwright.agents.errors import (
    ContextTooLong,
    EndpointMisconfigured,
    MalformedReply,
    ModelError,
    ModelUnavailable,
    RateLimited,
)


class FailureKind(StrEnum):
    """Classes that differ in what to do next."""

    AUTH = "auth"
    GONE = "gone"
    CONTEXT_OVERFLOW = "context_overflow"
    OUTPUT_CAP = "output_cap"
    SERVER_MISCONFIGURED = "server_misconfigured"
    BAD_HISTORY = "bad_history"
    SCHEMA_REJECTED = "schema_rejected"
    OUTPUT_UNPARSABLE = "output_unparsable"
    RATE_LIMITED = "rate_limited"
    OVERLOADED = "overloaded"
    LOADING = "loading"
    UNREACHABLE = "unreachable"
    ENGINE_DEAD = "engine_dead"
    TIMED_OUT = "timed_out"
    INTERRUPTED = "interrupted"
    UNSUPPORTED = "unsupported"
    CANCELED = "canceled"
    CONTEXT_LOSS = "context_loss"
    """A reply to a prompt of which the server had silently dropped a part."""
    OVERSIZED = "oversized"
    """More than any reply that was asked for can hold."""
    REFUSED = "refused"
    """Another 4xx."""
    BROKEN = "broken"
    """Another 5xx."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """One failed attempt."""

    kind: FailureKind
    detail: str = ""
    """The server's own words, shortened to one line."""
    status: int = 0
    retry_after: float | None = None
    window: int = 0
    """Tokens that the server says fit; 0 where it does not."""
    fields: tuple[str, ...] = ()
    """Names of the fields that the server does not know."""


class AttemptFailed(Exception):
    """One attempt failed; stays inside the model client, where the retry policy decides."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.detail)
        self.failure = failure


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a failure happened, for messages."""

    url: str
    model: str


_BY_TEXT: tuple[tuple[FailureKind, tuple[str, ...]], ...] = (
    (
        FailureKind.CONTEXT_OVERFLOW,
        (
            "maximum context length",
            "longer than the model's context length",
            "requested token count exceeds",
            "exceed_context_size_error",
            "exceeds the available context size",
            "longer than the context length currently available",
            "prompt is too long",
            "context too long",
            "input too large",
            "couldn't fit with truncation",
            "could not fit with truncation",
            "model_context_exceeded",
            "prompt_too_long",
            "exceeds model's maximum",
        ),
    ),
    (
        FailureKind.OUTPUT_CAP,
        ("cannot be greater than max_model_len", "max_tokens_exceeded", "max_tokens is too large"),
    ),
    (
        FailureKind.SERVER_MISCONFIGURED,
        (
            "force_tool_names",
            "missing 1 required positional argument",
            "requires --enable-auto-tool-choice",
            "requires --tool-call-parser",
            "requires --jinja",
            "chat_template is not supported for mistral",
            "image input is not supported",
            "does not support tools",
            "does not support thinking",
            "does not support chat",
        ),
    ),
    (
        FailureKind.BAD_HISTORY,
        (
            "unexpected role",
            "roles must alternate",
            "same number of function calls",
            "tool call id",
            "must have either content",
            "invalid assistant message",
            "invalid tool call arguments",
            "must be valid json",
            "jinja exception",
            "reasoning_effort must be either",
            "reasoning_effort should be one of",
            "only user, assistant and tool roles",
        ),
    ),
    (FailureKind.SCHEMA_REJECTED, ("extra_forbidden", "extra inputs are not permitted")),
    (FailureKind.OUTPUT_UNPARSABLE, ("does not match the expected", "finding less tool calls")),
    (FailureKind.LOADING, ("loading model",)),
    (
        FailureKind.OVERLOADED,
        ("queue is full", "server busy", "prefill token backlog", "engine is currently busy"),
    ),
    (FailureKind.ENGINE_DEAD, ("enginedead", "engine dead", "enginecore", "engine core", "engine is dead")),
)
_BY_STATUS = {
    401: FailureKind.AUTH,
    403: FailureKind.AUTH,
    404: FailureKind.GONE,
    405: FailureKind.UNSUPPORTED,
    408: FailureKind.TIMED_OUT,
    410: FailureKind.GONE,
    425: FailureKind.OVERLOADED,
    429: FailureKind.RATE_LIMITED,
    499: FailureKind.CANCELED,
    501: FailureKind.UNSUPPORTED,
    502: FailureKind.ENGINE_DEAD,
    503: FailureKind.OVERLOADED,
    504: FailureKind.ENGINE_DEAD,
    529: FailureKind.OVERLOADED,
}
_DECIDED_BY_STATUS = frozenset({401, 403, 404, 410})
_DETAIL_LENGTH = 300
_LONGEST_BODY = 20_000
"""Characters of an error body that are looked at."""
_MOST_FIELDS = 16
_LARGEST_WINDOW = 100_000_000


def classify(status: int, body: object, headers: Mapping[str, str] | None = None) -> Failure:
    """Name the failure that a status and an error body describe; status 0 is an error inside a 200."""
    text = _text_of(body)[:_LONGEST_BODY]
    return Failure(
        kind=_kind(status, text.lower()),
        detail=" ".join(text.split())[:_DETAIL_LENGTH],
        status=status,
        retry_after=_retry_after(headers or {}),
        window=_window(body),
        fields=tuple(_forbidden_fields(body))[:_MOST_FIELDS],
    )


def _kind(status: int, text: str) -> FailureKind:
    if status in _DECIDED_BY_STATUS:
        return _BY_STATUS[status]
    for kind, phrases in _BY_TEXT:
        if any(phrase in text for phrase in phrases):
            return kind
    if "is too large" in text and "max_tokens" in text:
        return FailureKind.OUTPUT_CAP
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if status == 0:
        return FailureKind.INTERRUPTED
    return FailureKind.BROKEN if status >= 500 else FailureKind.REFUSED


def _text_of(body: object) -> str:
    """The words of an error body: nested, flat, a bare string, a list of details, or a proxy's page."""
    if isinstance(body, str):
        return body
    if not isinstance(body, Mapping):
        return "" if body is None else _dumped(body)
    inner = body.get("error")
    if isinstance(inner, str) and inner:
        return inner
    if isinstance(inner, Mapping) and inner:
        body = inner
    message = body.get("message")
    if isinstance(message, str) and message:
        kind = body.get("type")
        return f"{message} ({kind})" if isinstance(kind, str) and kind else message
    return _dumped(body)


def _dumped(body: object) -> str:
    try:
        return json.dumps(body, default=str)
    except RecursionError:
        return ""


def _window(body: object) -> int:
    error = body.get("error", body) if isinstance(body, Mapping) else body
    window = error.get("n_ctx") if isinstance(error, Mapping) else None
    return window if type(window) is int and 0 < window < _LARGEST_WINDOW else 0


def _forbidden_fields(body: object) -> Iterator[str]:
    """The names that a validator complains about: ``{"detail": [{"type", "loc"}]}``, nested or not."""
    detail = body
    for key in ("error", "message", "detail"):
        if isinstance(detail, Mapping) and key in detail:
            detail = detail[key]
    for item in detail if isinstance(detail, list) else ():
        if not isinstance(item, Mapping) or item.get("type") != "extra_forbidden":
            continue
        place = item.get("loc")
        if isinstance(place, list) and place and isinstance(place[-1], str):
            yield place[-1]


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait: a number, or a date, which is measured from the server's own ``Date``."""
    value = headers.get("retry-after", "")
    try:
        seconds = float(value)
    except ValueError:
        try:
            wanted = parsedate_to_datetime(value)
            seconds = (wanted - parsedate_to_datetime(headers.get("date", ""))).total_seconds()
        except (TypeError, ValueError):
            return None
    return max(0.0, seconds) if isfinite(seconds) else None


def to_error(failure: Failure, place: Place) -> ModelError:
    """Turn a failure that will not be retried any more into the error that leaves the port."""
    if failure.kind is FailureKind.RATE_LIMITED:
        return RateLimited(
            f"the endpoint at {place.url!r} keeps asking to slow down; lower the number of parallel runs",
            failure.retry_after,
        )
    error, sentence = _SENTENCES[failure.kind]
    words = sentence.format(url=place.url, model=place.model, status=failure.status)
    head, _, advice = words.partition("; ")
    said = f" ({failure.detail})" if failure.detail else ""
    return error(f"{head}{said}; {advice}")


_SENTENCES: Mapping[FailureKind, tuple[Callable[[str], ModelError], str]] = {
    FailureKind.AUTH: (
        EndpointMisconfigured,
        "the endpoint at {url!r} refused the key with {status}; set AGENT_ENDPOINT_KEY",
    ),
    FailureKind.GONE: (
        EndpointMisconfigured,
        "the endpoint at {url!r} answered {status} for the model {model!r}; "
        "check AGENT_MODEL, and that AGENT_ENDPOINT_URL ends with /v1",
    ),
    FailureKind.CONTEXT_OVERFLOW: (
        ContextTooLong,
        "the conversation does not fit in the window of {model!r}; start a smaller task or serve a larger window",
    ),
    FailureKind.OUTPUT_CAP: (
        EndpointMisconfigured,
        "the endpoint at {url!r} refused the length of the reply; lower max_tokens of the endpoint",
    ),
    FailureKind.SERVER_MISCONFIGURED: (
        EndpointMisconfigured,
        "the server at {url!r} was started in a way that can not work; see its profile's launch settings",
    ),
    FailureKind.BAD_HISTORY: (
        EndpointMisconfigured,
        "the chat template of {model!r} at {url!r} refused the conversation; serve the model with its own template",
    ),
    FailureKind.SCHEMA_REJECTED: (
        EndpointMisconfigured,
        "the endpoint at {url!r} refused a field of the request; check AGENT_ENDPOINT_PROFILE",
    ),
    FailureKind.OUTPUT_UNPARSABLE: (
        MalformedReply,
        "the server at {url!r} could not parse what {model!r} wrote, several times; try the task again",
    ),
    FailureKind.OVERLOADED: (
        ModelUnavailable,
        "the endpoint at {url!r} stayed overloaded; lower the number of parallel runs or try again later",
    ),
    FailureKind.LOADING: (
        ModelUnavailable,
        "the endpoint at {url!r} is still loading its model; try again when it is ready",
    ),
    FailureKind.UNREACHABLE: (
        ModelUnavailable,
        "the endpoint at {url!r} can not be reached; start the server or set AGENT_ENDPOINT_URL",
    ),
    FailureKind.ENGINE_DEAD: (
        ModelUnavailable,
        "the engine behind {url!r} does not answer; look at the server's log and restart it",
    ),
    FailureKind.TIMED_OUT: (
        ModelUnavailable,
        "the endpoint at {url!r} took too long; look at its queue or raise the endpoint's time limits",
    ),
    FailureKind.INTERRUPTED: (
        ModelUnavailable,
        "the endpoint at {url!r} stopped in the middle of its replies; look at the server's log",
    ),
    FailureKind.UNSUPPORTED: (
        EndpointMisconfigured,
        "the endpoint at {url!r} does not offer chat completions (status {status}); check AGENT_ENDPOINT_URL",
    ),
    FailureKind.CANCELED: (
        ModelUnavailable,
        "the endpoint at {url!r} or a proxy before it ended the request; look at its log",
    ),
    FailureKind.CONTEXT_LOSS: (
        ContextTooLong,
        "the endpoint at {url!r} dropped a part of the conversation; serve {model!r} with a larger window",
    ),
    FailureKind.OVERSIZED: (
        MalformedReply,
        "the endpoint at {url!r} sent far more than it was asked for; check that it keeps to max_tokens",
    ),
    FailureKind.REFUSED: (
        EndpointMisconfigured,
        "the endpoint at {url!r} refused the request with {status}; check AGENT_ENDPOINT_PROFILE",
    ),
    FailureKind.BROKEN: (
        ModelUnavailable,
        "the server at {url!r} failed with {status}; look at its log",
    ),
}
