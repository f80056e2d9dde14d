"""Events and issues as small as they may be, and the shared payloads of real hooks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from pullwright.agents.change import RepositoryRef
from pullwright.integrations.sentry.deliveries import Delivery, parse_delivery
from pullwright.integrations.sentry.gate import GateRules, IssueFacts, Route
from pullwright.integrations.sentry.meanings import SentryIdentity
from pullwright.integrations.testing.contract_gate import contracts_folder
from tests.means import NO_DOCUMENTS

WEBHOOKS = contracts_folder() / "sentry" / "webhooks"
needs_payloads = pytest.mark.skipif(not WEBHOOKS.is_dir(), reason=NO_DOCUMENTS)
"""For tests of the shared payloads."""
NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
APP = "64bf2cf4-37ca-4365-8dd3-6b6e56d741b8"
ME = SentryIdentity(
    host="sentry.io", organization="acme", app_ids=frozenset({APP}), assignees=frozenset({"team:9", "user:789"})
)
SHOP = RepositoryRef(url="https://github.com/acme/shop.git", host="github.com", owner="acme", name="shop")
ROUTE = Route(repository=SHOP, base="main", stack_root="/srv/app/", source_root="src/")
RULES = GateRules(routes={"shop": ROUTE})
ISSUE = IssueFacts(
    id="123",
    short_id="SHOP-1",
    title="ValueError: no price",
    project="shop",
    level="error",
    events=12,
    users=3,
    first_seen=NOW,
    last_seen=NOW,
    url="https://sentry.io/organizations/acme/issues/123/",
)
PERSON = {"type": "user", "id": 123, "name": "ann"}


def issue(**changes: Any) -> IssueFacts:
    return replace(ISSUE, **changes)


def frame(function: str, line: int, **more: Any) -> dict[str, Any]:
    usual = {
        "abs_path": "/srv/app/shop/cart.py",
        "filename": "shop/cart.py",
        "module": "shop.cart",
        "function": function,
        "lineno": line,
        "in_app": True,
        "pre_context": ["", "def total(items):"],
        "context_line": "    return sum(item.price for item in items)",
        "post_context": ["", ""],
        "vars": {"items": "[<Item>, <Item>]", "password": "'hunter2hunter2'", "unrelated": "1"},
    }
    return {**usual, **more}


def raised(type_: str, value: str, *frames: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": type_, "value": value, "stacktrace": {"frames": list(frames)} if frames else None, **more}


def event(*values: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    usual = {
        "event_id": "e" * 32,
        "platform": "python",
        "level": "error",
        "title": "ValueError: no price",
        "exception": {"values": list(values)},
        "tags": [["environment", "production"], ["user", "id:7"], ["browser", "Firefox"]],
    }
    return {**usual, **more}


BROKEN = event(raised("ValueError", "no price", frame("<module>", 3), frame("total", 42)))


def delivery(name: str, data: Mapping[str, Any], *, actor: Mapping[str, Any] | None = None) -> Delivery:
    resource, _, action = name.partition(".")
    return parsed(resource, {"action": action, "data": data, "actor": PERSON if actor is None else actor})


def parsed(resource: str, document: Any, **more: str) -> Delivery:
    headers = [("Content-Type", "application/json"), ("Request-ID", "a" * 32), *more.items()]
    if resource:
        headers.append(("Sentry-Hook-Resource", resource))
    found = parse_delivery(headers, json.dumps(document).encode())
    assert isinstance(found, Delivery)
    return found


def shared_payloads() -> list[tuple[str, str, Any]]:
    """Return name, resource and document of every shared payload."""
    found = []
    for path in sorted(WEBHOOKS.rglob("*.json")):
        document = json.loads(path.read_text())
        if "headers" in document:
            found.append((path.stem, document["headers"]["Sentry-Hook-Resource"], document["body"]))
        else:
            found.append((path.stem, _resource(document), document))
    return found


def _resource(document: Mapping[str, Any]) -> str:
    if "action" not in document:
        return ""
    return "event_alert" if "event" in document["data"] else "issue"
