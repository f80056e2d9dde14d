"""What a set-up changes at GitHub when it is told to: the label, the webhook, a delivery that shows that it works.

Everything here blocks.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from pullwright.integrations.github.client import Session
from pullwright.integrations.github.payloads import Payload
from pullwright.integrations.github.setup_check import EVENTS

LABEL_COLOR: Final = "5319e7"
LABEL_MEANING: Final = "The agent works on this"

_PAUSE: Final = 0.5


class SentPayload(Payload):
    """One delivery as GitHub remembers it."""

    id: int
    guid: str
    event: str = ""
    status_code: int = 0
    delivered_at: str = ""


class MadeHookPayload(Payload):
    """A hook that was made."""

    id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HookPlace:
    """Where the log of a hook's deliveries is."""

    repository: str = ""
    """Empty for the hook of the App."""
    hook_id: int | None = None

    @property
    def deliveries(self) -> str:
        """The log's path."""
        return f"/repos/{self.repository}/hooks/{self.hook_id}/deliveries" if self.repository else _APP_DELIVERIES


_APP_DELIVERIES = "/app/hook/deliveries"


def make_label(session: Session, repository: str, label: str) -> None:
    """Make the label that asks for work."""
    content = {"name": label, "color": LABEL_COLOR, "description": LABEL_MEANING}
    session.post(object, f"/repos/{repository}/labels", content, action=f"making the label {label!r}")


def make_hook(session: Session, repository: str, url: str, secret: str) -> int:
    """Add a webhook to a repository and return its id; GitHub sends it a ping."""
    content = {"name": "web", "active": True, "events": list(EVENTS), "config": _config(url, secret)}
    path = f"/repos/{repository}/hooks"
    return session.post(MadeHookPayload, path, content, action=f"adding a webhook to {repository!r}").id


def mend_hook(session: Session, repository: str, hook_id: int, url: str, secret: str) -> None:
    """Give the webhook of a repository the right address, secret and events."""
    content = {"active": True, "events": list(EVENTS), "config": _config(url, secret)}
    path = f"/repos/{repository}/hooks/{hook_id}"
    session.patch(object, path, content, action=f"changing the webhook of {repository!r}")


def mend_app_hook(session: Session, url: str, secret: str) -> None:
    """Give the App's webhook the right address and secret; its events can only be ticked on the App's page."""
    session.patch(object, "/app/hook/config", _config(url, secret), action="changing the App's webhook")


def try_delivery(
    session: Session,
    place: HookPlace,
    *,
    seconds: float,
    monotonic: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> SentPayload | None:
    """Have a ping delivered, wait for what came of it, and return that.

    A repository's hook can be pinged. Of an App's, the newest ping, or else the newest delivery, is sent once more,
    which is harmless: it has the id that it had.

    Returns:
        The delivery, or None when there is nothing to send again or nothing came of it in so many seconds.
    """
    known = {sent.id for sent in _log(session, place)}
    if not _send(session, place):
        return None
    until = monotonic() + seconds
    while monotonic() < until:
        fresh = [sent for sent in _log(session, place) if sent.id not in known and sent.status_code]
        if fresh:
            return fresh[0]
        sleep(_PAUSE)
    return next((sent for sent in _log(session, place) if sent.id not in known), None)


def _send(session: Session, place: HookPlace) -> bool:
    action = "sending a test delivery"
    if place.repository:
        session.post(object, f"/repos/{place.repository}/hooks/{place.hook_id}/pings", {}, action=action)
        return True
    sent = _log(session, place)
    chosen = next((one for one in sent if one.event == "ping"), sent[0] if sent else None)
    if chosen is not None:
        session.post(object, f"{place.deliveries}/{chosen.id}/attempts", {}, action=action)
    return chosen is not None


def _log(session: Session, place: HookPlace) -> list[SentPayload]:
    action = "reading the log of deliveries"
    return session.get(list[SentPayload], place.deliveries, action=action, parameters={"per_page": 30})


def _config(url: str, secret: str) -> Mapping[str, object]:
    return {"url": url, "content_type": "json", "insecure_ssl": "0", "secret": secret}
