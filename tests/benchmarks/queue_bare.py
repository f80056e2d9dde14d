"""The same things done by hand, with ``sqlite3`` and ``psycopg`` and nothing around them."""

from __future__ import annotations

import random
import select
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any, Final, Protocol

import psycopg

from tests.benchmarks.queue_places import sqlite_path

TABLES: Final = (
    "CREATE TABLE bare_task (id INTEGER PRIMARY KEY, status TEXT NOT NULL, next_seq INTEGER NOT NULL)",
    "CREATE INDEX bare_queued ON bare_task (id) WHERE status = 'queued'",
    "CREATE TABLE bare_event (task_id INTEGER, seq INTEGER, data TEXT NOT NULL, PRIMARY KEY (task_id, seq))",
)
CLAIM: Final = """
UPDATE bare_task SET status = 'running' WHERE id = (
SELECT id FROM bare_task WHERE status = 'queued' ORDER BY id LIMIT 1 {lock}) RETURNING id"""
COMPLETE: Final = "UPDATE bare_task SET status = 'succeeded' WHERE id = {value}"
ADVANCE: Final = "UPDATE bare_task SET next_seq = next_seq + 1 WHERE id = {value} RETURNING next_seq"
EVENT: Final = "INSERT INTO bare_event (task_id, seq, data) VALUES ({value}, {value}, {value})"
FILE: Final = "INSERT INTO bare_task (id, status, next_seq) VALUES ({value}, 'queued', 1)"

LOOK_SECONDS: Final = 0.015
"""How often the bare reader of a file looks: as often as the store did when this was written."""


class Bare(Protocol):
    """One connection."""

    def __call__(self, statement: str, *values: object) -> list[Any]:
        """Run one statement and return its rows."""
        ...


def bare_claims(url: str, count: int, server_cpu: Callable[[], float]) -> tuple[float, float]:
    """Return the CPU of a bare claim and completion in milliseconds, and how many of them there are in a second."""
    with _connected(url) as run:
        for number in range(count + 100):
            run(FILE, number)
        for _ in range(100):
            run(CLAIM)
        before, watch = time.thread_time() + server_cpu(), time.perf_counter()
        for _ in range(count):
            (row,) = run(CLAIM)
            run(COMPLETE, row[0])
        used = time.thread_time() + server_cpu() - before
        return 1000 * used / count, count / (time.perf_counter() - watch)


def bare_appends(url: str, count: int, data: str, server_cpu: Callable[[], float]) -> float:
    """Return the CPU of a bare append to a journal, its number counted in another table, in milliseconds."""
    with _connected(url) as run:
        run(FILE, 1)
        before = time.thread_time() + server_cpu()
        for _ in range(count):
            run("BEGIN IMMEDIATE" if sqlite_path(url) else "BEGIN")
            (row,) = run(ADVANCE, 1)
            run(EVENT, 1, row[0], data)
            run("COMMIT")
        return 1000 * (time.thread_time() + server_cpu() - before) / count


def bare_filing(url: str, count: int, heard: Callable[[], float]) -> list[float]:
    """File tasks one after another, and return how long each took until another process had claimed it, in seconds."""
    times = []
    with _connected(url, make=False) as run:
        for number in range(count):
            time.sleep(random.uniform(0.02, 0.05))
            begun = time.monotonic()
            run(FILE, number)
            if sqlite_path(url) is None:
                run("NOTIFY bare")
            times.append(heard() - begun)
    return times


def wait_and_claim(url: str) -> None:
    """Claim whatever somebody files, for ever, and print when: the other process of ``bare_filing``."""
    with _connected(url) as run:
        print("ready", flush=True)
        for _ in _rings(url, run):
            while run(CLAIM):
                print(time.monotonic(), flush=True)


def _rings(url: str, run: Bare) -> Iterator[None]:
    path = sqlite_path(url)
    if path is None:
        with psycopg.connect(url, autocommit=True) as listener:
            listener.execute("LISTEN bare")
            while True:
                select.select([listener.fileno()], [], [])
                listener.pgconn.consume_input()
                while listener.pgconn.notifies():
                    pass
                yield
    known = run("PRAGMA data_version")
    while True:
        time.sleep(LOOK_SECONDS)
        found = run("PRAGMA data_version")
        if found != known:
            known = found
            yield


@contextmanager
def _connected(url: str, *, make: bool = True) -> Iterator[Bare]:
    path = sqlite_path(url)
    if path is None:
        with psycopg.connect(url, autocommit=True, prepare_threshold=0) as server:

            def on_server(statement: str, *values: object) -> list[Any]:
                query = statement.format(value="%s", lock="FOR UPDATE SKIP LOCKED").encode()
                cursor = server.execute(query, values or None)
                return cursor.fetchall() if cursor.description else []

            yield _made(on_server, make=make)
        return
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=60)) as file:
        file.execute("PRAGMA journal_mode = WAL").close()
        file.execute("PRAGMA synchronous = NORMAL").close()

        def in_file(statement: str, *values: object) -> list[Any]:
            return file.execute(statement.format(value="?", lock=""), values).fetchall()

        yield _made(in_file, make=make)


def _made(run: Bare, *, make: bool) -> Bare:
    for statement in TABLES if make else ():
        run(statement)
    return run


if __name__ == "__main__":
    wait_and_claim(sys.argv[1])
