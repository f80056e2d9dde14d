"""Kill anything at any moment: no task is lost, nothing outside is done twice, the result is that of a quiet run.

``AGENT_CHAOS_HITS`` says how many hits there are (60 without it, half of them for each database), ``AGENT_CHAOS_SEED``
repeats a run's hits.
"""

from __future__ import annotations

import os
import secrets
import sys
import time
from functools import partial
from pathlib import Path

import pytest
from anyio import to_thread

from tests.chaos.cases import side_by_side
from tests.chaos.driver import Tally, disturb
from tests.chaos.ground import Ground, open_ground
from tests.chaos.quiet import quiet_run
from tests.chaos.verdict import so_far, verdict
from tests.postgres import PostgresServer

HITS = int(os.environ.get("AGENT_CHAOS_HITS", "60")) // 2
SEED = int(os.environ.get("AGENT_CHAOS_SEED") or secrets.randbelow(1_000_000))

pytestmark = [pytest.mark.docker, pytest.mark.anyio, pytest.mark.timeout(600 + 20 * HITS)]


async def test_whatever_is_killed_nothing_is_lost_and_nothing_is_done_twice(
    postgres_of_its_own: PostgresServer, tmp_path: Path
) -> None:
    await side_by_side(tmp_path, sqlite=chaos, postgresql=partial(chaos, server=postgres_of_its_own))


async def chaos(folder: Path, server: PostgresServer | None = None) -> None:
    """Disturb one database's runs."""
    url = server.url() if server else f"sqlite:///{folder / 'queue.db'}"
    async with open_ground(folder, url, ("worker", "serve")) as ground:
        undisturbed = await quiet_run(ground)
        watch = Watch(ground, undisturbed)
        tally = await disturb(ground, SEED, HITS, server, look=watch)
        codes = [await to_thread.run_sync(host.end) for host in ground.hosts]
        wrong = [*await verdict(ground, tally, undisturbed)]
        wrong += [f"{host.name} ended with {code}" for host, code in zip(ground.hosts, codes, strict=True) if code]
        watch.tell(tally, f"; all done {tally.quiet_seconds:.1f} s after the last hit")
    assert not wrong, f"AGENT_CHAOS_SEED={SEED}: " + "\n".join(wrong)


class Watch:
    """Says how it goes, and ends it as soon as something is wrong."""

    def __init__(self, ground: Ground, undisturbed: bytes) -> None:
        self._ground = ground
        self._undisturbed = undisturbed
        self._known: set[str] = set()
        self._began = time.monotonic()

    async def __call__(self, tally: Tally) -> None:
        wrong = await so_far(self._ground, tally, self._undisturbed, self._known)
        self.tell(tally, f", {len(self._known)} done")
        assert not wrong, f"AGENT_CHAOS_SEED={SEED}: " + "\n".join(wrong)

    def tell(self, tally: Tally, more: str) -> None:
        """Print one line."""
        kinds = ", ".join(f"{tally.hits.count(kind)} × {kind.value}" for kind in sorted(set(tally.hits)))
        ended = [host.gone_by_itself for host in self._ground.hosts]
        where = f"seed {SEED}, {self._ground.folder.name}, {time.monotonic() - self._began:.0f} s"
        sys.stdout.write(
            f"\n{where}: {len(tally.hits)} hits ({kinds}) on {len(tally.tasks)} runs{more}; "
            f"processes that ended by themselves: {ended}\n"
        )
        sys.stdout.flush()
