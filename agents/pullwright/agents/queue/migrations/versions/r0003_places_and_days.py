"""Places and days: where a task can be worked on, and what each lane spent on each day.

Statements of the release before go on working: their tasks can be worked on anywhere, and what their runs spend is not
counted.
"""

from __future__ import annotations

from typing import Final

from alembic import op
from sqlalchemy import BigInteger, Column, Double, Text, text
from sqlalchemy.dialects.postgresql import TEXT

revision = "0003"
down_revision = "0002"

NAME: Final = Text().with_variant(TEXT(collation="C"), "postgresql")
BEGUN: Final = text("status = 'queued' AND attempt > 0")


def upgrade() -> None:
    """Add the columns and make the table."""
    for table in ("task", "lane", "worker"):
        op.add_column(table, Column("place", NAME, nullable=False, server_default=""))
    op.create_index("task_begun", "task", ["lane"], sqlite_where=BEGUN, postgresql_where=BEGUN)
    op.create_table(
        "spending",
        Column("day", NAME, primary_key=True),
        Column("lane", NAME, primary_key=True),
        Column("steps", BigInteger, nullable=False),
        Column("prompt_tokens", BigInteger, nullable=False),
        Column("cached_tokens", BigInteger, nullable=False),
        Column("completion_tokens", BigInteger, nullable=False),
        Column("seconds", Double, nullable=False),
        Column("dollars", Double, nullable=False),
    )
