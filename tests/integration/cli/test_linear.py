"""Linear beside the others: what the settings open, how a hook is answered, and what the setup shows."""

from __future__ import annotations

import json
import time
from functools import partial
from typing import Any

import anyio
import httpx2
import pytest
from anyio import create_task_group, to_thread
from pydantic import SecretStr

from pullwright.agents.clock import SystemClock
from pullwright.agents.errors import ConfigError
from pullwright.agents.queue.memory import MemoryStore
from pullwright.agents.task import TaskSpec
from pullwright.agents.testing.contracts_engine import work
from pullwright.agents.worker.queue_engine import QueueEngine
from pullwright.cli.commands.linear import setup_command
from pullwright.cli.intake_wiring import open_intake
from pullwright.cli.server.app import make_app
from pullwright.cli.server.listen import listen
from pullwright.cli.server.tasks import Filing
from pullwright.cli.server.webhooks import Webhooks
from pullwright.cli.settings import TRUSTED_ONLY, Settings
from pullwright.integrations.signatures import LINEAR, sign
from pullwright.integrations.testing.linear_workspace import BOT_KEY, RehearsalLinear

pytestmark = pytest.mark.anyio

SECRET = "lin_wh_the-signing-secret"
ALONE: dict[str, Any] = {
    "api_token": SecretStr("t" * 32),
    "linear_token": SecretStr(BOT_KEY),
    "linear_user": "bot-id",
    "linear_webhook_secrets": (SecretStr(SECRET),),
    "linear_repositories": ({"repository": "acme/shop", "team": "ENG"},),
}


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore(SystemClock())


async def test_it_works_alone(store: MemoryStore) -> None:
    intake = await open_intake(Settings(**ALONE), store)
    assert [f"{door.source}/{door.connection}" for door in intake.doors] == ["linear/main"]
    assert list(intake.handlers) == list(intake.reports) == list(intake.landings) == ["linear"]
    polled = await open_intake(Settings(**ALONE), store, poll=60)
    assert (list(polled.doors), [source.name for source in polled.sources]) == ([], ["Linear (main)"])
    assert {BOT_KEY, SECRET} <= set(Settings(**ALONE).secrets)
    assert {name for name in Settings.model_fields if name.startswith("linear_")} <= TRUSTED_ONLY


async def test_half_a_linear_is_said_so(store: MemoryStore) -> None:
    for name, match in (("linear_user", "AGENT_LINEAR_USER"), ("linear_repositories", "AGENT_LINEAR_REPOSITORIES")):
        with pytest.raises(ConfigError, match=match):
            await open_intake(Settings(**{key: one for key, one in ALONE.items() if key != name}), store)


async def test_a_hook_is_answered_as_linear_wants_it(store: MemoryStore) -> None:
    async def specify(filing: Filing) -> TaskSpec:
        return work()

    intake = await open_intake(Settings(**ALONE), store)
    closing = anyio.Event()
    hooks = Webhooks(store, intake.doors, clock=SystemClock())
    app = make_app(store, QueueEngine(store), specify, token="t" * 16, closing=closing, more=hooks.routes())
    hook = {"type": "Issue", "action": "remove", "data": {"id": "one"}, "webhookTimestamp": int(time.time() * 1000)}
    body = json.dumps(hook).encode()
    headers = {"Content-Type": "application/json", "Linear-Delivery": "11111111-2222"}
    async with create_task_group() as group:
        port = await group.start(partial(listen, app, host="127.0.0.1", port=0, closing=closing))
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=20) as client:
            address = "/webhooks/linear/main"
            assert (await client.post(address, content=body, headers=headers)).status_code == 401
            signed = {**headers, **dict(sign(LINEAR, SECRET, body))}
            answers = [await client.post(address, content=body, headers=signed) for _ in range(2)]
        group.cancel_scope.cancel()
    assert [(one.status_code, one.json()["status"]) for one in answers] == [(200, "accepted"), (200, "duplicate")]


async def test_the_setup_is_shown(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    async def plain(work: Any) -> int:
        """Signals arrive in the main thread only, and this is another one."""
        return int(await work())

    async def shown(settings: Settings, url: str = "https://bot.example") -> tuple[int, str]:
        code = await to_thread.run_sync(setup_command, settings, url)
        return code, capsys.readouterr().out

    monkeypatch.setattr("pullwright.cli.commands.linear.interruptible", plain)
    with RehearsalLinear() as linear:
        monkeypatch.setenv("SSL_CERT_FILE", str(linear.ca_file))
        monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
        here: dict[str, Any] = {**ALONE, "linear_api_url": linear.url, "linear_user": linear.bot.id}
        code, text = await shown(Settings(**here, linear_user_name="pull-bot"))
        assert code == 0
        assert "✔ Linear, token: it is of Pull Bot" in text
        assert "✔ Linear, teams: ENG" in text
        assert "have it sent to https://bot.example/webhooks/linear/main, for issues and comments" in text
        assert "!" not in text
        assert SECRET not in text
        wrong = {
            **here,
            "linear_user": "",
            "linear_teams": ("ENG", "OPS"),
            "linear_label": "robot",
            "linear_review": ("Nowhere",),
            "linear_webhook_secrets": (),
            "linear_repositories": (),
        }
        code, text = await shown(Settings(**wrong))
        assert code == 1
        for words in (
            f"set AGENT_LINEAR_USER={linear.bot.id}",
            "set AGENT_LINEAR_USER_NAME",
            "does not see OPS",
            "no label 'robot'",
            "ENG has no state Nowhere for review",
            "no repository is named",
            "there is no webhook secret",
        ):
            assert words in text, words
        code, text = await shown(Settings(**{**here, "linear_token": SecretStr("lin_api_wrong")}), "")
        assert (code, "put a valid one in AGENT_LINEAR_TOKEN" in text) == (1, True)
    with pytest.raises(ConfigError, match="AGENT_LINEAR_TOKEN"):
        setup_command(Settings(), "")
