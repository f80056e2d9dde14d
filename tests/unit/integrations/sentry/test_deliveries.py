"""From bytes to meanings: signatures, headers, every shared payload."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pullwright.agents.errors import ConfigError
from pullwright.agents.intake.door import Unreadable
from pullwright.agents.ports.inbox import NewDelivery
from pullwright.integrations.sentry import meanings as m
from pullwright.integrations.sentry.deliveries import parse_delivery
from pullwright.integrations.sentry.door import SentryDoor
from pullwright.integrations.sentry.meaning_codec import CODEC, MEANINGS
from pullwright.integrations.sentry.reading import interpret
from pullwright.integrations.signatures import SENTRY, Secret, sign
from tests.unit.integrations.sentry.samples import APP, ME, PERSON, delivery, needs_payloads, parsed, shared_payloads

OLD, NEW = "the old secret", "the new secret"
JSON = ("Content-Type", "application/json")
BODY = json.dumps({"action": "created", "data": {"issue": {"id": "123"}}}).encode()
USUAL = [JSON, ("Request-ID", "a" * 32), ("Sentry-Hook-Resource", "issue"), ("Sentry-Hook-Timestamp", "1")]
ISSUE = {"id": "123", "project": {"slug": "shop"}, "lastSeen": "2026-03-02T12:00:00Z"}


@pytest.fixture
def door() -> SentryDoor:
    return SentryDoor("main", [Secret(name="old", value=OLD), Secret(name="new", value=NEW)], ME)


def test_a_signed_hook_comes_in_by_either_secret_whatever_its_time(door: SentryDoor) -> None:
    for secret in (OLD, NEW):
        for stamp in ("0", "99999999999", "soon"):
            headers = [JSON, ("Sentry-Hook-Timestamp", stamp), *sign(SENTRY, secret, BODY)]
            assert door.problem(headers, BODY, now=0.0) == ""


def test_what_is_not_signed_stays_outside(door: SentryDoor) -> None:
    good = dict(sign(SENTRY, NEW, BODY))["Sentry-Hook-Signature"]
    for given_ in ("", good.upper(), good[:-1], f"sha256={good}", f" {good}", "é" * 64, "0" * 64):
        assert door.problem([("Sentry-Hook-Signature", given_)], BODY, now=0.0)
    assert door.problem([("Sentry-Hook-Signature", good)] * 2, BODY, now=0.0)
    formatted = json.dumps(json.loads(BODY), indent=1).encode()
    assert door.problem([("Sentry-Hook-Signature", good)], formatted, now=0.0) == "no secret fits"


@needs_payloads
def test_the_legacy_hook_is_refused_without_a_signature_and_ignored_with_one(door: SentryDoor) -> None:
    for name, resource, document in shared_payloads():
        if resource:
            continue
        body = json.dumps(document).encode()
        assert door.problem([JSON], body, now=0.0) == "no signature", name
        read = door.read([JSON, *sign(SENTRY, NEW, body)], body)
        assert isinstance(read, NewDelivery)
        assert "legacy WebHooks plugin" in read.ignored


def test_a_second_header_is_asked_for_where_one_is_set() -> None:
    second = [Secret(name="second", value="Bearer extra")]
    door = SentryDoor("main", [Secret(name="one", value=NEW)], ME, second_header="Authorization", second_secrets=second)
    signed = sign(SENTRY, NEW, BODY)
    assert door.problem(signed, BODY, now=0.0) == "no signature"
    assert door.problem([*signed, ("authorization", "Bearer other")], BODY, now=0.0) == "no secret fits"
    assert door.problem([*signed, ("authorization", "Bearer extra")], BODY, now=0.0) == ""
    assert door.problem([("authorization", "Bearer extra")], BODY, now=0.0) == "no signature"


def test_a_door_without_a_secret_is_none() -> None:
    for secrets in ([], [Secret(name="x", value=" ")]):
        with pytest.raises(ConfigError):
            SentryDoor("main", secrets, ME)


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ([JSON, ("Sentry-Hook-Resource", "Not a name")], BODY, 400),
        ([JSON, ("Request-ID", "../../x" * 3), ("Sentry-Hook-Resource", "issue")], BODY, 400),
        ([JSON], BODY, 400),
        ([("Content-Type", "text/plain"), *USUAL[1:]], BODY, 415),
        ([*USUAL, ("Content-Encoding", "gzip")], BODY, 415),
        (USUAL, b"{", 400),
        (USUAL, b"[]", 400),
        (USUAL, b'{"a": NaN}', 400),
        (USUAL, b"\xff\xfe", 400),
        (USUAL, b'{"a":' + b"[" * 100_000, 400),
    ],
)
def test_what_can_not_be_read_has_its_status(headers: list[tuple[str, str]], body: bytes, status: int) -> None:
    found = parse_delivery(headers, body)
    assert isinstance(found, Unreadable)
    assert found.status == status
    door = SentryDoor("main", [Secret(name="one", value=NEW)], ME)
    assert door.read(headers, body) == found


def test_a_delivery_is_known_by_its_id_or_else_by_its_bytes(door: SentryDoor) -> None:
    named, unnamed = door.read(USUAL, BODY), door.read([one for one in USUAL if one[0] != "Request-ID"], BODY)
    assert isinstance(named, NewDelivery)
    assert isinstance(unnamed, NewDelivery)
    assert (named.key, len(unnamed.key)) == ("a" * 32, 64)
    assert named.meaning_key == unnamed.meaning_key == "created:123"
    assert named.work_key == "sentry:sentry.io/acme/issue/123/news"


EXPECTED = {
    "comment.created": m.Ignored,
    "comment.deleted": m.RequestWithdrawn,
    "deprecated_exception_message": m.Ignored,
    "event_alert.triggered": m.IssueRaised,
    "event_for_exception_js": m.IssueRaised,
    "event_for_exception_python": m.IssueRaised,
    "event_for_message_golang": m.IssueRaised,
    "event_for_message_python": m.IssueRaised,
    "installation.created": m.InstallationChanged,
    "issue.assigned": m.IssueRaised,
    "issue.created": m.IssueRaised,
    "issue.resolved": m.IssueGone,
    "issue_assigned_to_individual": m.Ignored,
    "issue_created_for_exception": m.IssueRaised,
    "issue_ignored": m.IssueGone,
    "issue_resolved": m.IssueGone,
    "metric_alert.critical": m.Ignored,
    "metric_alert.critical__with_alert_rule_action": m.Ignored,
    "metric_alert.warning": m.Ignored,
    "metric_alert.warning__with_alert_rule_action": m.Ignored,
    "webhook_event_for_exception_python": m.Ignored,
}


@needs_payloads
def test_every_shared_payload_has_a_meaning_or_a_reason() -> None:
    found = {name: interpret(parsed(resource, document), ME) for name, resource, document in shared_payloads()}
    assert {name: type(meaning) for name, meaning in found.items()} == EXPECTED
    for meaning in found.values():
        assert CODEC.from_json(CODEC.to_json(meaning)) == meaning
        assert meaning.reason if isinstance(meaning, m.Ignored) else True
    raised = found["event_for_exception_js"]
    assert isinstance(raised, m.IssueRaised)
    assert (raised.issue_id, raised.event_id) == ("1731239773", "355c3b2a142046629dd410db2fdda003")
    assert raised.rule == "Send a webhook payload to Webhook.site"


@pytest.mark.parametrize(
    ("name", "data", "actor", "kind", "more"),
    [
        ("issue.assigned", {"issue": {**ISSUE, "assignedTo": {"type": "team", "id": 9}}}, PERSON, m.WorkRequested, {}),
        ("issue.assigned", {"issue": ISSUE, "assignee": {"type": "user", "id": 789}}, PERSON, m.WorkRequested, {}),
        ("issue.assigned", {"issue": {**ISSUE, "assignedTo": {"type": "user", "id": 9}}}, PERSON, m.Ignored, {}),
        (
            "issue.assigned",
            {"issue": {**ISSUE, "assignedTo": {"type": "team", "id": 9}}},
            {"type": "application", "id": "sentry"},
            m.IssueRaised,
            {"cause": m.Cause.ASSIGNED},
        ),
        ("issue.unresolved", {"issue": ISSUE}, {"type": "application"}, m.IssueRaised, {"cause": m.Cause.RETURNED}),
        ("issue.unresolved", {"issue": ISSUE}, PERSON, m.Ignored, {}),
        ("issue.archived", {"issue": ISSUE}, PERSON, m.IssueGone, {"why": m.Gone.ARCHIVED}),
        ("issue.merged", {"issue": ISSUE}, PERSON, m.Ignored, {}),
        ("issue.created", {"issue": {"id": "12/../../3"}}, PERSON, m.Ignored, {}),
        ("issue.created", {"issue": None}, PERSON, m.Ignored, {}),
        ("issue.created", {"issue": []}, PERSON, m.Ignored, {}),
        ("event_alert.triggered", {"event": {"event_id": "e"}}, {}, m.Ignored, {}),
        ("comment.created", {"comment_id": 4, "issue_id": 5, "comment": "/agent run x"}, PERSON, m.WorkRequested, {}),
        ("comment.created", {"comment_id": 4, "issue_id": 5, "comment": "/agent stop"}, PERSON, m.ControlRequested, {}),
        ("comment.created", {"comment_id": 4, "comment": "/agent stop"}, PERSON, m.Ignored, {}),
        ("comment.updated", {"comment_id": 4, "issue_id": 5, "comment": "/agent stop"}, PERSON, m.Ignored, {}),
        ("seer.pr_created", {"group_id": 5}, {}, m.RivalFix, {"issue_id": "5"}),
        ("seer.pr_created", {}, {}, m.Ignored, {}),
        ("seer.root_cause_started", {"group_id": 5}, {}, m.Ignored, {}),
        ("installation.deleted", {}, PERSON, m.InstallationChanged, {"installed": False}),
        ("error.created", {}, {}, m.Ignored, {}),
        ("something.new", {}, {}, m.Ignored, {}),
    ],
)
def test_what_deliveries_mean(
    name: str, data: dict[str, Any], actor: dict[str, Any], kind: type[m.Meaning], more: dict[str, Any]
) -> None:
    meaning = interpret(delivery(name, data, actor=actor), ME)
    assert type(meaning) is kind, meaning
    assert {field: getattr(meaning, field) for field in more} == more
    assert CODEC.from_json(CODEC.to_json(meaning)) == meaning


JSONS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
NAMES = [
    "issue.created", "issue.assigned", "event_alert.triggered", "comment.created", "comment.deleted", "seer.pr_created",
]  # fmt: skip
PARTS = st.dictionaries(
    st.sampled_from(["issue", "event", "comment_id", "issue_id", "comment", "group_id", "assignee"]), JSONS
)


@given(name=st.sampled_from(NAMES), data=PARTS | JSONS, actor=JSONS)
def test_no_payload_raises(name: str, data: Any, actor: Any) -> None:
    resource, _, action = name.partition(".")
    meaning = interpret(parsed(resource, {"action": action, "data": data, "actor": actor}), ME)
    assert CODEC.kind_of(meaning) in {kind.__name__ for kind in MEANINGS}


@given(body=st.binary(max_size=300), resource=st.text(max_size=20))
def test_no_bytes_raise(body: bytes, resource: str) -> None:
    parse_delivery([JSON, ("Sentry-Hook-Resource", resource)], body)


def test_we_know_ourselves() -> None:
    hook = {
        "action": "resolved",
        "data": {"issue": ISSUE},
        "actor": {"type": "application", "id": "u-1", "name": "x"},
        "installation": {"uuid": "i", "app": {"uuid": "u-1", "slug": "pullwright"}},
    }
    assert ME.is_me(interpret(parsed("issue", hook), ME).actor)
    assert not ME.is_me(interpret(parsed("issue", {**hook, "installation": {"uuid": "i"}}), ME).actor)
    assert ME.is_me(m.Actor(kind=m.ActorKind.APPLICATION, id=APP))
    assert not ME.is_me(m.Actor(kind=m.ActorKind.USER, id=APP))
    assert not ME.is_me(m.Actor(kind=m.ActorKind.APPLICATION, id="sentry", name="Sentry"))


def test_an_older_release_does_not_read_what_it_does_not_know() -> None:
    with pytest.raises(ValueError, match="not known to this release"):
        CODEC.from_json('{"kind": "Tomorrow", "meaning": {}}')
