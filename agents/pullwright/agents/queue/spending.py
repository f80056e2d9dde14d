"""What each lane spent on each day, and which lanes may begin something today; inside one transaction each.

A day is one of UTC by the database's clock. Nothing is looked at where no limit is set.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Final

from pullwright.agents.budget import DayLimits, Limit, Spent, Usage, levels
from pullwright.agents.queue.database import Row, Transaction, Value
from pullwright.agents.queue.rows import moment

SPEND: Final = """
INSERT INTO spending (day, lane, steps, prompt_tokens, cached_tokens, completion_tokens, seconds, dollars)
VALUES (:day, :lane, :steps, :prompt_tokens, :cached_tokens, :completion_tokens, :seconds, :dollars)
ON CONFLICT (day, lane) DO UPDATE SET steps = spending.steps + excluded.steps,
prompt_tokens = spending.prompt_tokens + excluded.prompt_tokens,
cached_tokens = spending.cached_tokens + excluded.cached_tokens,
completion_tokens = spending.completion_tokens + excluded.completion_tokens,
seconds = spending.seconds + excluded.seconds, dollars = spending.dollars + excluded.dollars"""
_SUMS: Final = ", ".join(
    f"CAST(coalesce(sum({name}), 0) AS {kind}) AS {name}"
    for name, kind in {
        "steps": "bigint",
        "prompt_tokens": "bigint",
        "cached_tokens": "bigint",
        "completion_tokens": "bigint",
        "seconds": "double precision",
        "dollars": "double precision",
    }.items()
)
OF_DAY: Final = f"SELECT {_SUMS} FROM spending WHERE day = :day"
OF_LANE: Final = f"SELECT {_SUMS} FROM spending WHERE day = :day AND lane = :lane"

BEGUN: Final = "EXISTS (SELECT 1 FROM task WHERE task.lane = lane.key AND task.status = 'queued' AND task.attempt > 0)"
"""Of a lane: a task of it stands in the queue that was begun before."""

_REACHED: Final = " OR ".join(
    f"{amount} >= CAST(:most_{limit} AS double precision)"
    for limit, amount in {
        Limit.STEPS: "steps",
        Limit.TOKENS: "prompt_tokens + completion_tokens",
        Limit.FRESH_TOKENS: "prompt_tokens + completion_tokens - cached_tokens",
        Limit.MONEY: "dollars",
        Limit.MINUTES: "seconds / 60",
    }.items()
)
WITHIN: Final = f"""(NOT EXISTS (
SELECT 1 FROM spending WHERE spending.day = :day AND spending.lane = lane.key AND ({_REACHED})) OR {BEGUN})"""
"""Of a lane: it has not spent what it may spend today, or has something that was begun before."""

_NO_LIMIT: Final = 1e300


def today(tx: Transaction) -> str:
    """Return the day, as the table has it."""
    return moment(tx.now).date().isoformat()


def values_of(lane: str, spent: Spent, tx: Transaction) -> dict[str, Value]:
    """Return what ``SPEND`` needs to add up what a lane spent just now."""
    return {
        "day": today(tx),
        "lane": lane,
        "steps": spent.steps,
        "prompt_tokens": spent.usage.prompt_tokens,
        "cached_tokens": spent.usage.cached_tokens,
        "completion_tokens": spent.usage.completion_tokens,
        "seconds": spent.seconds,
        "dollars": spent.dollars or 0.0,
    }


def spent(lane: str, day: date | None, tx: Transaction) -> Spent:
    """Return what a lane, or all together, spent on a day."""
    when = day.isoformat() if day else today(tx)
    (row,) = tx.rows(OF_LANE, day=when, lane=lane) if lane else tx.rows(OF_DAY, day=when)
    return _spent_of(row)


def is_over(limits: DayLimits, tx: Transaction) -> bool:
    """Say whether all lanes together have spent what they may spend today."""
    return bool(limits.everything) and _reached(spent("", None, tx), limits.everything)


def lane_is_over(key: str, limits: DayLimits, tx: Transaction) -> bool:
    """Say whether a lane has spent what it may spend today."""
    return bool(limits.repository) and _reached(spent(key, None, tx), limits.repository)


def most(limits: DayLimits, tx: Transaction) -> dict[str, Value]:
    """Return what ``WITHIN`` needs."""
    return {"day": today(tx), **{f"most_{limit}": limits.repository.get(limit, _NO_LIMIT) for limit in Limit}}


def _reached(used: Spent, limits: Mapping[Limit, float]) -> bool:
    return any(level.reached for level in levels(limits, used, {}))


def _spent_of(row: Row) -> Spent:
    usage = Usage(
        prompt_tokens=row["prompt_tokens"],
        cached_tokens=row["cached_tokens"],
        completion_tokens=row["completion_tokens"],
    )
    return Spent(steps=row["steps"], usage=usage, seconds=row["seconds"], dollars=row["dollars"])
