"""News: which tasks changed their status lately can be asked cheaply, again and again."""

from __future__ import annotations

from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Add the index; ``updated_at`` changes only with the status, which is in an index already."""
    op.create_index("task_updated", "task", ["updated_at"])
