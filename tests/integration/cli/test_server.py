"""The HTTP API on a real socket."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import anyio
import httpx2
import pytest
from anyio import create_task_group, fail_after

from pullwright.agents.budget import Usage
from pullwright.agents.clock import SystemClock
from pullwright.agents.errors import ConfigError
from pullwright.agents.events import PlanUpdated, QuestionAsked, RunFinished
from pullwright.agents.queue.memory import MemoryStore
from pullwright.agents.task import Task, TaskSpec, TaskStatus, WaitReason
from pullwright.agents.testing.contracts_engine import end, work
from pullwright.agents.worker.queue_engine import QueueEngine
from pullwright.agents.worker.restore import keep_patch
from pullwright.cli.commands.serve import specify_filing
from pullwright.cli.server.app import make_app
from pullwright.cli.server.guard import BODY_BYTES
from pullwright.cli.server.listen import listen
from pullwright.cli.server.tasks import Filing
from pullwright.cli.settings import Settings

pytestmark = pytest.mark.anyio

TOKEN = "0123456789abcdef"


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore(SystemClock())


@pytest.fixture
async def client(store: MemoryStore) -> AsyncIterator[httpx2.AsyncClient]:
    async with served(store) as url, httpx2.AsyncClient(base_url=url, headers=bearer(TOKEN), timeout=10) as client:
        yield client


@asynccontextmanager
async def served(store: MemoryStore) -> AsyncIterator[str]:
    async def specify(filing: Filing) -> TaskSpec:
        if "nowhere" in filing.repository:
            raise ConfigError("no such repository")
        return work(7, priority=filing.priority)

    closing = anyio.Event()
    app = make_app(store, QueueEngine(store), specify, token=TOKEN, closing=closing)
    async with create_task_group() as group:
        port = await group.start(partial(listen, app, host="127.0.0.1", port=0, closing=closing))
        yield f"http://127.0.0.1:{port}"
        group.cancel_scope.cancel()


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def claimed(store: MemoryStore) -> Task:
    task = await store.claim("w", (await store.create(work())).id)
    assert task
    return task


async def read_events(client: httpx2.AsyncClient, task: str, **more: Any) -> list[dict[str, Any]]:
    """Read a stream to its end."""
    async with client.stream("GET", f"/api/tasks/{task}/events", **more) as answer:
        return [json.loads(line[6:]) async for line in answer.aiter_lines() if line.startswith("data: ")]


async def test_a_task_is_filed_shown_and_canceled(client: httpx2.AsyncClient, store: MemoryStore) -> None:
    filed = await client.post(
        "/api/tasks", json={"instruction": "fix it", "repository": "https://x/o/r", "priority": 3}
    )
    assert filed.status_code == 201
    task = filed.json()["task"]
    assert (await store.get(task)).spec.priority == 3
    assert (await client.get(f"/api/tasks/{task[:20]}")).json()["status"] == "queued"
    assert [row["task"] for row in (await client.get("/api/tasks")).json()] == [task]
    ended = await client.post(f"/api/tasks/{task}/cancel", json={"reason": "enough"})
    assert (ended.json()["status"], ended.json()["reason"]) == ("canceled", "enough")


async def test_words_and_answers_reach_a_task_once(client: httpx2.AsyncClient, store: MemoryStore) -> None:
    task = await claimed(store)
    for _ in range(2):
        said = await client.post(f"/api/tasks/{task.id}/messages", json={"text": "hurry", "author": "ann", "key": "k1"})
        assert said.status_code == 200
    early = await client.post(f"/api/tasks/{task.id}/answer", json={"text": "yes"})
    assert early.status_code == 409
    asked = QuestionAsked(step=1, question="which?", wait="input_required")
    await store.park(task, WaitReason.INPUT_REQUIRED, asked, question="which?")
    shown = (await client.get(f"/api/tasks/{task.id}")).json()
    assert (shown["status"], shown["reason"], shown["waits_for"]) == ("waiting", "which?", "input_required")
    assert (await client.post(f"/api/tasks/{task.id}/answer", json={"text": "yes"})).json()["status"] == "queued"
    assert [(one.text, one.author) for one in await store.signals(task.id)] == [("hurry", "ann"), ("yes", "")]


async def test_events_are_followed_to_the_end_without_gap_or_double(
    client: httpx2.AsyncClient, store: MemoryStore
) -> None:
    task = await claimed(store)
    whole: list[dict[str, Any]] = []

    async def follow() -> None:
        whole.extend(await read_events(client, task.id))

    with fail_after(20):
        async with create_task_group() as group:
            group.start_soon(follow)
            for step in range(50):
                await store.append(task, [PlanUpdated(step=step, items=())])
                await anyio.sleep(0.001)
            await end(store, task)
    assert [event["seq"] for event in whole] == list(range(1, 54))
    rest = await read_events(client, task.id, headers={"Last-Event-ID": "40"}, params={"after": 3})
    assert [event["seq"] for event in rest] == list(range(41, 54))
    over = await client.get(f"/api/tasks/{task.id}/events", headers={"Last-Event-ID": "53"})
    assert over.status_code == 204


async def test_a_stream_that_is_open_does_not_keep_the_server(store: MemoryStore) -> None:
    task = await claimed(store)
    with fail_after(10):
        async with (
            httpx2.AsyncClient(headers=bearer(TOKEN)) as client,
            create_task_group() as group,
            served(store) as url,
        ):
            client.base_url = httpx2.URL(url)
            group.start_soon(read_events, client, task.id)
            await anyio.sleep(0.2)
    assert await store.status(task.id) is TaskStatus.RUNNING


@pytest.mark.parametrize("headers", [{}, bearer("wrong"), {"Authorization": TOKEN}, bearer(TOKEN + "x")])
@pytest.mark.parametrize(
    "path", ["/api/tasks", "/api/tasks/x/events", "/api/tasks/x/patch", "/openapi.json", "/", "/nope"]
)
async def test_nobody_gets_in_without_the_token(store: MemoryStore, headers: dict[str, str], path: str) -> None:
    async with served(store) as url, httpx2.AsyncClient(base_url=url, headers=headers) as client:
        assert (await client.get(path)).status_code == 401
        assert (await client.post("/api/tasks", json={"instruction": "x", "repository": "y"})).status_code == 401
        assert (await client.get("/healthz")).json() == {"status": "ok", "workers": 0}
    assert list(await store.list()) == []


async def test_every_route_but_the_health_asks_for_the_token(store: MemoryStore) -> None:
    app = make_app(store, QueueEngine(store), partial(specify_filing, Settings()), token=TOKEN, closing=anyio.Event())
    paths = app.openapi()["paths"]
    assert len(paths) >= 8
    async with served(store) as url, httpx2.AsyncClient(base_url=url) as client:
        for path, methods in paths.items():
            for method in methods:
                answer = await client.request(method, path.replace("{task_id}", "x"))
                assert answer.status_code == (200 if path == "/healthz" else 401), (method, path)


async def test_the_document_says_what_may_be_sent(client: httpx2.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()
    filing = document["components"]["schemas"]["Filing"]
    assert filing["additionalProperties"] is False
    assert set(filing["required"]) == {"instruction", "repository"}
    # What the owner of the host alone decides is no part of it.
    trusted = {"checkout", "home", "egress", "image", "allow_paths", "place", "start", "parent_id", "source"}
    assert not trusted & set(filing["properties"])


async def test_the_patch_of_a_task_comes_from_the_store(client: httpx2.AsyncClient, store: MemoryStore) -> None:
    task = await claimed(store)
    assert (await client.get(f"/api/tasks/{task.id}/patch")).status_code == 404
    await keep_patch(store, task, b"diff \xff\n")
    ended = RunFinished(status="succeeded", reason="", usage=Usage(), steps=1, patch_path="/gone.patch")
    await store.finish(task, TaskStatus.SUCCEEDED, ended)
    answer = await client.get(f"/api/tasks/{task.id}/patch")
    assert (answer.content, answer.headers["content-type"]) == (b"diff \xff\n", "text/x-diff; charset=utf-8")


async def test_a_cancel_needs_no_body(client: httpx2.AsyncClient, store: MemoryStore) -> None:
    task = await store.create(work())
    assert (await client.post(f"/api/tasks/{task.id}/cancel")).json()["status"] == "canceled"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"instruction": "", "repository": "y"},
        {"instruction": "x", "repository": "y", "shell": "rm"},
        {"instruction": "x", "repository": "y", "checkout": "/etc"},
        {"instruction": "x", "repository": "y", "max_cost": 0},
        {"instruction": "x", "repository": "y", "priority": "high"},
        {"instruction": "x", "repository": "y", "checks": ["a"] * 21},
        {"instruction": "x", "repository": "y", "not_before": "2026-11-01T00:00:00"},
        {"instruction": "x", "repository": "y", "not_before": "tomorrow"},
        {"instruction": "x", "repository": "https://nowhere/o/r"},
    ],
)
async def test_what_is_wrong_is_refused(client: httpx2.AsyncClient, store: MemoryStore, body: dict[str, Any]) -> None:
    assert (await client.post("/api/tasks", json=body)).status_code == 422
    assert list(await store.list()) == []


@pytest.mark.parametrize("moment", ["9999-12-31T23:59:59-23:00", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00+23:00"])
async def test_a_moment_that_is_none_everywhere_is_refused(
    client: httpx2.AsyncClient, store: MemoryStore, moment: str
) -> None:
    body = {"instruction": "x", "repository": "https://git.example/o/r", "not_before": moment}
    answer = await client.post("/api/tasks", json=body)
    [fault] = answer.json()["detail"]
    assert (answer.status_code, fault["loc"]) == (422, ["body", "not_before"])
    assert fault["msg"] == "Value error, too far away"
    assert list(await store.list()) == []


async def test_too_much_is_refused(client: httpx2.AsyncClient) -> None:
    assert (await client.post("/api/tasks", content=b"x" * (BODY_BYTES + 1))).status_code == 413

    async def pieces() -> AsyncIterator[bytes]:
        yield b"{}"

    assert (await client.post("/api/tasks", content=pieces())).status_code == 411


async def test_an_unknown_task_is_told(client: httpx2.AsyncClient) -> None:
    answer = await client.get("/api/tasks/01nope")
    assert answer.status_code == 404
    assert "01nope" in answer.json()["error"]


async def test_a_port_that_is_taken_is_one_line(store: MemoryStore) -> None:
    async with served(store) as url:
        port = int(url.rpartition(":")[2])
        app = make_app(
            store, QueueEngine(store), partial(specify_filing, Settings()), token=TOKEN, closing=anyio.Event()
        )
        with pytest.raises(ConfigError, match="another port"):
            await listen(app, host="127.0.0.1", port=port, closing=anyio.Event())


@pytest.mark.parametrize("repository", ["/etc", "../x", "file:///etc", "nonsense", "http://h/o/r"])
async def test_only_repositories_on_code_hosts_are_worked_on(repository: str) -> None:
    with pytest.raises(ConfigError):
        await specify_filing(Settings(), Filing(instruction="x", repository=repository))


async def test_a_filing_becomes_a_specification() -> None:
    filing = Filing.model_validate_json(
        '{"instruction": "do it", "repository": "https://git.example/o/r.git", "priority": 2, "plan": true,'
        ' "not_before": "2026-11-01T00:00:00Z", "max_steps": 5,'
        ' "max_tokens": 9, "max_fresh_tokens": 8, "max_cost": 0.5}'
    )
    spec = await specify_filing(Settings(), filing)
    assert (spec.source, spec.priority, spec.approve_plan, spec.may_ask) == ("api", 2, True, True)
    assert (spec.repository.slug, spec.budget.max_steps, spec.publish) == ("o/r", 5, False)
    assert (spec.budget.max_tokens, spec.budget.max_fresh_tokens, spec.budget.max_cost) == (9, 8, 0.5)
    assert (spec.checkout, spec.start, spec.parent_id) == ("", "", "")
    assert spec.not_before is not None
