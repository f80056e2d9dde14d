"""``agent github event``: what a GitHub Actions workflow was started by, decided on and worked on right here.

The same rules hold as for ``agent serve``: the payload is understood by the same readers, and whoever asks has to have
the right to write to the repository, which is looked up. A workflow file can be wrong about that; this is not.
"""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import anyio
from anyio import move_on_after
from pydantic import SecretStr

from pullwright.agents.errors import ConfigError, IntegrationError
from pullwright.agents.ports.durable import DurableStore
from pullwright.agents.ports.inbox import Delivery, DeliveryStatus, NewDelivery
from pullwright.agents.task import TaskStatus
from pullwright.cli import model_wiring, wiring
from pullwright.cli.follow import exit_code, make_view
from pullwright.cli.foreground import Foreground
from pullwright.cli.github_wiring import bot_identity, open_github
from pullwright.cli.intake_wiring import serving
from pullwright.cli.render import printable
from pullwright.cli.reporting_wiring import reporting
from pullwright.cli.runtime import interruptible, run_async
from pullwright.cli.settings import Settings, load_settings
from pullwright.cli.speech import complain, masked
from pullwright.cli.telemetry_wiring import telemetry

if TYPE_CHECKING:
    from pullwright.integrations.github.settings import GitHubSettings
    from pullwright.integrations.sentry.telemetry import Telemetry

EVENT_BYTES: Final = 25 << 20
ACTIONS_LOGIN: Final = "github-actions[bot]"
ACTIONS_ID: Final = 41898282
"""Its user id at github.com; another server's is looked up."""
DECIDE_SECONDS: Final = 120.0
"""How long GitHub may take to say who asks for what."""
SHOW_SECONDS: Final = 30.0
"""How long the last words on the issue may take."""
LOOK_SECONDS: Final = 0.2
NO_POLL: Final = 24 * 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What started the workflow, as the runner says it."""

    name: str
    key: str
    """Names this run of the workflow."""
    body: bytes


def event_command(*, json: bool) -> int:
    """Do what the event of this workflow run asks for, and exit like ``agent run``; 0 when it asks for nothing.

    Raises:
        ConfigError: This is no workflow run, or the settings are wrong.
        IntegrationError: GitHub does not answer.
    """
    event = read_event(os.environ)
    settings = as_actions(load_settings(Path.cwd()))
    model_wiring.require_endpoint(settings)
    with telemetry(settings.secrets) as sending:
        return run_async(interruptible, partial(_event, settings, event, sending, json=json))


def read_event(environment: Mapping[str, str]) -> Event:
    """Return the event that the variables of a workflow run name.

    Raises:
        ConfigError: There is none, or it can not be read.
    """
    name, path = environment.get("GITHUB_EVENT_NAME", ""), environment.get("GITHUB_EVENT_PATH", "")
    if not name or not path:
        raise ConfigError("this is no workflow run: GITHUB_EVENT_NAME and GITHUB_EVENT_PATH are not set")
    try:
        with Path(path).open("rb") as stream:
            body = stream.read(EVENT_BYTES + 1)
    except OSError as exc:
        raise ConfigError(f"the event {path!r} can not be read: {exc.strerror}") from exc
    if len(body) > EVENT_BYTES:
        raise ConfigError(f"the event {path!r} has more than {EVENT_BYTES} bytes")
    run = f"{environment.get('GITHUB_RUN_ID', '0')}-{environment.get('GITHUB_RUN_ATTEMPT', '0')}"
    return Event(name=name, key=f"actions-{run}", body=body)


def as_actions(settings: Settings) -> Settings:
    """Return settings with which we know ourselves: as the user of a workflow's token, unless they say otherwise.

    Raises:
        ConfigError: There is no token.
        IntegrationError: The id of that user can not be found out.
    """
    update: dict[str, Any] = {}
    if not settings.api_token.get_secret_value():
        # Markers of comments are signed with it; nobody else knows that of this run.
        update["api_token"] = SecretStr(secrets.token_hex(32))
    if not settings.github_bot_login:
        update["github_bot_login"] = ACTIONS_LOGIN
        update["github_bot_id"] = _actions_id(wiring.github_settings(settings))
    return settings.model_copy(update=update)


def _actions_id(github: GitHubSettings) -> int:
    if github.web_host == "github.com":
        return ACTIONS_ID
    from pullwright.integrations.github.asking import asking
    from pullwright.integrations.github.setup_facts import read_user

    return asking(github).as_we_are(lambda session: read_user(session, ACTIONS_LOGIN)).id


async def _event(settings: Settings, event: Event, sending: Telemetry | None, *, json: bool) -> int:
    async with wiring.open_store(settings) as store:
        # Nothing but this event is dealt with: what else is open is another run's business.
        intake = replace(await open_github(settings, store, poll=True), sources=())
        new = understood(settings, event)
        if new.ignored:
            _say(f"nothing to do: {new.ignored}")
            return 0
        await store.receive(new)
        place = await wiring.instance_name(settings)
        worker = wiring.this_worker(settings, slots=1, place=place)
        async with serving(intake, store, worker, poll=NO_POLL), reporting(intake, store, worker):
            delivery = await _decided(store, new.key)
            if delivery.status is not DeliveryStatus.FILED:
                _say(f"nothing to do, {delivery.status}: {delivery.reason}")
                return 1 if delivery.status is DeliveryStatus.FAILED else 0
            view = make_view(json=json, prices=model_wiring.price_list(settings))
            task = await store.get(delivery.task_id)
            foreground = Foreground(store, settings, view, task, interactive=False, place=place, sending=sending)
            return await _worked_on(store, foreground)


def understood(settings: Settings, event: Event) -> NewDelivery:
    """Return what the event means.

    Raises:
        ConfigError: It is none of GitHub's.
    """
    from pullwright.integrations.github.deliveries import UnreadableDelivery, parse_delivery
    from pullwright.integrations.github.door import new_delivery
    from pullwright.integrations.github.events import interpret

    headers = [
        ("X-GitHub-Event", event.name),
        ("X-GitHub-Delivery", event.key),
        ("Content-Type", "application/json"),
    ]
    delivery = parse_delivery(headers, event.body)
    if isinstance(delivery, UnreadableDelivery):
        raise ConfigError(f"the event {event.name[:60]!r} can not be read: {delivery.fault}")
    return new_delivery(interpret(delivery, bot_identity(settings)), settings.github_connection, delivery.id)


async def _decided(store: DurableStore, key: str) -> Delivery:
    with move_on_after(DECIDE_SECONDS):
        while True:
            found = [one for one in await store.deliveries(limit=20) if one.key == key]
            if found and found[0].status.settled:
                return found[0]
            await anyio.sleep(LOOK_SECONDS)
    raise IntegrationError(f"GitHub did not say within {DECIDE_SECONDS:.0f} s who asks for what; run this job again")


async def _worked_on(store: DurableStore, foreground: Foreground) -> int:
    task = await foreground.work()
    if task.status is TaskStatus.WAITING:
        reason = "it needs an answer, and this run can not wait for one; say more on the issue, and ask again"
        await store.cancel(task.id, reason=reason)
        complain(reason)
    with move_on_after(SHOW_SECONDS):
        while await _is_shown_later(store, task.id):  # noqa: ASYNC110 - nobody tells
            await anyio.sleep(LOOK_SECONDS)
    return exit_code(task)


async def _is_shown_later(store: DurableStore, task_id: str) -> bool:
    """Whether the comment is still to say how the task ended; the turn matters only to who writes."""
    return any(report.task_id == task_id for report in await store.open_reports(0))


def _say(text: str) -> None:
    sys.stdout.write(masked(printable(text)) + "\n")
