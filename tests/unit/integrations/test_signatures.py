from __future__ import annotations

import hmac
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pullwright.agents.errors import ConfigError
from pullwright.integrations.signatures import (
    GITHUB,
    JIRA,
    LINEAR,
    SENTRY,
    SLACK,
    HmacScheme,
    HmacVerifier,
    Problem,
    Secret,
    SharedSecretVerifier,
    Verdict,
    sign,
)
from pullwright.integrations.testing.contract_gate import contracts_folder
from tests.means import NO_DOCUMENTS

SCHEMES = {"github": GITHUB, "jira": JIRA, "sentry": SENTRY, "linear": LINEAR, "slack": SLACK}
VECTORS = contracts_folder() / "signature-vectors.json"
NOW = 1_800_000_000.0
KEY = "s3crét key"
BODY = b'{"a": 1}'


def vectors() -> list[dict[str, Any]]:
    return json.loads(VECTORS.read_text()) if VECTORS.is_file() else []


def verifier(scheme: HmacScheme = GITHUB, *values: str) -> HmacVerifier:
    return HmacVerifier(scheme, [Secret(name=f"n{i}", value=value) for i, value in enumerate(values or (KEY,))])


def github(value: str, body: bytes = BODY) -> Verdict:
    return verifier().check([("X-Hub-Signature-256", value)], body, now=NOW)


def digest(body: bytes = BODY, key: str = KEY, method: str = "sha256") -> str:
    return hmac.new(key.encode(), body, method).hexdigest()


@pytest.mark.skipif(not VECTORS.is_file(), reason=NO_DOCUMENTS)
@pytest.mark.parametrize("vector", vectors(), ids=lambda vector: f"{vector['provider']}: {vector['origin'][:20]}")
def test_published_signatures_are_accepted(vector: dict[str, Any]) -> None:
    checker = verifier(SCHEMES[vector["provider"]], vector["secret"])
    body, headers = vector["body"].encode(), list(vector["headers"].items())
    now = float(vector["headers"].get("X-Slack-Request-Timestamp", NOW))
    verdict = checker.check(headers, body, now=now)
    # The vector for Linear has no time in its body, so only the signature itself can be compared.
    expected = Problem.NO_TIME if vector["provider"] == "linear" else None
    assert (verdict.problem, verdict.secret) == (expected, "n0")
    assert checker.check(headers, body + b" ", now=now).problem is Problem.MISMATCH


@pytest.mark.parametrize("scheme", SCHEMES.values(), ids=SCHEMES)
@given(st.binary(max_size=200), st.text(min_size=1, max_size=30).filter(str.strip), st.integers(0, 2**16))
def test_what_is_signed_is_accepted_and_nothing_else(scheme: HmacScheme, body: bytes, key: str, flip: int) -> None:
    if scheme is LINEAR:
        body = json.dumps({"x": body.hex(), "webhookTimestamp": int(NOW * 1000)}).encode()
    key = key.encode("utf-8", "replace").decode()
    headers = sign(scheme, key, body, now=NOW)
    assert verifier(scheme, key).check(headers, body, now=NOW).accepted
    other = bytearray(body or b"x")
    other[flip % len(other)] ^= 1
    assert verifier(scheme, key).check(headers, bytes(other), now=NOW).problem is Problem.MISMATCH
    assert verifier(scheme, key + "x").check(headers, body, now=NOW).problem is Problem.MISMATCH


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("", Problem.MISSING),
        (digest(), Problem.FORM),
        ("sha1=" + digest(method="sha1"), Problem.FORM),
        ("sha512=" + digest(method="sha512"), Problem.FORM),
        ("SHA256=" + digest(), Problem.FORM),
        ("sha256=" + digest().upper(), Problem.FORM),
        ("sha256=" + digest()[:-1], Problem.FORM),
        ("sha256=" + digest() + "0", Problem.FORM),
        ("sha256= " + digest(), Problem.FORM),
        (" sha256=" + digest(), Problem.FORM),
        ("sha256=" + digest() + "\n", Problem.FORM),
        ("sha256=" + digest() + ",sha256=" + digest(), Problem.FORM),
        ("sha256=sha256=" + digest(), Problem.FORM),
        ("sha256=" + "é" * 64, Problem.FORM),
        ("sha256=" + "٣" * 64, Problem.FORM),
        ("sha256=" + digest(b"{}"), Problem.MISMATCH),
    ],
)
def test_a_signature_of_another_form_is_refused(value: str, problem: Problem) -> None:
    assert github(value).problem is problem


def test_the_bytes_count_and_not_what_they_say() -> None:
    again = json.dumps(json.loads(BODY), separators=(",", ":")).encode()
    assert github("sha256=" + digest(again)).problem is Problem.MISMATCH
    form = b"payload=%7B%22a%22%3A+1%7D"
    assert github("sha256=" + digest(form), form).accepted
    assert github("sha256=" + digest(BODY), form).problem is Problem.MISMATCH


def test_a_header_that_comes_twice_is_refused() -> None:
    value = "sha256=" + digest()
    headers = [("X-Hub-Signature-256", value), ("x-hub-signature-256", value)]
    assert verifier().check(headers, BODY, now=NOW).problem is Problem.REPEATED
    assert verifier().check(headers[1:], BODY, now=NOW).accepted
    assert verifier().check([("X-Hub-Signature", "sha1=x")], BODY, now=NOW).problem is Problem.MISSING


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("sha256=" + digest(), None),
        ("sha512=" + digest(method="sha512"), None),
        ("sha1=" + digest(method="sha1"), Problem.METHOD),
        ("md5=" + digest(method="md5"), Problem.METHOD),
        ("none=" + digest(), Problem.METHOD),
        ("=" + digest(), Problem.METHOD),
        (digest(), Problem.FORM),
        ("sha512=" + digest(), Problem.FORM),
        ("sha256=a=" + digest(), Problem.FORM),
    ],
)
def test_jira_names_its_method_and_we_choose_which_we_take(value: str, problem: Problem | None) -> None:
    assert verifier(JIRA).check([("X-Hub-Signature", value)], BODY, now=NOW).problem is problem


def test_during_a_rotation_both_secrets_work_and_the_answer_says_which() -> None:
    checker = HmacVerifier(GITHUB, [Secret(name="new", value="b"), Secret(name="old", value="a")])
    for name, key in (("new", "b"), ("old", "a")):
        verdict = checker.check(sign(GITHUB, key, BODY), BODY, now=NOW)
        assert (verdict.accepted, verdict.secret) == (True, name)
    assert checker.check(sign(GITHUB, "c", BODY), BODY, now=NOW) == Verdict(problem=Problem.MISMATCH)


@pytest.mark.parametrize("offset", [-301, 301, -1e6, 1e6])
def test_slack_signs_its_time(offset: float) -> None:
    headers = sign(SLACK, KEY, BODY, now=NOW)
    assert verifier(SLACK).check(headers, BODY, now=NOW + 299).accepted
    assert verifier(SLACK).check(headers, BODY, now=NOW + offset).problem is Problem.STALE
    moved = [headers[0], ("X-Slack-Request-Timestamp", str(int(NOW + offset)))]
    assert verifier(SLACK).check(moved, BODY, now=NOW + offset).problem is Problem.MISMATCH


@pytest.mark.parametrize("stamp", ["", "abc", "1.5", "-1", "9" * 13, "1 ", "١٢"])
def test_slack_needs_a_usable_time(stamp: str) -> None:
    signature = "v0=" + digest(f"v0:{stamp}:".encode() + BODY)
    headers = [("X-Slack-Signature", signature), ("X-Slack-Request-Timestamp", stamp)]
    assert verifier(SLACK).check(headers, BODY, now=NOW).problem is Problem.NO_TIME
    assert verifier(SLACK).check(headers[:1], BODY, now=NOW).problem is Problem.NO_TIME


@pytest.mark.parametrize(
    ("stamp", "problem"),
    [
        (NOW * 1000, None),
        ((NOW - 59) * 1000, None),
        ((NOW - 61) * 1000, Problem.STALE),
        ((NOW + 61) * 1000, Problem.STALE),
        (None, Problem.NO_TIME),
        ("1800000000000", Problem.NO_TIME),
        (True, Problem.NO_TIME),
        (10**400, Problem.NO_TIME),
        (float("nan"), Problem.NO_TIME),
    ],
)
def test_linear_has_its_time_in_the_body(stamp: object, problem: Problem | None) -> None:
    body = json.dumps({"webhookTimestamp": stamp}).encode()
    verdict = verifier(LINEAR).check(sign(LINEAR, KEY, body), body, now=NOW)
    assert (verdict.problem, verdict.secret) == (problem, "n0")


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b"[" * 100_000], ids=range(5))
def test_a_body_without_a_time_is_no_problem_for_us(body: bytes) -> None:
    assert verifier(LINEAR).check(sign(LINEAR, KEY, body), body, now=NOW).problem is Problem.NO_TIME


def test_a_time_that_sentry_does_not_sign_is_not_believed() -> None:
    headers = [*sign(SENTRY, KEY, BODY), ("Sentry-Hook-Timestamp", "1")]
    assert verifier(SENTRY).check(headers, BODY, now=NOW).accepted
    assert headers[0] == ("Sentry-Hook-Signature", digest())


def test_a_fixed_secret_in_a_header() -> None:
    checker = SharedSecretVerifier("X-Automation", [Secret(name="a", value="é1"), Secret(name="b", value="2")])
    assert checker.check([("x-automation", "é1")], b"", now=NOW).secret == "a"
    assert checker.check([("x-automation", "2")], b"", now=NOW).secret == "b"
    assert checker.check([("x-automation", "3")], b"", now=NOW).problem is Problem.MISMATCH
    assert checker.check([("x-automation", "")], b"", now=NOW).problem is Problem.MISSING
    assert checker.check([("x-automation", "2")] * 2, b"", now=NOW).problem is Problem.REPEATED


@pytest.mark.parametrize("values", [[], [""], ["  \n"], ["good", ""]])
def test_without_a_secret_there_is_no_verifier(values: list[str]) -> None:
    secrets = [Secret(name=str(i), value=value) for i, value in enumerate(values)]
    with pytest.raises(ConfigError, match="secret"):
        HmacVerifier(GITHUB, secrets)
    with pytest.raises(ConfigError, match="secret"):
        SharedSecretVerifier("X", secrets)


def test_settings_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ConfigError, match="same name"):
        HmacVerifier(GITHUB, [Secret(name="a", value="1"), Secret(name="a", value="2")])
    with pytest.raises(ConfigError, match="md5"):
        verifier(HmacScheme(header="X", methods=frozenset({"md5"})))


def test_a_secret_is_used_as_it_is_and_never_shown() -> None:
    secret = Secret(name="a", value=" in ner ")
    checker = HmacVerifier(GITHUB, [secret])
    assert checker.check(sign(GITHUB, " in ner ", BODY), BODY, now=NOW).accepted
    assert not checker.check(sign(GITHUB, "in ner", BODY), BODY, now=NOW).accepted
    assert "in ner" not in repr(secret)
