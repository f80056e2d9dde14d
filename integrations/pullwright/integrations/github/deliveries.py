"""What GitHub delivers, once its signature is known to be good: headers and bytes in, a delivery out. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import parse_qs

from pullwright.agents.intake.door import Headers
from pullwright.integrations.json_body import JsonFault, json_object, media_type, once_each

_GUID = re.compile(r"[A-Za-z0-9-]{8,100}", re.ASCII)
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}", re.ASCII)
_ACTION = re.compile(r"[a-z][a-z0-9_-]{0,99}", re.ASCII | re.IGNORECASE)
_NUMBER = re.compile(r"[0-9]{1,18}", re.ASCII)


class Fault(StrEnum):
    """Why a delivery can not be read."""

    HEADERS = "a header is missing or has the wrong form"
    CONTENT_TYPE = "the content type is neither JSON nor a form"
    FORM = "the form has no single payload"
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
    """One delivery."""

    id: str
    """GitHub's own id of it, the same when it is delivered again."""
    event: str
    action: str
    """Empty for events without actions."""
    document: Mapping[str, object]
    """The payload; everything in it was written by somebody else."""
    hook_id: int | None = None
    target_type: str = ""
    """``repository``, ``organization`` or ``integration`` (an App)."""
    target_id: int | None = None
    enterprise_host: str = ""


def parse_delivery(headers: Headers, body: bytes) -> Delivery | UnreadableDelivery:
    """Return the delivery that headers and body make; check the signature of these bytes first."""
    known = once_each(headers)
    event, guid = known.get("x-github-event", ""), known.get("x-github-delivery", "")
    if not _NAME.fullmatch(event) or not _GUID.fullmatch(guid):
        return UnreadableDelivery(fault=Fault.HEADERS, detail="X-GitHub-Event or X-GitHub-Delivery")
    if known.get("content-encoding", "identity").lower() != "identity":
        return UnreadableDelivery(fault=Fault.CONTENT_TYPE, detail="it has a content encoding")
    content = _payload(media_type(known), body)
    if isinstance(content, Fault):
        return UnreadableDelivery(fault=content)
    document = json_object(content)
    if isinstance(document, JsonFault):
        return UnreadableDelivery(fault=Fault(document.value))
    action = document.get("action")
    return Delivery(
        id=guid,
        event=event,
        action=action if isinstance(action, str) and _ACTION.fullmatch(action) else "",
        document=document,
        hook_id=_number(known.get("x-github-hook-id", "")),
        target_type=known.get("x-github-hook-installation-target-type", ""),
        target_id=_number(known.get("x-github-hook-installation-target-id", "")),
        enterprise_host=known.get("x-github-enterprise-host", "").lower(),
    )


def _payload(kind: str, body: bytes) -> bytes | Fault:
    if kind == "application/json":
        return body
    return _form_payload(body) if kind == "application/x-www-form-urlencoded" else Fault.CONTENT_TYPE


def _form_payload(body: bytes) -> bytes | Fault:
    try:
        values = parse_qs(body.decode(), strict_parsing=True, max_num_fields=10, errors="strict").get("payload", [])
    except ValueError:
        return Fault.FORM
    return values[0].encode() if len(values) == 1 else Fault.FORM


def _number(text: str) -> int | None:
    return int(text) if _NUMBER.fullmatch(text) else None
