"""Duties: what one process does for all of them, and who that is, inside one transaction each."""

from __future__ import annotations

from typing import Final

from pullwright.agents.errors import LeaseLost
from pullwright.agents.ports.notice import Telling
from pullwright.agents.ports.report import DUTY_SECONDS, Report
from pullwright.agents.queue.database import Database, Row, Transaction, one

OnDuty = Report | Telling
"""What somebody does who has a duty, as this turn of it does it."""

DUTY: Final = "SELECT holder, turn, held_until FROM duty WHERE name = :name"
LOCK_DUTY: Final = f"{DUTY} FOR UPDATE"
FIRST_DUTY: Final = """
INSERT INTO duty (name, holder, turn, held_until) VALUES (:name, '', 0, 0) ON CONFLICT DO NOTHING"""
TAKE_DUTY: Final = """
UPDATE duty SET holder = :holder, turn = :turn, held_until = :held_until WHERE name = :name"""
HOLDERS: Final = "SELECT holder FROM duty"
FREE_DUTIES: Final = "UPDATE duty SET held_until = 0 WHERE holder = :holder"


async def take_duty(database: Database, name: str, worker_id: str) -> int | None:
    """Take or keep a duty; return its turn, or None while somebody else has it. Writes only when it has to."""
    turn, write = await database.read(lambda tx: _turn_of(database, name, worker_id, tx))
    return await database.write(lambda tx: _take(database, name, worker_id, tx)) if write else turn


def free(holder: str, tx: Transaction) -> None:
    """Let go of the duties that a worker has."""
    tx.run(FREE_DUTIES, holder=holder)


def held(work: OnDuty, tx: Transaction) -> Row:
    """Lock the duty of a turn that may write.

    Raises:
        LeaseLost: It may not.
    """
    return _of_turn(one(tx.rows(LOCK_DUTY, name=work.duty)), work)


def confirm(work: OnDuty, tx: Transaction) -> None:
    """Check that a turn holds.

    Raises:
        LeaseLost: It does not.
    """
    require_time(work, _of_turn(one(tx.rows(DUTY, name=work.duty)), work), tx)


def require_time(work: OnDuty, row: Row, tx: Transaction) -> None:
    """Check that the time of a turn has not run out.

    Raises:
        LeaseLost: It has.
    """
    if row["held_until"] <= tx.now:
        raise turn_over(work)


def turn_over(work: OnDuty) -> LeaseLost:
    """Return the error of a writer whose turn is over."""
    return LeaseLost(f"turn {work.turn} of the duty of {work.duty} is over (task {work.task_id!r})")


def _turn_of(database: Database, name: str, worker_id: str, tx: Transaction) -> tuple[int | None, bool]:
    """Return the turn that a worker has, and whether it had better write itself down."""
    row = one(tx.rows(DUTY, name=name))
    if row is None or row["holder"] != worker_id:
        return None, row is None or _is_free(database, row, tx)
    return row["turn"], not tx.now + DUTY_SECONDS * 2 / 3 <= row["held_until"] <= tx.now + 2 * DUTY_SECONDS


def _take(database: Database, name: str, worker_id: str, tx: Transaction) -> int | None:
    tx.run(FIRST_DUTY, name=name)
    row = tx.rows(LOCK_DUTY, name=name)[0]
    mine = row["holder"] == worker_id  # even when its time has run out: nobody took the duty meanwhile
    if not mine and not _is_free(database, row, tx):
        return None
    turn: int = row["turn"] + (not mine)
    tx.run(TAKE_DUTY, name=name, holder=worker_id, turn=turn, held_until=tx.now + DUTY_SECONDS)
    return turn


def _of_turn(row: Row | None, work: OnDuty) -> Row:
    if row is None or row["turn"] != work.turn:
        raise turn_over(work)
    return row


def _is_free(database: Database, row: Row, tx: Transaction) -> bool:
    """Say whether nobody has the duty; a time far ahead was written before the clock went back."""
    in_time = tx.now < row["held_until"] <= tx.now + 2 * DUTY_SECONDS
    return not in_time or row["holder"] in database.dead(tx, [row["holder"]])
