"""What Sentry delivers, once its signature is known to be good: headers and bytes in, a delivery out. Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from pullwright.integrations.json_body import JsonFault, json_object
from pullwright.integrations.signatures import Headers

NESTING_LIMIT = 256
"""Local variables in an event may be nested deeply; Sentry itself cuts them long before."""

_REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{8,100}", re.ASCII)
_NAME = re.compile(r"[a-z][a-z0-9_.]{0,63}", re.ASCII)
_ACTION = re.compile(r"[a-z][a-z0-9_.-]{0,99}", re.ASCII)


class Fault(StrEnum):
    """Why a delivery can not be read."""

    HEADERS = "a header is missing or has the wrong form"
    CONTENT_TYPE = "the content type is not JSON"
    JSON = JsonFault.NO_OBJECT.value
    NESTING = JsonFault.NESTING.value

    @property
    def status(self) -> int:
        """The HTTP status to answer with."""
        return 415 if self is Fault.CONTENT_TYPE else 400


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreadableDelivery:
    """A delivery that is answered with an error."""

    fault: Fault
    detail: str = ""
    """For the log."""


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


def parse_delivery(headers: Headers, body: bytes) -> Delivery | UnreadableDelivery:
    """Return the delivery that headers and body make; check the signature of these bytes first."""
    known = _by_name(headers)
    resource, request_id = known.get("sentry-hook-resource", ""), known.get("request-id", "")
    if (resource and not _NAME.fullmatch(resource)) or (request_id and not _REQUEST_ID.fullmatch(request_id)):
        return UnreadableDelivery(fault=Fault.HEADERS, detail="Sentry-Hook-Resource or Request-ID")
    if known.get("content-encoding", "identity").lower() != "identity":
        return UnreadableDelivery(fault=Fault.CONTENT_TYPE, detail="it has a content encoding")
    if known.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        return UnreadableDelivery(fault=Fault.CONTENT_TYPE)
    document = json_object(body, nesting=NESTING_LIMIT)
    if isinstance(document, JsonFault):
        return UnreadableDelivery(fault=Fault(document.value))
    action = document.get("action")
    if not resource and isinstance(action, str):
        return UnreadableDelivery(fault=Fault.HEADERS, detail="Sentry-Hook-Resource")
    return Delivery(
        id=request_id or hashlib.sha256(body).hexdigest(),
        resource=resource,
        action=action if isinstance(action, str) and _ACTION.fullmatch(action) else "",
        document=document,
    )


def _by_name(headers: Headers) -> dict[str, str]:
    """Return the headers that there are exactly once."""
    found: dict[str, list[str]] = {}
    for name, value in headers:
        found.setdefault(name.lower(), []).append(value.strip())
    return {name: values[0] for name, values in found.items() if len(values) == 1}
