"""Every role of the store together, for those that put things together."""

from __future__ import annotations

from typing import Protocol

from pullwright.agents.ports.blobs import BlobStore
from pullwright.agents.ports.inbox import InboxStore
from pullwright.agents.ports.lease import LeaseStore
from pullwright.agents.ports.notice import NoticeStore
from pullwright.agents.ports.outbox import OutboxStore
from pullwright.agents.ports.report import ReportStore
from pullwright.agents.ports.schedule import ScheduleStore
from pullwright.agents.ports.store import TaskStore


class DurableStore(
    TaskStore, LeaseStore, OutboxStore, BlobStore, InboxStore, ReportStore, NoticeStore, ScheduleStore, Protocol
):
    """Everything in one database, so that one transaction can touch several of them."""
