"""The life of a task as pure functions: who may change what into what, and what a worker's end means.

Every store applies these and nothing else, so the in-memory fake, SQLite and PostgreSQL can not differ. Moments are
seconds since 1970 by the database's clock; durations are seconds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from pullwright.agents.errors import IllegalTransition
from pullwright.agents.task import LIVE, TaskStatus, WaitReason, require_transition

LEASE_SECONDS: Final = 15.0
"""How long a lease holds without a heartbeat."""

MAX_LOSSES: Final = 3
"""How many workers in a row may die over a run that does not get on, before it fails."""

MAX_RETRIES: Final = 6
"""How often in a row a run that does not get on is begun again after trouble around it, before it fails."""

RETRY_SECONDS: Final = 15.0
"""The pause before the first retry; it doubles with each further one."""

LONGEST_RETRY: Final = 900.0

PRODUCTIVE_STEPS: Final = 5
"""Steps after which an attempt counts as getting on: losses and retries before it are forgotten."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """The part of a task that scheduling changes."""

    status: TaskStatus
    reason: str = ""
    wait: WaitReason | None = None
    attempt: int = 0
    worker_id: str = ""
    lease_until: float = 0.0
    run_at: float = 0.0
    steps: int = 0
    """Model replies in the journal."""
    steps_at_claim: int = 0
    losses: int = 0
    retries: int = 0

    @property
    def leased(self) -> bool:
        """Whether a worker holds it."""
        return self.status in LIVE

    def pause(self, now: float) -> float:
        """Return how long it is until it is due."""
        return round(max(0.0, self.run_at - now), 3)

    @property
    def got_on(self) -> bool:
        """Whether the present attempt has taken enough steps to forgive what went wrong before it."""
        return self.steps - self.steps_at_claim >= PRODUCTIVE_STEPS


def submitted(now: float, not_before: float = 0.0) -> Life:
    """Begin a life: ``queued``, or ``scheduled`` when it is not due yet."""
    if not_before > now:
        return Life(status=TaskStatus.SCHEDULED, run_at=not_before)
    return Life(status=TaskStatus.QUEUED)


def due(life: Life, now: float) -> Life:
    """A scheduled task whose moment has come is ``queued``; any other stays as it is."""
    if life.status is TaskStatus.SCHEDULED and life.run_at <= now:
        return _moved(life, TaskStatus.QUEUED, run_at=0.0)
    return life


def claimed(life: Life, worker_id: str, now: float, lease_seconds: float = LEASE_SECONDS) -> Life:
    """A worker takes a queued task with the next attempt number."""
    moved = _moved(life, TaskStatus.RUNNING)
    return replace(
        moved,
        attempt=life.attempt + 1,
        worker_id=worker_id,
        lease_until=now + lease_seconds,
        steps_at_claim=life.steps,
    )


def silent(life: Life, now: float) -> bool:
    """Say whether a lease has run out; one from far in the future was written before the clock went back."""
    return life.leased and not now < life.lease_until <= now + 2 * LEASE_SECONDS


def finished(life: Life, status: TaskStatus, reason: str) -> Life:
    """The attempt ends the task."""
    if not status.terminal:
        raise IllegalTransition(f"a task does not end as {status.value}")
    return _moved(life, status, reason)


def leaves_words(status: TaskStatus) -> bool:
    """Say whether what a task was told and did not hear is for another one now; who stops it wants no other one."""
    return status.terminal and status is not TaskStatus.CANCELED


def parked(life: Life, wait: WaitReason, question: str) -> Life:
    """The attempt ends, and the task waits for somebody; one that is to be canceled ends instead."""
    if life.status is TaskStatus.CANCELING:
        return canceled_work(life)
    return replace(_moved(life, TaskStatus.WAITING, question), wait=wait)


def answered(life: Life) -> Life:
    """What a waiting task waited for is there."""
    if life.status is not TaskStatus.WAITING:
        raise IllegalTransition(f"a task that is {life.status.value} waits for no answer")
    return _moved(life, TaskStatus.QUEUED)


def released(life: Life, reason: str) -> Life:
    """The attempt ends at a step boundary, and the task stands in the queue again."""
    if life.status is TaskStatus.CANCELING:
        return canceled_work(life)
    return _moved(_forgiven(life), TaskStatus.QUEUED, reason)


def retried(life: Life, now: float, reason: str) -> Life:
    """Something around the attempt failed: it is begun again after a pause, or fails when that happened too often."""
    if life.status is TaskStatus.CANCELING:
        return canceled_work(life)
    life = _forgiven(life)
    if life.retries >= MAX_RETRIES:
        return _moved(life, TaskStatus.FAILED, f"{reason} (tried {life.retries + 1} times)")
    pause = min(RETRY_SECONDS * 2**life.retries, LONGEST_RETRY)
    return replace(_moved(life, TaskStatus.SCHEDULED, reason, run_at=now + pause), retries=life.retries + 1)


def lost(life: Life, max_losses: int = MAX_LOSSES) -> Life:
    """The worker died or fell silent: another one takes over, unless this run is what kills them."""
    if life.status is TaskStatus.CANCELING:
        return canceled_work(life)
    life = _forgiven(life)
    losses = life.losses + 1
    if losses >= max_losses:
        reason = f"the worker died over it {losses} times in a row; look at the workers' logs, then `agent retry`"
        return replace(_moved(life, TaskStatus.FAILED, reason), losses=losses)
    return replace(_moved(life, TaskStatus.QUEUED, "its worker was lost"), losses=losses)


def canceled(life: Life, reason: str) -> Life:
    """Somebody wants no more of it: at once where nobody works on it, else its worker is asked to stop."""
    status = TaskStatus.CANCELING if life.status is TaskStatus.RUNNING else TaskStatus.CANCELED
    require_transition(life.status, status)
    if status is TaskStatus.CANCELING:
        return replace(life, status=status, reason=reason)
    return _moved(life, status, reason)


def canceled_work(life: Life) -> Life:
    """Work that was to be canceled has stopped, however it stopped."""
    return _moved(life, TaskStatus.CANCELED, life.reason)


def rejected(life: Life, reason: str) -> Life:
    """It can not be begun."""
    if life.status not in (TaskStatus.SCHEDULED, TaskStatus.QUEUED):
        raise IllegalTransition(f"a task that is {life.status.value} can not be rejected any more")
    return _moved(life, TaskStatus.REJECTED, reason)


def _forgiven(life: Life) -> Life:
    return replace(life, losses=0, retries=0) if life.got_on else life


def _moved(life: Life, status: TaskStatus, reason: str = "", *, run_at: float = 0.0) -> Life:
    """Change the status; nobody holds it and it waits for nothing unless the caller says so."""
    require_transition(life.status, status)
    return replace(life, status=status, reason=reason, wait=None, worker_id="", lease_until=0.0, run_at=run_at)
