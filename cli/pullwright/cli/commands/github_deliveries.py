"""``agent github deliveries``: what reached the bot, and what became of it."""

from __future__ import annotations

import json as json_
import sys
from dataclasses import asdict
from functools import partial

from pullwright.agents.errors import ConfigError
from pullwright.agents.ports.durable import DurableStore
from pullwright.agents.ports.inbox import Delivery, DeliveryStatus
from pullwright.cli.commands.tasks import with_store
from pullwright.cli.render import printable
from pullwright.cli.speech import masked

_SHOWN = ("id", "source", "connection", "key", "kind", "work_key", "status", "reason", "task_id", "put_off")
_REASON = 200


def deliveries_command(*, status: str, limit: int, json: bool) -> int:
    """Print the newest deliveries.

    Raises:
        ConfigError: There is no such status.
    """
    return with_store(partial(_deliveries, status=_status(status), limit=limit, json=json))


def _status(text: str) -> DeliveryStatus | None:
    try:
        return DeliveryStatus(text.lower()) if text else None
    except ValueError:
        raise ConfigError(f"--status is one of {', '.join(DeliveryStatus)}, not {text[:40]!r}") from None


async def _deliveries(store: DurableStore, *, status: DeliveryStatus | None, limit: int, json: bool) -> int:
    found = await store.deliveries(limit=limit, status=status)
    lines = [_as_json(delivery) if json else _line(delivery) for delivery in found]
    if not lines and not json:
        lines = ["nothing reached the bot yet; `agent github setup` says whether anything can"]
    sys.stdout.writelines(f"{masked(line)}\n" for line in lines)
    return 0


def _as_json(delivery: Delivery) -> str:
    known = asdict(delivery)
    return json_.dumps({name: known[name] for name in _SHOWN} | {"received_at": delivery.received_at.isoformat()})


def _line(delivery: Delivery) -> str:
    """One line: when, what, about what, and what became of it. Everything in it was written elsewhere."""
    at = f"{delivery.received_at.astimezone():%Y-%m-%d %H:%M:%S}"
    became = [delivery.status.value]
    if delivery.task_id:
        became.append(f"task {delivery.task_id}")
    if delivery.put_off:
        became.append(f"put off {delivery.put_off} times")
    reason = f": {delivery.reason}" if delivery.reason else ""
    shown = f"{at}  {delivery.kind or 'unknown'}  {delivery.work_key or '-'}  {', '.join(became)}{reason}"
    return printable(" ".join(shown[: _REASON + 200].split("\n")))
