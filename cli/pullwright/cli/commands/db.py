"""``agent db``: the database that keeps tasks, journals and blobs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pullwright.agents.errors import ConfigError
from pullwright.agents.finding import Mark
from pullwright.cli.commands.doctor import SIGNS
from pullwright.cli.settings import load_settings

if TYPE_CHECKING:
    from pullwright.agents.queue.condition import Condition


def upgrade_command() -> int:
    """Bring the database to the schema of this release."""
    from pullwright.agents.queue import migrations

    url = load_settings(Path.cwd()).store_url
    before = migrations.upgrade(url)
    if not before.pending:
        _say(f"the schema is up to date ({before.head})")
    elif before.current:
        _say(f"the schema was upgraded from {before.current} to {before.head}")
    else:
        _say(f"the tables were made (schema {before.head})")
    return 0


def check_command() -> int:
    """Say how the database is; 0 when nothing has to be done about it, 1 otherwise."""
    from pullwright.agents.queue import migrations
    from pullwright.agents.queue.condition import inspect

    url = load_settings(Path.cwd()).store_url
    if not migrations.check(url).current:
        raise ConfigError("the database has no tables yet; they are made on first use, or by `agent db upgrade`")
    found = inspect(url)
    lines = [*_facts(found), *((Mark.WARN, warning) for warning in found.warnings)]
    for mark, line in lines:
        _say(f"{SIGNS[mark]} {line}")
    return int(any(mark is Mark.MISSING for mark, _ in lines))


def move_command(target: str) -> int:
    """Copy everything to another database."""
    from pullwright.agents.queue.address import parse
    from pullwright.agents.queue.move import Copied, move

    def tell(copied: Copied) -> None:
        _say(f"{copied.table}: {copied.rows} rows, sha256 {copied.sha256[:16]}")

    source = load_settings(Path.cwd()).store_url
    move(source, target, done=tell)
    _say(f"everything is in {parse(target).shown} now, compared row by row")
    _say("next: set AGENT_DATABASE_URL to it wherever agent runs, then start the workers")
    _say(f"{parse(source).shown} is kept, with its lanes paused so that nothing runs twice; remove it when you like")
    return 0


def trim_command(*, days: int, journals: bool) -> int:
    """Remove what is kept of tasks that ended long ago."""
    from pullwright.agents.queue.address import parse
    from pullwright.agents.queue.trim import trim

    url = load_settings(Path.cwd()).store_url
    removed = trim(url, days=days, journals=journals)
    if not removed.tasks:
        _say(f"nothing is kept of tasks that ended more than {days} days ago")
        return 0
    events = f", and {removed.events} events" if journals else ""
    _say(f"of {removed.tasks} tasks: removed {removed.blobs} blobs of {removed.bytes / 1e6:.1f} MB{events}")
    address = parse(url)
    if address.engine == "sqlite":
        _say(f'the file keeps its size and fills again; to make it smaller now: sqlite3 {address.path} "VACUUM"')
    else:
        _say("autovacuum makes room for what comes; to give it back to the disk: VACUUM FULL blob, event (locks them)")
    return 0


def _facts(found: Condition) -> list[tuple[Mark, str]]:
    schema = found.schema
    tasks = ", ".join(f"{count} {status}" for status, count in found.tasks.items()) or "none"
    known = schema.current == schema.head
    advice = "update pullwright" if schema.newer else "run `agent db upgrade`"
    facts = [
        (Mark.OK, f"database: {found.engine} at {found.shown}, answers in {found.seconds * 1000:.1f} ms"),
        (Mark.OK, f"schema: {schema.current}")
        if known
        else (Mark.MISSING, f"schema: {schema.current}, this release needs {schema.head}; {advice}"),
        (Mark.OK, f"tasks: {tasks}"),
    ]
    if known:
        facts += _queue_facts(found)
    return facts


def _queue_facts(found: Condition) -> list[tuple[Mark, str]]:
    lanes = (Mark.OK, "lanes: counted right")
    if found.wrong_lanes:
        wrong = f"lanes: {found.wrong_lanes} counted wrong (rows edited by hand?)"
        lanes = (Mark.MISSING, f"{wrong}; any running worker counts again within two minutes")
    leases = (Mark.OK, "leases: none is stuck")
    if found.stuck:
        stuck = f"leases: {found.stuck} ended and nobody has taken the run back"
        leases = (Mark.MISSING, f"{stuck}; start a worker with `agent worker`")
    return [(Mark.OK, f"workers: {found.workers} alive"), lanes, leases, _schedule_fact(found)]


def _schedule_fact(found: Condition) -> tuple[Mark, str]:
    if found.overdue:
        noun = "was" if found.overdue == 1 else "were"
        late = f"schedules: {found.overdue} of {found.schedules} {noun} due and nobody looked"
        return Mark.MISSING, f"{late}; start a worker with `agent worker`"
    return Mark.OK, f"schedules: {found.schedules}"


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
