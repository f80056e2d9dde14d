"""The schema's revisions, on both real engines."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlmodel import SQLModel

from pullwright.agents.errors import ConfigError, StoreUnavailable
from pullwright.agents.events import from_data
from pullwright.agents.queue import migrations, tables
from pullwright.agents.queue.address import parse
from pullwright.agents.queue.codec import spec_from_data
from pullwright.agents.queue.migrations import running
from tests.postgres import PostgresServer

OLD = Path(__file__).with_name("old_database.sql")
"""What the last release without alembic wrote: tasks that were done, in flight, to be canceled, queued and rejected."""

DONE, IN_FLIGHT, TO_BE_CANCELED, QUEUED, REJECTED = (
    "01m3wyj7gcdph7tza5wgrgznrw",
    "01m3wyj9ygf90tw4zj8ds2176x",
    "01m3wyjbdc6twcc424fy6ark50",
    "01m3wyjdbw4rfz2q9hwdck17es",
    "01m3wyjdvgwvmqyqs9q4kcdy80",
)


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'folder' / 'new.db'}"
    url: str = request.getfixturevalue("empty_postgres_url")
    return url


@pytest.fixture
def old_file(tmp_path: Path) -> Path:
    path = tmp_path / "old.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(OLD.read_text())
    return path


@pytest.fixture
def old(old_file: Path) -> Iterator[sqlite3.Connection]:
    """A connection to the old file, upgraded."""
    migrations.upgrade(f"sqlite:///{old_file}")
    with closing(sqlite3.connect(old_file)) as connection:
        connection.row_factory = sqlite3.Row
        yield connection


@contextmanager
def running_connection(url: str) -> Iterator[Connection]:
    engine = running.connect(parse(url))
    with engine.connect() as connection:
        yield connection
    engine.dispose()


SPEC = '{"repository": {"url": "/srv/tool",  "name": "tool"}}'


@pytest.fixture
def old_server(empty_postgres_url: str) -> str:
    """A server with the first revision, and a task."""
    moment = "TIMESTAMPTZ '2026-10-01 23:59:59.5Z'"
    with running_connection(empty_postgres_url) as connection:
        running.migrate(connection, "0001")
        connection.exec_driver_sql(
            f"INSERT INTO task VALUES ('{QUEUED}', '', 'queued', '', 0, 2, '{SPEC}', '', '', '', {moment}, {moment});"
            f"INSERT INTO event VALUES ('{QUEUED}', 1, 0, {moment} + interval '1 us', 'x', '{{\"step\":  1}}')"
        )
        connection.commit()
    return empty_postgres_url


def test_the_constant_is_the_last_revision() -> None:
    script = ScriptDirectory(str(Path(migrations.__file__).parent))
    assert script.get_heads() == [f"{migrations.HEAD:04d}"]


def test_an_empty_database_gets_the_tables_of_this_release(empty_url: str) -> None:
    assert migrations.check(empty_url).pending == tuple(range(1, migrations.HEAD + 1))
    assert migrations.upgrade(empty_url).current == 0
    assert migrations.check(empty_url) == migrations.Schema(current=migrations.HEAD, head=migrations.HEAD)
    assert tables.TaskRow.metadata is SQLModel.metadata
    engine = running.connect(parse(empty_url))
    with engine.begin() as connection:
        context = running.context_of(connection)
        context.opts["compare_type"] = True
        # SQLite's reflection forgets that an index descends; the next test reads the words themselves.
        forgotten = {"task_queued"} if connection.dialect.name == "sqlite" else set()
        context.opts["include_object"] = lambda _, name, *__: name not in forgotten
        assert compare_metadata(context, SQLModel.metadata) == []
    engine.dispose()
    assert migrations.upgrade(empty_url).pending == ()


def test_the_indexes_of_the_tables_are_those_of_the_revisions(tmp_path: Path) -> None:
    """Alembic does not compare the conditions of partial indexes; SQLite keeps the words."""
    with closing(sqlite3.connect(":memory:")) as connection:
        from sqlalchemy import StaticPool, create_engine

        engine = create_engine("sqlite://", creator=lambda: connection, poolclass=StaticPool)
        SQLModel.metadata.create_all(engine)
        expected = _indexes(connection)
    migrations.upgrade(f"sqlite:///{tmp_path / 'new.db'}")
    with closing(sqlite3.connect(tmp_path / "new.db")) as connection:
        assert _indexes(connection) == expected


def test_looking_makes_nothing(tmp_path: Path) -> None:
    assert migrations.check(f"sqlite:///{tmp_path / 'none.db'}").current == 0
    assert list(tmp_path.glob("none.db*")) == []


def test_a_database_that_is_up_to_date_needs_no_library(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'new.db'}"
    migrations.prepare(url)
    program = (
        "import sys; from pullwright.agents.queue import migrations; migrations.prepare(sys.argv[1]);"
        "sys.exit(bool({'alembic', 'sqlalchemy'} & sys.modules.keys()))"
    )
    with _python(program, url) as process:
        assert process.wait() == 0


def test_old_tasks_are_all_there(old: sqlite3.Connection) -> None:
    tasks = {row["id"]: row for row in old.execute("SELECT * FROM task")}
    assert {key: row["status"] for key, row in tasks.items()} == {
        DONE: "succeeded",
        IN_FLIGHT: "queued",
        TO_BE_CANCELED: "canceled",
        QUEUED: "queued",
        REJECTED: "rejected",
    }
    done = tasks[DONE]
    assert done["created_at"] == datetime(2026, 10, 1, 23, 59, 59, 500000, UTC).timestamp()
    assert done["updated_at"] == pytest.approx(datetime(2026, 10, 2, 0, 0, 1, 500004, UTC).timestamp(), abs=1e-6)
    assert (done["lane"], done["steps"], done["attempt"]) == ("github.com/acme/shop", 2, 1)
    assert (done["patch_path"], done["work_key"], done["status_reason"]) == ("/p", "github.com/acme/shop#1", "done")
    assert tasks[TO_BE_CANCELED]["status_reason"] == "no more of it"
    for row in tasks.values():
        assert spec_from_data(json.loads(row["spec"])).lane == row["lane"]


def test_old_journals_are_the_same_bytes(old_file: Path) -> None:
    query = "SELECT task_id, seq, attempt, type, data FROM event WHERE type <> 'task.moved' ORDER BY task_id, seq"
    with closing(sqlite3.connect(old_file)) as connection:
        before = connection.execute(query).fetchall()
    migrations.upgrade(f"sqlite:///{old_file}")
    with closing(sqlite3.connect(old_file)) as connection:
        assert connection.execute(query).fetchall() == before
        for type_, data in connection.execute("SELECT type, data FROM event"):
            from_data(type_, json.loads(data))
        [(first,)] = connection.execute("SELECT at FROM event WHERE task_id = ? AND seq = 1", (DONE,))
    assert first == pytest.approx(datetime(2026, 10, 2, 0, 0, 0, 500002, UTC).timestamp(), abs=1e-6)


def test_journals_have_no_gaps_and_say_what_the_upgrade_did(old: sqlite3.Connection) -> None:
    for task_id, following in old.execute("SELECT id, next_seq FROM task"):
        numbers = [seq for (seq,) in old.execute("SELECT seq FROM event WHERE task_id = ? ORDER BY seq", (task_id,))]
        assert numbers == list(range(1, following))
    [moved] = old.execute("SELECT * FROM event WHERE task_id = ? AND type = 'task.moved'", (IN_FLIGHT,))
    assert json.loads(moved["data"])["new"] == "queued"


def test_old_lanes_and_attempts_are_counted(old: sqlite3.Connection) -> None:
    lanes = {row["key"]: (row["queued"], row["running"]) for row in old.execute("SELECT * FROM lane")}
    assert lanes == {"github.com/acme/shop": (1, 0), "/srv/git/tool": (1, 0)}
    outcomes = {row["task_id"]: (row["number"], row["outcome"]) for row in old.execute("SELECT * FROM attempt")}
    assert outcomes == {DONE: (1, "finished"), IN_FLIGHT: (1, "lost"), TO_BE_CANCELED: (1, "finished")}


def test_a_worker_of_the_old_release_can_write_nothing_any_more(old: sqlite3.Connection) -> None:
    """These are the statements of the old release; each changes nothing, or fails."""
    appended = old.execute(
        "UPDATE task SET next_seq = next_seq + 1 WHERE id = ? AND attempt = 1 AND status IN ('running', 'canceling')",
        (IN_FLIGHT,),
    )
    assert appended.rowcount == 0
    with pytest.raises(sqlite3.IntegrityError):
        old.execute(
            "INSERT INTO task (id, work_key, status, status_reason, attempt, next_seq, spec, branch, pull_request_url, "
            "patch_path, created_at, updated_at) VALUES ('x', '', 'queued', '', 0, 1, '{}', '', '', '', 'now', 'now')"
        )
    [(version,)] = old.execute("PRAGMA user_version")
    assert version > 1, "the old release does not open it"


def test_old_rows_on_a_server_are_taken_over_too(old_server: str) -> None:
    """No release wrote them there, but one revision must mean the same on both engines."""
    migrations.upgrade(old_server)
    with running_connection(old_server) as connection:
        [task] = connection.execute(text("SELECT * FROM task")).mappings()
        [event] = connection.execute(text("SELECT * FROM event")).mappings()
        indexes = connection.execute(text("SELECT indexname FROM pg_indexes WHERE schemaname = 'public'")).scalars()
        assert {"task_pkey", "event_pkey"} <= set(indexes)
    assert (task["lane"], task["created_at"], task["spec"]) == ("/srv/tool", 1790899199.5, SPEC)
    assert (event["at"], event["data"]) == (1790899199.500001, '{"step":  1}')


def test_workers_that_hold_the_tables_are_not_broken(old_server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "TABLE_LOCK_SECONDS", 1)
    with running_connection(old_server) as worker:
        worker.execute(text("SELECT * FROM task"))
        with pytest.raises(StoreUnavailable, match=r"can not be upgraded now .*lock timeout"):
            migrations.upgrade(old_server)
        worker.execute(text("UPDATE task SET status_reason = 'goes on'"))
        worker.commit()
    assert migrations.check(old_server).current == 1
    migrations.upgrade(old_server)


def test_a_copy_of_the_old_file_is_kept(old: sqlite3.Connection, old_file: Path) -> None:
    with closing(sqlite3.connect(old_file.with_name("old.db.schema-1"))) as copy:
        assert copy.execute("PRAGMA user_version").fetchall() == [(1,)]
        assert copy.execute("SELECT count(*) FROM event").fetchall() == [(7,)]


def test_two_processes_upgrade_at_once(empty_url: str) -> None:
    program = (
        "import sys; from pullwright.agents.queue import migrations; print(migrations.upgrade(sys.argv[1]).current)"
    )
    both = [_python(program, empty_url) for _ in range(2)]
    answers = [process.communicate()[0].strip() for process in both]
    assert sorted(answers) == ["0", str(migrations.HEAD)]


def test_a_worker_of_the_release_before_goes_on(empty_url: str) -> None:
    """Its statements know neither places nor days."""
    migrations.upgrade(empty_url)
    with running_connection(empty_url) as connection:
        connection.exec_driver_sql(
            "INSERT INTO lane (key, weight, max_running, paused, queued, running, vtime) "
            "VALUES ('l', 1, 4, false, 0, 0, 0)"
        )
        assert connection.exec_driver_sql("SELECT place FROM lane").scalar_one() == ""


def test_a_reporter_of_the_release_before_goes_on_too(empty_url: str) -> None:
    """Its statements do not know that somebody wants to hear what became of a pull request."""
    migrations.upgrade(empty_url)
    with running_connection(empty_url) as connection:
        connection.exec_driver_sql(
            "INSERT INTO report (task_id, seq, status, number, comment, ended, note) "
            "VALUES ('t', 0, '', 1, '', true, '')"
        )
        assert connection.exec_driver_sql("SELECT landing FROM report").scalar_one() == ""


def test_a_newer_schema_is_refused_in_one_line(empty_url: str) -> None:
    migrations.upgrade(empty_url)
    _pretend(empty_url, migrations.HEAD + 1)
    for refused in (migrations.prepare, migrations.upgrade):
        with pytest.raises(ConfigError, match=r"newer release.*update pullwright") as caught:
            refused(empty_url)
        assert "\n" not in str(caught.value)
    with pytest.raises(StoreUnavailable, match="restart this worker"):
        migrations.require_unchanged(empty_url)


def test_a_server_that_others_use_is_upgraded_by_hand(empty_postgres_url: str) -> None:
    migrations.upgrade(empty_postgres_url)
    migrations.require_unchanged(empty_postgres_url)
    _pretend(empty_postgres_url, 1)
    with pytest.raises(ConfigError, match="agent db upgrade"):
        migrations.prepare(empty_postgres_url)


def test_what_is_no_database_is_said(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("These are words and not a database. " * 100)
    with pytest.raises(ConfigError, match=r"text\.db.*not a database"):
        migrations.prepare(f"sqlite:///{tmp_path / 'text.db'}")


def test_a_folder_that_can_not_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"can not be upgraded .*Not a directory"):
        migrations.prepare(f"sqlite:///{tmp_path / 'file' / 'folder' / 'new.db'}")


def test_a_server_that_is_not_there_is_said_without_the_password() -> None:
    with pytest.raises(StoreUnavailable, match="does not answer") as caught:
        migrations.check("postgresql://me:secret@127.0.0.1:1/none")
    assert "secret" not in str(caught.value)


def test_a_table_that_somebody_else_made_is_left_alone(shared_postgres: PostgresServer) -> None:
    with shared_postgres.database() as url:
        shared_postgres.execute("CREATE TABLE task (mine int)", url.rpartition("/")[2])
        with pytest.raises(ConfigError, match="already exists"):
            migrations.upgrade(url)
        assert migrations.check(url).current == 0


@pytest.mark.parametrize("url", ["mysql://x/y", "sqlite://", "sqlite:///", "postgresql:x", "", "sqlite:///:memory:"])
def test_other_databases_are_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="database URL"):
        parse(url)


def _indexes(connection: sqlite3.Connection) -> set[tuple[str, str]]:
    found = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL")
    return {(name, " ".join(sql.split())) for name, sql in found}


def _pretend(url: str, revision: int) -> None:
    engine = running.connect(parse(url))
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE alembic_version SET version_num = '{revision:04d}'"))
        if connection.dialect.name == "sqlite":
            connection.execute(text(f"PRAGMA user_version={revision}"))
    engine.dispose()


def _python(program: str, *arguments: str) -> subprocess.Popen[str]:
    paths = {"PYTHONPATH": ":".join(path for path in sys.path if path), "PATH": "/usr/bin:/bin"}
    return subprocess.Popen([sys.executable, "-c", program, *arguments], text=True, stdout=subprocess.PIPE, env=paths)
