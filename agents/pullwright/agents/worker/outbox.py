"""Outbox: makes a change outside at most once, whatever dies in between."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from pullwright.agents.ports.lease import LeaseStore
from pullwright.agents.ports.outbox import Effect, EffectStatus, Holder, OutboxStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What the other side calls what was made there."""

    external_id: str = ""
    url: str = ""


class EffectStore(OutboxStore, LeaseStore, Protocol):
    """What an outbox needs of the store."""


async def never_found() -> Made | None:
    """Look up what can not be looked up, because making it twice is the same as once."""
    return None


class Outbox:
    """Changes outside go through here: noted, looked up if they may have been made, then made and noted again."""

    def __init__(self, store: EffectStore) -> None:
        self._store = store

    async def perform(
        self,
        holder: Holder,
        key: str,
        *,
        kind: str,
        do: Callable[[], Awaitable[Made]],
        look_up: Callable[[], Awaitable[Made | None]] = never_found,
    ) -> Effect:
        """Make a change outside, unless it was made; return it as it stands.

        Args:
            holder: The task as this attempt has it, or the delivery as this turn has it.
            key: Names the change within that, whatever attempt makes it.
            kind: What sort of change it is.
            do: Makes it.
            look_up: Finds out whether it was made; asked only when an earlier attempt may have.

        Raises:
            LeaseLost: Another attempt or turn owns it; nothing was made by this one.
        """
        effect, new = await self._store.intend(holder, key, kind=kind)
        if effect.status is EffectStatus.DONE:
            return effect
        made = None if new else await look_up()
        if made is None:
            await self._store.confirm(holder)
            made = await do()
        return await self._store.settle(holder, key, external_id=made.external_id, url=made.url)
