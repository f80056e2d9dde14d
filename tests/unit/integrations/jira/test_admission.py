"""Tokens and secrets of hooks: everything that is odd is refused."""

from __future__ import annotations

import hashlib
from typing import Any

import jwt
import pytest

from pullwright.agents.errors import ConfigError
from pullwright.agents.intake.door import PATH_SECRET
from pullwright.integrations.jira.admission import (
    HeaderAdmission,
    PathAdmission,
    SignedAdmission,
    TokenAdmission,
)
from pullwright.integrations.signatures import JIRA, Secret, sign

KEY = "a client secret that is long enough"
NOW = 1_772_442_000.0
SECRETS = [Secret(name="old", value="o" * 40), Secret(name="new", value=KEY)]
PATH = "/webhooks/jira/main"


def token(key: str = KEY, algorithm: str = "HS256", **claims: Any) -> str:
    return jwt.encode({"iss": "x", "exp": NOW + 100, **claims}, key, algorithm=algorithm)


def problem(*values: str) -> str:
    headers = [("authorization", value) for value in values]
    return TokenAdmission(SECRETS, PATH).problem(headers, b"", now=NOW)


def test_a_good_token() -> None:
    assert problem(f"Bearer {token()}") == ""
    assert problem(f"JWT {token(key='o' * 40)}") == ""
    ours = hashlib.sha256(f"POST&{PATH}&".encode()).hexdigest()
    assert problem(f"JWT {token(qsh=ours)}") == ""


@pytest.mark.parametrize(
    "value",
    [
        "",
        "Bearer",
        "Bearer x",
        "Bearer a.b.c",
        f"Basic {token()}",
        f"Bearer {token(key='z' * 40)}",
        f"Bearer {token(exp=NOW - 60)}",
        f"Bearer {jwt.encode({'iss': 'x'}, KEY, algorithm='HS256')}",
        f"Bearer {token(nbf=NOW + 60)}",
        f"Bearer {token(qsh='0' * 64)}",
        f"Bearer {token(qsh=5)}",
        f"Bearer {jwt.encode({'exp': NOW + 100}, '', algorithm='none')}",
        f"Bearer {token(key=KEY * 2, algorithm='HS512')}",
        f"Bearer {token()}é",
        "Bearer " + "x" * 20_000,
    ],
)
def test_an_odd_token(value: str) -> None:
    assert problem(value)


def test_no_token_and_two() -> None:
    assert problem() == "no token"
    assert problem(f"Bearer {token()}", f"Bearer {token()}") == "more than one token"


def test_a_token_for_an_address_needs_to_know_it() -> None:
    headers = [("Authorization", f"JWT {token(qsh='context-qsh')}")]
    assert TokenAdmission(SECRETS[1:]).problem(headers, b"", now=NOW) == "the token is for another address"


def test_the_other_ways() -> None:
    body = '{"a": "ž"}'.encode()
    signed = SignedAdmission(SECRETS)
    assert signed.problem(sign(JIRA, KEY, body), body, now=NOW) == ""
    assert signed.problem(sign(JIRA, KEY, body), body + b" ", now=NOW)
    assert signed.problem([("X-Hub-Signature", "sha1=" + "0" * 40)], body, now=NOW)
    assert HeaderAdmission(SECRETS).problem([("x-pullwright-secret", KEY)], body, now=NOW) == ""
    assert HeaderAdmission(SECRETS).problem([], body, now=NOW)
    assert PathAdmission(SECRETS).problem([(PATH_SECRET, KEY)], body, now=NOW) == ""
    assert PathAdmission(SECRETS).problem([(PATH_SECRET, "")], body, now=NOW)
    assert PathAdmission(SECRETS).problem([("path-secret", KEY)], body, now=NOW)


@pytest.mark.parametrize("kind", [SignedAdmission, HeaderAdmission, PathAdmission, TokenAdmission])
def test_without_a_secret_there_is_no_door(kind: Any) -> None:
    for secrets in ([], [Secret(name="empty", value=" ")]):
        with pytest.raises(ConfigError):
            kind(secrets)
