"""How many bots may ask in a row. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from pullwright.agents.ports.inbox import Delivery, DeliveryStatus
from pullwright.integrations.github.meaning_codec import meaning_from_json

_HEARD = frozenset({DeliveryStatus.FILED, DeliveryStatus.TOLD, DeliveryStatus.ANSWERED})


def bots_in_a_row(earlier: Iterable[Delivery], work_key: str) -> int:
    """Return how many bots were heard last about a piece of work with no person in between.

    Args:
        earlier: Deliveries of all kinds, newest first.
        work_key: The piece of work.
    """
    count = 0
    for one in earlier:
        if one.work_key != work_key or one.status not in _HEARD:
            continue
        actor = meaning_from_json(one.content).actor
        if actor is None or actor.kind == "User":
            break
        count += 1
    return count
