"""What one sandbox asked for, what was decided, and how many bytes it may still receive."""

from __future__ import annotations

import logging
from collections import Counter
from typing import Final

from pullwright.agents.egress import EgressDecision

MAX_PENDING: Final = 1000
"""Decisions kept between two drains; further ones are only counted."""
MAX_TARGET: Final = 200
"""Characters of a target that are kept; it may be the container's own text."""

_logger = logging.getLogger(__name__)


class Refusal(Exception):
    """A request is not served; the reason is for the person who reads the package client's error.

    Attributes:
        status: The HTTP status to answer with.
        reason: Why, in printable ASCII and without any secret.
        quiet: Whether this is not worth a decision (a client's routine question, a name that does not exist).
    """

    def __init__(self, status: int, reason: str, *, quiet: bool = False) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.quiet = quiet


class Ledger:
    """Decisions and byte budget of one sandbox."""

    def __init__(self, max_bytes: int) -> None:
        self._left = max_bytes
        self._pending: list[EgressDecision] = []
        self._more: dict[tuple[bool, str], Counter[str]] = {}

    def take(self, count: int) -> None:
        """Spend bytes that are about to go into the sandbox.

        Raises:
            Refusal: The budget does not hold that many; nothing is spent.
        """
        if count > self._left:
            raise Refusal(403, "byte budget used up")
        self._left -= count

    def check(self, count: int) -> None:
        """Refuse a size that is known beforehand to exceed the budget.

        Raises:
            Refusal: The budget does not hold that many.
        """
        if count > self._left or self._left <= 0:
            raise Refusal(403, "byte budget used up")

    def record(self, decision: EgressDecision, seconds: float) -> None:
        """Log a decision and keep it for the next drain."""
        _logger.info(
            "egress %s: %s %s (%s), %d bytes in, %d out, %.2f s",
            "allowed" if decision.allowed else "refused",
            decision.kind,
            decision.target,
            decision.rule,
            decision.received,
            decision.sent,
            seconds,
        )
        if len(self._pending) < MAX_PENDING:
            self._pending.append(decision)
            return
        more = self._more.setdefault((decision.allowed, decision.kind), Counter())
        more.update(requests=1, received=decision.received, sent=decision.sent)

    def drain(self) -> tuple[EgressDecision, ...]:
        """Return what was decided since the last call; what was only counted comes as one decision per kind."""
        counted = tuple(
            EgressDecision(
                allowed=allowed,
                kind=kind,
                target=f"{more['requests']} more",
                rule=f"only counted: more than {MAX_PENDING} decisions at once",
                received=more["received"],
                sent=more["sent"],
            )
            for (allowed, kind), more in self._more.items()
        )
        drained = (*self._pending, *counted)
        self._pending.clear()
        self._more.clear()
        return drained


def printable(text: str) -> str:
    """Return text from the container's side as one short line of printable ASCII."""
    clean = "".join(char if " " <= char <= "~" else "?" for char in text[:MAX_TARGET])
    return clean if len(text) <= MAX_TARGET else clean[:-3] + "..."
