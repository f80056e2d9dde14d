"""Keeps the breaker and the load of one replica up to date."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

from pullwright.agents.pool.admission import Admission
from pullwright.agents.pool.breaker import Breaker
from pullwright.agents.pool.endpoint import Replica
from pullwright.agents.pool.health import PLANS, Prober
from pullwright.agents.ports.clock import Clock

_logger = logging.getLogger(__name__)

_ROUND_SECONDS = 5.0


@dataclass(slots=True, kw_only=True)
class Member:
    """A replica in a pool, and what became of it."""

    replica: Replica
    breaker: Breaker
    admission: Admission
    stopped: str = ""
    """Why it is not called any more; empty while it is."""
    rests_until: float = 0.0
    """It asked us to slow down: no new conversation before this time."""
    asked_at: float = field(default=float("-inf"))
    """When its health was asked for last."""

    @property
    def name(self) -> str:
        """The endpoint's name."""
        return self.replica.endpoint.name

    @property
    def callable(self) -> bool:
        """Whether calls may go to it."""
        return self.breaker.closed and not self.stopped


class Watch:
    """Looks at one replica again and again."""

    def __init__(self, member: Member, prober: Prober, clock: Clock) -> None:
        self._member = member
        self._prober = prober
        self._clock = clock
        self._plan = PLANS[member.replica.endpoint.profile]

    async def run(self) -> None:
        """Look until canceled."""
        while True:
            await self.look()
            await self._clock.sleep(_ROUND_SECONDS)

    async def look(self) -> None:
        """Ask for what is due: health by the server's plan, metrics every time it is callable."""
        member = self._member
        if member.stopped:
            return
        if self._health_is_due():
            await self._ask_for_health()
        if member.breaker.closed and self._plan.metrics:
            load = await self._prober.load(member.replica.endpoint)
            if load is None:
                member.admission.forget()
            else:
                member.admission.note(load)

    def _health_is_due(self) -> bool:
        now = self._clock.monotonic()
        if now - self._member.asked_at < self._plan.health_every:
            return False
        return self._plan.routine if self._member.breaker.closed else self._member.breaker.begin_probe(now)

    async def _ask_for_health(self) -> None:
        breaker = self._member.breaker
        before = breaker.state
        self._member.asked_at = self._clock.monotonic()
        try:
            healthy = await self._prober.healthy(self._member.replica.endpoint)
        except BaseException:
            breaker.abandon_probe()
            raise
        if healthy:
            breaker.probe_succeeded()
        else:
            breaker.probe_failed(self._clock.monotonic())
        if breaker.state is not before:
            _logger.info("endpoint %s: the breaker is %s", self._member.name, breaker.state.value)
