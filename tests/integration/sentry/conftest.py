from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio import create_task_group, to_thread

from pullwright.agents.clock import SystemClock
from pullwright.agents.events import ChangePublished
from pullwright.agents.intake.reception import Reception
from pullwright.agents.ports.inbox import Delivery
from pullwright.agents.ports.report import Standing
from pullwright.agents.queue.memory import MemoryStore
from pullwright.agents.task import Task, TaskSpec, TaskStatus
from pullwright.agents.testing.contracts_engine import work
from pullwright.agents.testing.contracts_store import finished
from pullwright.agents.testing.fake_clock import FakeClock
from pullwright.agents.worker.queue_engine import QueueEngine
from pullwright.cli.server.app import make_app
from pullwright.cli.server.listen import listen
from pullwright.cli.server.tasks import Filing
from pullwright.cli.server.webhooks import Webhooks
from pullwright.integrations.redaction import Redactor
from pullwright.integrations.sentry.api import SentryApi
from pullwright.integrations.sentry.client import SentryClient
from pullwright.integrations.sentry.door import SentryDoor
from pullwright.integrations.sentry.gate import GateRules
from pullwright.integrations.sentry.handler import SentryHandler, SentryPolicy
from pullwright.integrations.sentry.landings import SentryLandings
from pullwright.integrations.sentry.meanings import SentryIdentity
from pullwright.integrations.sentry.missed import SentrySource
from pullwright.integrations.sentry.scrubbing import Scrubber
from pullwright.integrations.sentry.settings import SentrySettings
from pullwright.integrations.sentry.texts import SentryTexts
from pullwright.integrations.sentry.voice import SentryVoice
from pullwright.integrations.signatures import Secret
from pullwright.integrations.testing.sentry_hooks import SentryHooks
from pullwright.integrations.testing.sentry_rehearsal import SentryRehearsal
from tests.unit.integrations.sentry.samples import ROUTE

SECRET = "the integration's client secret"
MARKS = b"k" * 16
PULL = "https://github.com/acme/shop/pull/5"


@pytest.fixture
def sentry(tmp_path: Path) -> Iterator[SentryRehearsal]:
    folder = tmp_path / "sentry"
    folder.mkdir()
    rehearsal = SentryRehearsal(folder)
    rehearsal.add_project("shop")
    rehearsal.add_project("worker")
    yield rehearsal
    rehearsal.close()


@dataclass(frozen=True)
class Scene:
    """A Sentry, our store, and everything between them."""

    sentry: SentryRehearsal
    clock: FakeClock
    store: MemoryStore
    reception: Reception
    source: SentrySource
    api: SentryApi

    async def settle(self) -> None:
        await self.reception.deal_with_all("w1")

    async def later(self, seconds: float) -> None:
        self.clock.advance(seconds)
        await self.settle()

    async def happen(self, *args: Any, **more: Any) -> Any:
        issue, hooks = await to_thread.run_sync(partial(self.sentry.happen, *args, **more))
        assert [hook.status for hook in hooks] == [202] * len(hooks)
        await self.settle()
        return issue

    async def person(self, what: str, *args: Any, **more: Any) -> None:
        await to_thread.run_sync(partial(getattr(self.sentry, what), *args, **more))
        await self.settle()

    async def end(self, *, url: str = PULL, status: TaskStatus = TaskStatus.SUCCEEDED) -> Task:
        """Let the task that waits be done."""
        task = await self.store.claim("w")
        assert task is not None
        if url:
            await self.store.append(task, [ChangePublished(branch="agent/x", pull_request_url=url)])
        return await self.store.finish(task, status, finished(status.value))

    async def land(self, task: Task, *, merged: bool = True, **how: Any) -> None:
        """Tell its origin what became of a task's pull request."""
        voice, texts = SentryVoice(self.api, MARKS), SentryTexts(Redactor())
        landings = SentryLandings(self.api, voice, texts, self.store, **how)
        origin = await self.store.origin(task.id)
        assert origin is not None
        standing = Standing(
            task_id=task.id, work_key=task.spec.work_key, status=task.status, pull_request_url=task.pull_request_url
        )
        await landings.landed(origin, standing, merged=merged)

    async def poll(self, since: datetime) -> None:
        """Ask Sentry, as when nothing reaches in."""
        async for delivery in self.source.missed(since):
            await self.store.receive(delivery)
        await self.settle()

    async def deliveries(self) -> list[Delivery]:
        return list(reversed(await self.store.deliveries()))

    async def tasks(self) -> list[Task]:
        return list(await self.store.list())


def settings_of(sentry: SentryRehearsal, **changes: Any) -> SentrySettings:
    usual: dict[str, Any] = {
        "organization": "acme",
        "url": sentry.url,
        "token": sentry.state.token,
        "installation": sentry.state.installation,
        "ca_file": sentry.ca_file,
    }
    return SentrySettings(**{**usual, **changes})


@asynccontextmanager
async def scene_of(sentry: SentryRehearsal, rules: GateRules | None = None, **policy: Any) -> AsyncIterator[Scene]:
    settings = settings_of(sentry)
    me = SentryIdentity(
        host=settings.host,
        organization="acme",
        assignees=frozenset({"team:9"}),
    )
    clock = FakeClock()
    sentry.state.now = clock.now()
    store, api = MemoryStore(clock), SentryApi(settings, SentryClient(settings))
    rules = rules or GateRules(routes={"shop": ROUTE, "worker": ROUTE}, longest_quiet=None)
    redactor = Redactor([sentry.state.token, SECRET])
    handler = SentryHandler(
        me=me,
        policy=SentryPolicy(rules=rules, **policy),
        inbox=store,
        api=api,
        voice=SentryVoice(api, MARKS),
        texts=SentryTexts(redactor),
        scrubber=Scrubber(redactor),
        now=lambda: sentry.state.now,
        monotonic=clock.monotonic,
    )
    source = SentrySource("main", api, me, rules, now=lambda: sentry.state.now)
    door = SentryDoor("main", [Secret(name="one", value=SECRET)], me)
    reception = Reception(store, {"sentry": handler}, clock=clock)
    async with _served(store, door) as port:
        sentry.hooks = SentryHooks(f"http://127.0.0.1:{port}/webhooks/sentry/main", SECRET, seconds=10)
        yield Scene(sentry=sentry, store=store, clock=clock, reception=reception, source=source, api=api)


@asynccontextmanager
async def _served(store: MemoryStore, door: SentryDoor) -> AsyncIterator[int]:
    async def specify(filing: Filing) -> TaskSpec:
        return work()

    closing = anyio.Event()
    hooks = Webhooks(store, [door], clock=SystemClock())
    app = make_app(store, QueueEngine(store), specify, token="t" * 16, closing=closing, more=hooks.routes())
    async with create_task_group() as group:
        yield await group.start(partial(listen, app, host="127.0.0.1", port=0, closing=closing))
        group.cancel_scope.cancel()


@pytest.fixture
async def scene(sentry: SentryRehearsal) -> AsyncIterator[Scene]:
    async with scene_of(sentry) as made:
        yield made
