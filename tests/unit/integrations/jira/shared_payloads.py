"""Payloads that real Jiras sent, where they are at hand."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pullwright.integrations.testing.contract_gate import contracts_folder

WEBHOOKS = contracts_folder() / "jira" / "webhooks"


def real_payloads() -> list[Path]:
    return sorted(WEBHOOKS.glob("*/*.json"))


def real_texts() -> Iterator[str]:
    """Return every description, comment and summary, each once."""
    seen: set[str] = set()
    for path in real_payloads():
        document = json.loads(path.read_text())
        for text in _texts(document):
            if text.strip() and text not in seen:
                seen.add(text)
                yield text


def _texts(document: dict[str, Any]) -> Iterator[str]:
    fields = (document.get("issue") or {}).get("fields") or {}
    comment = document.get("comment") or {}
    found = [fields.get("description"), fields.get("summary"), comment.get("body") if comment else None]
    found += [one.get("body") for one in (fields.get("comment") or {}).get("comments", [])]
    for item in (document.get("changelog") or {}).get("items", []):
        found += [item.get("fromString"), item.get("toString")]
    return (text for text in found if isinstance(text, str))
