"""What becomes of each request. Nothing can be said to the sender any more: a refusal is in the log and the inbox."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace

from pullwright.agents.errors import ConfigError, NotFound, RemoteRejected
from pullwright.agents.intake.decisions import Decision, File, Ignore, Later, Refuse, Reply, Stop, Tell
from pullwright.agents.ports.inbox import Delivery, InboxStore
from pullwright.agents.ports.report import Shown, Standing
from pullwright.agents.ports.store import SignalKind
from pullwright.agents.task import Task, TaskSpec, TaskStatus
from pullwright.agents.worker.outbox import Made
from pullwright.integrations.deciding import STOPPING_SECONDS, live_of
from pullwright.integrations.generic.connection import SOURCE, Connection
from pullwright.integrations.generic.payload import (
    AnswerRequest,
    CancelRequest,
    FileRequest,
    MessageRequest,
    PingRequest,
    request_from_json,
)
from pullwright.integrations.untrusted import fence, sanitise_line

logger = logging.getLogger(__name__)

Specify = Callable[[FileRequest, Connection], Awaitable[TaskSpec]]
"""Makes the task that the HTTP API would make of the same words; may read the issue that they name."""


class GenericHandler:
    """Decides on the requests of all connections."""

    def __init__(self, connections: Mapping[str, Connection], inbox: InboxStore, specify: Specify) -> None:
        """Make one; ``connections`` are by their names."""
        self._connections = connections
        self._inbox = inbox
        self._specify = specify

    async def handle(self, delivery: Delivery) -> Decision:
        connection = self._connections.get(delivery.connection)
        if connection is None:
            raise ConfigError(f"there is no generic webhook {delivery.connection!r} any more; set it up again")
        decision = await self._decide(delivery, connection)
        if isinstance(decision, Refuse):
            logger.warning("delivery %s to generic/%s is refused: %s", delivery.key, connection.name, decision.reason)
        return decision

    async def reply(self, delivery: Delivery, reply: Reply) -> Made:
        return Made()  # there is no way back to a sender

    async def find_reply(self, delivery: Delivery, reply: Reply) -> Made | None:
        return None

    async def _decide(self, delivery: Delivery, connection: Connection) -> Decision:
        match request := request_from_json(delivery.content):
            case FileRequest():
                return await self._file(request, connection)
            case MessageRequest() | AnswerRequest():
                return _told(request, connection, await self._live(delivery.work_key))
            case CancelRequest():
                live = await self._live(delivery.work_key)
                reason = request.reason or f"canceled through {_sender(connection)}"
                return Stop(task_id=live.id, reason=reason) if live else _nobody(request.work_key)
            case PingRequest():
                return Ignore(reason="it only asked whether it gets in")
        raise AssertionError(f"no rule for {request}")

    async def _file(self, request: FileRequest, connection: Connection) -> Decision:
        slug = request.repository
        if not connection.allows(slug):
            return Refuse(reason=f"{slug} may not be worked on from {_sender(connection)} any more")
        try:
            spec = await self._specify(request, connection)
        except (ConfigError, NotFound, RemoteRejected) as exc:
            return Refuse(reason=str(exc))
        context = _fenced(request.context)
        spec = replace(
            spec,
            source=SOURCE,
            title=sanitise_line(request.title) or spec.title,
            context="\n\n".join(filter(None, (spec.context, context))),
            work_key=connection.work_key(request.work_key) or spec.work_key,
        )
        live = await self._live(spec.work_key)
        if live is not None and live.spec.repository.slug.lower() != slug.lower():
            other = live.spec.repository.slug
            return Refuse(reason=f"task {live.id} is on {request.work_key!r} already, in another repository ({other})")
        if live is not None and live.status is TaskStatus.CANCELING:
            return Later(seconds=STOPPING_SECONDS, reason="the task that is on it is being stopped")
        tells = request.if_live == "tell"
        words = "\n\n".join(filter(None, (request.instruction, context))) if tells else ""
        return File(spec=spec, words=words, author=_sender(connection))

    async def _live(self, work_key: str) -> Task | None:
        return live_of(await self._inbox.tasks_of(work_key)) if work_key else None


class NoReports:
    """Shows nothing: people look at tasks from here with ``agent list``, the API and notifications."""

    async def write(self, origin: Delivery, standing: Standing, number: int) -> Shown:
        return Shown(external_id="none")

    async def find(self, origin: Delivery, standing: Standing, number: int) -> Shown | None:
        return None

    async def rewrite(self, origin: Delivery, standing: Standing, number: int, comment: str) -> None:
        return

    async def sign(self, origin: Delivery, standing: Standing) -> None:
        return


def _told(request: MessageRequest | AnswerRequest, connection: Connection, live: Task | None) -> Decision:
    if live is None:
        return _nobody(request.work_key)
    if isinstance(request, AnswerRequest) and live.status is not TaskStatus.WAITING:
        return Refuse(reason=f"task {live.id} is {live.status.value} and waits for no answer")
    kind = SignalKind.ANSWER if isinstance(request, AnswerRequest) else SignalKind.MESSAGE
    return Tell(task_id=live.id, kind=kind, text=request.text, author=request.author or _sender(connection))


def _nobody(name: str) -> Refuse:
    return Refuse(reason=f"no live task is on {name!r}")


def _sender(connection: Connection) -> str:
    return f"{SOURCE}/{connection.name}"


def _fenced(text: str) -> str:
    return fence("what the sender gave along with it", text, secrets.token_hex(16)) if text.strip() else ""
