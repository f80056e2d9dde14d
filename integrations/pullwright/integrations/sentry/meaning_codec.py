"""Meanings as JSON, one way and back, for the inbox. Pure."""

from __future__ import annotations

import json
from functools import cache
from typing import Final

from pydantic import TypeAdapter

from pullwright.integrations.sentry import meanings as m

MEANINGS: Final[tuple[type[m.Meaning], ...]] = (
    m.ControlRequested,
    m.Ignored,
    m.InstallationChanged,
    m.IssueGone,
    m.IssueRaised,
    m.RequestWithdrawn,
    m.RivalFix,
    m.WorkRequested,
)


def kind_of(meaning: m.Meaning) -> str:
    """Return the name by which a meaning is kept: it must not change between releases."""
    return type(meaning).__name__


def meaning_to_json(meaning: m.Meaning) -> str:
    """Return a meaning as JSON."""
    data = _adapter(kind_of(meaning)).dump_python(meaning, mode="json")
    return json.dumps({"kind": kind_of(meaning), "meaning": data}, separators=(",", ":"))


def meaning_from_json(text: str) -> m.Meaning:
    """Return the meaning that was kept; what an older release did not write has its default.

    Raises:
        ValueError: It is none of this release.
    """
    document = json.loads(text)
    return _adapter(document["kind"]).validate_python(document["meaning"])


@cache
def _adapter(kind: str) -> TypeAdapter[m.Meaning]:
    found = next((meaning for meaning in MEANINGS if meaning.__name__ == kind), None)
    if found is None:
        raise ValueError(f"a meaning of the kind {kind!r} is not known to this release")
    return TypeAdapter(found)
