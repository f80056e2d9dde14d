"""``agent deliveries``: what reached the bot from other systems, and what became of it."""

from __future__ import annotations

import json as json_
import sys
from dataclasses import asdict
from functools import partial
from typing import Final

from pullwright.agents.errors import ConfigError
from pullwright.agents.ports.durable import DurableStore
from pullwright.agents.ports.inbox import Delivery, DeliveryStatus
from pullwright.cli.commands.tasks import with_store
from pullwright.cli.render import printable
from pullwright.cli.speech import masked

SHOWN: Final = ("id", "source", "connection", "key", "kind", "work_key", "status", "reason", "task_id", "put_off")
SOURCES: Final = ("generic", "github", "jira", "linear", "sentry")
LINE_LENGTH: Final = 400
NOTHING: Final = "nothing reached the bot yet; `agent github setup` (or jira, linear, sentry) says whether anything can"
NO_SUCH: Final = "nothing of that kind reached the bot; `agent deliveries` shows what did"


def deliveries_command(*, source: str, status: str, limit: int, json: bool) -> int:
    """Print the newest deliveries; of one source or one status, unless that is empty.

    Raises:
        ConfigError: There is no such source or status.
    """
    return with_store(partial(_deliveries, source=_source(source), status=_status(status), limit=limit, json=json))


def _source(text: str) -> str:
    if text and text.lower() not in SOURCES:
        raise ConfigError(f"--source is one of {', '.join(SOURCES)}, not {text[:40]!r}")
    return text.lower()


def _status(text: str) -> DeliveryStatus | None:
    try:
        return DeliveryStatus(text.lower()) if text else None
    except ValueError:
        raise ConfigError(f"--status is one of {', '.join(DeliveryStatus)}, not {text[:40]!r}") from None


async def _deliveries(
    store: DurableStore, *, source: str, status: DeliveryStatus | None, limit: int, json: bool
) -> int:
    found = await store.deliveries(limit=limit, status=status, source=source)
    lines = [_as_json(delivery) if json else _line(delivery) for delivery in found]
    if not lines and not json:
        lines = [_nothing(source, filtered=status is not None)]
    sys.stdout.writelines(f"{masked(line)}\n" for line in lines)
    return 0


def _nothing(source: str, *, filtered: bool) -> str:
    if filtered or source == "generic":
        return NO_SUCH
    if source:
        return f"nothing of {source} reached the bot yet; `agent {source} setup` says whether anything can"
    return NOTHING


def _as_json(delivery: Delivery) -> str:
    known = asdict(delivery)
    return json_.dumps({name: known[name] for name in SHOWN} | {"received_at": delivery.received_at.isoformat()})


def _line(delivery: Delivery) -> str:
    """One line: when, from where, about what, and what became of it. Everything in it was written elsewhere."""
    at = f"{delivery.received_at.astimezone():%Y-%m-%d %H:%M:%S}"
    became = [delivery.status.value]
    if delivery.task_id:
        became.append(f"task {delivery.task_id}")
    if delivery.put_off:
        became.append(f"put off {delivery.put_off} times")
    reason = f": {delivery.reason}" if delivery.reason else ""
    what = f"{delivery.source}  {delivery.kind or 'unknown'}  {delivery.work_key or '-'}"
    shown = f"{at}  {what}  {', '.join(became)}{reason}"
    return printable(" ".join(shown[:LINE_LENGTH].split("\n")))
