"""Tasks and their journals, as the releases wrote them that knew SQLite only."""

from __future__ import annotations

from alembic import op
from sqlalchemy import JSON, Column, DateTime, Integer, String, text

revision = "0001"
down_revision = None

LIVE_WORK = text("work_key != '' AND status NOT IN ('succeeded', 'failed', 'canceled', 'rejected')")
QUEUED = text("status = 'queued'")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "task",
        Column("id", String, primary_key=True),
        Column("work_key", String, nullable=False),
        Column("status", String, nullable=False),
        Column("status_reason", String, nullable=False),
        Column("attempt", Integer, nullable=False),
        Column("next_seq", Integer, nullable=False),
        Column("spec", JSON, nullable=False),
        Column("branch", String, nullable=False),
        Column("pull_request_url", String, nullable=False),
        Column("patch_path", String, nullable=False),
        Column("created_at", DateTime(timezone=True), nullable=False),
        Column("updated_at", DateTime(timezone=True), nullable=False),
    )
    op.create_index(
        "task_live_work_key", "task", ["work_key"], unique=True, sqlite_where=LIVE_WORK, postgresql_where=LIVE_WORK
    )
    op.create_index("task_queued", "task", ["id"], sqlite_where=QUEUED, postgresql_where=QUEUED)
    op.create_table(
        "event",
        Column("task_id", String, primary_key=True),
        Column("seq", Integer, primary_key=True),
        Column("attempt", Integer, nullable=False),
        Column("at", DateTime(timezone=True), nullable=False),
        Column("type", String, nullable=False),
        Column("data", JSON, nullable=False),
    )
