"""The JSON of a delivery: an object, not nested so deeply that the parser runs out of stack. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from enum import StrEnum

NESTING_LIMIT = 64

_STRUCTURE = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[\[\]{}]', re.DOTALL)


class JsonFault(StrEnum):
    """Why a body is no such object."""

    NO_OBJECT = "the body is no JSON object"
    NESTING = "the body is nested too deeply"


def json_object(body: bytes, *, nesting: int = NESTING_LIMIT) -> Mapping[str, object] | JsonFault:
    """Return the object that a body is; NaN and Infinity are no JSON."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return JsonFault.NO_OBJECT
    if _is_deeper(text, nesting):
        return JsonFault.NESTING
    try:
        document = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return JsonFault.NO_OBJECT
    return document if isinstance(document, dict) else JsonFault.NO_OBJECT


def _refuse(name: str) -> object:
    raise ValueError(f"{name} is no JSON")


def _is_deeper(text: str, limit: int) -> bool:
    """Count the brackets before the parser sees them."""
    depth = 0
    for found in _STRUCTURE.finditer(text):
        if (sign := found[0]) in "[{":
            depth += 1
            if depth > limit:
                return True
        elif sign in "]}":
            depth -= 1
    return False
