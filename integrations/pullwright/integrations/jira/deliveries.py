"""What Jira delivers, once it is known to be authentic: headers and bytes in, a delivery out. Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pullwright.agents.intake.door import Headers, Unreadable
from pullwright.integrations.json_body import json_document, once_each

_IDENTIFIER: Final = re.compile(r"[A-Za-z0-9._:-]{8,200}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class JiraDelivery:
    """One delivery."""

    id: str
    """Jira's own id of it, the same when it is repeated; where it has none, made of what it says."""
    document: Mapping[str, object]
    """The payload; everything in it was written by somebody else."""


def parse_delivery(headers: Headers, body: bytes) -> JiraDelivery | Unreadable:
    """Return the delivery that headers and body make; check where it comes from first."""
    # Older lines of Data Center do not say what they send.
    document = json_document({"content-type": "application/json", **once_each(headers)}, body)
    if isinstance(document, Unreadable):
        return document
    identifiers = [value for name, value in headers if name.lower() == "x-atlassian-webhook-identifier"]
    if len(identifiers) == 1 and _IDENTIFIER.fullmatch(identifiers[0]):
        return JiraDelivery(id=identifiers[0], document=document)
    if identifiers:
        return Unreadable(status=400, detail="X-Atlassian-Webhook-Identifier has the wrong form")
    return JiraDelivery(id=_made_up(document, body), document=document)


def _made_up(document: Mapping[str, object], body: bytes) -> str:
    """Return an id for a delivery without one, as Data Center's: the same thing told twice has it twice."""
    names = ("webhookEvent", "timestamp")
    said = [str(document.get(name)) for name in names if document.get(name) is not None]
    said += [_id_in(document, name) for name in ("issue", "comment", "changelog")]
    # What says nothing of all that, such as Automation's, is known by all of its bytes.
    content = "\n".join(said).encode("utf-8", "replace") if len(said) == 5 else body
    return f"made-{hashlib.sha256(content).hexdigest()}"


def _id_in(document: Mapping[str, object], name: str) -> str:
    part = document.get(name)
    return str(part.get("id", ""))[:100] if isinstance(part, Mapping) else ""
