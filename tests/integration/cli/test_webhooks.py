"""The door for webhooks on a real socket: what it lets in, and what it refuses before it reads."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

import anyio
import httpx2
import pytest
from anyio import create_task_group
from pydantic import SecretStr

from pullwright.agents.clock import SystemClock
from pullwright.agents.errors import ConfigError, StoreUnavailable
from pullwright.agents.ports.inbox import DeliveryStatus, InboxStore, NewDelivery, Receipt
from pullwright.agents.queue.memory import MemoryStore
from pullwright.agents.task import TaskSpec
from pullwright.agents.testing.contracts_engine import work
from pullwright.agents.worker.queue_engine import QueueEngine
from pullwright.cli.intake_wiring import open_intake
from pullwright.cli.server import webhooks
from pullwright.cli.server.app import make_app
from pullwright.cli.server.listen import listen
from pullwright.cli.server.tasks import Filing
from pullwright.cli.server.webhooks import THREAD_BYTES, Webhooks
from pullwright.cli.settings import Settings
from pullwright.integrations.github.door import GitHubDoor
from pullwright.integrations.github.meanings import BotIdentity
from pullwright.integrations.signatures import GITHUB, Secret, sign

pytestmark = pytest.mark.anyio

OLD, NEW = "the old secret", "the new secret"
LIMIT = 1 << 20
BOT = BotIdentity(host="github.com", login="pull-bot[bot]", user_id=900, app_id=77)
LABELED = {
    "action": "labeled",
    "sender": {"id": 1, "login": "ann"},
    "repository": {"id": 5, "full_name": "acme/shop", "private": False},
    "issue": {"number": 7, "title": "Broken"},
    "label": {"name": "agent"},
}
TO_GITHUB = "/webhooks/github/main"


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore(SystemClock())


@asynccontextmanager
async def served(store: MemoryStore, inbox: InboxStore, *doors: GitHubDoor) -> AsyncIterator[httpx2.AsyncClient]:
    async def specify(filing: Filing) -> TaskSpec:
        return work()

    closing = anyio.Event()
    hooks = Webhooks(inbox, doors, clock=SystemClock(), body_bytes=LIMIT)
    app = make_app(store, QueueEngine(store), specify, token="t" * 16, closing=closing, more=hooks.routes())
    async with create_task_group() as group:
        port = await group.start(partial(listen, app, host="127.0.0.1", port=0, closing=closing))
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=20) as client:
            yield client
        group.cancel_scope.cancel()


@pytest.fixture
async def client(store: MemoryStore) -> AsyncIterator[httpx2.AsyncClient]:
    door = GitHubDoor("main", [Secret(name="old", value=OLD), Secret(name="new", value=NEW)], BOT)
    async with served(store, store, door) as client:
        yield client


def signed(
    body: bytes, *, event: str = "issues", guid: str = "1" * 8, secret: str = NEW, **more: str
) -> dict[str, str]:
    usual = {"X-GitHub-Event": event, "X-GitHub-Delivery": guid, "Content-Type": "application/json"}
    return {**usual, **dict(sign(GITHUB, secret, body)), **{key.replace("_", "-"): one for key, one in more.items()}}


async def send(
    client: httpx2.AsyncClient, document: Any = LABELED, path: str = TO_GITHUB, **more: str
) -> tuple[int, Any]:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    answer = await client.post(path, content=body, headers=signed(body, **more))
    return answer.status_code, answer.json()


async def test_a_delivery_is_kept_once_by_either_secret(client: httpx2.AsyncClient, store: MemoryStore) -> None:
    assert await send(client) == (202, {"status": "accepted"})
    assert await send(client, secret=OLD) == (202, {"status": "duplicate"})
    assert await send(client, {**LABELED, "label": {"name": "bug"}}, guid="2" * 8) == (202, {"status": "ignored"})
    kept = [(one.key, one.status, one.work_key) for one in await store.deliveries()]
    assert kept == [
        ("2" * 8, DeliveryStatus.IGNORED, ""),
        ("1" * 8, DeliveryStatus.WAITING, "github.com/5#7"),
    ]


async def test_what_is_forged_is_refused_without_a_hint(client: httpx2.AsyncClient, store: MemoryStore) -> None:
    body = json.dumps(LABELED).encode()
    good = signed(body)
    name = "X-Hub-Signature-256"
    forged = [
        {key: value for key, value in good.items() if key != name},
        {**good, name: "sha256=" + "0" * 64},
        {**good, name: good[name].replace("sha256", "sha1")},
        {**good, name: good[name].upper()},
        signed(body, secret="another"),
    ]
    answers = [await client.post(TO_GITHUB, content=body, headers=headers) for headers in forged]
    answers.append(await client.post(TO_GITHUB, content=b"{" + body, headers=good))
    assert {(one.status_code, one.text) for one in answers} == {
        (401, '{"error":"the signature is missing or wrong"}'),
    }
    assert await store.deliveries() == []


async def test_what_can_not_be_read_is_refused_in_kind(client: httpx2.AsyncClient) -> None:
    assert (await send(client, b"{"))[0] == 400
    assert (await send(client, b'{"action":' + b"[" * 5000))[0] == 400
    assert (await send(client, event="Not An Event"))[0] == 400
    assert (await send(client, Content_Type="text/plain"))[0] == 415
    assert (await send(client, Content_Encoding="gzip"))[0] == 415
    assert (await send(client, path="/webhooks/github/other"))[0] == 404
    assert (await send(client, path="/webhooks/jira/main"))[0] == 404
    assert (await client.get(TO_GITHUB)).status_code == 405
    assert (await client.get("/api/tasks")).status_code == 401


async def test_headers_are_bounded(client: httpx2.AsyncClient) -> None:
    many = {f"X_A{number}": "1" for number in range(120)}
    assert (await send(client, **many))[0] == 431
    assert (await send(client, X_Large="x" * (33 << 10)))[0] == 431


async def test_a_large_delivery_is_read_and_a_larger_one_is_not(client: httpx2.AsyncClient, store: MemoryStore) -> None:
    large = {**LABELED, "more": "x" * (2 * THREAD_BYTES)}
    assert (await send(client, large))[0] == 202
    with suppress(httpx2.TransportError):  # a sender may be cut off before it has read the answer
        assert (await send(client, b"x" * (LIMIT + 1)))[0] == 413
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 100 * LIMIT:
            sent += 1 << 16
            yield b"x" * (1 << 16)

    with suppress(httpx2.TransportError):
        answer = await client.post(TO_GITHUB, content=endless(), headers=signed(b""))
        assert answer.status_code == 413
    assert sent < 100 * LIMIT
    assert len(await store.deliveries()) == 1
    assert (await send(client, guid="3" * 8, event="ping"))[0] == 202


async def test_a_database_that_is_away_is_said_so(
    store: MemoryStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Away(MemoryStore):
        async def receive(self, delivery: NewDelivery) -> Receipt:
            if delivery.key == "1" * 8:
                raise StoreUnavailable("no answer")
            await anyio.sleep_forever()
            raise AssertionError

    monkeypatch.setattr(webhooks, "STORE_SECONDS", 0.05)
    door = GitHubDoor("main", [Secret(name="new", value=NEW)], BOT)
    async with served(store, Away(SystemClock()), door) as client:
        with caplog.at_level(logging.WARNING):
            assert (await send(client))[0] == 503
            assert (await send(client, guid="2" * 8))[0] == 503
    assert NEW not in caplog.text


async def test_without_a_secret_there_is_no_door(store: MemoryStore) -> None:
    intake = await open_intake(Settings(), store)
    assert (intake.doors, intake.handlers) == ([], {})
    assert intake.notes == []
    async with served(store, store) as client:
        assert (await send(client))[0] == 404


def half(**more: Any) -> Settings:
    return Settings(github_webhook_secrets=(SecretStr("s" * 20),), api_token=SecretStr("t" * 16), **more)


async def test_a_connection_needs_to_know_who_the_bot_is(store: MemoryStore) -> None:
    with pytest.raises(ConfigError, match="AGENT_GITHUB_BOT_ID"):
        await open_intake(half(github_bot_login="pull-bot[bot]"), store)
    known = half(github_bot_login="pull-bot[bot]", github_bot_id=900)
    intake = await open_intake(known, store)
    assert [(door.source, door.connection) for door in intake.doors] == [("github", "main")]
    assert set(intake.handlers) == {"github"}
    assert "s" * 20 in known.secrets
    assert (await open_intake(known, store, poll=60)).doors == []
    with pytest.raises(ConfigError, match="secret"):
        await open_intake(
            Settings(github_webhook_secrets=(SecretStr(" "),), github_bot_login="x", github_bot_id=1), store
        )
