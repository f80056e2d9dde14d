"""Which replica a conversation lives on.

Rendezvous hashing by conversation id, so that several workers, and one that was restarted, agree without talking. The
first replica in that order that has room gets the conversation, unless it is much fuller than the others. From then on
it stays, because its prefix is warm there, until the replica fails or the conversation is released.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from hashlib import blake2b

from pullwright.agents.pool.admission import Admission

_LEARNING = 1 / 256
"""Weight of one call in the size that is expected of a conversation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacementLimits:
    """How far the hash is followed, and how long a conversation is remembered."""

    easy_pressure: float = 0.3
    """Below this pressure the hash decides alone."""
    slack: float = 1.25
    """Above it a replica is passed by when its pressure is more than this many times the mean."""
    idle_seconds: float = 300.0
    """A conversation without a call for this long holds no KV tokens any more; it still returns to its replica."""
    remembered: int = 4096
    """Conversations."""
    expected_tokens: int = 30_000
    """Size that a conversation is counted with at least, because it will grow; adapts to those that are seen."""


@dataclass(slots=True)
class _Stay:
    replica: str
    tokens: int
    seen: float
    calls: int = 0


def rendezvous(conversation_id: str, names: Iterable[str]) -> list[str]:
    """Return the names in the order in which this conversation prefers them.

    Taking a name away changes nothing for the conversations that did not have it first.
    """
    return sorted(names, key=lambda name: _weight(conversation_id, name), reverse=True)


def _weight(conversation_id: str, name: str) -> bytes:
    return blake2b(f"{len(name)}:{name}{conversation_id}".encode(errors="replace"), digest_size=8).digest()


class Placement:
    """Homes of conversations. Every ``now`` is in seconds that only grow."""

    def __init__(self, admissions: Mapping[str, Admission], limits: PlacementLimits | None = None) -> None:
        self._admissions = admissions
        self._limits = limits or PlacementLimits()
        self._stays: OrderedDict[str, _Stay] = OrderedDict()
        self._expected = float(self._limits.expected_tokens)

    def home(self, conversation_id: str) -> str | None:
        """Return the replica where the conversation lives, or None."""
        stay = self._stays.get(conversation_id)
        return stay.replica if stay else None

    def committed(self, now: float) -> dict[str, int]:
        """Return the tokens to keep for the conversations that live on each replica and are not idle.

        A young one counts as if it had the usual size: those that were all let in while small would outgrow the cache
        together.
        """
        sums = dict.fromkeys(self._admissions, 0)
        for stay in self._stays.values():
            if stay.calls or now - stay.seen <= self._limits.idle_seconds:
                sums[stay.replica] += self._reserved(stay.tokens)
        return sums

    def place(self, conversation_id: str, tokens: int, *, usable: Collection[str], now: float) -> str | None:
        """Return the replica for the next call: the home if it is usable, else a new home.

        Args:
            conversation_id: Whose call it is.
            tokens: Size of the conversation, known or estimated.
            usable: Names of the replicas that may be called.
            now: The time.

        Returns:
            None when no usable replica takes a new conversation; the old home is kept then.
        """
        stay = self._stays.get(conversation_id)
        if stay is not None and stay.replica in usable:
            stay.seen = now
            stay.tokens = max(stay.tokens, tokens)
            return stay.replica
        chosen = self._choose(conversation_id, tokens, usable, now)
        if chosen is not None:
            calls = stay.calls if stay else 0
            self._stays[conversation_id] = _Stay(replica=chosen, tokens=tokens, seen=now, calls=calls)
            self._forget_the_oldest()
        return chosen

    def call_began(self, conversation_id: str) -> None:
        """Note a call on its way: however long it takes, the conversation is not idle."""
        if stay := self._stays.get(conversation_id):
            stay.calls += 1

    def call_ended(self, conversation_id: str, now: float, tokens: int = 0) -> None:
        """Note the end of a call, and the size of the conversation when a reply told it."""
        if stay := self._stays.get(conversation_id):
            stay.calls = max(0, stay.calls - 1)
            stay.seen = now
            self._stays.move_to_end(conversation_id)
            if tokens:
                stay.tokens = tokens
                self._expected += (tokens - self._expected) * _LEARNING

    def release(self, conversation_id: str) -> None:
        """Forget a conversation: it ended, or was compacted and has no warm prefix anywhere."""
        self._stays.pop(conversation_id, None)

    def _choose(self, conversation_id: str, tokens: int, usable: Collection[str], now: float) -> str | None:
        committed = self.committed(now)
        tokens = self._reserved(tokens)
        pressures = {name: self._pressure(name, committed[name] + tokens) for name in usable}
        fitting = [
            name
            for name in rendezvous(conversation_id, usable)
            if self._admissions[name].admits(tokens, committed[name])
        ]
        if not fitting:
            return None
        mean = sum(pressures.values()) / len(pressures)
        limit = max(self._limits.easy_pressure, mean * self._limits.slack)
        followed = [name for name in fitting if pressures[name] <= limit]
        # With nothing near the mean: free KV cache first, then the queue.
        return (followed or sorted(fitting, key=lambda name: (pressures[name], self._waiting(name))))[0]

    def _reserved(self, tokens: int) -> int:
        return max(tokens, int(self._expected))

    def _pressure(self, name: str, committed: int) -> float:
        return self._admissions[name].pressure(committed)

    def _waiting(self, name: str) -> int:
        return self._admissions[name].load.waiting

    def _forget_the_oldest(self) -> None:
        if len(self._stays) > self._limits.remembered:
            idle = next((key for key, stay in self._stays.items() if not stay.calls), None)
            if idle is not None:
                del self._stays[idle]
