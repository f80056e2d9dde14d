"""``agent run``: file a task and do it here, or hand it to a process of its own."""

from __future__ import annotations

import json as json_
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

from anyio import create_task_group, move_on_after, to_thread

from pullwright.agents.ports.store import TaskStore
from pullwright.agents.task import Task
from pullwright.cli import model_wiring, wiring
from pullwright.cli.begin import begun_or_ended
from pullwright.cli.follow import Follower, exit_code, make_view, shown_live
from pullwright.cli.intake import RunRequest, specify
from pullwright.cli.render import View
from pullwright.cli.runtime import interruptible, run_async
from pullwright.cli.settings import Settings, load_settings

SHOW_SECONDS = 10.0
"""How long showing the last entries of an interrupted run may take."""


def run_command(request: RunRequest, *, detach: bool, json: bool) -> int:
    """Do what ``agent run`` says and return its exit code.

    Raises:
        PullwrightError: One line for the person; nothing was left half done.
    """
    settings = load_settings(Path.cwd())
    model_wiring.require_endpoint(settings)
    view = make_view(json=json, prices=model_wiring.price_list(settings))
    return run_async(interruptible, partial(_run, request, settings, view, detach, json))


async def _run(request: RunRequest, settings: Settings, view: View, detach: bool, json: bool) -> int:
    async with wiring.open_store(settings) as store:
        task = await _file(request, settings, view, store)
        if detach:
            await to_thread.run_sync(_start_worker, task, settings)
            sys.stdout.write((json_.dumps({"task": task.id}) if json else task.id) + "\n")
            return 0
        return await _work(task, settings, view, store)


async def _file(request: RunRequest, settings: Settings, view: View, store: TaskStore) -> Task:
    origin = await wiring.read_origin(request.repo)
    host = wiring.code_host(settings, origin.remote)
    spec = await specify(request, settings, origin, host, wiring.render_issue)
    if origin.remote and not spec.publish and not request.no_pr:
        view.note("no AGENT_GITHUB_TOKEN for this repository: the run ends with a local branch and a patch file")
    if origin.dirty and spec.checkout:
        view.note("changes in this checkout that are not committed are no part of the run")
    return await store.create(spec)


async def _work(task: Task, settings: Settings, view: View, store: TaskStore) -> int:
    follower = Follower(store, task.id, view)
    try:
        with shown_live(view):
            async with (
                begun_or_ended(store, task.id),
                wiring.open_worker(settings, task.spec, store, view) as worker,
                create_task_group() as group,
            ):
                group.start_soon(follower.follow)
                await worker.run(task.id)
    finally:
        with move_on_after(SHOW_SECONDS, shield=True):
            await follower.catch_up()
    return exit_code(await store.get(task.id))


def _start_worker(task: Task, settings: Settings) -> None:
    log = settings.home.expanduser() / "logs" / f"{task.id}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as out:
        subprocess.Popen(
            [sys.executable, "-P", "-m", "pullwright.cli", "worker", "--task", task.id],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
            env={**os.environ, "PYTHONSAFEPATH": "1"},
        )
