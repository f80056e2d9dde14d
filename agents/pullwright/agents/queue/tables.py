"""The tables. Rows never leave this package: they are converted at its edge."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Column, DateTime, Index, text
from sqlmodel import Field, SQLModel

SCHEMA_VERSION = 1

TERMINAL = "('succeeded', 'failed', 'canceled', 'rejected')"


class TaskRow(SQLModel, table=True):
    """One task; ``attempt`` is the fence of every write to it."""

    __tablename__ = "task"
    __table_args__ = (
        Index(
            "task_live_work_key",
            "work_key",
            unique=True,
            sqlite_where=text(f"work_key != '' AND status NOT IN {TERMINAL}"),
        ),
        Index("task_queued", "id", sqlite_where=text("status = 'queued'")),
    )

    id: str = Field(primary_key=True)
    work_key: str = ""
    status: str
    status_reason: str = ""
    attempt: int = 0
    next_seq: int = 1
    spec: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    branch: str = ""
    pull_request_url: str = ""
    patch_path: str = ""
    created_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    updated_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))


class EventRow(SQLModel, table=True):
    """One entry of a journal; written once."""

    __tablename__ = "event"

    task_id: str = Field(primary_key=True)
    seq: int = Field(primary_key=True)
    attempt: int
    at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    type: str
    data: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
