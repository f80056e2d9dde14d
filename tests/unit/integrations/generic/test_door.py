"""What a signed body may say, and what its sender is told when it is wrong."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pullwright.agents.intake.door import Unreadable
from pullwright.agents.ports.inbox import NewDelivery
from pullwright.cli.server.tasks import Filing
from pullwright.integrations.generic.connection import Connection
from pullwright.integrations.generic.door import GenericDoor
from pullwright.integrations.generic.payload import (
    CONTEXT_LIMIT,
    FileRequest,
    Mistake,
    Request,
    parse_request,
    request_from_json,
    request_to_json,
)
from pullwright.integrations.signatures import Secret, sign_standard

KEY = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
NOW = 1_800_000_000.0
CONNECTION = Connection(
    name="ci",
    web_url="https://github.com",
    repositories=("acme/*", "other/Shop"),
    most={"max_steps": 100, "max_minutes": 60.0, "max_cost": 2.5},
)
PLAIN: dict[str, Any] = {"instruction": "Greet people.", "repository": "acme/shop"}


def read(document: Any, connection: Connection = CONNECTION, **more: str) -> NewDelivery | Unreadable:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    door = GenericDoor(connection, [Secret(name="one", value=KEY)])
    headers = [*sign_standard(KEY, "msg-1", body, now=NOW), ("Content-Type", more.get("kind", "application/json"))]
    assert door.problem(headers, body, now=NOW) == ""
    return door.read(headers, body)


def refused(document: Any, connection: Connection = CONNECTION, **more: str) -> tuple[int, str]:
    found = read(document, connection, **more)
    assert isinstance(found, Unreadable), found
    assert found.told == found.detail
    return found.status, found.told


def test_a_task_is_kept_as_it_was_asked_for() -> None:
    more = {
        "title": "Greetings",
        "context": "\x1b[31mlog\x00\n",
        "base": "release/1.x",
        "checks": ["make test"],
        "pull_request": False,
        "plan": True,
        "may_ask": True,
        "work_key": "nightly:greet",
        "if_live": "ignore",
        "priority": -3,
        "not_before": "2026-11-22T12:00:00+02:00",
        "max_steps": 100,
        "max_minutes": 1,
        "max_tokens": 1000,
        "max_fresh_tokens": 10**12,
        "max_cost": 2.5,
    }
    found = read({**PLAIN, **more, "repository": "https://github.com/acme/shop.git"})
    assert isinstance(found, NewDelivery)
    assert (found.source, found.connection, found.key) == ("generic", "ci", "msg-1")
    assert (found.kind, found.work_key, found.ignored) == ("FileRequest", "generic:ci/nightly:greet", "")
    kept = request_from_json(found.content)
    assert kept.model_dump(mode="json") == {
        **PLAIN,
        **more,
        "action": "file",
        "not_before": "2026-11-22T10:00:00Z",
    }


def test_the_words_are_those_of_the_api() -> None:
    own = {"action", "title", "context", "work_key", "if_live"}
    assert set(FileRequest.model_fields) - own == set(Filing.model_fields)


@pytest.mark.parametrize(
    ("document", "kind", "work_key"),
    [
        (PLAIN, "FileRequest", ""),
        ({**PLAIN, "action": "file"}, "FileRequest", ""),
        ({"action": "message", "work_key": "a", "text": "also the docs", "author": "ann"}, "MessageRequest", "a"),
        ({"action": "answer", "work_key": "a", "text": "yes"}, "AnswerRequest", "a"),
        ({"action": "cancel", "work_key": "a", "reason": "not needed"}, "CancelRequest", "a"),
        ({"action": "ping"}, "PingRequest", ""),
    ],
)
def test_each_action_survives_being_kept(document: dict[str, Any], kind: str, work_key: str) -> None:
    found = read(document)
    assert isinstance(found, NewDelivery)
    assert found.kind == kind
    assert found.work_key == (f"generic:ci/{work_key}" if work_key else "")
    assert bool(found.ignored) is (kind == "PingRequest")
    kept = request_from_json(found.content)
    assert request_to_json(kept) == found.content


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"instruction": None}, "instruction: Input should be a valid string"),
        ({"instruction": "  \n"}, "instruction: String should have at least 1 character"),
        ({"instruction": "x" * 100_001}, "instruction: String should have at most 100000 characters"),
        ({"instruction": "a\x00b"}, "instruction: String should match"),
        ({"instruction": "\ud800"}, "instruction: Input should be a valid string"),
        ({"instructions": "x"}, "instructions: Extra inputs are not permitted"),
        ({"x\n\u202e": 1}, "x??: Extra inputs are not permitted"),
        ({"y" * 500: 1}, f"{'y' * 60}: Extra inputs are not permitted"),
        ({"repository": ""}, "repository: String should have at least 1 character"),
        ({"repository": 7}, "repository: Input should be a valid string"),
        ({"context": "x" * (CONTEXT_LIMIT + 1)}, f"context: String should have at most {CONTEXT_LIMIT} characters"),
        ({"title": "a\nb"}, "title: String should match"),
        ({"base": "-x"}, "base: String should match"),
        ({"base": "a b"}, "base: String should match"),
        ({"checks": "make test"}, "checks: Input should be a valid list"),
        ({"checks": ["ok", ""]}, "checks.1: String should have at least 1 character"),
        ({"checks": ["x"] * 21}, "checks: List should have at most 20 items"),
        ({"pull_request": "no"}, "pull_request: Input should be a valid boolean"),
        ({"plan": 1}, "plan: Input should be a valid boolean"),
        ({"work_key": "a b"}, "work_key"),
        ({"work_key": "x" * 201}, "work_key"),
        ({"if_live": "replace"}, "if_live: Input should be 'tell' or 'ignore'"),
        ({"priority": 1001}, "priority: Input should be less than or equal to 1000"),
        ({"priority": 1.0}, "priority: Input should be a valid integer"),
        ({"not_before": "2026-11-22T12:00:00"}, "not_before: Input should have timezone info"),
        ({"not_before": "tomorrow"}, "not_before: Input should be a valid datetime"),
        ({"not_before": "9999-12-31T23:59:59-23:00"}, "not_before: Value error, too far away"),
        ({"max_steps": 0}, "max_steps: Input should be greater than or equal to 1"),
        ({"max_steps": 101}, "max_steps: at most 100 here"),
        ({"max_minutes": 61}, "max_minutes: at most 60 here"),
        ({"max_cost": 2.6}, "max_cost: at most 2.5 here"),
        ({"max_cost": -1}, "max_cost: Input should be greater than 0"),
        ({"repository": "shop"}, "repository: write owner/name, or https://github.com/owner/name"),
        ({"repository": "https://gitlab.com/acme/shop"}, "repository: write owner/name"),
        ({"repository": "https://github.com.evil.example/acme/shop"}, "repository: write owner/name"),
        ({"repository": "https://token@github.com/acme/shop"}, "repository: write owner/name"),
        ({"repository": "http://github.com/acme/shop"}, "repository: write owner/name"),
        ({"repository": "https://github.com/acme/shop/issues/1"}, "repository: write owner/name"),
        ({"repository": "/srv/acme/shop"}, "repository: write owner/name"),
        ({"repository": "acme/.."}, "repository: write owner/name"),
        ({"repository": "../shop"}, "repository: write owner/name"),
        ({"repository": "acme/shop\n"}, "repository: write owner/name"),
        ({"action": "delete"}, "action: use one of file, message, answer, cancel, ping"),
        ({"action": ["file"]}, "action: use one of"),
        ({"action": None}, "action: use one of"),
        ({"action": "cancel"}, "work_key: Field required; instruction: Extra inputs are not permitted"),
        ({"action": "ping"}, "instruction: Extra inputs are not permitted; repository: Extra"),
    ],
)
def test_a_mistake_is_told_by_the_name_of_its_field(change: dict[str, Any], told: str) -> None:
    status, said = refused({**PLAIN, **change})
    assert status == 422
    assert said.startswith(told)
    assert said.isprintable()
    assert len(said) < 700


def test_many_mistakes_are_told_in_one_line() -> None:
    status, said = refused({**PLAIN, **{f"f{number}": 1 for number in range(50)}})
    assert (status, said[-11:]) == (422, "and 47 more")


@pytest.mark.parametrize(
    ("repository", "allowed"),
    [
        ("acme/shop", True),
        ("ACME/Shop", True),
        ("other/shop", True),
        ("https://github.com/other/SHOP/", True),
        ("https://GitHub.com/acme/x.git", True),
        ("other/shop2", False),
        ("acme2/shop", False),
        ("evil/acme", False),
    ],
)
def test_where_work_may_be_asked_for(repository: str, allowed: bool) -> None:
    found = read({**PLAIN, "repository": repository})
    assert isinstance(found, NewDelivery) is allowed
    if isinstance(found, Unreadable):
        assert found.status == 403
        assert found.told == (
            f"repository: {repository} may not be worked on from here; "
            "whoever runs this can allow it in the table of 'ci'"
        )


def test_checks_may_be_the_operators_alone() -> None:
    fixed = Connection(name="main", web_url="https://github.com", repositories=("acme/shop",), own_checks=False)
    assert isinstance(read(PLAIN, fixed), NewDelivery)
    assert refused({**PLAIN, "checks": ["true"]}, fixed) == (
        403,
        "checks: they are fixed for this connection; leave them out",
    )
    assert refused({**PLAIN, "repository": "a/b"}, fixed)[1].endswith("AGENT_GENERIC_REPOSITORIES")


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"", 400), (b"[]", 400), (b"null", 400), (b"{", 400), (b'{"a": NaN}', 400), (b"\xff", 400), (b"[" * 9999, 400)],
)
def test_what_is_no_object_is_refused(body: bytes, status: int) -> None:
    assert refused(body)[0] == status
    assert refused(b'{"a":' * 257 + b"1" + b"}" * 257) == (400, "the body is nested too deeply")
    assert refused(json.dumps(PLAIN).encode(), kind="text/plain") == (415, "the content type is not application/json")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from([*FileRequest.model_fields, "text", "reason", "x"]), JSON, max_size=5))
def test_whatever_is_said_there_is_an_outcome(changes: dict[str, Any]) -> None:
    found = parse_request({**PLAIN, **changes})
    assert isinstance(found, Request | Mistake)
    if isinstance(found, Request):
        assert request_from_json(request_to_json(found)) == found
    else:
        assert found.says.isprintable()
