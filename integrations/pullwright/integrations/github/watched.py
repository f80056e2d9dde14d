"""Which repositories are looked at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import anyio.to_thread

from pullwright.integrations.github.app_auth import AppCredentials

FRESH_SECONDS: Final = 600.0
"""How long it is believed where the App is installed."""


class Watched:
    """Those that the settings name, or else all that the App is installed at."""

    def __init__(self, named: Sequence[str], app: AppCredentials | None, *, monotonic: Callable[[], float]) -> None:
        self._named = named
        self._app = app
        self._monotonic = monotonic
        self._known: Sequence[str] = ()
        self._until = float("-inf")

    async def __call__(self) -> Sequence[str]:
        """Return them as ``owner/name``.

        Raises:
            IntegrationError: GitHub does not say where the App is installed.
        """
        if self._named or self._app is None:
            return self._named
        now = self._monotonic()
        if now >= self._until:
            self._known = await anyio.to_thread.run_sync(self._app.repositories, abandon_on_cancel=True)
            self._until = now + FRESH_SECONDS
        return self._known
