"""``agent worker``: run tasks that others filed."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pullwright.agents.ports.lease import Worker
from pullwright.agents.queue.address import parse
from pullwright.agents.worker.queue_engine import DRAIN_SECONDS, QueueEngine
from pullwright.cli import model_wiring, wiring
from pullwright.cli.begin import begun_or_ended
from pullwright.cli.capacity import default_slots
from pullwright.cli.notify_wiring import open_notifications, telling
from pullwright.cli.runtime import drainable, run_async
from pullwright.cli.schedules import reconcile
from pullwright.cli.settings import Settings, load_settings
from pullwright.cli.speech import complain
from pullwright.cli.telemetry_wiring import followed, telemetry

if TYPE_CHECKING:
    from pullwright.integrations.sentry.telemetry import Telemetry


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerRequest:
    """What was typed."""

    task: str = ""
    """Only this task."""
    until_empty: bool = False
    slots: int = 0
    drain_seconds: float = DRAIN_SECONDS


def worker_command(request: WorkerRequest) -> int:
    """Run tasks until told to end, or until none is queued if that was asked for."""
    settings = load_settings(Path.cwd())
    model_wiring.require_endpoint(settings)
    with telemetry(settings.secrets) as sending:
        return run_async(partial(_work, settings, request, sending))


async def _work(settings: Settings, request: WorkerRequest, sending: Telemetry | None) -> int:
    async with wiring.open_store(settings) as store:
        task_id = (await store.get(request.task)).id if request.task else ""
        place = await wiring.instance_name(settings)
        notifications = await open_notifications(settings)
        if not task_id:
            await reconcile(settings, store, complain)
        worker = wiring.this_worker(settings, slots=request.slots or default_slots(settings), place=place)
        # Who came for one task, or for what stands in the queue now, can not wait for an endpoint.
        patient = not (task_id or request.until_empty)
        engine = QueueEngine(
            store,
            worker,
            only=task_id,
            until_empty=request.until_empty,
            drain_seconds=request.drain_seconds,
            held=patient,
            limits=settings.day_limits,
        )

        async def serve() -> int:
            async with (
                telling(notifications, store, worker),
                # A task that was handed to this process alone is ended when it can not begin, others stay queued.
                begun_or_ended(store, task_id) if task_id else nullcontext(),
                wiring.open_advancer(
                    settings, store, holds=engine.holds, note=complain, when_ready=engine.go if patient else None
                ) as advance,
            ):
                complain(_greeting(worker, settings, task_id))
                await engine.serve(followed(advance, store, sending))
            return 0

        return await drainable(serve, engine.stop)


def _greeting(worker: Worker, settings: Settings, task_id: str) -> str:
    what = f"task {task_id}" if task_id else f"{worker.slots} slot{'' if worker.slots == 1 else 's'}"
    return f"worker {worker.name} ({worker.pid}) serves {what} of {_place(settings)}"


def _place(settings: Settings) -> str:
    address = parse(settings.store_url)
    if address.engine == "sqlite":
        return str(address.path)
    server = urlsplit(address.conninfo)
    return f"{server.hostname or 'this host'}{server.path}"
