"""The inbox: deliveries of other systems, and finding the tasks of a piece of work or of a pull request."""

from __future__ import annotations

from typing import Final

from alembic import op
from sqlalchemy import Column, Double, Integer, Text, text
from sqlalchemy.dialects.postgresql import TEXT

revision = "0004"
down_revision = "0003"

NAME: Final = Text().with_variant(TEXT(collation="C"), "postgresql")


def upgrade() -> None:
    """Make the table and the indexes; nothing that is there changes."""
    op.create_table(
        "delivery",
        Column("id", NAME, primary_key=True),
        Column("source", NAME, nullable=False),
        Column("connection", NAME, nullable=False),
        Column("key", NAME, nullable=False),
        Column("meaning_key", NAME, nullable=False),
        Column("work_key", NAME, nullable=False),
        Column("kind", Text, nullable=False),
        Column("content", Text, nullable=False),
        Column("status", NAME, nullable=False),
        Column("reason", Text, nullable=False),
        Column("task_id", NAME, nullable=False),
        Column("put_off", Integer, nullable=False),
        Column("turn", Integer, nullable=False),
        Column("taken_by", NAME, nullable=False),
        Column("taken_until", Double, nullable=False),
        Column("received_at", Double, nullable=False),
        Column("run_at", Double, nullable=False),
    )
    op.create_index("delivery_key", "delivery", ["source", "connection", "key"], unique=True)
    _index("delivery_meaning", "delivery", ["source", "meaning_key"], "meaning_key <> ''", unique=True)
    _index("delivery_waiting", "delivery", ["work_key", "id"], "status = 'waiting'")
    _index("delivery_filed", "delivery", ["task_id"], "status = 'filed'")
    _index("task_work_key", "task", ["work_key", "id"], "work_key <> ''")
    _index("task_pull_request", "task", ["pull_request_url"], "pull_request_url <> ''")


def _index(name: str, table: str, columns: list[str], where: str, *, unique: bool = False) -> None:
    condition = text(where)
    op.create_index(name, table, columns, unique=unique, sqlite_where=condition, postgresql_where=condition)
