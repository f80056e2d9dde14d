"""The verdict: what must hold after any number of hits, said with the seed and the task that it does not hold for."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

import anyio
from anyio import move_on_after, to_thread

from pullwright.agents.events import JournalEntry
from pullwright.agents.ports.lease import AttemptOutcome
from pullwright.agents.ports.outbox import EffectStatus
from pullwright.agents.task import TaskStatus
from tests.chaos import story
from tests.chaos.driver import Tally
from tests.chaos.ground import OWNER, Ground, left_on_engine

REAPING_SECONDS: Final = 30.0
"""How long those may take that clear up after a killed process."""

_HARMLESS: Final = re.compile(
    r"ERROR asyncio: Exception in callback Future.set_result\(None\)\n.*?InvalidStateError: invalid state\n", re.DOTALL
)
"""anyio's streams say this when a wait for a socket is cancelled in the moment in which the socket is ready."""

_GAVE_UP: Final = re.compile(r"agent: (?!worker .* serves |serving on |the database )")
"""A process may end because its database is away when it starts, and for no other reason."""


async def verdict(ground: Ground, tally: Tally, undisturbed: bytes) -> Sequence[str]:
    """Return what is wrong, a line each; every host has ended."""
    wrong: list[str] = []
    known = {task.id for task in await ground.store.list(limit=100_000)}
    for filed in tally.tasks:
        if filed.id not in known:
            wrong.append(f"task {filed.id} is lost")
            continue
        wrong += [f"task {filed.id}: {what}" for what in await _task(ground, filed.id, tally, undisturbed)]
    if lanes := await ground.store.recount():
        wrong.append(f"{lanes} lanes had counted wrong")
    return [*wrong, *_forge(ground), *await _left(ground)]


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
    hit = set().union(*(host.hit for host in ground.hosts))
    for attempt in await ground.store.attempts(task_id):
        if attempt.outcome is AttemptOutcome.LOST and tally.workers.get(attempt.worker_id, 0) not in {0, *hit}:
            wrong.append(f"attempt {attempt.number} was taken from a worker that lived")
    hits = task.attempt - 1 + tally.containers.get(task_id, 0)
    if (repeated := story.repeated(journal)) > hits:
        wrong.append(f"{repeated} steps were repeated after {hits} hits")
    return wrong


def _journal(entries: Sequence[JournalEntry]) -> Iterator[str]:
    if [entry.seq for entry in entries] != list(range(1, len(entries) + 1)):
        yield "its journal has gaps"
    attempts = [entry.attempt for entry in entries]
    if attempts != sorted(attempts):
        yield "an attempt wrote after the next one had begun"
    if [entry.event.type for entry in entries].count("run.finished") > 1:
        yield "it ended twice"


def _forge(ground: Ground) -> Iterator[str]:
    for repository in ground.forge.state.repositories:
        branches = [pull.branch for pull in ground.forge.pull_requests(OWNER, repository.name)]
        yield from (f"two pull requests for {name}" for name in set(branches) if branches.count(name) > 1)
        for number, issue in repository.issues.items():
            words = [comment.body for comment in issue.comments]
            if len(words) != len(set(words)):
                yield f"a comment on {repository.name}#{number} stands there twice"
    yield from (f"the code host was asked wrongly: {violation}" for violation in ground.forge.violations)


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
