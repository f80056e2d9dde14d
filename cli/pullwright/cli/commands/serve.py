"""``agent serve``: the HTTP API, and a worker in the same process."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import anyio
from anyio import create_task_group

from pullwright.agents.clock import SystemClock
from pullwright.agents.errors import ConfigError
from pullwright.agents.task import TaskSpec
from pullwright.agents.worker.queue_engine import DRAIN_SECONDS, QueueEngine
from pullwright.cli import model_wiring, wiring
from pullwright.cli.capacity import default_slots
from pullwright.cli.intake import Origin, RunRequest, specify
from pullwright.cli.intake_wiring import open_intake, serving
from pullwright.cli.notify_wiring import open_notifications, telling
from pullwright.cli.reporting_wiring import reporting
from pullwright.cli.runtime import drainable, run_async
from pullwright.cli.schedules import reconcile
from pullwright.cli.server.app import make_app
from pullwright.cli.server.listen import listen
from pullwright.cli.server.tasks import Filing
from pullwright.cli.server.webhooks import Webhooks
from pullwright.cli.settings import Settings, load_settings
from pullwright.cli.speech import complain
from pullwright.cli.telemetry_wiring import followed, telemetry

if TYPE_CHECKING:
    from pullwright.integrations.sentry.telemetry import Telemetry

TOKEN_LENGTH: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeRequest:
    """What was typed."""

    host: str
    port: int
    slots: int = 0
    drain_seconds: float = DRAIN_SECONDS
    poll: float = 0.0
    """Seconds between two looks at what other systems have to say; then no webhook is let in. 0 for webhooks."""


def serve_command(request: ServeRequest) -> int:
    """Serve until told to end.

    Raises:
        ConfigError: There is no token, or the address can not be listened on.
    """
    settings = load_settings(Path.cwd())
    model_wiring.require_endpoint(settings)
    if len(settings.api_token.get_secret_value()) < TOKEN_LENGTH:
        raise ConfigError("the API needs a token; set AGENT_API_TOKEN to the output of: openssl rand -hex 32")
    with telemetry(settings.secrets) as sending:
        return run_async(partial(_serve, settings, request, sending))


async def _serve(settings: Settings, request: ServeRequest, sending: Telemetry | None) -> int:
    async with wiring.open_store(settings) as store:
        place = await wiring.instance_name(settings)
        await reconcile(settings, store, complain)
        worker = wiring.this_worker(settings, slots=request.slots or default_slots(settings), place=place)
        limits = settings.day_limits
        engine = QueueEngine(store, worker, drain_seconds=request.drain_seconds, held=True, limits=limits)
        closing = anyio.Event()
        token = settings.api_token.get_secret_value()
        intake = await open_intake(settings, store, poll=request.poll)
        notifications = await open_notifications(settings)
        for note in intake.notes:
            complain(note)
        hooks = Webhooks(store, intake.doors, clock=SystemClock(), body_bytes=settings.webhook_max_mb << 20)
        specified = partial(specify_filing, settings)
        app = make_app(store, engine, specified, token=token, closing=closing, more=hooks.routes())

        async def serve() -> int:
            async with (
                wiring.open_advancer(
                    settings, store, holds=engine.holds, note=complain, when_ready=engine.go
                ) as advance,
                serving(intake, store, worker, poll=request.poll),
                reporting(intake, store, worker, host_of=wiring.code_hosts(settings)),
                telling(notifications, store, worker),
                create_task_group() as group,
            ):
                port = await group.start(partial(listen, app, host=request.host, port=request.port, closing=closing))
                slots = f"{worker.slots} slot{'' if worker.slots == 1 else 's'}"
                complain(f"serving on http://{request.host}:{port} with {slots}")
                await engine.serve(followed(advance, store, sending))
                group.cancel_scope.cancel()
            return 0

        return await drainable(serve, engine.stop)


async def specify_filing(settings: Settings, filing: Filing) -> TaskSpec:
    """Make the specification of what a client asks for.

    Raises:
        ConfigError: The repository is not one on a code host.
        IntegrationError: The issue that is named can not be read.
    """
    from pullwright.sandbox.checkout import parse_remote

    remote = parse_remote(filing.repository)
    # A path would be one of the worker's host, which is nobody's business but its owner's.
    if not remote.host or not remote.url.startswith("https://"):
        raise ConfigError(
            f"{filing.repository!r} is no repository on a code host; give its URL (https://HOST/OWNER/NAME)"
        )
    request = RunRequest(
        instruction=filing.instruction,
        base=filing.base,
        checks=tuple(filing.checks),
        no_pr=not filing.pull_request,
        max_steps=filing.max_steps,
        max_minutes=filing.max_minutes,
        max_tokens=filing.max_tokens,
        max_fresh_tokens=filing.max_fresh_tokens,
        max_cost=filing.max_cost,
        priority=filing.priority,
        not_before=filing.not_before,
        plan=filing.plan,
        may_ask=filing.may_ask or filing.plan,
    )
    host = wiring.code_host(settings, remote)
    spec = await specify(request, settings, Origin(remote=remote, checkout=None), host, wiring.render_issue)
    return replace(spec, source="api")
