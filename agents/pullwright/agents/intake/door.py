"""What the HTTP side needs of a source: is it from whom it says, and what does it say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol, runtime_checkable

from pullwright.agents.ports.inbox import NewDelivery

Headers = Sequence[tuple[str, str]]
"""Names and values as they were received; a name may appear twice."""

PATH_SECRET: Final = ":path-secret"
"""The name under which a door is shown what follows its connection in the address. No client can send a header of that
name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """A delivery that is authentic and can not be understood."""

    status: int
    """The HTTP status to answer with: 400 or 415; 403 or 422 where the sender is told what to change."""
    detail: str
    """For the log."""
    told: str = "the delivery can not be read"
    """For the sender, who is authentic: one line."""


class Door(Protocol):
    """One connection of one source. Both methods are pure, and may be called in a thread."""

    @property
    def source(self) -> str:
        """Which adapter it belongs to, as in ``NewDelivery``."""
        ...

    @property
    def connection(self) -> str:
        """Its name within the source."""
        ...

    def problem(self, headers: Headers, body: bytes, *, now: float) -> str:
        """Say for the log why the bytes are not to be read; empty when they are authentic.

        Args:
            headers: As they were received.
            body: As it was received; nothing of it is parsed.
            now: Seconds since 1970.
        """
        ...

    def read(self, headers: Headers, body: bytes) -> NewDelivery | Unreadable:
        """Understand a delivery that is authentic."""
        ...


@runtime_checkable
class Particular(Protocol):
    """A door whose sender takes one status for success, and any other for a failure; 202 is the usual one."""

    @property
    def success_status(self) -> int:
        """That status."""
        ...
