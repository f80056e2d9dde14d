"""Landings: whether the origin of a task has heard what became of its pull request."""

from __future__ import annotations

from typing import Final

from alembic import op
from sqlalchemy import Column, Text, text
from sqlalchemy.dialects.postgresql import TEXT

revision = "0008"
down_revision = "0007"

NAME: Final = Text().with_variant(TEXT(collation="C"), "postgresql")


def upgrade() -> None:
    """Add the column; of tasks that ended before nothing is told, so that nothing old is told anew."""
    op.add_column("report", Column("landing", NAME, nullable=False, server_default=""))
    condition = text("landing IN ('open', 'merged', 'closed')")
    op.create_index("report_landing", "report", ["task_id"], sqlite_where=condition, postgresql_where=condition)
