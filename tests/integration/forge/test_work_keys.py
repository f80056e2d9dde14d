"""The command line and the bot call one piece of work by one name, so that it is never done twice."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from pullwright.agents.clock import SystemClock
from pullwright.agents.errors import NotFound
from pullwright.agents.intake.reception import Reception
from pullwright.agents.ports.durable import DurableStore
from pullwright.agents.ports.inbox import DeliveryStatus
from pullwright.agents.queue.memory import MemoryStore
from pullwright.agents.queue.open import open_store
from pullwright.agents.task import TaskSpec
from pullwright.cli import wiring
from pullwright.cli.intake import Origin, RunRequest, specify
from pullwright.cli.intake_wiring import open_intake
from pullwright.cli.settings import Settings
from pullwright.integrations.testing.forge import AGENT_TOKEN
from pullwright.integrations.testing.forge_state import Repository
from pullwright.integrations.testing.github_documents import user_id
from pullwright.integrations.testing.hook_trouble import HookTrouble
from pullwright.integrations.testing.rehearsal import SECRET, Rehearsal

pytestmark = pytest.mark.anyio


@pytest.fixture
def rehearsal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Rehearsal]:
    with Rehearsal() as running:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(running.forge.ca_file))
        running.send_hooks_to("http://127.0.0.1:9/never")
        running.set_trouble(HookTrouble(lost=1.0))
        yield running
        assert running.forge.violations == []


@pytest.fixture
def shop(rehearsal: Rehearsal) -> Repository:
    repository = rehearsal.repository("shop", {"a.txt": "one\n"})
    rehearsal.forge.create_issue("acme", "shop", title="Broken", body="See log.", number=42)
    rehearsal.person("ann")
    return repository


@pytest.fixture
def settings(rehearsal: Rehearsal) -> Settings:
    app = rehearsal.app
    return Settings(
        github_api_url=rehearsal.forge.api_url,
        github_app_id=app.id,
        github_app_private_key=SecretStr(app.private_key),
        github_webhook_secrets=(SecretStr(SECRET),),
        github_bot_login=app.login,
        github_bot_id=user_id(app.login),
        api_token=SecretStr("t" * 16),
    )


async def typed(rehearsal: Rehearsal, settings: Settings, slug: str = "acme/shop", number: int = 42) -> TaskSpec:
    """Return what `agent run` files."""
    remote = rehearsal.forge.ref(*slug.split("/"))
    host = wiring.code_host(settings, remote)
    request = RunRequest(instruction=f"fix issue #{number}")
    return await specify(request, settings, Origin(remote=remote, checkout=None), host, lambda _: "")


class Bot:
    """The bot's side of a server, told of everything that has happened until now."""

    def __init__(self, rehearsal: Rehearsal, settings: Settings, store: DurableStore) -> None:
        self._rehearsal = rehearsal
        self._settings = settings
        self._store = store

    async def hears(self) -> None:
        intake = await open_intake(self._settings, self._store)
        [door] = intake.doors
        for told in self._rehearsal.deliveries:
            headers = list(told.request_headers.items())
            assert door.problem(headers, told.body, now=0) == ""
            new = door.read(headers, told.body)
            await self._store.receive(new)  # type: ignore[arg-type]
        await Reception(self._store, intake.handlers, clock=SystemClock()).deal_with_all("w")


async def test_both_call_it_by_the_same_name_even_after_a_new_one(
    rehearsal: Rehearsal, shop: Repository, settings: Settings
) -> None:
    store = MemoryStore(SystemClock())
    before = await typed(rehearsal, settings)
    rehearsal.forge.person("ann").label(shop, 42, "agent")
    await Bot(rehearsal, settings, store).hears()
    [task] = await store.list()
    assert task.spec.work_key == before.work_key == f"{rehearsal.forge.host}/{shop.id}#42"
    rehearsal.forge.rename_repository("acme", "shop", "store")
    for slug in ("acme/shop", "acme/store", "ACME/Store"):
        assert (await typed(rehearsal, settings, slug)).work_key == before.work_key


async def test_an_issue_that_was_moved_is_called_what_it_is_now(
    rehearsal: Rehearsal, shop: Repository, settings: Settings
) -> None:
    other = rehearsal.repository("other", {"a.txt": "one\n"})
    moved = rehearsal.forge.person("ann").transfer_issue(shop, 42, other)
    with pytest.raises(NotFound):  # the token of an App is for one repository
        await typed(rehearsal, settings)
    token = Settings(github_api_url=rehearsal.forge.api_url, github_token=SecretStr(AGENT_TOKEN))
    spec = await typed(rehearsal, token)
    assert spec.work_key == f"{rehearsal.forge.host}/{other.id}#{moved.number}"


async def test_the_bot_leaves_alone_what_somebody_has_begun_at_a_terminal(
    rehearsal: Rehearsal, shop: Repository, settings: Settings
) -> None:
    store = MemoryStore(SystemClock())
    task = await store.create(await typed(rehearsal, settings))
    rehearsal.forge.person("ann").label(shop, 42, "agent")
    rehearsal.forge.person("ann").comment(shop, 42, "/agent run mind the rounding")
    await Bot(rehearsal, settings, store).hears()
    assert [one.id for one in await store.list()] == [task.id]
    assert [signal.text for signal in await store.signals(task.id)] == ["mind the rounding"]
    refused = await store.deliveries(status=DeliveryStatus.REFUSED)
    assert [one.reason for one in refused if "started work on it already" in one.reason]
    [comment] = [one for one in shop.issues[42].comments if one.author == rehearsal.app.login]
    assert "started work on it already" in comment.body


@pytest.mark.parametrize("detach", [True, False])
async def test_somebody_at_a_terminal_is_told_that_the_bot_is_on_it(
    rehearsal: Rehearsal, shop: Repository, settings: Settings, tmp_path: Path, detach: bool
) -> None:
    home = tmp_path / "agent-home"
    home.mkdir()
    async with open_store(f"sqlite:///{home / 'pullwright.db'}", SystemClock()) as store:
        rehearsal.forge.person("ann").label(shop, 42, "agent")
        await Bot(rehearsal, settings, store).hears()
        claimed = await store.claim("w")
        assert claimed is not None
        ran = run(rehearsal, settings, home, "fix issue #42", *["--detach"] * detach)
        assert len(await store.list()) == 1
    assert ran.returncode == 1, ran.stderr
    assert f"task {claimed.id} is on issue #42 already (running, asked for by way of github)" in ran.stderr
    assert f"agent watch {claimed.id}" in ran.stderr


def run(rehearsal: Rehearsal, settings: Settings, home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    known = {name: value for name, value in os.environ.items() if not name.startswith("AGENT_")}
    known |= rehearsal.environment()
    known |= {"AGENT_HOME": str(home), "AGENT_ENDPOINT_URL": "http://127.0.0.1:9/v1", "PYTHONSAFEPATH": "1"}
    url = f"https://{rehearsal.forge.host}/acme/shop"
    command = [sys.executable, "-P", "-m", "pullwright.cli", "run", *words, "--repo", url]
    return subprocess.run(command, env=known, capture_output=True, text=True, timeout=60, check=False, cwd=home)
