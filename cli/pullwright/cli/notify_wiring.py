"""Puts together what tells people, where they are anyway, what tasks came to."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from anyio import move_on_after, to_thread

from pullwright.agents.background import beside
from pullwright.agents.clock import SystemClock
from pullwright.agents.intake.notifying import Messenger
from pullwright.agents.ports.durable import DurableStore
from pullwright.agents.ports.lease import Worker
from pullwright.agents.ports.notice import Route, Target
from pullwright.cli.settings import Settings

if TYPE_CHECKING:
    from pullwright.integrations.apprise.notifier import AppriseNotifier

LAST_WORDS_SECONDS: Final = 10.0
"""How long a process that ends in order tells what its tasks came to; another one tells the rest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notifications:
    """Who is told, and who tells them."""

    notifier: AppriseNotifier
    targets: Sequence[Target]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Address:
    place: str
    """Where it stands in the settings."""
    url: str
    route: Route


async def open_notifications(settings: Settings) -> Notifications | None:
    """Return who is told and who tells them; None where nobody is.

    Raises:
        ConfigError: An address is none that is understood; names its place only.
    """
    addresses = list(_addresses(settings))
    if not addresses:
        return None  # what imports Apprise takes a while
    return await to_thread.run_sync(_opened, addresses, settings.secrets)


@asynccontextmanager
async def telling(notifications: Notifications | None, store: DurableStore, worker: Worker) -> AsyncIterator[None]:
    """Tell people what happens, for the length of a block, if no other process does; in the end what is due by then."""
    if notifications is None:
        yield
        return
    messenger = Messenger(store, notifications.notifier, notifications.targets, clock=SystemClock(), worker=worker)
    async with beside(messenger.serve):
        try:
            yield
        finally:  # not when it is cancelled: then it ends at once
            with move_on_after(LAST_WORDS_SECONDS):
                await messenger.until_told()


def _addresses(settings: Settings) -> Sequence[_Address]:
    everything = Route(about=frozenset(settings.notify_about))
    found = [
        _Address(place=f"entry {number} of 'notify'", url=url.get_secret_value(), route=everything)
        for number, url in enumerate(settings.notify, start=1)
    ]
    for number, table in enumerate(settings.notifications, start=1):
        about = everything.about if table.about is None else frozenset(table.about)
        route = Route(about=about, repositories=table.repositories)
        found.append(
            _Address(place=f"table {number} of 'notifications'", url=table.url.get_secret_value(), route=route)
        )
    return found


def _opened(addresses: Sequence[_Address], secrets: Sequence[str]) -> Notifications:
    from pullwright.integrations.apprise.notifier import AppriseNotifier, Service
    from pullwright.integrations.redaction import Redactor

    services: dict[str, Service] = {}
    targets: dict[str, Target] = {}
    for address in addresses:
        service, key = Service(address.place, address.url), _key(address.url)
        known = targets.get(key) or Target(key=key, label=service.label, routes=())
        targets[key] = replace(known, routes=(*known.routes, address.route))
        services[key] = service
    return Notifications(notifier=AppriseNotifier(services, Redactor(secrets)), targets=list(targets.values()))


def _key(url: str) -> str:
    """Return a name that every host of an installation gives to an address; nobody finds it by trying passwords."""
    return hashlib.scrypt(url.encode(), salt=b"pullwright targets", n=1 << 14, r=8, p=1, dklen=12).hex()
