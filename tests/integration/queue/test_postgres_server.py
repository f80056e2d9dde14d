"""The PostgreSQL of the tests can be stopped, restarted and killed, and keeps what was committed."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import psycopg
import pytest

from tests.postgres import PostgresServer


def test_what_was_committed_survives_every_end(postgres_of_its_own: PostgresServer) -> None:
    server = postgres_of_its_own
    server.execute("CREATE TABLE kept (number int)")
    ends: list[Callable[[], None]] = [server.stop, server.kill, partial(server.stop, immediately=True)]
    for number, end in enumerate(ends):
        server.execute(f"INSERT INTO kept VALUES ({number})")
        end()
        with pytest.raises(psycopg.OperationalError):
            server.execute("SELECT 1")
        server.start()
        assert server.execute("SELECT count(*) FROM kept") == [(number + 1,)]


def test_databases_of_tests_are_apart(shared_postgres: PostgresServer) -> None:
    with shared_postgres.database() as one, shared_postgres.database() as other:
        with psycopg.connect(one) as connection:
            connection.execute("CREATE TABLE mine (number int)")
        with psycopg.connect(other) as connection, pytest.raises(psycopg.errors.UndefinedTable):
            connection.execute("SELECT * FROM mine")
    assert shared_postgres.execute("SELECT 1 FROM pg_database WHERE datname LIKE 'test_%'") == []
