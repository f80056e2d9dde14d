"""``agent db`` on both real engines, as a person types it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pullwright.agents.queue import migrations
from pullwright.agents.queue.migrations import HEAD
from tests.integration.queue.filled import TASKS, add_worker, fill, new_file, run
from tests.postgres import PostgresServer, transaction_pooler

OLD = Path(__file__).parent.parent / "queue" / "old_database.sql"


def agent(*arguments: str, url: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-P", "-m", "pullwright.cli", *arguments],
        cwd=cwd,
        env={**os.environ, "AGENT_DATABASE_URL": url},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return new_file(tmp_path)
    server: str = request.getfixturevalue("postgres_url")
    return server


def test_upgrade_makes_the_tables_and_then_has_nothing_to_do(empty_postgres_url: str, tmp_path: Path) -> None:
    for target in (f"sqlite:///{tmp_path / 'new.db'}", empty_postgres_url):
        assert agent("db", "upgrade", url=target, cwd=tmp_path).stdout == f"the tables were made (schema {HEAD})\n"
        assert agent("db", "upgrade", url=target, cwd=tmp_path).stdout == f"the schema is up to date ({HEAD})\n"


def test_a_file_of_the_last_release_is_upgraded(tmp_path: Path) -> None:
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(tmp_path / "old.db")) as connection:
        connection.executescript(OLD.read_text())
    url = f"sqlite:///{tmp_path / 'old.db'}"
    checked = agent("db", "check", url=url, cwd=tmp_path)
    assert checked.returncode == 1
    assert f"✘ schema: 1, this release needs {HEAD}; run `agent db upgrade`" in checked.stdout
    assert agent("db", "upgrade", url=url, cwd=tmp_path).stdout == f"the schema was upgraded from 1 to {HEAD}\n"
    assert (
        "✔ tasks: 1 canceled, 2 queued, 1 rejected, 1 succeeded" in agent("db", "check", url=url, cwd=tmp_path).stdout
    )


def test_check_says_how_it_is(url: str, tmp_path: Path) -> None:
    fine = agent("db", "check", url=url, cwd=tmp_path)
    assert fine.returncode == 0, fine.stdout
    engine = "SQLite" if url.startswith("sqlite") else "PostgreSQL"
    assert fine.stdout.startswith(f"✔ database: {engine} ")
    assert [line for line in fine.stdout.splitlines() if line.startswith("✔")][1:] == [
        f"✔ schema: {HEAD}",
        "✔ tasks: none",
        "✔ workers: 0 alive",
        "✔ lanes: counted right",
        "✔ leases: none is stuck",
        "✔ schedules: 0",
    ]


def test_check_finds_what_is_wrong(url: str, tmp_path: Path) -> None:
    fill(url)
    add_worker(url, time.time())
    run(url, "UPDATE lane SET queued = queued + 1")
    found = agent("db", "check", url=url, cwd=tmp_path)
    assert found.returncode == 1
    assert f"✔ tasks: {TASKS - 1} queued, 1 running" in found.stdout
    assert "✔ workers: 1 alive" in found.stdout
    assert "✘ lanes: 2 counted wrong" in found.stdout
    assert "✘ schedules: 2 of 3 were due and nobody looked" in found.stdout
    run(url, "UPDATE task SET lease_until = 1 WHERE attempt = 1")
    assert "✘ leases: 1 ended" in agent("db", "check", url=url, cwd=tmp_path).stdout


def test_check_warns_of_a_server_that_may_forget(postgres_url: str, tmp_path: Path) -> None:
    found = agent("db", "check", url=postgres_url, cwd=tmp_path)
    assert "! the server runs with fsync=off" in found.stdout
    assert "pooler" not in found.stdout
    assert "clock" not in found.stdout


def test_everything_works_through_a_pooler_and_check_says_that_it_is_there(
    shared_postgres: PostgresServer, empty_postgres_url: str, tmp_path: Path
) -> None:
    source = new_file(tmp_path)
    fill(source)
    with transaction_pooler(shared_postgres) as through:
        url = through(empty_postgres_url)
        assert "tables were made" in agent("db", "upgrade", url=url, cwd=tmp_path).stdout
        assert agent("db", "move", "--to", url, url=source, cwd=tmp_path).returncode == 0
        assert "! there is a pooler in between" in agent("db", "check", url=url, cwd=tmp_path).stdout


def test_check_knows_a_replica(postgres_of_its_own: PostgresServer, tmp_path: Path) -> None:
    server = postgres_of_its_own
    migrations.upgrade(server.url())
    (server.folder / "data" / "standby.signal").touch()  # it follows nobody, and takes no writes all the same
    server.restart()
    assert "! this server is a replica" in agent("db", "check", url=server.url(), cwd=tmp_path).stdout
    refused = agent("db", "upgrade", url=server.url(), cwd=tmp_path)
    assert refused.returncode == 0, "there is nothing to do"


def test_check_of_nothing_makes_nothing(tmp_path: Path) -> None:
    found = agent("db", "check", url=f"sqlite:///{tmp_path / 'none.db'}", cwd=tmp_path)
    assert found.returncode == 2
    assert "no tables yet" in found.stderr
    assert not (tmp_path / "none.db").exists()


def test_check_of_a_server_that_is_down(postgres_of_its_own: PostgresServer, tmp_path: Path) -> None:
    postgres_of_its_own.stop()
    found = agent("db", "check", url=postgres_of_its_own.url(), cwd=tmp_path)
    assert found.returncode == 1
    assert "does not answer" in found.stderr
    assert len(found.stderr.splitlines()) == 1


def test_move_says_what_is_next(empty_postgres_url: str, tmp_path: Path) -> None:
    source = new_file(tmp_path)
    fill(source)
    moved = agent("db", "move", "--to", empty_postgres_url, url=source, cwd=tmp_path)
    assert moved.returncode == 0, moved.stderr
    assert f"task: {TASKS} rows, sha256 " in moved.stdout
    assert "next: set AGENT_DATABASE_URL" in moved.stdout
    again = agent("db", "move", "--to", empty_postgres_url, url=source, cwd=tmp_path)
    assert again.returncode == 2
    assert "is not empty" in again.stderr
    assert (
        agent("db", "check", url=empty_postgres_url, cwd=tmp_path).stdout.count("✔ tasks: 1199 queued, 1 running") == 1
    )


def test_a_password_is_not_said(tmp_path: Path) -> None:
    for url in ("postgresql://me:secret@127.0.0.1:1/db", "mysql://me:se@:cret@127.0.0.1/db"):
        found = agent("db", "check", url=url, cwd=tmp_path)
        assert found.returncode in (1, 2)
        assert "cret" not in found.stderr + found.stdout


def test_what_is_kept_of_old_tasks_is_removed(url: str, tmp_path: Path) -> None:
    fill(url)
    assert agent("db", "trim", "--days", "1", url=url, cwd=tmp_path).stdout == (
        "nothing is kept of tasks that ended more than 1 days ago\n"
    )
    run(url, "UPDATE task SET status = 'failed', updated_at = 1")
    trimmed = agent("db", "trim", "--days", "30", "--journals", url=url, cwd=tmp_path)
    assert f"of {TASKS} tasks: removed " in trimmed.stdout
    assert f"and {2 * TASKS} events" in trimmed.stdout
    assert "VACUUM" in trimmed.stdout
    assert agent("db", "trim", "--days", "0", url=url, cwd=tmp_path).returncode == 2
