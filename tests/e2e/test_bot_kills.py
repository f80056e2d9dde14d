"""Kill the server at any moment: each issue ends as one pull request, nothing is asked for in vain or done twice.

``AGENT_LIFE_KILLS`` says how often (30 times without it), ``AGENT_LIFE_SEED`` repeats the moments of a run.
"""

from __future__ import annotations

import os
import secrets
import sys
import time
from pathlib import Path

import pytest

from tests.e2e.bot_kills import Killer
from tests.e2e.bot_life import BotLife, bot_life, is_over
from tests.e2e.bot_verdict import anything_waits, wrong_with

KILLS = int(os.environ.get("AGENT_LIFE_KILLS", "30"))
SEED = int(os.environ.get("AGENT_LIFE_SEED") or secrets.randbelow(1_000_000))
NAMES = tuple(f"{word}{number}" for number in range(1, 9) for word in ("inn", "mill", "port", "wood"))
AT_ONCE = 4
"""Issues that are worked on at once."""

pytestmark = [pytest.mark.docker, pytest.mark.timeout(400 + 15 * KILLS)]


def test_whenever_the_server_is_killed_everything_is_done_once(tmp_path: Path) -> None:
    began = time.monotonic()
    with bot_life(tmp_path, *NAMES, slots=3, AGENT_MAX_LOSSES="1000") as life:
        with Killer(life, SEED, KILLS) as killer:
            play(life, killer)
        asked_again = killer.let_time_pass()
        if asked_again:  # it was lost after the last start
            life.server.end()
            life.server.start()
        life.wait(lambda: all(is_over(life, name) for name in life.asked), "all are ready")
        life.rehearsal.wait_settled()
        life.wait(lambda: not anything_waits(life.server.home), "everything is dealt with")
        report = f"seed {SEED}: {dict(killer.killed)} in {time.monotonic() - began:.0f} s, {len(life.asked)} issues"
        sys.stdout.write(f"\n{report}\n")
        assert killer.trouble is None
        assert wrong_with(life) == [], f"AGENT_LIFE_SEED={SEED} {report}"


def play(life: BotLife, killer: Killer) -> None:
    """Ask for one thing after another as long as there are kills to come."""
    waiting, remarked = list(NAMES), set[str]()
    while killer.busy:
        under_way = [name for name in life.asked if not is_over(life, name)]
        if len(under_way) < AT_ONCE and waiting:
            life.ask(waiting.pop(0))
        remark_where_it_is_time(life, remarked)
        time.sleep(0.1)
    life.wait(lambda: remark_where_it_is_time(life, remarked) == life.asked, "all pull requests are there")


def remark_where_it_is_time(life: BotLife, remarked: set[str]) -> set[str]:
    """Remark on pull requests as soon as they are there; return where that was done."""
    for name in life.asked - remarked:
        if life.pulls(name):
            life.ask_for_more(name)
            remarked.add(name)
    return remarked
