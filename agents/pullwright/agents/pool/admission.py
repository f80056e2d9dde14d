"""Whether a replica takes one more conversation: a thrashing KV cache is worse than a queue."""

from __future__ import annotations

from dataclasses import dataclass

from pullwright.agents.pool.load import Load


@dataclass(frozen=True, slots=True, kw_only=True)
class AdmissionLimits:
    """What a replica may be filled up to."""

    kv_share: float = 0.9
    """Of the KV cache: by the contexts that live there, or by what the engine reports."""
    crowded_readings: int = 3
    """Readings in a row with requests in the engine's queue after which it takes no new conversation."""
    assumed_kv_tokens: int = 380_000
    """KV cache of an engine that does not tell, for comparing only (four 80 GB cards, BF16 cache)."""


class Admission:
    """The load of one replica, as its engine reports it."""

    def __init__(self, limits: AdmissionLimits, kv_tokens: int = 0) -> None:
        self._limits = limits
        self._configured = kv_tokens
        self._load = Load()
        self._crowded = 0
        self._thrashing = False

    @property
    def kv_tokens(self) -> int | None:
        """Tokens that fit in the KV cache, or None where nobody knows."""
        return self._configured or self._load.kv_tokens

    @property
    def load(self) -> Load:
        """The latest reading."""
        return self._load

    def note(self, load: Load) -> None:
        """Take in a reading of the engine's metrics."""
        self._crowded = self._crowded + 1 if load.waiting > 0 else 0
        self._thrashing = (load.preemptions or 0) > (self._load.preemptions or 0) and self._load.preemptions is not None
        self._load = load

    def forget(self) -> None:
        """Drop the readings, because the engine does not give any now."""
        self._load = Load(kv_tokens=self._load.kv_tokens)
        self._crowded = 0
        self._thrashing = False

    def admits(self, tokens: int, committed: int) -> bool:
        """Whether a conversation of ``tokens`` may join those that hold ``committed`` tokens.

        An empty replica takes whatever comes: a conversation larger than all of them has to run somewhere.
        """
        if self._crowded >= self._limits.crowded_readings or self._thrashing:
            return False
        if self._load.kv_share is not None and self._load.kv_share >= self._limits.kv_share:
            return False
        room = self.kv_tokens
        return room is None or committed == 0 or committed + tokens <= room * self._limits.kv_share

    def pressure(self, committed: int) -> float:
        """How full it is, for comparing replicas: 1.0 is a full KV cache."""
        ours = committed / (self.kv_tokens or self._limits.assumed_kv_tokens)
        return max(ours, self._load.kv_share or 0.0)
