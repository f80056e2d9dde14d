"""Jira and Sentry beside GitHub, or without it: what the settings open, and how Data Center's address is let in."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from anyio import create_task_group, to_thread
from pydantic import SecretStr

from pullwright.agents.clock import SystemClock
from pullwright.agents.errors import ConfigError
from pullwright.agents.ports.durable import DurableStore
from pullwright.agents.queue.memory import MemoryStore
from pullwright.agents.task import TaskSpec
from pullwright.agents.testing.contracts_engine import work
from pullwright.agents.worker.queue_engine import QueueEngine
from pullwright.cli.commands.jira import setup_command, ways_in
from pullwright.cli.intake_parts import Intake, repository_of
from pullwright.cli.intake_wiring import open_intake
from pullwright.cli.server.app import make_app
from pullwright.cli.server.listen import listen
from pullwright.cli.server.tasks import Filing
from pullwright.cli.server.webhooks import Webhooks
from pullwright.cli.settings import TRUSTED_ONLY, Settings
from pullwright.integrations.signatures import JIRA, sign
from pullwright.integrations.testing.jira_site import BOT_EMAIL, BOT_TOKEN, RehearsalJira

pytestmark = pytest.mark.anyio

SECRET = "a-secret-in-the-address"
HOOK = {
    "timestamp": 1_700_000_000_000,
    "webhookEvent": "jira:issue_deleted",
    "user": {"accountId": "557058:ann", "displayName": "Ann", "accountType": "atlassian"},
    "issue": {"id": "10001", "key": "SHOP-1", "fields": {"summary": "x", "project": {"key": "SHOP"}}},
}
JIRA_ALONE: dict[str, Any] = {
    "api_token": SecretStr("t" * 32),
    "jira_url": "https://acme.atlassian.net",
    "jira_email": BOT_EMAIL,
    "jira_token": SecretStr(BOT_TOKEN),
    "jira_account": "557058:bot",
    "jira_groups": ("developers",),
    "jira_repositories": ({"repository": "acme/shop"},),
}
SENTRY_ALONE: dict[str, Any] = {
    "api_token": SecretStr("t" * 32),
    "sentry_organization": "acme",
    "sentry_token": SecretStr("sntrys_token"),
    "sentry_webhook_secrets": (SecretStr("secret"),),
    "sentry_projects": ({"project": "shop", "repo": "acme/shop"},),
}
GITHUB_TOO: dict[str, Any] = {
    "github_webhook_secrets": (SecretStr("s" * 20),),
    "github_bot_login": "pull-bot[bot]",
    "github_bot_id": 900,
}


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore(SystemClock())


def doors(intake: Intake) -> list[str]:
    return [f"{door.source}/{door.connection}" for door in intake.doors]


async def test_each_works_without_github(store: MemoryStore) -> None:
    jira = await open_intake(Settings(**JIRA_ALONE, jira_webhook_secrets=(SecretStr(SECRET),)), store)
    assert (doors(jira), list(jira.handlers), list(jira.reports)) == (["jira/main"], ["jira"], ["jira"])
    assert len(jira.sources) == 1
    sentry = await open_intake(Settings(**SENTRY_ALONE), store)
    assert (doors(sentry), list(sentry.handlers), list(sentry.reports)) == (["sentry/main"], ["sentry"], ["sentry"])


async def test_all_three_are_one_intake(store: MemoryStore) -> None:
    every = Settings(**{**JIRA_ALONE, **SENTRY_ALONE, **GITHUB_TOO, "jira_path_secrets": (SecretStr(SECRET),)})
    intake = await open_intake(every, store)
    assert doors(intake) == ["github/main", "jira/main-path", "sentry/main"]
    assert list(intake.handlers) == list(intake.reports) == ["github", "jira", "sentry"]
    assert {SECRET, BOT_TOKEN, "sntrys_token"} <= set(every.secrets)
    polled = await open_intake(every, store, poll=60)
    assert (doors(polled), list(polled.handlers)) == ([], ["github", "jira", "sentry"])


async def test_what_polls_jira_need_not_poll_github(store: MemoryStore) -> None:
    polled = await open_intake(Settings(**JIRA_ALONE), store, poll=60)
    assert (list(polled.handlers), list(polled.notes)) == (["jira"], [])


async def test_half_a_jira_is_said_so(store: MemoryStore) -> None:
    for name, match in (("jira_account", "AGENT_JIRA_ACCOUNT"), ("jira_groups", "AGENT_JIRA_GROUPS")):
        with pytest.raises(ConfigError, match=match):
            await open_intake(Settings(**{key: one for key, one in JIRA_ALONE.items() if key != name}), store)


def test_what_is_about_trackers_is_the_operators() -> None:
    named = {name for name in Settings.model_fields if name.startswith(("jira_", "sentry_"))}
    assert named <= TRUSTED_ONLY
    with pytest.raises(ConfigError, match="owner/name"):
        repository_of(Settings())("shop")


@asynccontextmanager
async def served(store: DurableStore, intake: Intake) -> AsyncIterator[httpx2.AsyncClient]:
    async def specify(filing: Filing) -> TaskSpec:
        return work()

    closing = anyio.Event()
    hooks = Webhooks(store, intake.doors, clock=SystemClock())
    app = make_app(store, QueueEngine(store), specify, token="t" * 16, closing=closing, more=hooks.routes())
    async with create_task_group() as group:
        port = await group.start(partial(listen, app, host="127.0.0.1", port=0, closing=closing))
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=20) as client:
            yield client
        group.cancel_scope.cancel()


async def test_the_secret_in_the_address_lets_in_and_is_not_logged(
    store: MemoryStore, caplog: pytest.LogCaptureFixture
) -> None:
    secrets: dict[str, Any] = {"jira_path_secrets": (SecretStr(SECRET),), "jira_webhook_secrets": (SecretStr(SECRET),)}
    intake = await open_intake(Settings(**JIRA_ALONE, **secrets), store)
    body = json.dumps(HOOK).encode()
    headers = {"Content-Type": "application/json"}
    wrong = SECRET.upper()
    with caplog.at_level(logging.DEBUG):
        async with served(store, intake) as client:

            async def send(path: str, **more: str) -> int:
                return (
                    await client.post(f"/webhooks/jira/{path}", content=body, headers={**headers, **more})
                ).status_code

            assert await send(f"main-path/{SECRET}") == 202
            assert await send(f"main-path/{wrong}") == 401
            assert await send("main-path") == 401
            assert await send(f"main/{SECRET}") == 401
            assert await send("main", **dict(sign(JIRA, SECRET, body))) == 202
    assert len(await store.deliveries()) == 1
    ours = "\n".join(one.getMessage() for one in caplog.records if one.name.startswith(("pullwright", "uvicorn")))
    assert "a delivery to jira/main-path was refused" in ours
    assert SECRET not in ours
    assert wrong not in ours


async def test_the_setup_of_jira_is_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def plain(work: Any) -> int:
        """Signals arrive in the main thread only, and this is another one."""
        return int(await work())

    monkeypatch.setattr("pullwright.cli.commands.jira.interruptible", plain)
    with RehearsalJira() as jira:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(jira.ca_file))
        here: dict[str, Any] = {**JIRA_ALONE, "jira_url": jira.url, "jira_cloud": True}
        right = Settings(**here, jira_automation_secrets=(SecretStr(SECRET),), jira_path_secrets=(SecretStr(SECRET),))
        assert await to_thread.run_sync(setup_command, right, "https://bot.example") == 0
        shown = capsys.readouterr().out
        assert "✔ Jira, account: the token is of" in shown
        assert "have it sent to https://bot.example/webhooks/jira/main-path/SECRET" in shown
        assert '"key": "{{issue.key}}"' in shown
        assert SECRET not in shown
        wrong = Settings(**{**here, "jira_account": "somebody"})
        assert await to_thread.run_sync(setup_command, wrong, "") == 1
        assert f"set AGENT_JIRA_ACCOUNT={jira.bot.account}" in capsys.readouterr().out


def test_without_a_jira_there_is_nothing_to_set_up() -> None:
    with pytest.raises(ConfigError, match="AGENT_JIRA_URL"):
        setup_command(Settings(), "")
    with pytest.raises(ConfigError, match="not encrypted"):
        ways_in(Settings(**JIRA_ALONE, jira_path_secrets=(SecretStr(SECRET),)), "http://bot.example")
