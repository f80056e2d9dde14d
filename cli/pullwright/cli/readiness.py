"""Waiting for several things that arrive in any order."""

from __future__ import annotations

from collections.abc import Callable


class Readiness:
    """Tells somebody, once, that everything is there."""

    def __init__(self, things: int, then: Callable[[], None]) -> None:
        """Make one.

        Args:
            things: How many have to arrive.
            then: Called at the arrival of the last one.
        """
        self._missing = things
        self._then = then

    def one_more(self) -> None:
        """Note an arrival; each thing arrives once."""
        self._missing -= 1
        if not self._missing:
            self._then()
