"""ReviewWatch: asks the code host what became of pull requests whose tasks have ended.

A hook or a poll of the code host knows sooner. This is for installations that have neither, and for what they missed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from functools import partial
from math import inf
from typing import Final

from anyio import CapacityLimiter, create_task_group, fail_after

from pullwright.agents.change import RepositoryRef
from pullwright.agents.errors import IntegrationError, PullwrightError, RemoteRateLimited, StoreError
from pullwright.agents.intake.mishap import mishap
from pullwright.agents.ports.clock import Clock
from pullwright.agents.ports.code_host import CodeHost
from pullwright.agents.ports.durable import DurableStore
from pullwright.agents.ports.report import InReview, Landing

logger = logging.getLogger(__name__)

HostOf = Callable[[RepositoryRef], CodeHost | None]
"""Finds the code host of a repository, None for one that nobody here knows."""

LOOK_SECONDS: Final = 60.0
"""How often it is looked which pull requests are due."""

YOUNG: Final = timedelta(days=1)
YOUNG_SECONDS: Final = 600.0
"""How often it is asked about one while its task ended not longer ago than that."""

OLD_SECONDS: Final = 3600.0
"""The same afterwards."""

GIVE_UP: Final = timedelta(days=30)
"""How long after the end of the task its pull request is watched."""

AT_ONCE: Final = 4
"""Repositories that are asked about at once."""

ASK_SECONDS: Final = 30.0
"""How long one answer may take."""

_LANDINGS: Final[Mapping[str, Landing]] = {"merged": Landing.MERGED, "closed": Landing.CLOSED}


def no_host(repository: RepositoryRef) -> CodeHost | None:
    """Know no code host."""
    del repository
    return None


class ReviewWatch:
    """Notes what became of pull requests. One process is enough, and two do no harm."""

    def __init__(self, store: DurableStore, host_of: HostOf, *, clock: Clock) -> None:
        """Make one.

        Args:
            store: Where it is noted.
            host_of: Who is asked.
            clock: Says when.
        """
        self._store = store
        self._host_of = host_of
        self._clock = clock
        self._busy = False
        self._look_at = -inf
        self._ask_at: dict[str, float] = {}
        """When it is asked about a pull request again, by its address."""
        self._resting: dict[str, float] = {}
        """Until when a lane that could not be asked about is left alone."""
        self._quiet = -inf
        """Until when the host wants to be left alone."""

    async def look(self) -> None:
        """Ask about what is due, if it is time to look and the last look is over. Raises nothing."""
        now = self._clock.monotonic()
        if self._busy or now < self._look_at:
            return
        self._busy, self._look_at = True, now + LOOK_SECONDS
        try:
            error = await mishap(self._ask_all)
        finally:
            self._busy = False
        if error is not None:
            known = isinstance(error, StoreError)
            logger.warning("pull requests are not watched now: %s", error, exc_info=None if known else error)

    async def _ask_all(self) -> None:
        # Several tasks may have ended with one pull request; the last of them says how old it is.
        waiting = {one.pull_request_url: one for one in await self._store.in_review()}
        self._ask_at = {url: at for url, at in self._ask_at.items() if url in waiting}
        lanes: dict[str, list[InReview]] = {}
        for one in sorted(waiting.values(), key=self._due_at):  # what failed last comes last
            if self._is_due(one):
                lanes.setdefault(one.lane, []).append(one)
        at_once = CapacityLimiter(AT_ONCE)
        async with create_task_group() as group:
            for due in lanes.values():
                group.start_soon(self._ask_about_all, due, at_once)

    def _due_at(self, one: InReview) -> float:
        return self._ask_at.get(one.pull_request_url, -inf)

    def _is_due(self, one: InReview) -> bool:
        return self._clock.monotonic() >= max(self._due_at(one), self._resting.get(one.lane, -inf), self._quiet)

    async def _ask_about_all(self, due: Sequence[InReview], at_once: CapacityLimiter) -> None:
        """Ask about pull requests of one repository, until one can not be asked about."""
        async with at_once:
            for one in due:
                if self._is_due(one):
                    await self._ask_about(one)

    async def _ask_about(self, one: InReview) -> None:
        age = self._clock.now() - one.ended_at
        pause = YOUNG_SECONDS if age < YOUNG else OLD_SECONDS
        self._ask_at[one.pull_request_url] = self._clock.monotonic() + pause
        error = await mishap(partial(self._ask, one))
        if age > GIVE_UP and not isinstance(error, RemoteRateLimited):
            error = await mishap(partial(self._give_up, one)) or error
        if error is not None:
            self._failed(one, error)

    async def _ask(self, one: InReview) -> None:
        task = await self._store.get(one.task_id)
        host = self._host_of(task.spec.repository)
        if host is None:
            return
        with fail_after(ASK_SECONDS):
            found = await host.find_pull_request(task.spec.repository, task.branch)
        landing = _LANDINGS.get(found.state) if found is not None else None
        if landing is not None:
            await self._store.note_landing(one.pull_request_url, landing)

    async def _give_up(self, one: InReview) -> None:
        if await self._store.note_landing(one.pull_request_url, Landing.GONE):
            logger.info("%s is watched no longer: it is open after %d days", one.pull_request_url, GIVE_UP.days)

    def _failed(self, one: InReview, error: Exception) -> None:
        url, now = one.pull_request_url, self._clock.monotonic()
        match error:
            case RemoteRateLimited():
                self._quiet = now + max(error.retry_after, LOOK_SECONDS)
                logger.info("the code host is left alone: %s", error)
            case IntegrationError() | TimeoutError():
                self._resting[one.lane] = now + YOUNG_SECONDS
                why = error if isinstance(error, IntegrationError) else f"no answer within {ASK_SECONDS:g} s"
                logger.warning("what became of %s is not known: %s", url, why)
            case PullwrightError():
                logger.warning("what became of %s is not known: %s", url, error)
            case _:
                logger.error("asking what became of %s ran into a bug", url, exc_info=error)
