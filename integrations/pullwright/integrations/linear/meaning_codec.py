"""Meanings as JSON, one way and back, for the inbox. Pure."""

from __future__ import annotations

from typing import Final

from pullwright.integrations.linear import meanings as m
from pullwright.integrations.meaning_codec import MeaningCodec

CODEC: Final[MeaningCodec[m.Meaning]] = MeaningCodec(
    (m.ControlRequested, m.Ignored, m.RequestWithdrawn, m.SubjectGone, m.WorkRequested)
)

meaning_from_json: Final = CODEC.from_json
