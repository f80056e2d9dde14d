"""The ``Model`` port over several replicas."""

from __future__ import annotations

import logging
import math
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Self

from anyio import create_task_group

from pullwright.agents.background import beside
from pullwright.agents.clock import SystemClock
from pullwright.agents.errors import ConfigError, EndpointMisconfigured, ModelError, ModelUnavailable, RateLimited
from pullwright.agents.llm.failure import AttemptFailed, FailureKind
from pullwright.agents.message import AssistantMessage
from pullwright.agents.pool.admission import Admission, AdmissionLimits
from pullwright.agents.pool.breaker import Breaker, BreakerLimits, BreakerState
from pullwright.agents.pool.endpoint import Endpoint, Replica
from pullwright.agents.pool.health import HttpProber, Prober
from pullwright.agents.pool.load import Load
from pullwright.agents.pool.placement import Placement, PlacementLimits
from pullwright.agents.pool.watch import Member, Watch
from pullwright.agents.ports.clock import Clock
from pullwright.agents.ports.model import DeltaListener, ModelReply, ModelRequest

_logger = logging.getLogger(__name__)

_STOPPING = frozenset({FailureKind.AUTH, FailureKind.GONE})
"""Failures of the endpoint itself, whatever the request: a person has to act."""
_BYTES_PER_TOKEN = 3.5


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolLimits:
    """How patient the pool is. Times are in seconds."""

    failover_seconds: float = 300.0
    """After the first failure of a call, the time in which another attempt may begin, on whatever replica."""
    queue_seconds: float = 1800.0
    """How long a new conversation waits for a replica that has room."""
    rest_seconds: float = 5.0
    """After a failure, before the same call tries the same replica again; a longer ``Retry-After`` wins."""
    poll_seconds: float = 1.0
    breaker: BreakerLimits = field(default_factory=BreakerLimits)
    admission: AdmissionLimits = field(default_factory=AdmissionLimits)
    placement: PlacementLimits = field(default_factory=PlacementLimits)


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointStatus:
    """What the pool thinks of one endpoint, for people."""

    endpoint: Endpoint
    breaker: BreakerState
    stopped: str
    """Why it is not called any more, or empty."""
    load: Load
    committed_tokens: int
    """Contexts of the conversations that live there."""


@dataclass(slots=True)
class _Call:
    """One call on its way through the pool."""

    request: ModelRequest
    not_before: dict[str, float] = field(default_factory=dict)
    """When a replica that failed this call may be tried again."""
    first_failure: float | None = None
    error: ModelError | None = None
    """The latest."""


class EndpointPool:
    """Implements ``Model``. Make it with ``open``, which also watches the replicas.

    Each replica's own client renders the conversation for its server, so a conversation can move to any of them. A
    client in a pool should give up early (a small ``RetryPolicy.budget``): the pool is what goes on.
    """

    def __init__(
        self, replicas: Sequence[Replica], *, clock: Clock | None = None, limits: PoolLimits | None = None
    ) -> None:
        self._limits = limits or PoolLimits()
        self._clock = clock or SystemClock()
        self._members = {replica.endpoint.name: self._member(replica) for replica in replicas}
        if not replicas or len(self._members) < len(replicas):
            raise ConfigError("a pool needs at least one endpoint, each with a name of its own")
        admissions = {name: member.admission for name, member in self._members.items()}
        self._placement = Placement(admissions, self._limits.placement)

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        replicas: Sequence[Replica],
        *,
        clock: Clock | None = None,
        limits: PoolLimits | None = None,
        prober: Prober | None = None,
    ) -> AsyncIterator[Self]:
        """Make a pool and watch the health and the load of its replicas until the end of the block.

        Raises:
            ConfigError: There is no endpoint, or two have the same name.
        """
        pool = cls(replicas, clock=clock, limits=limits)
        async with AsyncExitStack() as stack:
            if prober is None:
                secure = any(replica.endpoint.url.startswith("https:") for replica in replicas)
                prober = await stack.enter_async_context(HttpProber.open(secure=secure))
            watches = [Watch(member, prober, pool._clock) for member in pool._members.values()]
            await stack.enter_async_context(beside(lambda: _run_all(watches)))
            yield pool

    @property
    def name(self) -> str:
        """The model's name at the first replica that knows it; the others serve the same, maybe under another name."""
        return next(filter(None, (member.replica.model.name for member in self._members.values())), "")

    @property
    def window(self) -> int:
        """The smallest window of the replicas that may still be called: a conversation must fit wherever it moves."""
        members = self._members.values()
        usable = [member for member in members if not member.stopped] or members
        return min((member.replica.model.window for member in usable if member.replica.model.window), default=0)

    def status(self) -> list[EndpointStatus]:
        """Return what is known of each endpoint, in the order they were given."""
        committed = self._placement.committed(self._clock.monotonic())
        return [
            EndpointStatus(
                endpoint=member.replica.endpoint,
                breaker=member.breaker.state,
                stopped=member.stopped,
                load=member.admission.load,
                committed_tokens=committed[member.name],
            )
            for member in self._members.values()
        ]

    def release(self, conversation_id: str) -> None:
        """Forget where a conversation lives: it ended, or was compacted."""
        self._placement.release(conversation_id)
        for member in self._members.values():
            member.replica.model.release(conversation_id)

    async def complete(self, request: ModelRequest, on_delta: DeltaListener | None = None) -> ModelReply:
        """Continue the conversation on its replica, or on another one when that fails.

        The first reply is returned and nothing is asked after it. A replica that failed in the middle of a reply may
        have passed on deltas of it, as one client's own retries do.

        Raises:
            ModelUnavailable: No replica could serve the call in time, or none has room for a new conversation.
            ModelError: As ``Model.complete``; what another replica could do better has been tried there.
        """
        call = _Call(request)
        while True:
            member = await self._find(call)
            try:
                return await self._ask(member, request, on_delta)
            except ModelError as error:
                if not _another_may_do_better(error):
                    raise
                self._note_failure(member, error, call)

    async def _ask(self, member: Member, request: ModelRequest, on_delta: DeltaListener | None) -> ModelReply:
        tokens = 0
        self._placement.call_began(request.conversation_id)
        try:
            reply = await member.replica.model.complete(request, on_delta)
            tokens = reply.usage.total_tokens
        finally:
            self._placement.call_ended(request.conversation_id, self._clock.monotonic(), tokens)
        member.breaker.call_succeeded()
        return replace(reply, endpoint=member.name)

    async def _find(self, call: _Call) -> Member:
        """Return the replica for the next attempt; waits while none is usable or none has room."""
        began = self._clock.monotonic()
        tokens = 0
        while True:
            now = self._clock.monotonic()
            usable = self._usable(call, now)
            home = self._placement.home(call.request.conversation_id)
            if home not in usable:
                tokens = tokens or _estimated_tokens(call.request)
            self._check_the_patience(call, began, now)
            name = self._placement.place(call.request.conversation_id, tokens, usable=usable, now=now)
            if name is not None:
                return self._moved(call, home, name)
            await self._clock.sleep(self._limits.poll_seconds)

    def _usable(self, call: _Call, now: float) -> set[str]:
        home = self._placement.home(call.request.conversation_id)
        return {
            member.name
            for member in self._members.values()
            if member.callable
            and now >= call.not_before.get(member.name, 0.0)
            and (now >= member.rests_until or member.name == home)
        }

    def _check_the_patience(self, call: _Call, began: float, now: float) -> None:
        """Raise when another attempt makes no sense any more."""
        hopeless = all(
            member.stopped or math.isinf(call.not_before.get(member.name, 0.0)) for member in self._members.values()
        )
        if call.error is not None and call.first_failure is not None:
            if hopeless or now - call.first_failure > self._limits.failover_seconds:
                raise call.error
        elif hopeless:
            raise EndpointMisconfigured(f"no endpoint is left: {self._reasons()}")
        elif now - began > self._limits.queue_seconds:
            raise ModelUnavailable(
                f"no endpoint took the conversation {call.request.conversation_id!r} within "
                f"{self._limits.queue_seconds:g} s ({self._reasons()}); add a replica or run less in parallel"
            )

    def _reasons(self) -> str:
        return "; ".join(f"{member.name}: {_reason(member)}" for member in self._members.values())

    def _note_failure(self, member: Member, error: ModelError, call: _Call) -> None:
        now = self._clock.monotonic()
        call.error = error
        call.first_failure = now if call.first_failure is None else call.first_failure
        rest = max(self._limits.rest_seconds, getattr(error, "retry_after", None) or 0.0)
        # Only what passes with time is worth a second attempt at the same place.
        call.not_before[member.name] = now + rest if isinstance(error, ModelUnavailable) else math.inf
        if isinstance(error, RateLimited):
            member.rests_until = now + rest
        elif isinstance(error, ModelUnavailable):
            member.breaker.call_failed(now)
        elif _kind_behind(error) in _STOPPING:
            member.stopped = str(error)
            _logger.error("endpoint %s is not used any more: %s", member.name, error)

    def _moved(self, call: _Call, home: str | None, name: str) -> Member:
        if home not in {None, name}:
            _logger.info("conversation %s moved from %s to %s", call.request.conversation_id, home, name)
        return self._members[name]

    def _member(self, replica: Replica) -> Member:
        return Member(
            replica=replica,
            breaker=Breaker(self._limits.breaker),
            admission=Admission(self._limits.admission, replica.endpoint.kv_tokens),
        )


async def _run_all(watches: Sequence[Watch]) -> None:
    async with create_task_group() as group:
        for watch in watches:
            group.start_soon(watch.run)


def _another_may_do_better(error: ModelError) -> bool:
    """What passes with time, or lies in how one server was set up; a conversation that is too long is so everywhere."""
    return error.retryable or isinstance(error, EndpointMisconfigured)


def _kind_behind(error: ModelError) -> FailureKind | None:
    cause = error.__cause__
    return cause.failure.kind if isinstance(cause, AttemptFailed) else None


def _reason(member: Member) -> str:
    return member.stopped or ("full" if member.breaker.closed else f"breaker {member.breaker.state.value}")


def _estimated_tokens(request: ModelRequest) -> int:
    """A guess for a conversation that no reply has measured yet."""
    size = sum(len(tool.description) + len(str(tool.parameters)) for tool in request.tools)
    for message in request.messages:
        size += len(message.content)
        if isinstance(message, AssistantMessage):
            size += len(message.reasoning) + sum(len(call.arguments) for call in message.tool_calls)
    return int(size / _BYTES_PER_TOKEN)
