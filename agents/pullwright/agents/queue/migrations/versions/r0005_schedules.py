"""Schedules: tasks that are filed again and again."""

from __future__ import annotations

from typing import Final

from alembic import op
from sqlalchemy import Boolean, Column, Double, Text, text
from sqlalchemy.dialects.postgresql import TEXT

revision = "0005"
down_revision = "0004"

NAME: Final = Text().with_variant(TEXT(collation="C"), "postgresql")


def upgrade() -> None:
    """Make the table; nothing that is there changes."""
    op.create_table(
        "schedule",
        Column("name", NAME, primary_key=True),
        Column("cron", Text, nullable=False),
        Column("tz", Text, nullable=False),
        Column("template", Text, nullable=False),
        Column("overlap", Text, nullable=False),
        Column("catch_up", Double, nullable=False),
        Column("origin", NAME, nullable=False),
        Column("paused", Boolean, nullable=False),
        Column("next_at", Double, nullable=False),
        Column("last_at", Double, nullable=False),
        Column("last_outcome", Text, nullable=False),
        Column("last_reason", Text, nullable=False),
        Column("last_task_id", NAME, nullable=False),
    )
    ahead = text("NOT paused AND next_at > 0")
    op.create_index("schedule_due", "schedule", ["next_at"], sqlite_where=ahead, postgresql_where=ahead)
