"""What Linear delivers, once its signature is known to be good: headers and bytes in, a delivery out. Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pullwright.agents.intake.door import Headers, Unreadable
from pullwright.integrations.json_body import JsonFault, json_object

NESTING_LIMIT: Final = 150
"""Besides its Markdown a text may come as a document, with lists in lists."""

_IDENTIFIER: Final = re.compile(r"[A-Za-z0-9-]{8,100}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class LinearDelivery:
    """One delivery."""

    id: str
    """``Linear-Delivery``; of a delivery without one, a digest of its bytes."""
    document: Mapping[str, object]
    """The payload; everything in it was written by somebody else."""


def parse_delivery(headers: Headers, body: bytes) -> LinearDelivery | Unreadable:
    """Return the delivery that headers and body make; check the signature of these bytes first."""
    known = {name.lower(): value.strip() for name, value in headers}
    if known.get("content-encoding", "identity").lower() != "identity":
        return Unreadable(status=415, detail="it has a content encoding")
    if known.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        return Unreadable(status=415, detail="the content type is not JSON")
    document = json_object(body, nesting=NESTING_LIMIT)
    if isinstance(document, JsonFault):
        return Unreadable(status=400, detail=document)
    identifiers = [value for name, value in headers if name.lower() == "linear-delivery"]
    if len(identifiers) > 1 or any(not _IDENTIFIER.fullmatch(one) for one in identifiers):
        return Unreadable(status=400, detail="Linear-Delivery has the wrong form")
    return LinearDelivery(id=identifiers[0] if identifiers else hashlib.sha256(body).hexdigest(), document=document)
