"""What Linear delivers, once its signature is known to be good: headers and bytes in, a delivery out. Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pullwright.agents.intake.door import Headers, Unreadable
from pullwright.integrations.json_body import json_document, once_each

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
    document = json_document(once_each(headers), body)
    if isinstance(document, Unreadable):
        return document
    identifiers = [value for name, value in headers if name.lower() == "linear-delivery"]
    if len(identifiers) > 1 or any(not _IDENTIFIER.fullmatch(one) for one in identifiers):
        return Unreadable(status=400, detail="Linear-Delivery has the wrong form")
    return LinearDelivery(id=identifiers[0] if identifiers else hashlib.sha256(body).hexdigest(), document=document)
