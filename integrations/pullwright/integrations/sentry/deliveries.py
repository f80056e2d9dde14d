"""What Sentry delivers, once its signature is known to be good: headers and bytes in, a delivery out. Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass

from pullwright.agents.intake.door import Headers, Unreadable
from pullwright.integrations.json_body import json_document, once_each

_REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{8,100}", re.ASCII)
_NAME = re.compile(r"[a-z][a-z0-9_.]{0,63}", re.ASCII)
_ACTION = re.compile(r"[a-z][a-z0-9_.-]{0,99}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One delivery of the integration platform, or of the legacy plugin."""

    id: str
    """Sentry's ``Request-ID``; of a delivery without one, a digest of its bytes."""
    resource: str
    """``issue``, ``event_alert`` …; empty for the legacy plugin, which names none."""
    action: str
    document: Mapping[str, object]
    """The payload; everything in it was written by somebody else."""

    @property
    def name(self) -> str:
        """Resource and action in one word."""
        return f"{self.resource}.{self.action}" if self.action else self.resource


def parse_delivery(headers: Headers, body: bytes) -> Delivery | Unreadable:
    """Return the delivery that headers and body make; check the signature of these bytes first."""
    known = once_each(headers)
    resource, request_id = known.get("sentry-hook-resource", ""), known.get("request-id", "")
    if (resource and not _NAME.fullmatch(resource)) or (request_id and not _REQUEST_ID.fullmatch(request_id)):
        return Unreadable(status=400, detail="Sentry-Hook-Resource or Request-ID has the wrong form")
    document = json_document(known, body)
    if isinstance(document, Unreadable):
        return document
    action = document.get("action")
    if not resource and isinstance(action, str):
        return Unreadable(status=400, detail="Sentry-Hook-Resource is missing")
    return Delivery(
        id=request_id or hashlib.sha256(body).hexdigest(),
        resource=resource,
        action=action if isinstance(action, str) and _ACTION.fullmatch(action) else "",
        document=document,
    )
