"""Kill anything at any moment: no task is lost, nothing outside is done twice, the result is that of a quiet run.

``AGENT_CHAOS_HITS`` says how many hits each engine takes (30 without it), ``AGENT_CHAOS_SEED`` repeats a run's hits.
"""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from anyio import to_thread

from tests.chaos.driver import Tally, disturb
from tests.chaos.ground import Ground, open_ground
from tests.chaos.quiet import quiet_run
from tests.chaos.verdict import verdict
from tests.postgres import PostgresServer, running_server

HITS = int(os.environ.get("AGENT_CHAOS_HITS", "60")) // 2
SEED = int(os.environ.get("AGENT_CHAOS_SEED") or secrets.randbelow(1_000_000))

pytestmark = [pytest.mark.docker, pytest.mark.anyio, pytest.mark.timeout(600 + 20 * HITS)]


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, PostgresServer | None]]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'queue.db'}", None
        return
    with running_server() as server, server.database() as url:
        yield url, server


async def test_whatever_is_killed_nothing_is_lost_and_nothing_is_done_twice(
    engine: tuple[str, PostgresServer | None], tmp_path: Path
) -> None:
    url, server = engine
    async with open_ground(tmp_path, url, ("worker", "serve")) as ground:
        undisturbed = await quiet_run(ground)
        tally = await disturb(ground, SEED, HITS, server)
        codes = [await to_thread.run_sync(host.end) for host in ground.hosts]
        wrong = [*await verdict(ground, tally, undisturbed)]
        wrong += [f"{host.name} ended with {code}" for host, code in zip(ground.hosts, codes, strict=True) if code]
        report(ground, tally)
    assert not wrong, f"AGENT_CHAOS_SEED={SEED}: " + "\n".join(wrong)


def report(ground: Ground, tally: Tally) -> None:
    kinds = ", ".join(f"{tally.hits.count(kind)} × {kind.value}" for kind in sorted(set(tally.hits)))
    sys.stdout.write(
        f"\nseed {SEED}: {len(tally.hits)} hits ({kinds}) on {len(tally.tasks)} runs; "
        f"all done {tally.quiet_seconds:.1f} s after the last hit; "
        f"processes that ended by themselves: {[host.gone_by_itself for host in ground.hosts]}\n"
    )
