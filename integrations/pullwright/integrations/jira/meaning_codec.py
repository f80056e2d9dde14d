"""Meanings as JSON, one way and back, for the inbox. Pure."""

from __future__ import annotations

import json
from functools import cache

from pydantic import TypeAdapter

from pullwright.integrations.jira.meanings import (
    ControlRequested,
    Ignored,
    Meaning,
    RequestWithdrawn,
    SubjectGone,
    WorkRequested,
)

MEANINGS: tuple[type[Meaning], ...] = (ControlRequested, Ignored, RequestWithdrawn, SubjectGone, WorkRequested)


def kind_of(meaning: Meaning) -> str:
    """Return the name by which a meaning is kept: it must not change between releases."""
    return type(meaning).__name__


def meaning_to_json(meaning: Meaning) -> str:
    """Return a meaning as JSON."""
    data = _adapter(kind_of(meaning)).dump_python(meaning, mode="json")
    return json.dumps({"kind": kind_of(meaning), "meaning": data}, separators=(",", ":"))


def meaning_from_json(text: str) -> Meaning:
    """Return the meaning that was kept; what an older release did not write has its default.

    Raises:
        ValueError: It is none of this release.
    """
    document = json.loads(text)
    return _adapter(document["kind"]).validate_python(document["meaning"])


@cache
def _adapter(kind: str) -> TypeAdapter[Meaning]:
    found = next((meaning for meaning in MEANINGS if meaning.__name__ == kind), None)
    if found is None:
        raise ValueError(f"a meaning of the kind {kind!r} is not known to this release")
    return TypeAdapter(found)
