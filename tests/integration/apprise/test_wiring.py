"""From the settings to the people who are told."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pullwright.agents.clock import SystemClock
from pullwright.agents.errors import ConfigError
from pullwright.agents.ports.lease import Worker
from pullwright.agents.ports.notice import Moment
from pullwright.agents.queue.memory import MemoryStore
from pullwright.agents.task import TaskStatus
from pullwright.agents.testing.contracts_store import a_spec, finished
from pullwright.cli.notify_settings import secret_parts
from pullwright.cli.notify_wiring import open_notifications, telling
from pullwright.cli.settings import Settings, load_settings
from pullwright.integrations.testing.notice_sinks import NoticeSink

pytestmark = pytest.mark.anyio

TOKEN = "Zq8rT0kenInThePath"
SLACK = "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrZdevi7FQ/#general"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def sink(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[NoticeSink]:
    made = NoticeSink(tmp_path, path=f"/{TOKEN}")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(made.ca_file))
    yield made
    made.close()


def agent(folder: Path, *arguments: str, **settings: object) -> subprocess.CompletedProcess[str]:
    own = {f"AGENT_{name.upper()}": json.dumps(value) for name, value in settings.items()}
    command = [sys.executable, "-P", "-m", "pullwright.cli", *arguments]
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, **own}, capture_output=True, text=True, timeout=60, check=False
    )
    assert "Traceback" not in done.stderr, done.stderr
    assert TOKEN not in f"{done.stdout}{done.stderr}"
    return done


async def test_what_a_process_did_last_is_told_before_it_ends(sink: NoticeSink) -> None:
    store = MemoryStore(SystemClock())
    settings = Settings(notify=(sink.url,))  # type: ignore[arg-type]  # pydantic makes a secret of it
    notifications = await open_notifications(settings)
    async with telling(notifications, store, Worker(id="w")):
        while not await store.effects("notices:"):
            await SystemClock().sleep(0.05)
        filed = await store.create(a_spec(work_key=""))
        task = await store.claim("w", filed.id)
        assert task is not None
        await store.finish(task, TaskStatus.FAILED, finished("failed"))
    assert [title.partition(":")[0] for title in sink.titles] == ["Started", "Failed"]


async def test_nobody_is_told_where_nothing_is_set() -> None:
    assert await open_notifications(Settings()) is None
    async with telling(None, MemoryStore(SystemClock()), Worker(id="w")):
        pass


async def test_addresses_that_are_the_same_are_one_target(
    tmp_path: Path, sink: NoticeSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGENT_NOTIFY", json.dumps([sink.url, SLACK]))
    monkeypatch.setenv("AGENT_NOTIFY_ABOUT", '["failed"]')
    tables = [{"url": sink.url, "repositories": ["acme/*"], "about": ["started"]}, {"url": SLACK}]
    monkeypatch.setenv("AGENT_NOTIFICATIONS", json.dumps(tables))
    notifications = await open_notifications(load_settings(tmp_path))
    assert notifications is not None
    json_target, slack = notifications.targets
    assert (json_target.label, slack.label) == ("entry 1 of 'notify' (JSON)", "entry 2 of 'notify' (Slack)")
    assert json_target.wants(Moment.STARTED, "acme/shop")
    assert not json_target.wants(Moment.STARTED, "other/shop")
    assert json_target.wants(Moment.FAILED, "other/shop")
    assert slack.wants(Moment.FAILED, "x/y")
    assert not slack.wants(Moment.STARTED, "x/y")
    assert TOKEN not in f"{notifications}"


async def test_an_address_that_is_not_understood_is_named_by_its_place() -> None:
    tables = ({"url": "https://forge.example/x"},)
    with pytest.raises(ConfigError, match="table 1 of 'notifications'") as caught:
        await open_notifications(Settings(notifications=tables))  # type: ignore[arg-type]  # as above
    assert "forge.example" not in str(caught.value)


def test_the_test_says_of_each_target_whether_it_arrived(tmp_path: Path, sink: NoticeSink) -> None:
    done = agent(tmp_path, "notify", "test", notify=[sink.url, f"json://127.0.0.1:1/{TOKEN}"])
    assert done.returncode == 1
    first, second = done.stdout.splitlines()
    assert first == "✔ entry 1 of 'notify' (JSON): it arrived"
    assert second.startswith("✘ entry 2 of 'notify' (JSON): ")
    assert sink.titles == ["Test"]


def test_the_test_needs_a_target_that_is_understood(tmp_path: Path) -> None:
    assert agent(tmp_path, "notify", "test").returncode == 2
    done = agent(tmp_path, "notify", "test", notify=[f"nonsense://{TOKEN}"])
    assert done.returncode == 2
    assert "entry 1 of 'notify'" in done.stderr


def test_the_server_does_not_begin_with_an_address_that_is_not_understood(tmp_path: Path) -> None:
    settings = {"endpoint_url": "http://127.0.0.1:1/v1", "api_token": "t" * 32}
    done = agent(tmp_path, "serve", "--port", "0", notify=[f"nonsense://{TOKEN}"], **settings)
    assert done.returncode == 2
    assert "entry 1 of 'notify'" in done.stderr


def test_the_doctor_knows_the_targets(tmp_path: Path) -> None:
    wrong = agent(tmp_path, "doctor", notify=[f"json://h/{TOKEN}", f"nonsense://{TOKEN}"])
    assert "✘ notifications: the address at entry 2 of 'notify'" in wrong.stdout
    right = agent(tmp_path, "doctor", notify=[f"json://h/{TOKEN}"])
    assert "✔ notifications: entry 1 of 'notify' (JSON)" in right.stdout


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        (SLACK, {"TIiajkdnlazkcOXrZdevi7FQ"}),
        ("https://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrZdevi7FQ", {"TIiajkdnlazkcOXrZdevi7FQ"}),
        ("slack://xoxb-1234-1234-4ddbc191d40ee098/#release-2026", {"xoxb-1234-1234-4ddbc191d40ee098"}),
        ("discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js", {"JHMHI8qBe7bk2ZwO5U711o3dV_js"}),
        ("mailto://me:open%20sesame@smtp-relay4.acme.example?to=ops2@acme.example", {"open%20sesame", "open sesame"}),
        ("tgram://123456789:abcdefg_hijklmnop/12315544", {"abcdefg_hijklmnop"}),
        ("workflows://h.example:443/wf1/sIgnature", set()),
        ("jsons://h.example/x?key=%41bcdefg-0123456789", {"%41bcdefg-0123456789", "Abcdefg-0123456789"}),
        ("json://[::1", set()),
    ],
)
def test_secrets_within_addresses_are_known(url: str, parts: set[str]) -> None:
    assert set(secret_parts(url)) == parts


def test_every_secret_of_the_settings_is_known() -> None:
    settings = Settings(notify=(SLACK,), notifications=({"url": f"json://h/{TOKEN}"},))  # type: ignore[arg-type]  # as above
    assert {SLACK, "TIiajkdnlazkcOXrZdevi7FQ", f"json://h/{TOKEN}", TOKEN} <= set(settings.secrets)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("notify_about", ["nonsense"]),
        ("notifications", [{"repositories": ["x"]}]),
        ("notifications", [{"url": f"json://h/{TOKEN}", "abouts": ["failed"]}]),
        ("notifications", [{"url": f"json://h/{TOKEN}", "about": ["everything"]}]),
    ],
)
def test_wrong_settings_are_named_without_what_they_hold(tmp_path: Path, name: str, value: object) -> None:
    done = agent(tmp_path, "notify", "test", **{name: value})
    assert done.returncode == 2
    assert name in done.stderr


@pytest.mark.parametrize("key", ["notify", "notify_about", "notifications"])
def test_a_file_in_a_checkout_may_not_set_them(tmp_path: Path, key: str) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / "pullwright.toml").write_text(f"{key} = []\n")
    with pytest.raises(ConfigError, match="could have come with the repository"):
        load_settings(tmp_path)
