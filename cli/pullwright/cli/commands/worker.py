"""``agent worker``: run tasks that others filed."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from pullwright.agents.ports.lease import Worker
from pullwright.agents.worker.queue_engine import DRAIN_SECONDS, QueueEngine
from pullwright.cli import model_wiring, wiring
from pullwright.cli.begin import begun_or_ended
from pullwright.cli.capacity import default_slots
from pullwright.cli.runtime import drainable, run_async
from pullwright.cli.settings import Settings, load_settings
from pullwright.cli.speech import complain


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
    return run_async(partial(_work, settings, request))


async def _work(settings: Settings, request: WorkerRequest) -> int:
    async with wiring.open_store(settings) as store:
        task_id = (await store.get(request.task)).id if request.task else ""
        worker = wiring.this_worker(settings, slots=request.slots or default_slots(settings))
        engine = QueueEngine(
            store, worker, only=task_id, until_empty=request.until_empty, drain_seconds=request.drain_seconds
        )

        async def serve() -> int:
            async with (
                # A task that was handed to this process alone is ended when it can not begin, others stay queued.
                begun_or_ended(store, task_id) if task_id else nullcontext(),
                wiring.open_advancer(settings, store, holds=engine.holds, note=complain) as advance,
            ):
                complain(_greeting(worker, settings, task_id))
                await engine.serve(advance)
            return 0

        return await drainable(serve, engine.stop)


def _greeting(worker: Worker, settings: Settings, task_id: str) -> str:
    what = f"task {task_id}" if task_id else f"{worker.slots} slot{'' if worker.slots == 1 else 's'}"
    address = urlsplit(settings.store_url)
    place = f"{address.hostname or 'this host'}{address.path}" if "postgres" in address.scheme else address.path
    return f"worker {worker.name} ({worker.pid}) serves {what} of {place}"
