"""What GitHub's hooks told in vain: it tries once, remembers that for three days, and tries again when it is asked to.

What is asked for comes through the door like everything else, so this yields nothing itself.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final, Protocol

import anyio.to_thread
from pydantic import AwareDatetime

from pullwright.agents.errors import AuthFailed, NotFound, RemoteRejected
from pullwright.agents.ports.inbox import NewDelivery
from pullwright.integrations.github.app_auth import AppCredentials
from pullwright.integrations.github.client import GitHubClient, Session
from pullwright.integrations.github.credentials import Need, Step
from pullwright.integrations.github.payloads import Payload

logger = logging.getLogger(__name__)

AGAIN: Final = 5
"""How often a delivery is asked for again, at most: that is after about 1, 4, 16, 64 and 256 minutes."""

SPAN: Final = timedelta(hours=6)
"""How far a look goes back at least: until after the last time that something is asked for."""

_PAGE: Final = 100
_PAGES: Final = 50
_APP: Final = "/app/hook/deliveries"


class Sent(Payload):
    """One try of a delivery; each further one has the same ``guid``."""

    id: int
    guid: str
    delivered_at: AwareDatetime
    status_code: int = 0
    """What we answered; 0 when nothing did."""

    @property
    def arrived(self) -> bool:
        """Whether it was taken."""
        return 200 <= self.status_code < 300


class _Config(Payload):
    url: str = ""


class _Hook(Payload):
    id: int
    config: _Config = _Config()


class HookLog(Protocol):
    """What GitHub remembers of the deliveries of some hooks."""

    @property
    def name(self) -> str:
        """Whose hooks, for the log."""
        ...

    async def sent(self, since: datetime) -> Sequence[Sent]:
        """Return every try since a moment; errors as of ``Source.missed``."""
        ...

    async def send_again(self, sent: Sent) -> None:
        """Ask for one more try; errors as of ``Source.missed``."""
        ...


def to_send_again(sent: Iterable[Sent], now: datetime) -> list[Sent]:
    """Return which of these should be tried again now, oldest first: what never arrived, less often each time."""
    tries: dict[str, list[Sent]] = {}
    for one in sent:
        tries.setdefault(one.guid, []).append(one)
    newest = [max(same, key=lambda one: one.id) for same in tries.values() if _is_due(same, now)]
    return sorted(newest, key=lambda one: one.id)


def _is_due(same: Sequence[Sent], now: datetime) -> bool:
    if any(one.arrived for one in same) or len(same) > AGAIN:
        return False
    return now - max(one.delivered_at for one in same) >= timedelta(minutes=4 ** (len(same) - 1))


class MissedHooks:
    """``Source`` that lets GitHub deliver again."""

    def __init__(self, logs: Sequence[HookLog], *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._logs = logs
        self._now = now

    @property
    def name(self) -> str:
        return f"the hook of {', '.join(log.name for log in self._logs)}"

    async def missed(self, since: datetime) -> AsyncIterator[NewDelivery]:
        for log in self._logs:
            try:
                await self._ask(log, since)
            except (AuthFailed, NotFound, RemoteRejected) as exc:
                logger.warning("deliveries to %s that were lost are not asked for: %s", log.name, exc)
        return
        yield  # this is a generator, of nothing

    async def _ask(self, log: HookLog, since: datetime) -> None:
        now = self._now()
        for one in to_send_again(await log.sent(min(since, now - SPAN)), now):
            logger.info("delivery %s to %s did not arrive and is asked for again", one.guid, log.name)
            await log.send_again(one)


class AppHook:
    """``HookLog`` of the one hook that an App has."""

    def __init__(self, app: AppCredentials) -> None:
        self._app = app

    @property
    def name(self) -> str:
        return "the App"

    async def sent(self, since: datetime) -> Sequence[Sent]:
        work = partial(_read_sent, path=_APP, since=since)
        return await anyio.to_thread.run_sync(self._app.ask, work, abandon_on_cancel=True)

    async def send_again(self, sent: Sent) -> None:
        work = partial(_attempt, path=_APP, sent=sent)
        await anyio.to_thread.run_sync(self._app.ask, work)


class RepositoryHook:
    """``HookLog`` of the hook of one repository that leads to us; a token must have the permission Webhooks."""

    def __init__(self, client: GitHubClient, repository: str, path: str) -> None:
        """Make one; ``path`` is how the address of our hook ends: ``/webhooks/github/main``."""
        self._client = client
        self._repository = repository
        self._path = path
        self._need = Need(repository=repository, step=Step.READ)

    @property
    def name(self) -> str:
        return self._repository

    async def sent(self, since: datetime) -> Sequence[Sent]:
        return await self._client.talk(partial(self._read, since=since), need=self._need)

    async def send_again(self, sent: Sent) -> None:
        await self._client.talk(partial(self._attempt, sent=sent), writes=True, need=self._need)

    def _read(self, session: Session, since: datetime) -> Sequence[Sent]:
        return _read_sent(session, self._deliveries(session), since)

    def _attempt(self, session: Session, sent: Sent) -> None:
        _attempt(session, self._deliveries(session), sent)

    def _deliveries(self, session: Session) -> str:
        path = f"/repos/{self._repository}/hooks"
        hooks = session.get(list[_Hook], path, action=f"reading the webhooks of {self._repository!r}")
        ours = next((hook for hook in hooks if hook.config.url.rstrip("/").endswith(self._path)), None)
        if ours is None:
            raise NotFound(f"{self._repository!r} has no webhook that leads here; add one, or run `agent serve --poll`")
        return f"{path}/{ours.id}/deliveries"


def _read_sent(session: Session, path: str, since: datetime) -> list[Sent]:
    """Return the tries since a moment, newest first."""
    found: list[Sent] = []
    action, address = "reading the deliveries of the webhook", f"{path}?per_page={_PAGE}"
    for _ in range(_PAGES):
        page = session.page(address, action=action)
        found += [Sent.model_validate(item) for item in page.items or ()]
        if not page.next or (found and found[-1].delivered_at < since):
            break
        address = page.next
    return [one for one in found if one.delivered_at >= since]


def _attempt(session: Session, path: str, sent: Sent) -> None:
    action = f"asking for delivery {sent.guid!r} again"
    session.post(dict[str, object], f"{path}/{sent.id}/attempts", {}, action=action)
