"""Reports, inside one transaction each.

Locks are taken in one order: deliveries, then the duty, then reports.
"""

from __future__ import annotations

from typing import Final

from pullwright.agents.ports.report import InReview, Landing, Report
from pullwright.agents.queue import duties
from pullwright.agents.queue.database import Row, Transaction, Value
from pullwright.agents.queue.rows import moment

BEGIN: Final = """
INSERT INTO report (task_id, seq, status, number, comment, ended, note, landing)
VALUES (:task_id, 0, '', 1, '', :ended, '', '') ON CONFLICT DO NOTHING"""
OPEN: Final = """
SELECT report.*, task.next_seq - 1 AS last, task.status AS stands,
CASE WHEN task.status = 'queued' THEN (SELECT count(*) FROM task AS other WHERE other.status = 'queued'
AND other.lane = task.lane AND (other.priority > task.priority
OR other.priority = task.priority AND other.id < task.id)) ELSE 0 END AS ahead
FROM report JOIN task ON task.id = report.task_id WHERE NOT report.ended ORDER BY report.task_id"""
NOT_LANDED: Final = "report.landing IN ('open', 'merged', 'closed')"
"""The index has the same words; SQLite uses it for nothing else."""
LANDED: Final = f"""
SELECT report.*, task.next_seq - 1 AS last, task.status AS stands, 0 AS ahead
FROM report JOIN task ON task.id = report.task_id
WHERE {NOT_LANDED} AND report.landing <> 'open' ORDER BY report.task_id"""
IN_REVIEW: Final = f"""
SELECT task.id AS task_id, task.pull_request_url, task.lane, task.updated_at AS ended_at
FROM report JOIN task ON task.id = report.task_id
WHERE {NOT_LANDED} AND report.landing = 'open' ORDER BY report.task_id"""
LOCK_LANDING: Final = f"""
SELECT task_id FROM report WHERE {NOT_LANDED} AND landing = 'open'
AND task_id IN (SELECT id FROM task WHERE pull_request_url = :url AND pull_request_url <> '')
ORDER BY task_id FOR UPDATE"""
LAND: Final = "UPDATE report SET landing = :landing WHERE task_id = :task_id"
NOTE: Final = """
UPDATE report SET seq = :seq, status = :status, number = :number, comment = :comment, ended = :ended, note = :note,
landing = :landing WHERE task_id = :task_id"""


def begin(task_id: str, tx: Transaction) -> None:
    """Begin the report of a task that was filed just now."""
    tx.run(BEGIN, task_id=task_id, ended=False)


def open_reports(turn: int, tx: Transaction) -> list[Report]:
    """Return what has not ended, with how the tasks stand."""
    return [_report_of(row, turn) for row in tx.rows(OPEN)]


def landed(turn: int, tx: Transaction) -> list[Report]:
    """Return those whose origin is to hear what became of the pull request."""
    return [_report_of(row, turn) for row in tx.rows(LANDED)]


def in_review(tx: Transaction) -> list[InReview]:
    """Return the pull requests whose end is waited for."""
    columns = ("task_id", "pull_request_url", "lane")
    rows = tx.rows(IN_REVIEW)
    return [InReview(**{name: row[name] for name in columns}, ended_at=moment(row["ended_at"])) for row in rows]


def land(pull_request_url: str, landing: Landing, tx: Transaction) -> int:
    """Remember what became of a pull request whose end is waited for; return how many wait."""
    waiting = tx.rows(LOCK_LANDING, url=pull_request_url)
    for row in waiting:
        tx.run(LAND, task_id=row["task_id"], landing=landing.value)
    return len(waiting)


def note(report: Report, tx: Transaction) -> None:
    """Remember what is shown.

    Raises:
        LeaseLost: The turn is over.
    """
    duties.held(report, tx)
    shown: dict[str, Value] = {"seq": report.seq, "status": report.status, "comment": report.comment}
    shown |= {"number": report.number, "ended": report.ended, "note": report.note}
    tx.run(NOTE, task_id=report.task_id, landing=report.landing.value, **shown)


def _report_of(row: Row, turn: int) -> Report:
    columns = ("task_id", "seq", "status", "number", "comment", "note", "last", "stands", "ahead")
    known = {column: row[column] for column in columns}
    return Report(**known, turn=turn, ended=bool(row["ended"]), landing=Landing(row["landing"]))
