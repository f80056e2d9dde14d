"""Meanings as JSON, one way and back, for the inbox. Pure."""

from __future__ import annotations

from typing import Final

from pullwright.agents.errors import NotFound
from pullwright.agents.ports.inbox import Delivery
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

CODEC: Final[MeaningCodec[m.Meaning]] = MeaningCodec(MEANINGS)

meaning_from_json: Final = CODEC.from_json


def issue_of(delivery: Delivery) -> str:
    """Return the id of the issue that a delivery is about.

    Raises:
        NotFound: It is about none.
    """
    issue_id = meaning_from_json(delivery.content).issue_id
    if not issue_id:
        raise NotFound(f"delivery {delivery.id!r} belongs to no issue to speak on")
    return issue_id
