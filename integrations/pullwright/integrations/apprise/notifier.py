"""Sends notices by way of Apprise, which blocks: in threads, and for no longer than it is allowed to."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import partial
from typing import Final

import apprise
from anyio import CapacityLimiter, to_thread

from pullwright.agents.errors import ConfigError, RemoteUnavailable
from pullwright.agents.ports.notice import Moment, Notice
from pullwright.integrations.apprise.notice_text import NoticeText, NoticeTexts
from pullwright.integrations.redaction import Redactor
from pullwright.integrations.untrusted import sanitise_line

# Both would write addresses, which hold tokens: what is worth knowing comes back with the result.
_apprise_logger = logging.getLogger("apprise")
_apprise_logger.setLevel(logging.WARNING)
_apprise_logger.propagate = False
logging.getLogger("urllib3.connectionpool").setLevel(logging.INFO)

SEND_SECONDS: Final = 12.0
"""How long one notice may take."""

AT_ONCE: Final = 8
"""Notices that are sent at once."""

REASON_LIMIT: Final = 200

_TYPES: Final = {
    Moment.STARTED: apprise.NotifyType.INFO,
    Moment.QUESTION: apprise.NotifyType.WARNING,
    Moment.PULL_REQUEST: apprise.NotifyType.SUCCESS,
    Moment.FAILED: apprise.NotifyType.FAILURE,
    Moment.DONE: apprise.NotifyType.SUCCESS,
    Moment.CANCELED: apprise.NotifyType.INFO,
}


class Service:
    """One address that Apprise understands."""

    def __init__(self, place: str, url: str) -> None:
        """Read an address.

        Args:
            place: Where it stands in the settings; the only name that it has in errors.
            url: The address; a secret.

        Raises:
            ConfigError: Apprise does not understand it.
        """
        asset = apprise.AppriseAsset(
            app_id="Pullwright",
            app_desc="Pullwright",
            app_url="",
            image_url_mask="",
            image_url_logo="",
            http_redirects=False,  # who is redirected to would get the token
            storage_mode=apprise.PersistentStoreMode.MEMORY,
            async_mode=False,
            service_timeout=SEND_SECONDS,
        )
        found = apprise.Apprise.instantiate(url, asset=asset)
        if not isinstance(found, apprise.NotifyBase):
            raise ConfigError(
                f"the address at {place} is none that Apprise understands; see docs/notifications.md for its forms"
            )
        self._service = found
        self._apprise = apprise.Apprise(found, asset=asset)
        self.label = f"{place} ({found.service_name})"

    def deliver(self, text: NoticeText, moment: Moment) -> str:
        """Send; return why it did not arrive, as Apprise says, or nothing. Blocks."""
        formats = self._service.notify_format
        only_markdown = formats in (apprise.NotifyFormat.MARKDOWN, (apprise.NotifyFormat.MARKDOWN,))
        result = self._apprise.notify(
            title=text.title,
            body=text.markdown if only_markdown else text.plain,
            body_format=apprise.NotifyFormat.MARKDOWN if only_markdown else apprise.NotifyFormat.TEXT,
            notify_type=_TYPES[moment],
            timeout=SEND_SECONDS,
        )
        said = [entry.message for entry in result.logs()]
        return "" if result else (said[-1] if said else "it was not accepted")


class AppriseNotifier:
    """Implements ``Notifier``."""

    def __init__(self, services: Mapping[str, Service], redactor: Redactor) -> None:
        """Take the services by the keys of their targets."""
        self._services = services
        self._redact = redactor
        self._texts = NoticeTexts(redactor)
        self._limiter = CapacityLimiter(AT_ONCE)

    async def send(self, target: str, notice: Notice) -> None:
        await self._deliver(target, self._texts.of(notice), notice.moment)

    async def test(self, target: str) -> None:
        """Send a message that says that it is a test.

        Raises:
            RemoteUnavailable: It did not arrive.
        """
        await self._deliver(target, self._texts.test(), Moment.STARTED)

    async def _deliver(self, target: str, text: NoticeText, moment: Moment) -> None:
        deliver = partial(self._services[target].deliver, text, moment)
        problem = await to_thread.run_sync(deliver, abandon_on_cancel=True, limiter=self._limiter)
        if problem:
            raise RemoteUnavailable(sanitise_line(self._redact(problem), REASON_LIMIT))
