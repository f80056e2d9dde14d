"""Witness: what tells after a crash of the server whether a commit that nobody heard of was made."""

from __future__ import annotations

from typing import Final

from alembic import op
from sqlalchemy import BigInteger, Column, Double, Text
from sqlalchemy.dialects.postgresql import TEXT

revision = "0006"
down_revision = "0005"

NAME: Final = Text().with_variant(TEXT(collation="C"), "postgresql")


def upgrade() -> None:
    """Make the table; nothing that is there changes."""
    op.create_table(
        "witness",
        Column("connection", NAME, primary_key=True),
        Column("number", BigInteger, nullable=False),
        Column("at", Double, nullable=False),
    )
