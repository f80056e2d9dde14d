"""Carrying out what was decided about one delivery."""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import Final

from pullwright.agents.errors import (
    DuplicateTask,
    IllegalTransition,
    IntegrationError,
    NotFound,
    RemoteRejected,
    TaskNotFound,
)
from pullwright.agents.intake.decisions import (
    Answer,
    Decision,
    File,
    Ignore,
    Landed,
    Later,
    Refuse,
    Reply,
    ReplyKind,
    Stop,
    Tell,
)
from pullwright.agents.intake.source import Handler
from pullwright.agents.intake.sparing import Sparing
from pullwright.agents.ports.durable import DurableStore
from pullwright.agents.ports.inbox import Delivery, DeliveryStatus
from pullwright.agents.ports.report import Landing
from pullwright.agents.ports.store import SignalKind
from pullwright.agents.worker.outbox import Outbox

logger = logging.getLogger(__name__)

KNOWN_ALREADY: Final = "another delivery said the same"

PATIENCE_SECONDS: Final = 5.0
"""How soon it is looked whether the task in the way has ended; twice as long each time."""

LONGEST_SECONDS: Final = 21_600.0
"""A delivery is not put off for longer than that."""


class CarryingOut:
    """Does what was decided; in the end the delivery is settled or put off."""

    def __init__(self, store: DurableStore, sparing: Sparing) -> None:
        self._store = store
        self._outbox = Outbox(store)
        self._sparing = sparing

    async def do(self, delivery: Delivery, decision: Decision, handler: Handler) -> None:
        """Carry out a decision.

        Raises:
            IntegrationError: An answer could not be given; nothing is settled yet.
            LeaseLost: Somebody else has the delivery now.
        """
        match decision:
            case Ignore():
                if await self._is_news(delivery, decision.meaning_key):
                    await self._store.conclude(delivery, DeliveryStatus.IGNORED, decision.reason)
            case Refuse() | Answer():
                if await self._is_news(delivery, decision.meaning_key):
                    await self._answer(delivery, decision, handler)
            case File():
                await self._file(delivery, decision, handler)
            case Tell():
                await self._tell(delivery, decision, handler)
            case Stop():
                await self._stop(delivery, decision, handler)
            case Landed():
                await self._landed(delivery, decision, handler)
            case Later():
                await self._put_off(delivery, decision)

    async def _file(self, delivery: Delivery, decision: File, handler: Handler) -> None:
        if not await self._is_news(delivery, decision.meaning_key):
            return
        await self._be_courteous(delivery, decision.reply, handler)
        try:
            await self._store.file(delivery, decision.spec)
        except DuplicateTask:
            await self._tell_the_live_one(delivery, decision)

    async def _tell_the_live_one(self, delivery: Delivery, decision: File) -> None:
        live = [one for one in await self._store.tasks_of(decision.spec.work_key) if not one.status.terminal]
        if live and decision.patient and not decision.words:
            seconds = min(PATIENCE_SECONDS * 2**delivery.put_off, LONGEST_SECONDS)
            await self._store.put_off(delivery, seconds=seconds, reason="a task is on it")
        elif live and not decision.words:
            reason = "a task is on it already"
            await self._store.conclude(delivery, DeliveryStatus.IGNORED, reason, task_id=live[0].id)
        elif live:
            await self._send(delivery, live[0].id, SignalKind.MESSAGE, decision.words, decision.author)
        else:
            await self._store.put_off(delivery, seconds=1, reason="the task that was on it has just ended")

    async def _tell(self, delivery: Delivery, decision: Tell, handler: Handler) -> None:
        if await self._is_news(delivery, decision.meaning_key):
            await self._be_courteous(delivery, decision.reply, handler)
            await self._send(delivery, decision.task_id, decision.kind, decision.text, decision.author)

    async def _send(self, delivery: Delivery, task_id: str, kind: SignalKind, text: str, author: str) -> None:
        try:
            await self._store.tell(delivery, task_id, kind, text, author=author)
        except IllegalTransition as exc:
            # It moved on meanwhile: the handler looks again and decides anew.
            await self._store.put_off(delivery, seconds=1, reason=str(exc))

    async def _is_news(self, delivery: Delivery, meaning_key: str) -> bool:
        if not meaning_key or await self._store.name(delivery, meaning_key):
            return True
        await self._store.conclude(delivery, DeliveryStatus.IGNORED, KNOWN_ALREADY)
        return False

    async def _stop(self, delivery: Delivery, decision: Stop, handler: Handler) -> None:
        await self._be_courteous(delivery, decision.reply, handler)
        for task_id in decision.others:
            with suppress(IllegalTransition, TaskNotFound):  # it is over, or being stopped
                await self._store.cancel(task_id, reason=decision.reason)
        await self._store.stop(delivery, decision.task_id, reason=decision.reason)

    async def _landed(self, delivery: Delivery, decision: Landed, handler: Handler) -> None:
        landing = Landing.MERGED if decision.merged else Landing.CLOSED
        await self._store.note_landing(decision.pull_request_url, landing)
        await self.do(delivery, decision.then, handler)

    async def _put_off(self, delivery: Delivery, decision: Later) -> None:
        if await self._is_news(delivery, decision.meaning_key):
            seconds = min(decision.seconds * 2**delivery.put_off, LONGEST_SECONDS)
            await self._store.put_off(delivery, seconds=seconds, reason=decision.reason)

    async def _answer(self, delivery: Delivery, decision: Refuse | Answer, handler: Handler) -> None:
        status = DeliveryStatus.REFUSED if isinstance(decision, Refuse) else DeliveryStatus.ANSWERED
        reason, reply = decision.reason, decision.reply
        if reply is not None and not self._may_say(delivery, reply):
            reason, reply = f"{reason} (not answered: too many answers there)", None
        if reply is not None:
            try:
                await self._say(delivery, reply, handler)
            except (NotFound, RemoteRejected) as exc:
                reason = f"{reason} (not answered: {exc})"
        await self._store.conclude(delivery, status, reason)

    def _may_say(self, delivery: Delivery, reply: Reply) -> bool:
        return reply.kind is not ReplyKind.COMMENT or self._sparing.allows(
            reply.about or delivery.work_key, delivery.id
        )

    async def _be_courteous(self, delivery: Delivery, reply: Reply | None, handler: Handler) -> None:
        if reply is None:
            return
        try:
            await self._say(delivery, reply, handler)
        except IntegrationError as exc:
            logger.warning("delivery %s was not acknowledged: %s", delivery.id, exc)

    async def _say(self, delivery: Delivery, reply: Reply, handler: Handler) -> None:
        await self._outbox.perform(
            delivery,
            reply.kind.value,
            kind=reply.kind.value,
            do=lambda: handler.reply(delivery, reply),
            look_up=lambda: handler.find_reply(delivery, reply),
        )
