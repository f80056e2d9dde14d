"""Reports and the duty to keep them right, inside one transaction each.

Locks are taken in one order: deliveries, then the duty, then reports.
"""

from __future__ import annotations

from typing import Final

from pullwright.agents.errors import LeaseLost
from pullwright.agents.ports.report import DUTY_SECONDS, Report
from pullwright.agents.queue.database import Database, Row, Transaction, Value, one

DUTY: Final = "SELECT holder, turn, held_until FROM duty WHERE name = 'reports'"
LOCK_DUTY: Final = f"{DUTY} FOR UPDATE"
FIRST_DUTY: Final = """
INSERT INTO duty (name, holder, turn, held_until) VALUES ('reports', '', 0, 0) ON CONFLICT DO NOTHING"""
TAKE_DUTY: Final = """
UPDATE duty SET holder = :holder, turn = :turn, held_until = :held_until WHERE name = 'reports'"""
FREE_DUTY: Final = "UPDATE duty SET held_until = 0 WHERE holder = :holder"
BEGIN: Final = """
INSERT INTO report (task_id, seq, status, number, comment, ended, note)
VALUES (:task_id, 0, '', 1, '', :ended, '') ON CONFLICT DO NOTHING"""
OPEN: Final = """
SELECT report.*, task.next_seq - 1 AS last, task.status AS stands,
CASE WHEN task.status = 'queued' THEN (SELECT count(*) FROM task AS other WHERE other.status = 'queued'
AND other.lane = task.lane AND (other.priority > task.priority
OR other.priority = task.priority AND other.id < task.id)) ELSE 0 END AS ahead
FROM report JOIN task ON task.id = report.task_id WHERE NOT report.ended ORDER BY report.task_id"""
NOTE: Final = """
UPDATE report SET seq = :seq, status = :status, number = :number, comment = :comment, ended = :ended, note = :note
WHERE task_id = :task_id"""


def begin(task_id: str, tx: Transaction) -> None:
    """Begin the report of a task that was filed just now."""
    tx.run(BEGIN, task_id=task_id, ended=False)


def duty_of(database: Database, worker_id: str, tx: Transaction) -> tuple[int | None, bool]:
    """Return the turn that a worker has, and whether it had better write itself down."""
    row = one(tx.rows(DUTY))
    if row is None or row["holder"] != worker_id:
        return None, row is None or _is_free(database, row, tx)
    return row["turn"], not tx.now + DUTY_SECONDS * 2 / 3 <= row["held_until"] <= tx.now + 2 * DUTY_SECONDS


def take_duty(database: Database, worker_id: str, tx: Transaction) -> int | None:
    """Take or keep the duty, unless somebody else has it."""
    tx.run(FIRST_DUTY)
    row = tx.rows(LOCK_DUTY)[0]
    mine = row["holder"] == worker_id  # even when its time has run out: nobody took the duty meanwhile
    if not mine and not _is_free(database, row, tx):
        return None
    turn: int = row["turn"] + (not mine)
    tx.run(TAKE_DUTY, holder=worker_id, turn=turn, held_until=tx.now + DUTY_SECONDS)
    return turn


def free(holder: str, tx: Transaction) -> None:
    """Let go of the duty if a worker has it."""
    tx.run(FREE_DUTY, holder=holder)


def open_reports(turn: int, tx: Transaction) -> list[Report]:
    """Return what has not ended, with how the tasks stand."""
    return [_report_of(row, turn) for row in tx.rows(OPEN)]


def note(report: Report, tx: Transaction) -> None:
    """Remember what is shown.

    Raises:
        LeaseLost: The turn is over.
    """
    held(report, tx)
    shown: dict[str, Value] = {"seq": report.seq, "status": report.status, "comment": report.comment}
    shown |= {"number": report.number, "ended": report.ended, "note": report.note}
    tx.run(NOTE, task_id=report.task_id, **shown)


def held(report: Report, tx: Transaction) -> Row:
    """Lock the duty of a turn that may write.

    Raises:
        LeaseLost: It may not.
    """
    return _of_turn(one(tx.rows(LOCK_DUTY)), report)


def confirm(report: Report, tx: Transaction) -> None:
    """Check that a turn holds.

    Raises:
        LeaseLost: It does not.
    """
    require_time(report, _of_turn(one(tx.rows(DUTY)), report), tx)


def require_time(report: Report, row: Row, tx: Transaction) -> None:
    """Check that the time of a turn has not run out.

    Raises:
        LeaseLost: It has.
    """
    if row["held_until"] <= tx.now:
        raise turn_over(report)


def turn_over(report: Report) -> LeaseLost:
    """Return the error of a writer whose turn is over."""
    return LeaseLost(f"turn {report.turn} of the duty to report on task {report.task_id!r} is over")


def _of_turn(row: Row | None, report: Report) -> Row:
    if row is None or row["turn"] != report.turn:
        raise turn_over(report)
    return row


def _is_free(database: Database, row: Row, tx: Transaction) -> bool:
    """Say whether nobody has the duty; a time far ahead was written before the clock went back."""
    in_time = tx.now < row["held_until"] <= tx.now + 2 * DUTY_SECONDS
    return not in_time or row["holder"] in database.dead(tx, [row["holder"]])


def _report_of(row: Row, turn: int) -> Report:
    columns = ("task_id", "seq", "status", "number", "comment", "note", "last", "stands", "ahead")
    return Report(**{column: row[column] for column in columns}, turn=turn, ended=bool(row["ended"]))
