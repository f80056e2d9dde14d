"""The verdict: what must hold after any number of hits, said with the seed and the task that it does not hold for."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final

import anyio
from anyio import move_on_after, to_thread

from pullwright.agents.errors import DamagedTask
from pullwright.agents.events import JournalEntry, TaskMoved
from pullwright.agents.ports.lease import Attempt, AttemptOutcome
from pullwright.agents.ports.outbox import EffectStatus
from pullwright.agents.task import LIVE, TaskStatus
from tests.chaos import story
from tests.chaos.driver import Tally
from tests.chaos.ground import OWNER, Ground, left_on_engine

REAPING_SECONDS: Final = 30.0
"""How long those may take that clear up after a killed process."""

_HARMLESS: Final = re.compile(
    r"ERROR asyncio: Exception in callback Future.set_result\(None\)\n.*?InvalidStateError: invalid state\n", re.DOTALL
)
"""anyio (4.16) says this when another task cancels the wait for a unix socket, here the container engine's, in the very
turn of the loop in which the socket becomes ready; the wait is cancelled all the same."""

_NO_DATABASE: Final = "agent: the database "

_GAVE_UP: Final = re.compile(r"agent: (?!worker .* serves |serving on |the database )")
"""A process may end because its database is away when it starts, and for no other reason."""

_MENDED: Final = "lanes had counted wrong"
"""Workers count now and then, too, and would hide what is wrong."""


async def verdict(ground: Ground, tally: Tally, undisturbed: bytes) -> Sequence[str]:
    """Return what is wrong, a line each; every host has ended."""
    known = {task.id for task in await ground.store.list(limit=100_000)}
    filed = {task.id for task in tally.tasks}
    wrong = [f"task {id_} is lost" for id_ in sorted(filed - known)]
    if tally.earlier is not None:
        wrong += [f"task {id_} was filed twice" for id_ in sorted(known - filed - tally.earlier)]
    wrong += await _tasks(ground, sorted(filed & known), tally, undisturbed)
    if lanes := await ground.store.recount():
        wrong.append(f"{lanes} lanes had counted wrong")
    wrong += [f"the code host was asked wrongly: {violation}" for violation in ground.forge.violations]
    return [*wrong, *_forge(ground), *await _left(ground)]


async def so_far(ground: Ground, tally: Tally, undisturbed: bytes, known: set[str]) -> Sequence[str]:
    """Return what is wrong already, while hosts run: of tasks that have ended since the last look, and at the forge."""
    ended = {task.id for task in await ground.store.list(limit=100_000) if task.status.terminal} - known
    known |= ended
    return [*await _tasks(ground, sorted(ended), tally, undisturbed), *_forge(ground), *_said(ground)]


async def _tasks(ground: Ground, ids: Sequence[str], tally: Tally, undisturbed: bytes) -> list[str]:
    wrong = []
    for id_ in ids:
        try:
            wrong += [f"task {id_}: {what}" for what in await _task(ground, id_, tally, undisturbed)]
        except DamagedTask as exc:
            wrong.append(str(exc))
    return wrong


async def _task(ground: Ground, task_id: str, tally: Tally, undisturbed: bytes) -> Sequence[str]:
    task = await ground.store.get(task_id)
    journal = await ground.store.journal(task_id)
    wrong = []
    if task.status is not TaskStatus.SUCCEEDED:
        wrong.append(f"is {task.status.value}: {task.status_reason}")
    else:
        diffs = await to_thread.run_sync(ground.diffs, task)
        if len(diffs) != 1:
            wrong.append(f"has {len(diffs)} pull requests")
        elif diffs[0] != undisturbed:
            wrong.append(f"changed other things than the undisturbed run: {diffs[0].decode(errors='replace')}")
        effects = await ground.store.effects(task_id)
        wrong += [f"the effect {one.key} is not done" for one in effects if one.status is not EffectStatus.DONE]
    wrong += _journal(journal)
    wrong += _taken(ground, tally, await ground.store.attempts(task_id))
    if again := story.silently_again(journal):
        wrong.append(f"{again} commands were run again without a word")
    hits = task.attempt - 1 + tally.containers.get(task_id, 0)
    if (repeated := story.repeated(journal)) > hits:
        wrong.append(f"{repeated} steps were repeated after {hits} hits")
    return wrong


def _journal(entries: Sequence[JournalEntry]) -> Iterator[str]:
    attempts = [entry.attempt for entry in entries]
    if attempts != sorted(attempts):
        yield "an attempt wrote after the next one had begun"
    for before, entry in pairwise(entries):
        ended = isinstance(before.event, TaskMoved) and TaskStatus(before.event.new) not in LIVE
        if ended and not isinstance(entry.event, TaskMoved):
            yield f"an attempt wrote entry {entry.seq} after it had ended"
    if [entry.event.type for entry in entries].count("run.finished") > 1:
        yield "it ended twice"


def _taken(ground: Ground, tally: Tally, attempts: Sequence[Attempt]) -> Iterator[str]:
    hit = {0}.union(*(host.hit for host in ground.hosts))
    for attempt in attempts:
        if attempt.outcome is AttemptOutcome.LOST and tally.workers.get(attempt.worker_id, 0) not in hit:
            yield f"attempt {attempt.number} was taken from a worker that lived"


def _forge(ground: Ground) -> Iterator[str]:
    for repository in ground.forge.state.repositories:
        branches = [pull.branch for pull in ground.forge.pull_requests(OWNER, repository.name)]
        yield from (f"two pull requests for {name}" for name in set(branches) if branches.count(name) > 1)
        for number, issue in repository.issues.items():
            words = [comment.body for comment in issue.comments]
            if len(words) != len(set(words)):
                yield f"a comment on {repository.name}#{number} stands there twice"


async def _left(ground: Ground) -> Sequence[str]:
    """Return what is left of machines that have ended, as soon as nothing is, or after a while."""
    found: list[str] = []
    with move_on_after(REAPING_SECONDS):
        while found := await to_thread.run_sync(lambda: list(_leftovers(ground))):  # noqa: ASYNC110 - others clear up
            await anyio.sleep(0.5)
    return [*found, *_said(ground)]


def _leftovers(ground: Ground) -> Iterator[str]:
    for host in ground.hosts:
        yield from (f"{host.name} left {thing} on the engine" for thing in left_on_engine(host))
        yield from (f"{host.name} left the process {command}" for command in host.processes())


def _said(ground: Ground) -> Iterator[str]:
    for host in ground.hosts:
        log = _HARMLESS.sub("", host.log)
        if "Traceback" in log:
            yield f"{host.name} stumbled: {log[log.index('Traceback') :][:3000]}"
        yield from (f"{host.name} gave up: {line}" for line in log.splitlines() if _GAVE_UP.match(line))
        yield from (f"{host.name} mended: {line}" for line in log.splitlines() if _MENDED in line)
        if len(host.gone_by_itself) > sum(line.startswith(_NO_DATABASE) for line in log.splitlines()):
            yield f"{host.name} ended by itself: {host.gone_by_itself}"
