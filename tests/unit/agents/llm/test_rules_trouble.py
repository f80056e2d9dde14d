"""The rules for errors, time and secrets, R3, R24 to R26, R31, R32 and the table of error classes."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from pullwright.agents.errors import EndpointMisconfigured, ModelUnavailable
from pullwright.agents.llm.adapt import Shape, adapt
from pullwright.agents.llm.failure import Failure, FailureKind, classify
from pullwright.agents.llm.openai_model import OpenAIModel
from pullwright.agents.llm.profile import profile
from pullwright.agents.llm.retry import Retries, RetryPolicy, WaitedTime
from pullwright.agents.llm.served import results_for
from pullwright.agents.llm.settings import EndpointSettings, Timeouts
from pullwright.agents.message import UserMessage
from pullwright.agents.testing.contracts_model import request
from pullwright.agents.testing.fake_clock import FakeClock
from pullwright.agents.testing.scripted_endpoint import Fault, FaultKind, ScriptedEndpoint
from pullwright.agents.testing.scripted_model import Reply

HELLO = Reply("Hello.")
FORBIDDEN = {"detail": [{"type": "extra_forbidden", "loc": ["body", "session_id"], "msg": "Extra inputs"}]}


def refused(message: str, status: int = 400) -> Fault:
    return Fault(FaultKind.STATUS, status=status, message=message)


async def replied(*faults: Fault, **options: Any) -> tuple[ScriptedEndpoint, FakeClock]:
    """Let a client get one reply past the faults."""
    clock = FakeClock()
    with ScriptedEndpoint([HELLO] * 9, faults=faults, **options) as endpoint:
        chosen = EndpointSettings(url=endpoint.url, key=endpoint.key)
        async with OpenAIModel.open(chosen, clock=clock) as model:
            assert (await model.complete(request(UserMessage(content="Go.")))).message.content == "Hello."
    return endpoint, clock


@pytest.mark.anyio
@pytest.mark.parametrize("status", [501, 408, 409])
async def test_r3_the_package_does_not_try_again_by_itself(status: int) -> None:
    with ScriptedEndpoint([HELLO], faults=[refused("no", status)] * 9) as endpoint:
        async with OpenAIModel.open(EndpointSettings(url=endpoint.url), clock=FakeClock()) as model:
            with pytest.raises((EndpointMisconfigured, ModelUnavailable)):
                await model.complete(request())
    assert len(endpoint.requests) == (2 if status == 408 else 1)


def test_r24_the_first_byte_may_take_as_long_as_the_prompt_needs() -> None:
    limits = Timeouts(queue=100.0, prefill_rate=1000.0)
    assert limits.first_byte_after(0) == 100.0
    assert limits.first_byte_after(200_000) == 300.0
    assert Timeouts(first_byte=7.0).first_byte_after(200_000) == 7.0
    assert 5 <= Timeouts().connect <= 10
    assert 60 <= Timeouts().between_chunks <= 120


@pytest.mark.anyio
async def test_r25_a_limit_closes_the_connection() -> None:
    with ScriptedEndpoint([HELLO] * 2, faults=[Fault(FaultKind.SLOW)]) as endpoint:
        chosen = EndpointSettings(url=endpoint.url, timeouts=Timeouts(first_byte=0.1))
        async with OpenAIModel.open(chosen, clock=FakeClock()) as model:
            await model.complete(request())
        assert endpoint.disconnected.wait(5)


def test_r26_waits_are_random_up_to_a_growing_limit_under_the_budget_of_a_call() -> None:
    clock = FakeClock()
    retries = Retries(RetryPolicy(first_wait=1.0, budget=10.0), clock.monotonic, lambda: 0.5)
    failure = Failure(kind=FailureKind.OVERLOADED)
    waits = []
    while (wait := retries.wait_after(failure)) is not None:
        waits.append(wait)
        clock.advance(wait)
    assert waits == [0.5, 1.0, 2.0, 4.0]


def test_r26_a_task_has_a_budget_over_all_its_calls() -> None:
    waited = WaitedTime()
    policy = RetryPolicy(first_wait=8.0, task_budget=20.0)
    waits = [
        Retries(policy, FakeClock().monotonic, lambda: 1.0, waited).wait_after(Failure(kind=FailureKind.OVERLOADED))
        for _ in range(4)
    ]
    assert waits == [8.0, 8.0, None, None]


@pytest.mark.anyio
async def test_r26_retries_send_the_same_bytes() -> None:
    endpoint, clock = await replied(refused("busy", 503), refused("busy", 503))
    assert endpoint.requests[0] == endpoint.requests[1] == endpoint.requests[2]
    assert len(clock.slept) == 2


@pytest.mark.anyio
async def test_class_output_cap_halves_the_cap_once() -> None:
    endpoint, clock = await replied(refused("max_tokens=1024 cannot be greater than max_model_len=1000"))
    assert [sent["max_tokens"] for sent in endpoint.requests] == [1024, 512]
    assert clock.slept == []


@pytest.mark.anyio
async def test_class_bad_history_is_sent_once_more_in_the_strictest_form() -> None:
    endpoint, _ = await replied(refused("Jinja Exception: roles must alternate", 500))
    counts = [len(sent["messages"]) for sent in endpoint.requests]  # type: ignore[arg-type]
    assert counts == [3, 2]


@pytest.mark.anyio
async def test_class_bad_history_twice_is_an_error() -> None:
    faults = [refused("Jinja Exception: roles must alternate", 500)] * 3
    with pytest.raises(EndpointMisconfigured, match="refused the conversation"):
        await replied(*faults)


def test_class_schema_rejected_leaves_out_optional_fields_only() -> None:
    failure = classify(422, FORBIDDEN)
    assert (failure.kind, failure.fields) == (FailureKind.SCHEMA_REJECTED, ("session_id",))
    shape = Shape(profile=profile("vllm"), max_tokens=10)
    adapted = adapt(failure, shape)
    assert adapted is not None
    assert adapted.profile.refused_fields == {"session_id"}
    assert adapt(failure, adapted) is None
    assert adapt(Failure(kind=FailureKind.SCHEMA_REJECTED, fields=("messages",)), shape) is None


def test_class_context_overflow_tells_the_real_window() -> None:
    body = {"error": {"code": 400, "message": "x", "type": "exceed_context_size_error", "n_ctx": 4096}}
    failure = classify(400, body)
    assert (failure.kind, failure.window) == (FailureKind.CONTEXT_OVERFLOW, 4096)


@pytest.mark.parametrize(
    ("status", "message", "kind"),
    [
        (401, "prompt is too long", FailureKind.AUTH),
        (410, "retired", FailureKind.GONE),
        (500, "prompt is too long", FailureKind.CONTEXT_OVERFLOW),
        (400, "max_tokens 9 is too large", FailureKind.OUTPUT_CAP),
        (400, "f() missing 1 required positional argument", FailureKind.SERVER_MISCONFIGURED),
        (500, "roles must alternate", FailureKind.BAD_HISTORY),
        (500, "the output does not match the expected format", FailureKind.OUTPUT_UNPARSABLE),
        (0, "The request queue is full.", FailureKind.OVERLOADED),
        (503, "Loading model", FailureKind.LOADING),
        (504, "", FailureKind.ENGINE_DEAD),
        (0, "boom", FailureKind.INTERRUPTED),
        (501, "", FailureKind.UNSUPPORTED),
        (499, "", FailureKind.CANCELED),
        (418, "", FailureKind.REFUSED),
        (599, "", FailureKind.BROKEN),
    ],
)
def test_class_is_told_by_status_and_words(status: int, message: str, kind: FailureKind) -> None:
    assert classify(status, {"error": {"message": message}}).kind is kind


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "Sun, 01 Nov 2026 00:00:30 GMT", "date": "Sun, 01 Nov 2026 00:00:00 GMT"}, 30.0),
        ({"retry-after": "Sun, 01 Nov 2026 00:00:30 GMT"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "-1"}, 0.0),
        ({"retry-after": "soon"}, None),
    ],
)
def test_class_overloaded_says_how_long_to_wait(headers: dict[str, str], seconds: float | None) -> None:
    assert classify(429, None, headers).retry_after == seconds


@pytest.mark.anyio
async def test_r31_each_call_is_one_line_without_what_was_said(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="pullwright"):
        await replied(refused("busy", 503))
    (line,) = [record.message for record in caplog.records if record.message.startswith("model call")]
    numbers = ("prompt=", "cached=", "completion=", "reasoning=", "first_token=", "total=", "retries=1 ", "request=")
    for part in ("profile=vllm", "model=scripted-mistral", "effort=high", "class=text", "finish=stop", *numbers):
        assert part in line
    assert "Hello" not in line


@pytest.mark.anyio
async def test_r32_a_key_that_the_server_repeats_is_not_told(caplog: pytest.LogCaptureFixture) -> None:
    with ScriptedEndpoint([HELLO], key="s3cret", faults=[refused("wrong key s3cret", 400)]) as endpoint:
        chosen = EndpointSettings(url=endpoint.url, key="s3cret")
        async with OpenAIModel.open(chosen, clock=FakeClock()) as model:
            with caplog.at_level(logging.INFO), pytest.raises(EndpointMisconfigured) as caught:
                await model.complete(request())
    assert "s3cret" not in str(caught.value) + caplog.text


@pytest.mark.anyio
@pytest.mark.parametrize("log_prompts", [False, True])
async def test_r31_what_is_said_is_logged_only_when_enabled(
    log_prompts: bool, caplog: pytest.LogCaptureFixture
) -> None:
    token = "ghp_" + "a" * 36
    said = Reply("Hello.", "Hm.", [("bash", {"command": f"echo s3cret {token}"})])
    with ScriptedEndpoint([said, HELLO], key="s3cret") as endpoint:
        chosen = EndpointSettings(url=endpoint.url, key="s3cret", log_prompts=log_prompts)
        async with OpenAIModel.open(chosen, clock=FakeClock()) as model:
            with caplog.at_level(logging.INFO, logger="pullwright"):
                first = (await model.complete(request(UserMessage(content="Greet.")))).message
                await model.complete(request(UserMessage(content="Greet."), first, *results_for(first)[1:]))
    lines = [record.message for record in caplog.records if record.message.startswith("model call of task-1")]
    assert sum("Greet." in line for line in lines) == int(log_prompts)
    assert any("bash" in line and "echo … …" in line for line in lines) is log_prompts
    assert any("reasoning: 'Hm.'" in line for line in lines) is log_prompts
    assert "s3cret" not in caplog.text
    assert token not in caplog.text


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://me:pw@host:8/v1?key=x", "https://host:8/v1"),
        ("http://[::1]:8000/v1", "http://[::1]:8000/v1"),
        ("me:pw@host/v1", "host/v1"),
        ("http://host/v1?key=a@b", "http://…"),
        ("http://me:p/w@host/v1", "http://…"),
        ("http://me:pw", "http://…"),
        ("http://host?key=x", "http://host"),
        ("nonsense", "nonsense"),
    ],
)
def test_r32_a_password_in_the_url_is_not_shown(url: str, shown: str) -> None:
    assert EndpointSettings(url=url).shown_url == shown
