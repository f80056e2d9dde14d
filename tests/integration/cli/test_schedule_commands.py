"""``agent schedule`` as a person types it, and the schedules of the settings."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from anyio import to_thread

from pullwright.agents.clock import SystemClock
from pullwright.agents.errors import ConfigError
from pullwright.agents.ports.durable import DurableStore
from pullwright.agents.queue.open import open_store
from pullwright.agents.schedule import Overlap, ScheduleSpec
from pullwright.cli.schedules import duration, reconcile
from pullwright.cli.settings import Settings, load_settings
from pullwright.cli.settings_tables import ScheduleTable

pytestmark = pytest.mark.anyio

WEEKDAYS = ("--cron", "0 6 * * 1-5")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    folder.mkdir()
    who = ("-c", "user.name=x", "-c", "user.email=x@example.test")
    for command in (("init", "-q"), (*who, "commit", "-q", "--allow-empty", "-m", "first")):
        subprocess.run(["git", *command], cwd=folder, check=True)
    return folder


def agent(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-P", "-m", "pullwright.cli", "schedule", *arguments],
        cwd=folder,
        env={**os.environ, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done


def rows(folder: Path) -> dict[str, dict[str, Any]]:
    lines = agent(folder, "list", "--json").stdout.splitlines()
    return {row["name"]: row for row in map(json.loads, lines)}


def test_the_life_of_a_schedule(checkout: Path) -> None:
    assert "there is none yet" in agent(checkout, "list").stdout
    added = agent(checkout, "add", "deps", *WEEKDAYS, "--tz", "Europe/Berlin", "--catch-up", "90m", "update them")
    assert added.returncode == 0
    assert "06:00 CE" in added.stdout
    assert "no worker is alive" in added.stderr
    row = rows(checkout)["deps"]
    assert (row["cron"], row["tz"], row["overlap"], row["catch_up"]) == ("0 6 * * 1-5", "Europe/Berlin", "skip", 5400)
    assert (row["instruction"], row["origin"], row["paused"]) == ("update them", "", False)
    assert row["repository"].startswith(f"{checkout}@"), "only this installation has the folder"
    listed = agent(checkout, "list").stdout
    assert "deps  0 6 * * 1-5" in listed
    times = agent(checkout, "next", "deps", "--count", "7").stdout.splitlines()
    assert times[0] in listed
    assert len({datetime.strptime(line[4:14], "%Y-%m-%d").date() for line in times}) == 7
    assert agent(checkout, "pause", "deps").stdout == "paused\n"
    assert "it is paused" in agent(checkout, "next", "deps").stderr
    assert agent(checkout, "resume", "deps").stdout.strip() == times[0]
    assert agent(checkout, "add", "deps", "--cron", "30 5 * * *", "other words").returncode == 0
    assert rows(checkout)["deps"]["instruction"] == "other words"
    assert agent(checkout, "remove", "deps").returncode == 0
    assert rows(checkout) == {}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("add", "x", "--cron", "0 0 30 2 *", "y"), "no such day"),
        (("add", "x", "--cron", "@daily", "y"), "five fields"),
        (("add", "x", *WEEKDAYS, "--tz", "Mars", "y"), "no time zone 'Mars'"),
        (("add", "x", *WEEKDAYS, "--overlap", "never", "y"), "skip, queue, replace"),
        (("add", "x", *WEEKDAYS, "--catch-up", "soon", "y"), "no duration"),
        (("add", "x", *WEEKDAYS, "--catch-up", "8d", "y"), "0 to 7 days"),
        (("add", "x y", *WEEKDAYS, "y"), "can not name"),
        (("add", "x", *WEEKDAYS, "--repo", "/nowhere", "y"), "does not exist"),
        (("remove", "x"), "no schedule 'x'"),
        (("pause", "x"), "no schedule 'x'"),
        (("next", "x"), "no schedule 'x'"),
    ],
)
def test_what_is_wrong_is_one_line(checkout: Path, arguments: tuple[str, ...], told: str) -> None:
    done = agent(checkout, *arguments)
    assert done.returncode == 2
    assert told in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(("text", "seconds"), [("0", 0), ("90s", 90), ("1.5m", 90), ("2h", 7200), ("7d", 604_800)])
def test_durations(text: str, seconds: float) -> None:
    assert duration(text) == seconds


def test_a_checkout_can_not_bring_schedules_along(checkout: Path) -> None:
    (checkout / "pullwright.toml").write_text("[[schedules]]\nname='a'\ncron='* * * * *'\nrepo='.'\ninstruction='x'\n")
    with pytest.raises(ConfigError, match="in a checkout may not set 'schedules'"):
        load_settings(checkout)


def test_two_of_one_name_are_refused(tmp_path: Path) -> None:
    table = "[[schedules]]\nname='a'\ncron='* * * * *'\nrepo='.'\ninstruction='x'\n"
    (tmp_path / "pullwright.toml").write_text(table * 2)
    with pytest.raises(ConfigError, match="two schedules are named 'a'"):
        load_settings(tmp_path)


class Host:
    """One installation, with the settings that it begins with."""

    def __init__(self, home: Path, store: DurableStore, checkout: Path) -> None:
        self.home = home
        self.store = store
        self.checkout = checkout
        self.notes: list[str] = []

    async def start(self, *names: str, **changes: Any) -> None:
        values = {"cron": "0 6 * * *", "repo": str(self.checkout), "instruction": "x", **changes}
        tables = tuple(ScheduleTable(name=name, **values) for name in names)
        await reconcile(Settings(home=self.home, schedules=tables), self.store, self.notes.append)

    async def there(self) -> dict[str, str]:
        return {schedule.spec.name: schedule.spec.origin for schedule in await self.store.schedules()}


@pytest.fixture
async def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[DurableStore]:
    monkeypatch.delenv("AGENT_HOME")  # wins over what a test gives
    async with open_store(f"sqlite:///{tmp_path / 'x.db'}", SystemClock()) as store:
        yield store


async def test_settings_are_brought_in_and_taken_away(store: DurableStore, tmp_path: Path, checkout: Path) -> None:
    one, two = Host(tmp_path / "one", store, checkout), Host(tmp_path / "two", store, checkout)
    await one.start("a", "b", overlap="replace", catch_up="2h", checks=("make test",), priority=3, no_pr=True)
    await two.start("c")
    there = await one.there()
    assert there["a"] == there["b"] != there["c"]
    assert all(there.values())
    [schedule, *_] = await store.schedules()
    template = schedule.spec.template
    assert (schedule.spec.overlap, schedule.spec.catch_up) == (Overlap.REPLACE, 7200.0)
    assert (template.checks, template.priority, template.publish, template.may_ask) == (
        ("make test",),
        3,
        False,
        False,
    )
    await store.put_schedule(ScheduleSpec(name="typed", cron="0 * * * *", template=template))
    await store.pause_schedule("b", pause=True)
    await one.start("b", overlap="replace")
    assert await one.there() == {"b": there["b"], "c": there["c"], "typed": ""}
    assert [one for one in await store.schedules() if one.paused], "the next start does not resume it"
    assert one.notes == ["schedule 'a' was removed: it does not stand in the settings any more"]
    await two.start("typed")
    assert await two.there() == {"b": there["b"], "typed": there["c"]}
    assert "made by command" in two.notes[0]


async def test_settings_that_are_wrong_are_named(store: DurableStore, tmp_path: Path, checkout: Path) -> None:
    host = Host(tmp_path / "one", store, checkout)
    with pytest.raises(ConfigError, match="'schedules', 'a': the cron expression 'daily'"):
        await host.start("a", cron="daily")
    assert await host.there() == {}


async def test_what_stands_in_settings_is_changed_there(
    store: DurableStore, tmp_path: Path, checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = Host(tmp_path / "one", store, checkout)
    await host.start("a")
    monkeypatch.setenv("AGENT_DATABASE_URL", f"sqlite:///{tmp_path / 'x.db'}")
    for arguments in (("remove", "a"), ("add", "a", *WEEKDAYS, "y")):
        done = await to_thread.run_sync(agent, checkout, *arguments)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1)
        assert "stands in the settings of installation" in done.stderr
    assert (await to_thread.run_sync(agent, checkout, "pause", "a")).returncode == 0
