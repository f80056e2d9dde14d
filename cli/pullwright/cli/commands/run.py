"""``agent run``: file a task and do it here, or hand it to a worker."""

from __future__ import annotations

import json as json_
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pullwright.agents.errors import DuplicateTask
from pullwright.agents.ports.durable import DurableStore
from pullwright.agents.task import Task, TaskSpec, TaskStatus
from pullwright.cli import model_wiring, wiring
from pullwright.cli.begin import see_to_it, somebody_comes
from pullwright.cli.follow import exit_code, make_view
from pullwright.cli.foreground import Foreground
from pullwright.cli.intake import RunRequest, specify
from pullwright.cli.render import View, printable
from pullwright.cli.runtime import interruptible, run_async
from pullwright.cli.settings import Settings, load_settings
from pullwright.cli.speech import complain
from pullwright.cli.telemetry_wiring import telemetry

if TYPE_CHECKING:
    from pullwright.integrations.sentry.telemetry import Telemetry


def run_command(request: RunRequest, *, detach: bool, json: bool) -> int:
    """Do what ``agent run`` says and return its exit code.

    Raises:
        PullwrightError: One line for the person; nothing was left half done.
    """
    settings = load_settings(Path.cwd())
    model_wiring.require_endpoint(settings)
    view = make_view(json=json, prices=model_wiring.price_list(settings), way_out="Ctrl-C cancels")
    interactive = sys.stdin.isatty() and not json
    may_ask = (interactive or detach) if settings.may_ask is None else settings.may_ask
    request = replace(request, may_ask=may_ask or request.plan)
    if detach:
        return run_async(interruptible, partial(_detach, request, settings, view, json))
    with telemetry(settings.secrets) as sending:
        return run_async(interruptible, partial(_run, request, settings, view, interactive, sending))


async def _detach(request: RunRequest, settings: Settings, view: View, json: bool) -> int:
    async with wiring.open_store(settings) as store:
        spec = await _specify(request, settings, view)
        try:
            task = await store.create(spec)
        except DuplicateTask:
            raise _busy(spec, await _same(store, spec)) from None
        await see_to_it(store, settings, task)
    sys.stdout.write((json_.dumps({"task": task.id}) if json else task.id) + "\n")
    return 0


async def _run(
    request: RunRequest, settings: Settings, view: View, interactive: bool, sending: Telemetry | None
) -> int:
    async with wiring.open_store(settings) as store:
        spec = await _specify(request, settings, view)
        try:
            task = await store.create(spec)
        except DuplicateTask:
            task = await _left_behind(store, spec)
            view.note(f"going on with task {task.id}: it was begun and left behind")
        place = await wiring.instance_name(settings)
        task = await Foreground(
            store, settings, view, task, interactive=interactive, place=place, sending=sending
        ).work()
    if task.status is TaskStatus.WAITING:
        complain(f'it waits for you: {_one_line(task.status_reason)}; go on with: agent answer {task.id} "…"')
    return exit_code(task)


async def _specify(request: RunRequest, settings: Settings, view: View) -> TaskSpec:
    origin = await wiring.read_origin(request.repo)
    host = wiring.code_host(settings, origin.remote)
    spec = await specify(request, settings, origin, host, wiring.render_issue)
    if origin.remote and not spec.publish and not request.no_pr:
        view.note("no token or App for this repository: the run ends with a local branch and a patch file")
    if origin.dirty and spec.checkout:
        view.note("changes in this checkout that are not committed are no part of the run")
    return await wiring.placed(spec, settings)


async def _left_behind(store: DurableStore, spec: TaskSpec) -> Task:
    """Return the live task of the same work, if it stands in the queue and no worker comes for it.

    Raises:
        DuplicateTask: Somebody works on it, or it waits for somebody.
    """
    same = await _same(store, spec)
    if same and same.status is TaskStatus.QUEUED and not await somebody_comes(store, same):
        return same
    raise _busy(spec, same)


async def _same(store: DurableStore, spec: TaskSpec) -> Task | None:
    """Return the live task of the same work, whoever asked for it."""
    return next((task for task in await store.tasks_of(spec.work_key) if not task.status.terminal), None)


def _busy(spec: TaskSpec, same: Task | None) -> DuplicateTask:
    if same is None:
        return DuplicateTask(f"another task was on issue #{spec.issue_number} and has just ended; run it again")
    asked = "" if same.spec.source == "cli" else f", asked for by way of {same.spec.source}"
    return DuplicateTask(
        f"task {same.id} is on issue #{spec.issue_number} already ({same.status.value}{asked}); "
        f"follow it with: agent watch {same.id}"
    )


def _one_line(text: str) -> str:
    return " ".join(printable(text).split())[:300]
