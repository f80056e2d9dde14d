"""``agent notify test``: whether what people are to be told arrives."""

from __future__ import annotations

import sys

from pullwright.agents.errors import ConfigError, RemoteUnavailable
from pullwright.agents.ports.notice import Target
from pullwright.cli.notify_wiring import Notifications, open_notifications
from pullwright.cli.runtime import interruptible, run_async
from pullwright.cli.settings import Settings


def test_command(settings: Settings) -> int:
    """Send a test message to each target, one after the other; 0 when all arrived, 1 otherwise.

    Raises:
        ConfigError: There is no target, or its address is none that is understood.
    """

    async def each() -> int:
        notifications = await open_notifications(settings)
        if notifications is None:
            raise ConfigError("nobody is to be told anything; set AGENT_NOTIFY (docs/notifications.md)")
        arrived = [await _arrives(notifications, target) for target in notifications.targets]
        return 0 if all(arrived) else 1

    return run_async(interruptible, each)


async def _arrives(notifications: Notifications, target: Target) -> bool:
    try:
        await notifications.notifier.test(target.key)
    except RemoteUnavailable as exc:
        sys.stdout.write(f"✘ {target.label}: {exc}\n")
        return False
    sys.stdout.write(f"✔ {target.label}: it arrived\n")
    return True
