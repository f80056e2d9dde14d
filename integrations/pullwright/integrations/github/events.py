"""From a delivery to its meaning: the events that the bot listens to. Pure; never raises for what is inside."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import ValidationError

from pullwright.integrations.github.check_events import CHECK_READERS
from pullwright.integrations.github.deliveries import Delivery
from pullwright.integrations.github.delivery_payloads import EventPayload
from pullwright.integrations.github.hook_events import HOOK_READERS
from pullwright.integrations.github.issue_events import ISSUE_READERS
from pullwright.integrations.github.meanings import BotIdentity, Ignored, Meaning
from pullwright.integrations.github.pull_request_events import PULL_REQUEST_READERS
from pullwright.integrations.github.reading import Missing, Reader, Reading

_READERS: Mapping[str, Reader] = {**ISSUE_READERS, **PULL_REQUEST_READERS, **CHECK_READERS, **HOOK_READERS}


def interpret(delivery: Delivery, bot: BotIdentity) -> Meaning:
    """Return what a delivery means; ``Ignored`` for everything that the bot does not listen to or can not read."""
    name = f"{delivery.event}.{delivery.action}" if delivery.action else delivery.event
    reader = _READERS.get(name)
    if reader is None:
        return Ignored(delivery_id=delivery.id, reason=f"{name} is nothing to listen to")
    try:
        payload = EventPayload.model_validate(delivery.document)
        return reader(Reading(delivery, payload, bot))
    except ValidationError as exc:
        place = ".".join(str(part) for part in exc.errors()[0]["loc"])[:200]
        return Ignored(delivery_id=delivery.id, reason=f"{name} has an unexpected {place!r}")
    except Missing as exc:
        return Ignored(delivery_id=delivery.id, reason=f"{name} lacks {str(exc)!r}")
