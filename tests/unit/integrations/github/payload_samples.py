"""Payloads as small as they may be, and real ones from the contracts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pullwright.integrations.github.deliveries import Delivery, parse_delivery
from pullwright.integrations.github.meanings import BotIdentity
from pullwright.integrations.testing.contract_gate import contracts_folder

WEBHOOKS = contracts_folder() / "github" / "webhooks"
RECORDED = contracts_folder() / "github" / "recorded"
GUID = "72d3162e-cc78-11e3-81ab-4c9367dc0958"
BOT = BotIdentity(host="github.com", login="pull-bot[bot]", user_id=900, app_id=77, reads_new_issues=True)
ANN = {"id": 1, "login": "ann", "type": "User"}
ME = {"id": 900, "login": "pull-bot[bot]", "type": "Bot"}
REPOSITORY = {"id": 5, "full_name": "acme/shop", "private": False, "default_branch": "main"}
ISSUE = {"number": 7, "node_id": "I_7", "title": "Broken", "body": "See log.", "state": "open", "user": ANN}
PULL = {"number": 9, "title": "Fix", "state": "open", "user": ME, "head": {"ref": "agent/7-x", "sha": "b" * 40}}
WHEN = "2026-01-05T09:00:00Z"


def headers(event: str, **others: str) -> list[tuple[str, str]]:
    more = [(name.replace("_", "-"), value) for name, value in others.items()]
    usual = {"X-GitHub-Event": event, "X-GitHub-Delivery": GUID, "Content-Type": "application/json"}
    return [*((name, value) for name, value in usual.items() if name not in dict(more)), *more]


def delivery(name: str, **payload: Any) -> Delivery:
    event, _, action = name.partition(".")
    document = {"action": action, "sender": ANN, "repository": REPOSITORY, "installation": {"id": 3}, **payload}
    return parsed(event, {key: value for key, value in document.items() if value is not None})


def parsed(event: str, document: Mapping[str, Any]) -> Delivery:
    found = parse_delivery(headers(event), json.dumps(document).encode())
    assert isinstance(found, Delivery)
    return found


def comment(body: str | None, **others: Any) -> dict[str, Any]:
    return {"id": 11, "body": body, "user": ANN, "created_at": WHEN, **others}


def check(**others: Any) -> dict[str, Any]:
    return {
        "id": 21,
        "name": "tests",
        "head_sha": "c" * 40,
        "conclusion": "failure",
        "completed_at": WHEN,
        "app": {"id": 15368},
        "check_suite": {"id": 22, "head_branch": "agent/7-x"},
        "pull_requests": [{"number": 9}],
        **others,
    }


def real_payloads() -> list[Path]:
    return sorted(WEBHOOKS.glob("*.json"))
