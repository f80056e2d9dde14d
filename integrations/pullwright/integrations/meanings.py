"""What the meanings of all sources have in common. Pure values.

Each source has classes of its own for what its deliveries mean, each with what it knows: an issue, a ticket, who did
it. The names of the classes and of their fields are kept in the inbox.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

from pullwright.agents.ports.inbox import NewDelivery
from pullwright.integrations.meaning_codec import MeaningCodec


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """What all of them have."""

    delivery_id: str
    work_key: str = ""
    """The piece of work that it belongs to; empty when it belongs to none."""
    semantic_key: str = ""
    """The same for all deliveries of the same thing, by whichever hook, or by asking."""


M = TypeVar("M", bound=Meaning)


def kept(
    meaning: M, codec: MeaningCodec[M], *, source: str, connection: str, key: str, ignored: str = ""
) -> NewDelivery:
    """Return what the inbox keeps of a meaning; of one that is ignored no more than why."""
    return NewDelivery(
        source=source,
        connection=connection,
        key=key,
        meaning_key="" if ignored else meaning.semantic_key,
        work_key=meaning.work_key,
        kind=codec.kind_of(meaning),
        content="" if ignored else codec.to_json(meaning),
        ignored=ignored,
    )
