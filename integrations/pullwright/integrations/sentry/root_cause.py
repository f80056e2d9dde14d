"""What several issues have in common: a fingerprint of the cause, made of exception type and our own frames. Pure.

Sentry makes an issue of every message, line or release that looks different; one defect easily is several issues. Here
line numbers, messages and everything that a build puts into names do not count.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from itertools import groupby
from typing import Final

from pullwright.integrations.sentry.incident import Frame, Incident, Raised

DEPTH: Final = 4
"""Innermost frames that count: what called them may be anything."""

_EXPLICIT: Final = frozenset({"__cause__", "cause"})
"""The code itself says that this one is the cause; what merely happened before is none."""
_BUILD: Final = re.compile(r"(?<=[._-])[0-9a-f]{6,64}(?=[._-]|$)", re.IGNORECASE)
_NUMBERS: Final = re.compile(r"0x[0-9a-f]+|[0-9a-f]{8,}|[0-9]+", re.IGNORECASE)
_DIGITS: Final = 32


def fingerprint(incident: Incident) -> str:
    """Return the fingerprint of an event's cause: equal for events with one cause, whatever issue they are in."""
    culprit = cause_of(incident)
    frames = _own(culprit.frames) if culprit else ()
    parts = [culprit.type if culprit else ""]
    parts += [f"{_named(frame.where)}:{_named(frame.function)}" for frame in frames]
    if not frames:
        said = (culprit.value if culprit else "") or incident.message or incident.title
        parts += [_NUMBERS.sub("#", said)[:500], incident.transaction]
    return hashlib.sha256("\n".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:_DIGITS]


def cause_of(incident: Incident) -> Raised | None:
    """Return the exception that is to blame: the last one, or the cause that the code names for it."""
    chain = incident.raised
    if not chain:
        return None
    place = len(chain) - 1
    while place > 0 and chain[place - 1].source in _EXPLICIT and chain[place - 1].frames:
        place -= 1
    return chain[place] if chain[place].frames else incident.crash


def _own(frames: Sequence[Frame]) -> Sequence[Frame]:
    """Return the innermost frames of our own code, of any code where there is none; a recursion counts once."""
    named = [frame for frame in frames if frame.where]
    ours = [frame for frame in named if frame.in_app] or named
    distinct = [next(run) for _, run in groupby(ours, key=lambda frame: (frame.where, frame.function))]
    return distinct[-DEPTH:]


def _named(name: str) -> str:
    return _BUILD.sub("#", name.partition("?")[0])
