"""What GitHub delivers, once its signature is known to be good: headers and bytes in, a delivery out. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import parse_qs

from pydantic import TypeAdapter

from pullwright.integrations.signatures import Headers

NESTING_LIMIT = 256
"""GitHub's own payloads are at most nine deep. The quick parser has a lower limit of its own, the other has none."""

_QUICK = TypeAdapter(dict[str, object])
_NO_NUMBERS = (b"NaN", b"Infinity")
"""JSON does not have them, but the quick parser does."""
_GUID = re.compile(r"[A-Za-z0-9-]{8,100}", re.ASCII)
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}", re.ASCII)
_ACTION = re.compile(r"[a-z][a-z0-9_-]{0,99}", re.ASCII | re.IGNORECASE)
_NUMBER = re.compile(r"[0-9]{1,18}", re.ASCII)
_STRUCTURE = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[\[\]{}]', re.DOTALL)


class Fault(StrEnum):
    """Why a delivery can not be read."""

    HEADERS = "a header is missing or has the wrong form"
    CONTENT_TYPE = "the content type is neither JSON nor a form"
    FORM = "the form has no single payload"
    JSON = "the body is no JSON object"
    NESTING = "the body is nested too deeply"

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
    known = _by_name(headers)
    event, guid = known.get("x-github-event", ""), known.get("x-github-delivery", "")
    if not _NAME.fullmatch(event) or not _GUID.fullmatch(guid):
        return UnreadableDelivery(fault=Fault.HEADERS, detail="X-GitHub-Event or X-GitHub-Delivery")
    if known.get("content-encoding", "identity").lower() != "identity":
        return UnreadableDelivery(fault=Fault.CONTENT_TYPE, detail="it has a content encoding")
    content = _payload(known.get("content-type", ""), body)
    document = content if isinstance(content, Fault) else _document(content)
    if isinstance(document, Fault):
        return UnreadableDelivery(fault=document)
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


def _by_name(headers: Headers) -> dict[str, str]:
    """Return the headers that there are exactly once."""
    found: dict[str, list[str]] = {}
    for name, value in headers:
        found.setdefault(name.lower(), []).append(value.strip())
    return {name: values[0] for name, values in found.items() if len(values) == 1}


def _payload(content_type: str, body: bytes) -> bytes | Fault:
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "application/json":
        return body
    return _form_payload(body) if kind == "application/x-www-form-urlencoded" else Fault.CONTENT_TYPE


def _form_payload(body: bytes) -> bytes | Fault:
    try:
        values = parse_qs(body.decode(), strict_parsing=True, max_num_fields=10, errors="strict").get("payload", [])
    except ValueError:
        return Fault.FORM
    return values[0].encode() if len(values) == 1 else Fault.FORM


def _document(content: bytes) -> Mapping[str, object] | Fault:
    if not any(word in content for word in _NO_NUMBERS):
        try:
            return _QUICK.validate_json(content)
        except ValueError:  # it knows no half characters, and nothing that is nested a little deeper
            pass
    return _patiently(content)


def _patiently(content: bytes) -> Mapping[str, object] | Fault:
    try:
        text = content.decode()
        if _nesting(text) > NESTING_LIMIT:
            return Fault.NESTING
        document = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return Fault.JSON
    return document if isinstance(document, dict) else Fault.JSON


def _refuse(name: str) -> object:
    raise ValueError(f"{name} is no JSON")


def _nesting(text: str) -> int:
    """Return how deep the brackets go, counted before the parser sees them; it would use up the stack."""
    depth = deepest = 0
    for found in _STRUCTURE.finditer(text):
        if (sign := found[0]) in "[{":
            depth += 1
            deepest = max(deepest, depth)
            if deepest > NESTING_LIMIT:
                break
        elif sign in "]}":
            depth -= 1
    return deepest


def _number(text: str) -> int | None:
    return int(text) if _NUMBER.fullmatch(text) else None
