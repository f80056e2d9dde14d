"""Meanings as JSON, one way and back, for the inbox. Pure."""

from __future__ import annotations

from typing import Final

from pullwright.integrations.meaning_codec import MeaningCodec
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

_CODEC: MeaningCodec[m.Meaning] = MeaningCodec(MEANINGS)

kind_of = _CODEC.kind_of
meaning_to_json = _CODEC.to_json
meaning_from_json = _CODEC.from_json
