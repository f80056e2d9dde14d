"""Our own errors and what runs did, sent to Sentry where ``SENTRY_DSN`` asks for it; else nothing of it is imported."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import TYPE_CHECKING

from pullwright.agents.background import beside
from pullwright.agents.ports.durable import DurableStore
from pullwright.agents.ports.engine import Advance, Segment
from pullwright.cli import wiring

if TYPE_CHECKING:
    from pullwright.integrations.sentry.telemetry import Telemetry


def telemetry(secrets: Iterable[str]) -> AbstractContextManager[Telemetry | None]:
    """Return what sends our own errors for the length of a block; None where ``SENTRY_DSN`` is not set.

    Args:
        secrets: What must not be in anything that is sent.

    Raises:
        ConfigError: It is no DSN.
    """
    dsn = os.environ.get("SENTRY_DSN", "").strip()
    if not dsn:
        return nullcontext()
    from pullwright.integrations.sentry.telemetry import Telemetry, TelemetrySettings

    release, environment = f"pullwright@{wiring.RELEASE}", os.environ.get("SENTRY_ENVIRONMENT", "")
    return Telemetry.opened(TelemetrySettings(dsn=dsn, release=release, environment=environment), [*secrets, dsn])


def followed(advance: Advance, store: DurableStore, sending: Telemetry | None) -> Advance:
    """Return the same, which also sends what each segment did; just the same where nothing is sent."""
    if sending is None:
        return advance

    async def follow(segment: Segment) -> None:
        async with beside(partial(sending.follow, store, segment.task)):
            await advance(segment)

    return follow
