"""What the named tests share: the undisturbed run, chosen moments, and what must hold afterwards."""

from __future__ import annotations

import re

import anyio
from anyio import to_thread

from pullwright.agents.events import ModelReplied
from pullwright.agents.task import Task, TaskStatus
from tests.chaos.driver import Tally
from tests.chaos.ground import LOOK_SECONDS, Ground
from tests.chaos.verdict import verdict

RUN_SECONDS = 150.0
"""Until what takes seconds is given up; a net, no measure, for machines that have other things to do as well."""


async def quiet_run(ground: Ground) -> bytes:
    """Return what a run changes that nobody disturbs; the first host runs from then on."""
    await to_thread.run_sync(ground.hosts[0].start)
    task = await ground.file("quiet")
    await ground.settled(RUN_SECONDS)
    done = await ground.store.get(task.id)
    assert done.status is TaskStatus.SUCCEEDED, f"{done.status.value}: {done.status_reason}\n{ground.hosts[0].log}"
    (diff,) = await to_thread.run_sync(ground.diffs, done)
    return diff


async def until_step(ground: Ground, task_id: str, step: int) -> None:
    """Wait until the model has said what its step number ``step``, counted from 0, is; the last one is to finish."""
    with anyio.fail_after(RUN_SECONDS):
        while True:
            events = [entry.event for entry in await ground.store.journal(task_id)]
            if sum(isinstance(event, ModelReplied) for event in events) > step:
                return
            await anyio.sleep(LOOK_SECONDS)


async def nothing_is_wrong(ground: Ground, tasks: list[Task], undisturbed: bytes) -> None:
    """Let every host end, and check what always has to hold."""
    for host in ground.hosts:
        assert await to_thread.run_sync(host.end) == 0, host.log
    wrong = await verdict(ground, Tally(tasks=tasks), undisturbed)
    assert not wrong, "\n".join(wrong)


def lines_with(log: str, words: str) -> int:
    """Count the lines of a log that match."""
    return sum(re.search(words, line) is not None for line in log.splitlines())
