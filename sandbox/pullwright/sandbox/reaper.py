"""Removes what a killed process left on an engine, and does not give up while the engine is busy or away."""

from __future__ import annotations

from typing import Final

import anyio

from pullwright.agents.errors import PullwrightError
from pullwright.sandbox.docker_engine import DockerEngine
from pullwright.sandbox.prune import reap_owner

PATIENCE_SECONDS: Final = 600.0
"""How long an engine that does not answer, or does not let go of something, is asked again."""
AGAIN_SECONDS: Final = 2.0


async def reap_until_gone(owner: str, engine_url: str) -> None:
    """Remove everything of an owner; returns when nothing is left, or after ten minutes.

    Args:
        owner: The name of the dead process; see ``owner``.
        engine_url: Where the engine is.
    """
    with anyio.move_on_after(PATIENCE_SECONDS):
        while not await _once(owner, engine_url):  # noqa: ASYNC110 - the engine tells nobody when it lets go
            await anyio.sleep(AGAIN_SECONDS)


async def _once(owner: str, engine_url: str) -> bool:
    """Remove what is there and say whether nothing is left.

    It looks twice: a call that the dead process had sent may still be served.
    """
    try:
        async with DockerEngine(engine_url) as engine:
            await reap_owner(engine, owner)
            await anyio.sleep(AGAIN_SECONDS)
            return await reap_owner(engine, owner) == 0
    except PullwrightError:
        return False
