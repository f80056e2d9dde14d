"""Looking for news costs what is new, however much there is."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import psycopg

from pullwright.agents.queue.notices import NEWS
from tests.integration.queue.filled import new_file

VALUES = {"changed": 2e9, "happened": 2e9}


def test_the_tasks_that_changed_come_first_on_sqlite(tmp_path: Path) -> None:
    url = new_file(tmp_path)
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
        first, second, *_ = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {NEWS}", VALUES)]
    assert "SEARCH task USING INDEX task_updated" in first
    assert "SEARCH event" in second


def test_the_index_is_there_on_postgresql(postgres_url: str) -> None:
    with psycopg.connect(postgres_url) as connection:
        found = connection.execute("SELECT indexdef FROM pg_indexes WHERE indexname = 'task_updated'").fetchall()
    assert len(found) == 1
    assert "(updated_at)" in found[0][0]
