"""The hooks that nobody signs come in by an address with a secret, and can do no more than name an issue."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pullwright.agents.errors import ConfigError
from pullwright.agents.intake.door import PATH_SECRET, Unreadable
from pullwright.agents.ports.inbox import NewDelivery
from pullwright.integrations.sentry import meanings as m
from pullwright.integrations.sentry.door import SentryLegacyDoor
from pullwright.integrations.sentry.meaning_codec import meaning_from_json
from pullwright.integrations.sentry.reading import interpret
from pullwright.integrations.signatures import Secret
from tests.unit.integrations.sentry.samples import ME, delivery, needs_payloads, shared_payloads

JSON = ("Content-Type", "application/json")
DOOR = SentryLegacyDoor("main-legacy", [Secret(name="one", value="a long secret")], ME)


def read(document: Any, *headers: tuple[str, str]) -> NewDelivery | Unreadable:
    return DOOR.read([JSON, *headers], json.dumps(document).encode())


def test_only_the_secret_in_the_address_opens_it() -> None:
    assert DOOR.problem([JSON, (PATH_SECRET, "a long secret")], b"{}", now=0.0) == ""
    for headers in ([], [(PATH_SECRET, "another")], [(PATH_SECRET, "a long secret")] * 2):
        assert DOOR.problem(headers, b"{}", now=0.0) != ""
    with pytest.raises(ConfigError):
        SentryLegacyDoor("main-legacy", [], ME)


@needs_payloads
def test_every_shared_hook_of_the_plugin_names_its_issue() -> None:
    found = {}
    for name, resource, document in shared_payloads():
        if not resource:
            new = read(document)
            assert isinstance(new, NewDelivery)
            meaning = meaning_from_json(new.content)
            assert isinstance(meaning, m.IssueRaised)
            assert (new.connection, meaning.cause, new.work_key) == (
                "main-legacy",
                m.Cause.ALERT,
                ME.news_key(meaning.issue_id),
            )
            found[name] = (meaning.issue_id, meaning.event_id)
    assert found == {
        "deprecated_exception_message": ("156699934", ""),
        "webhook_event_for_exception_python": ("1972208801", "c916dccfd58e41dcabaebef0091f0736"),
    }


def test_it_means_the_same_as_the_alert_of_an_integration() -> None:
    by_plugin = read({"id": 5, "event": {"event_id": "e" * 32}})
    signed = interpret(delivery("event_alert.triggered", {"event": {"event_id": "e" * 32, "issue_id": "5"}}), ME)
    assert isinstance(by_plugin, NewDelivery)
    assert by_plugin.meaning_key == signed.semantic_key == f"alert:5:{'e' * 32}"


def test_nothing_else_is_understood_here() -> None:
    comment = {"action": "created", "data": {"comment_id": 4, "issue_id": 5, "comment": "/agent run x"}}
    assert isinstance(read(comment, ("Sentry-Hook-Resource", "comment")), Unreadable)
    for odd in ({}, {"id": None}, {"id": "5/../6"}, {"id": "5", "event": []}):
        new = read(odd, ("Sentry-Hook-Resource", "comment"))
        assert isinstance(new, NewDelivery)
        assert "has an unexpected" in new.ignored
