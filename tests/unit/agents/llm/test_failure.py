from __future__ import annotations

import pytest

from pullwright.agents.errors import (
    ContextTooLong,
    EndpointMisconfigured,
    MalformedReply,
    ModelUnavailable,
    RateLimited,
)
from pullwright.agents.llm.failure import Failure, FailureKind, Place, classify, to_error

PLACE = Place(url="http://host/v1", model="m")


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (401, "Unauthorized", FailureKind.AUTH),
        (403, None, FailureKind.AUTH),
        (404, {"message": "The model `x` does not exist.", "type": "NotFoundError"}, FailureKind.GONE),
        (410, {}, FailureKind.GONE),
        (400, {"message": "This model's maximum context length is 8192 tokens."}, FailureKind.CONTEXT_OVERFLOW),
        (
            400,
            {"object": "error", "message": "is longer than the model's context length"},
            FailureKind.CONTEXT_OVERFLOW,
        ),
        (400, {"message": "too long", "type": "exceed_context_size_error"}, FailureKind.CONTEXT_OVERFLOW),
        (500, {"message": "prompt is too long"}, FailureKind.CONTEXT_OVERFLOW),
        (400, {"message": "max_tokens cannot be greater than max_model_len=8192"}, FailureKind.OUTPUT_CAP),
        (400, {"message": "f() missing 1 required positional argument"}, FailureKind.SERVER_MISCONFIGURED),
        (500, {"message": "image input is not supported"}, FailureKind.SERVER_MISCONFIGURED),
        (500, {"message": "Jinja Exception: roles must alternate"}, FailureKind.BAD_HISTORY),
        (400, {"message": "Unexpected role 'user' after role 'tool'"}, FailureKind.BAD_HISTORY),
        (422, {"detail": [{"type": "extra_forbidden", "loc": ["body", "seed"]}]}, FailureKind.SCHEMA_REJECTED),
        (500, {"message": "The model output does not match the expected format"}, FailureKind.OUTPUT_UNPARSABLE),
        (429, {}, FailureKind.RATE_LIMITED),
        (503, {"message": "The request queue is full."}, FailureKind.OVERLOADED),
        (0, {"message": "The request queue is full."}, FailureKind.OVERLOADED),
        (503, {"message": "Loading model"}, FailureKind.LOADING),
        (500, {"message": "EngineDeadError"}, FailureKind.ENGINE_DEAD),
        (502, "<html>Bad gateway</html>", FailureKind.ENGINE_DEAD),
        (501, {}, FailureKind.UNSUPPORTED),
        (408, {}, FailureKind.TIMED_OUT),
        (0, {"message": "something broke"}, FailureKind.INTERRUPTED),
        (0, {"error": {"message": "something broke"}}, FailureKind.INTERRUPTED),
        (400, {"message": "no"}, FailureKind.REFUSED),
        (500, {"message": "no"}, FailureKind.BROKEN),
        (500, ["odd"], FailureKind.BROKEN),
    ],
)
def test_failures_are_told_apart_by_status_and_words(status: int, body: object, kind: FailureKind) -> None:
    assert classify(status, body).kind is kind


@pytest.mark.parametrize(("value", "seconds"), [("7", 7.0), ("0.5", 0.5), ("-1", 0.0), ("Mon, 1 Jan", None)])
def test_the_server_says_when_to_come_back(value: str, seconds: float | None) -> None:
    assert classify(429, {}, {"retry-after": value}).retry_after == seconds


def test_the_detail_is_one_short_line() -> None:
    failure = classify(400, {"message": "a\nb  " + "x" * 1000})
    assert failure.detail.startswith("a b x")
    assert len(failure.detail) == 300


@pytest.mark.parametrize("kind", FailureKind)
def test_every_failure_has_an_error_that_says_where_and_what_to_do(kind: FailureKind) -> None:
    error = to_error(Failure(kind=kind, detail="the words {of} the server", status=418), PLACE)
    text = str(error)
    assert "'http://host/v1'" in text or "'m'" in text
    assert "; " in text
    assert "\n" not in text


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        (FailureKind.AUTH, EndpointMisconfigured),
        (FailureKind.GONE, EndpointMisconfigured),
        (FailureKind.CONTEXT_OVERFLOW, ContextTooLong),
        (FailureKind.SERVER_MISCONFIGURED, EndpointMisconfigured),
        (FailureKind.OUTPUT_UNPARSABLE, MalformedReply),
        (FailureKind.UNREACHABLE, ModelUnavailable),
        (FailureKind.INTERRUPTED, ModelUnavailable),
        (FailureKind.RATE_LIMITED, RateLimited),
    ],
)
def test_failures_become_errors_of_the_tree(kind: FailureKind, error: type[Exception]) -> None:
    assert type(to_error(Failure(kind=kind), PLACE)) is error


def test_the_time_to_come_back_reaches_the_caller() -> None:
    error = to_error(Failure(kind=FailureKind.RATE_LIMITED, retry_after=9.0), PLACE)
    assert isinstance(error, RateLimited)
    assert error.retry_after == 9.0
