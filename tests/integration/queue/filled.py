"""Databases of either engine with something in every table, and a look at every row of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import insert, select, text

from pullwright.agents.change import RepositoryRef
from pullwright.agents.queue import migrations
from pullwright.agents.queue.address import parse
from pullwright.agents.queue.codec import spec_to_data
from pullwright.agents.queue.migrations.running import connect
from pullwright.agents.queue.move import MOVED, WORKER
from pullwright.agents.task import TaskSpec

AWKWARD = "é中😀 'quoted' \"twice\" \\ % :name \r\n\t"
MOMENT = 1793500000.123457
TASKS = 1200
"""More than one batch."""

SPEC = spec_to_data(
    TaskSpec(instruction=AWKWARD, repository=RepositoryRef(url="https://x/a/b", host="x", owner="a", name="b"))
)


def fill(url: str) -> None:
    """Put something into every table of a migrated database."""
    engine = connect(parse(url))
    with engine.begin() as connection:
        for table in MOVED:
            connection.execute(insert(table), _rows(table.name))
    engine.dispose()


def rows_of(url: str) -> dict[str, list[tuple[Any, ...]]]:
    """Return every row of every table that is moved, workers too."""
    engine = connect(parse(url), reading=True)
    with engine.connect() as connection:
        found = {
            table.name: [tuple(row) for row in connection.execute(select(table).order_by(*table.primary_key.columns))]
            for table in (*MOVED, WORKER)
        }
    engine.dispose()
    return found


def run(url: str, statement: str, **values: Any) -> None:
    """Run one statement that changes something."""
    engine = connect(parse(url))
    with engine.begin() as connection:
        connection.execute(text(statement), values)
    engine.dispose()


def add_worker(url: str, seen_at: float) -> None:
    """Write down a worker that was seen at a moment."""
    run(
        url,
        "INSERT INTO worker (id, name, host, pid, version, slots, draining, lock_key, database_start, started_at, "
        "seen_at) VALUES ('w', 'w', 'h', 1, '0', 1, false, 0, 0, 0, :seen_at)",
        seen_at=seen_at,
    )


def new_file(folder: Path, name: str = "new.db") -> str:
    """Return the URL of a migrated SQLite file."""
    url = f"sqlite:///{folder / name}"
    migrations.upgrade(url)
    return url


def _rows(table: str) -> list[dict[str, Any]]:
    return _MAKERS[table]()


def _lanes() -> list[dict[str, Any]]:
    counts = {"weight": 0.1, "max_running": 3, "paused": False, "queued": TASKS - 1, "running": 1, "place": "here"}
    first = {"key": "x/a/b", **counts}
    return [{**first, "vtime": 1 / 3}, {**first, "key": "B", "queued": 0, "running": 0, "vtime": 0.0}]


def _attempts() -> list[dict[str, Any]]:
    end = {"ended_at": 0.0, "outcome": ""}
    return [{"task_id": _id(0), "number": 1, "worker_id": "w", "started_at": MOMENT, **end}]


def _reports() -> list[dict[str, Any]]:
    shown = {"seq": 2, "status": "running", "number": 1, "comment": "7", "ended": False, "note": "", "landing": ""}
    ended = {**shown, "ended": True, "note": AWKWARD, "landing": "open"}
    return [{"task_id": _id(0), **shown}, {"task_id": _id(1), **ended}]


def _spending() -> list[dict[str, Any]]:
    tokens = {"prompt_tokens": 2**40, "cached_tokens": 7, "completion_tokens": 0}
    return [{"day": "2026-12-31", "lane": "x/a/b", "steps": 1, **tokens, "seconds": 1 / 3, "dollars": 0.1}]


def _delivery(number: int) -> dict[str, Any]:
    texts = ("source", "connection", "reason", "task_id", "taken_by")
    return {
        **dict.fromkeys(texts, ""),
        "id": f"01d{number:023d}",
        "key": f"k{number}",
        "meaning_key": f"m{number}" if number else "",
        "work_key": "x/1#7",
        "kind": "labeled",
        "content": AWKWARD,
        "status": "waiting" if number else "filed",
        "put_off": 0,
        "turn": number,
        "taken_until": 0.0,
        "received_at": MOMENT,
        "run_at": 0.0,
    }


def _schedule(number: int) -> dict[str, Any]:
    last = {"last_at": MOMENT, "last_outcome": "filed", "last_reason": AWKWARD, "last_task_id": _id(number)}
    return {
        **(last if number else {"last_at": 0.0, "last_outcome": "", "last_reason": "", "last_task_id": ""}),
        "name": f"s{number}",
        "cron": "0 6 * * 1-5",
        "tz": "Europe/Berlin",
        "template": json.dumps(SPEC),
        "overlap": "skip",
        "catch_up": 1 / 3,
        "origin": "here" if number else "",
        "paused": number == 2,
        "next_at": MOMENT,
    }


def _id(number: int) -> str:
    return f"01m{number:023d}"


def _task(number: int) -> dict[str, Any]:
    first = {"status": "running", "worker_id": "gone", "lease_until": MOMENT, "attempt": 1}
    rest = {"status": "queued", "worker_id": "", "lease_until": 0.0, "attempt": 0}
    return {
        "id": _id(number),
        "lane": "x/a/b",
        "work_key": f"x/a/b#{number}" if number % 2 else "",
        "priority": number - 2**40,
        "status_reason": AWKWARD,
        "wait": "",
        "run_at": 0.0,
        "steps": 1,
        "steps_at_claim": 0,
        "losses": 0,
        "retries": 0,
        "next_seq": 3,
        "spec": json.dumps(SPEC),
        "place": "here",
        "branch": "",
        "pull_request_url": "",
        "patch_path": "",
        "created_at": MOMENT + number / 7,
        "updated_at": MOMENT,
        **(rest if number else first),
    }


def _event(task: int, seq: int) -> dict[str, Any]:
    data = json.dumps({"old": "", "new": "queued", "reason": f"{AWKWARD}\x00\ud83d"})
    return {"task_id": _id(task), "seq": seq, "attempt": 0, "at": MOMENT + seq / 3, "type": "task.moved", "data": data}


def _signal(number: int) -> dict[str, Any]:
    row = {"id": f"{_id(0)}{number}", "task_id": _id(0), "kind": "message", "text": AWKWARD, "author": "me"}
    return {**row, "key": "" if number else "once", "created_at": MOMENT, "consumed_at": MOMENT * (number == 1)}


def _effect(number: int, key: str) -> dict[str, Any]:
    row = {"task_id": _id(0), "key": key, "number": number, "kind": "comment", "status": "done", "attempt": 1}
    return {**row, "external_id": "7", "url": "https://x/1", "updated_at": MOMENT}


def _blobs() -> list[dict[str, Any]]:
    every_byte = bytes(range(256)) * 4096
    row = {"task_id": _id(0), "name": "checkpoint/1", "sha256": hashlib.sha256(every_byte * 12).hexdigest()}
    large = [{**row, "part": part, "size": len(every_byte) * 12, "content": every_byte} for part in range(12)]
    return [*large, {**row, "name": "empty", "part": 0, "size": 0, "content": b""}]


_EFFECTS = ("pull_request", "comment:" + AWKWARD)

_MAKERS: Mapping[str, Callable[[], list[dict[str, Any]]]] = {
    "task": lambda: [_task(number) for number in range(TASKS)],
    "event": lambda: [_event(task, seq) for task in range(TASKS) for seq in (1, 2)],
    "lane": _lanes,
    "attempt": _attempts,
    "signal": lambda: [_signal(number) for number in range(3)],
    "effect": lambda: [_effect(number, key) for number, key in enumerate(_EFFECTS, start=1)],
    "delivery": lambda: [_delivery(number) for number in range(3)],
    "schedule": lambda: [_schedule(number) for number in range(3)],
    "report": _reports,
    "spending": _spending,
    "blob": _blobs,
}
