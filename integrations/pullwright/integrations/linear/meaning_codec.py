"""Meanings as JSON, one way and back, for the inbox. Pure."""

from __future__ import annotations

from pullwright.integrations.linear.meanings import (
    ControlRequested,
    Ignored,
    Meaning,
    RequestWithdrawn,
    SubjectGone,
    WorkRequested,
)
from pullwright.integrations.meaning_codec import MeaningCodec

MEANINGS: tuple[type[Meaning], ...] = (ControlRequested, Ignored, RequestWithdrawn, SubjectGone, WorkRequested)

_CODEC: MeaningCodec[Meaning] = MeaningCodec(MEANINGS)

kind_of = _CODEC.kind_of
meaning_to_json = _CODEC.to_json
meaning_from_json = _CODEC.from_json
