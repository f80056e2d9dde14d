"""Reports: what is shown of tasks where they came from, and who has the duty to keep that right."""

from __future__ import annotations

from typing import Final

from alembic import op
from sqlalchemy import Boolean, Column, Double, Integer, Text, text
from sqlalchemy.dialects.postgresql import TEXT

revision = "0007"
down_revision = "0006"

NAME: Final = Text().with_variant(TEXT(collation="C"), "postgresql")


def upgrade() -> None:
    """Make the tables; tasks that were filed before have no report, so that nothing old is told anew."""
    op.create_table(
        "report",
        Column("task_id", NAME, primary_key=True),
        Column("seq", Integer, nullable=False),
        Column("status", NAME, nullable=False),
        Column("number", Integer, nullable=False),
        Column("comment", Text, nullable=False),
        Column("ended", Boolean, nullable=False),
        Column("note", Text, nullable=False),
    )
    condition = text("NOT ended")
    op.create_index("report_open", "report", ["task_id"], sqlite_where=condition, postgresql_where=condition)
    op.create_table(
        "duty",
        Column("name", NAME, primary_key=True),
        Column("holder", NAME, nullable=False),
        Column("turn", Integer, nullable=False),
        Column("held_until", Double, nullable=False),
    )
