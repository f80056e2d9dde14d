"""Moving everything from one engine to another."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from pullwright.agents.errors import ConfigError
from pullwright.agents.queue.migrations import upgrade
from pullwright.agents.queue.move import Copied, move
from tests.integration.queue.filled import TASKS, add_worker, fill, new_file, rows_of, run


@pytest.fixture
def databases(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, str]:
    """A filled database, and an empty one of the other engine, without tables."""
    server: str = request.getfixturevalue("empty_postgres_url")
    file = f"sqlite:///{tmp_path / 'one.db'}"
    pair = (file, server) if request.param == "to postgresql" else (server, file)
    upgrade(pair[0])
    fill(pair[0])
    return pair


both_ways = pytest.mark.parametrize("databases", ["to postgresql", "to sqlite"], indirect=True)


@both_ways
def test_every_row_arrives_as_it_was(databases: tuple[str, str]) -> None:
    source, target = databases
    before = rows_of(source)
    assert all(before[table] for table in before.keys() - {"worker"})
    copied = move(source, target)
    assert {one.table: one.rows for one in copied} == {name: len(rows) for name, rows in before.items() if rows}
    assert rows_of(target) == before
    assert {type(cell) for rows in rows_of(target).values() for row in rows for cell in row} == {
        str,
        int,
        float,
        bool,
        bytes,
    }


@both_ways
def test_there_and_back_is_where_it_began(databases: tuple[str, str], tmp_path: Path) -> None:
    source, target = databases
    before = rows_of(source)
    there = move(source, target)
    back = move(target, f"sqlite:///{tmp_path / 'back.db'}")
    assert [one.sha256 for one in there] == [one.sha256 for one in back]
    assert rows_of(f"sqlite:///{tmp_path / 'back.db'}") == before


@both_ways
def test_nothing_runs_from_the_old_place_any_more(databases: tuple[str, str]) -> None:
    move(*databases)
    paused, attempt = 3, 8
    rows = rows_of(databases[0])
    assert all(row[paused] for row in rows["lane"])
    assert [row[7] for row in rows["schedule"]] == [True] * 3
    assert [row[-1] for row in rows["report"]] == ["", "gone"], "nobody is told twice what became of a pull request"
    assert [row[attempt] for row in rows["task"]][:2] == [2, 0], (
        "a worker that froze with attempt 1 writes nothing more"
    )


@both_ways
def test_a_move_that_fails_has_done_nothing(databases: tuple[str, str]) -> None:
    source, target = databases
    before = rows_of(source)

    def pull_the_plug(copied: Copied) -> None:
        if copied.table == "signal":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        move(source, target, done=pull_the_plug)
    assert rows_of(source) == before
    assert not any(rows_of(target).values())
    move(source, target)


@both_ways
def test_living_workers_are_in_the_way(databases: tuple[str, str]) -> None:
    source, target = databases
    upgrade(target)
    for url in databases:
        add_worker(url, time.time())
        with pytest.raises(ConfigError, match=r"1 worker is alive on .*stop them"):
            move(source, target)
        run(url, "UPDATE worker SET seen_at = :then", then=time.time() - 60)
    move(source, target)
    assert len(rows_of(source)["worker"]) == len(rows_of(target)["worker"]) == 1, "workers do not move"


@both_ways
def test_a_target_that_holds_something_is_refused(databases: tuple[str, str]) -> None:
    source, target = databases
    move(source, target)
    run(target, "DELETE FROM lane")
    before = rows_of(target)
    with pytest.raises(ConfigError, match=f"is not empty .{TASKS} rows in 'task'.*--to an empty one"):
        move(source, target)
    assert rows_of(target) == before


def test_a_database_is_not_moved_to_itself(tmp_path: Path) -> None:
    url = new_file(tmp_path)
    (tmp_path / "link.db").symlink_to(tmp_path / "new.db")
    for target in (url, f"sqlite:///{tmp_path / 'link.db'}"):
        with pytest.raises(ConfigError, match="is the database that is in use"):
            move(url, target)


def test_an_old_database_is_upgraded_first(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="agent db upgrade"):
        move(f"sqlite:///{tmp_path / 'none.db'}", f"sqlite:///{tmp_path / 'target.db'}")


def test_one_server_moves_to_another(postgres_url: str, empty_postgres_url: str) -> None:
    fill(postgres_url)
    before = rows_of(postgres_url)
    move(postgres_url, empty_postgres_url)
    assert rows_of(empty_postgres_url) == before


def test_text_that_postgresql_refuses_is_replaced_as_a_store_does(tmp_path: Path, empty_postgres_url: str) -> None:
    source = new_file(tmp_path)
    fill(source)
    run(source, "UPDATE task SET branch = 'a' || char(0) || 'b' WHERE attempt = 1")
    move(source, empty_postgres_url)
    assert "a\N{REPLACEMENT CHARACTER}b" in rows_of(empty_postgres_url)["task"][0]
