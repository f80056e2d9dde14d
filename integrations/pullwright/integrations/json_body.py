"""What all deliveries with JSON have in common: headers by their names, and an object for a body. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from pydantic import TypeAdapter

from pullwright.agents.intake.door import Headers, Unreadable

NESTING_LIMIT: Final = 256
"""Far beyond what anybody sends. The quick parser has a lower limit of its own, the other has none."""

_QUICK: Final = TypeAdapter(dict[str, object])
_NO_NUMBERS: Final = (b"NaN", b"Infinity")
"""JSON does not have them, but the quick parser does."""
_STRUCTURE: Final = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[\[\]{}]', re.DOTALL)


class JsonFault(StrEnum):
    """Why a body is no such object."""

    NO_OBJECT = "the body is no JSON object"
    NESTING = "the body is nested too deeply"


def once_each(headers: Headers) -> dict[str, str]:
    """Return the headers that there are exactly once, by their names in lower case."""
    found: dict[str, list[str]] = {}
    for name, value in headers:
        found.setdefault(name.lower(), []).append(value.strip())
    return {name: values[0] for name, values in found.items() if len(values) == 1}


def media_type(headers: Mapping[str, str]) -> str:
    """Return the content type without its parameters, in lower case; ``headers`` are those of ``once_each``."""
    return headers.get("content-type", "").partition(";")[0].strip().lower()


def json_document(headers: Mapping[str, str], body: bytes) -> Mapping[str, object] | Unreadable:
    """Return the object of a delivery that has to say that it is JSON; ``headers`` are those of ``once_each``."""
    if headers.get("content-encoding", "identity").lower() != "identity":
        return Unreadable(status=415, detail="it has a content encoding")
    if media_type(headers) != "application/json":
        return Unreadable(status=415, detail="the content type is not application/json")
    document = json_object(body)
    return Unreadable(status=400, detail=document) if isinstance(document, JsonFault) else document


def json_object(body: bytes) -> Mapping[str, object] | JsonFault:
    """Return the object that a body is; NaN and Infinity are no JSON."""
    if not any(word in body for word in _NO_NUMBERS):
        try:
            return _QUICK.validate_json(body)
        except ValueError:  # it knows no half characters, and nothing that is nested a little deeper
            pass
    return _patiently(body)


def _patiently(body: bytes) -> Mapping[str, object] | JsonFault:
    try:
        text = body.decode()
        if _is_too_deep(text):
            return JsonFault.NESTING
        document = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return JsonFault.NO_OBJECT
    return document if isinstance(document, dict) else JsonFault.NO_OBJECT


def _refuse(name: str) -> object:
    raise ValueError(f"{name} is no JSON")


def _is_too_deep(text: str) -> bool:
    """Count the brackets before the parser sees them; it would use up the stack."""
    depth = 0
    for found in _STRUCTURE.finditer(text):
        if (sign := found[0]) in "[{":
            depth += 1
            if depth > NESTING_LIMIT:
                return True
        elif sign in "]}":
            depth -= 1
    return False
