"""Meanings as JSON, one way and back, for the inbox. Pure."""

from __future__ import annotations

from typing import Final

from pullwright.integrations.github import meanings as m
from pullwright.integrations.meaning_codec import MeaningCodec

MEANINGS: Final[tuple[type[m.Meaning], ...]] = (
    m.AuthorizationRevoked,
    m.ChecksCompleted,
    m.ControlRequested,
    m.HookConfirmed,
    m.HookDeleted,
    m.HumanPushed,
    m.Ignored,
    m.InstallationChanged,
    m.PullRequestClosed,
    m.RepositoryChanged,
    m.RequestWithdrawn,
    m.ReviewSubmitted,
    m.SubjectGone,
    m.ThreadResolved,
    m.WorkRequested,
)

CODEC: Final[MeaningCodec[m.Meaning]] = MeaningCodec(MEANINGS)

meaning_from_json: Final = CODEC.from_json
