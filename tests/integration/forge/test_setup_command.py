"""``agent github setup`` against the rehearsal: everything that can be missing, and what is mended."""

from __future__ import annotations

import gc
import json
import shutil
import stat
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import anyio
import pytest

from pullwright.agents.clock import SystemClock
from pullwright.agents.ports.inbox import DeliveryStatus, NewDelivery
from pullwright.agents.queue.open import open_store
from pullwright.cli.app import main
from pullwright.integrations.github.app_manifest import WantedApp, form_page, manifest
from pullwright.integrations.github.settings import GitHubSettings
from pullwright.integrations.github.setup_check import EVENTS, needed_of_token, needed_permissions
from pullwright.integrations.testing.access import TokenRights
from pullwright.integrations.testing.forge_state import Repository
from pullwright.integrations.testing.rehearsal import SECRET, Rehearsal
from tests.integration.forge.receiver import Receiver, receiving

Agent = Callable[..., tuple[int, str, str]]
TOKEN = "github_pat_" + "a" * 70


@pytest.fixture
def rehearsal() -> Iterator[Rehearsal]:
    with Rehearsal(events=EVENTS) as running:
        yield running
        assert running.forge.violations == []


@pytest.fixture
def shop(rehearsal: Rehearsal) -> Repository:
    made = rehearsal.repository("shop", {"a.txt": "one\n"})
    made.labels.add("agent")
    return made


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        found.url = found.url.removesuffix("/hook")
        yield found


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "config" / "pullwright" / "pullwright.toml"


@pytest.fixture
def agent(
    rehearsal: Rehearsal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Agent]:
    """The command in this process, signed in as nobody; returns its exit code and what it said on each stream."""
    folder = tmp_path / "folder"
    folder.mkdir()
    for name, value in {
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
        "AGENT_HOME": str(tmp_path / "home"),
        "AGENT_GITHUB_API_URL": rehearsal.forge.api_url,
        "REQUESTS_CA_BUNDLE": str(rehearsal.forge.ca_file),
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(folder)

    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["agent", "github", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        assert isinstance(ended.value.code, int)
        return ended.value.code, *capsys.readouterr()

    yield call
    gc.enable()
    gc.unfreeze()


@pytest.fixture
def as_app(rehearsal: Rehearsal, agent: Agent, monkeypatch: pytest.MonkeyPatch) -> Agent:
    monkeypatch.setenv("AGENT_GITHUB_APP_ID", str(rehearsal.app.id))
    monkeypatch.setenv("AGENT_GITHUB_APP_PRIVATE_KEY", rehearsal.app.private_key)
    return agent


@pytest.fixture
def as_token(rehearsal: Rehearsal, agent: Agent, monkeypatch: pytest.MonkeyPatch) -> Agent:
    grant(rehearsal, {**needed_of_token(), "repository_hooks": "write"})
    monkeypatch.setenv("AGENT_GITHUB_TOKEN", TOKEN)
    return agent


def grant(rehearsal: Rehearsal, permissions: dict[str, str]) -> None:
    rehearsal.forge.add_token(TOKEN, TokenRights(user="machine", permissions=permissions))


def marked(out: str, sign: str) -> list[str]:
    return [line.strip()[2:] for line in out.splitlines() if line.strip().startswith(sign)]


# As an App


def test_an_app_that_has_everything(as_app: Agent, shop: Repository, rehearsal: Rehearsal) -> None:
    code, out, err = as_app("setup", "acme/shop", "--yes")
    assert (code, marked(out, "✘"), marked(out, "!"), err) == (0, [], [], "")
    assert 'github_bot_login = "pull-bot[bot]"' in out
    assert f"github_app_id = {rehearsal.app.id}" in out
    assert "PRIVATE KEY" not in out


@pytest.mark.parametrize("name", sorted(set(needed_permissions()) - {"metadata"}))
def test_each_permission_that_an_app_lacks(as_app: Agent, shop: Repository, rehearsal: Rehearsal, name: str) -> None:
    del rehearsal.installation.permissions[name]
    code, out, _ = as_app("check", "acme/shop")
    (line,) = marked(out, "✘")
    assert code == 1
    assert line.startswith(f"permission {name}: is 'missing'")
    assert f"/settings/apps/{rehearsal.app.slug}/permissions" in line


def test_an_app_that_is_not_installed_or_suspended(as_app: Agent, shop: Repository, rehearsal: Rehearsal) -> None:
    rehearsal.forge.acts.apps.suspend(rehearsal.installation)
    code, out, _ = as_app("check", "acme/shop")
    assert (code, "suspended" in marked(out, "✘")[0]) == (1, True)
    rehearsal.forge.acts.apps.uninstall(rehearsal.installation)
    code, out, _ = as_app("setup", "acme/shop", "--yes")
    assert code == 1
    assert f"/apps/{rehearsal.app.slug}/installations/new" in marked(out, "✘")[0]


def test_the_webhook_of_an_app_is_mended_and_tried(
    as_app: Agent, shop: Repository, rehearsal: Rehearsal, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGENT_GITHUB_WEBHOOK_SECRETS", json.dumps([SECRET]))
    rehearsal.app.hook.url = "http://127.0.0.1:9/elsewhere"
    code, out, _ = as_app("check", "acme/shop", "--url", receiver.url)
    assert (code, rehearsal.app.hook.url) == (1, "http://127.0.0.1:9/elsewhere")
    assert any("it goes to" in line for line in marked(out, "✘"))
    with rehearsal.forge.state.lock:
        rehearsal.forge.parts.announcer.ping(rehearsal.app.hook, None, "acme", {})
    rehearsal.wait_settled()
    code, out, _ = as_app("setup", "acme/shop", "--url", receiver.url, "--yes")
    assert code == 0, out
    assert rehearsal.app.hook.url == f"{receiver.url}/webhooks/github/main"
    assert "webhook delivery: the newest one arrived" in marked(out, "✔")
    assert receiver.names == ["ping"]
    assert SECRET not in out
    receiver.status = 401
    code, out, _ = as_app("setup", "acme/shop", "--url", receiver.url, "--yes")
    assert (code, "the secrets differ" in marked(out, "✘")[0]) == (1, True)


def test_a_label_is_made_when_that_is_wanted(as_app: Agent, shop: Repository) -> None:
    shop.labels.clear()
    assert "label: 'agent' is not there" in marked(as_app("check", "acme/shop")[1], "!")[0]
    as_app("setup", "acme/shop", "--no-label")
    assert shop.labels == set()
    assert "label: 'agent' is there" in marked(as_app("setup", "acme/shop", "--make-label")[1], "✔")
    assert shop.labels == {"agent"}


# With a token


def test_a_token_that_has_everything(
    as_token: Agent, shop: Repository, receiver: Receiver, config: Path, rehearsal: Rehearsal
) -> None:
    config.parent.mkdir(parents=True)
    config.write_text('# mine\nmodel = "x"\nGITHUB_LABEL = "agent"\n\n[[endpoints]]\nname = "a"\nurl = "http://a/v1"\n')
    code, out, _ = as_token("setup", "acme/shop", "--url", receiver.url, "--yes", "--write")
    assert (code, marked(out, "✘")) == (0, []), out
    rehearsal.wait_settled()
    (hook,) = shop.hooks
    assert (hook.url, set(hook.events), hook.content_type) == (
        f"{receiver.url}/webhooks/github/main", set(EVENTS), "json"
    )  # fmt: skip
    written = tomllib.loads(config.read_text())
    assert written["github_webhook_secrets"] == [hook.secret]
    assert written["github_repositories"] == ["acme/shop"]
    assert (written["model"], written["endpoints"][0]["name"], written["github_bot_login"]) == ("x", "a", "machine")
    assert stat.S_IMODE(config.stat().st_mode) == 0o600
    assert hook.secret not in out
    assert TOKEN not in out + config.read_text()
    assert "webhook delivery: the newest one arrived" in marked(out, "✔")
    again = as_token("setup", "acme/shop", "--url", receiver.url, "--yes", "--write")
    assert (again[0], len(shop.hooks), tomllib.loads(config.read_text())) == (0, 1, written)


@pytest.mark.parametrize("name", sorted(set(needed_of_token()) - {"metadata"}))
@pytest.mark.parametrize("level", ["", "read"])
def test_each_permission_that_a_token_lacks(
    as_token: Agent, shop: Repository, rehearsal: Rehearsal, name: str, level: str
) -> None:
    needed = needed_of_token()
    granted = {**needed, name: level} if level else {key: needed[key] for key in needed if key != name}
    grant(rehearsal, granted)
    code, out, _ = as_token("check", "acme/shop")
    named = [line for line in marked(out, "✘") + marked(out, "!") if line.startswith(f"permission {name}:")]
    enough = level == needed[name]
    assert len(named) == (not enough)
    assert code == (0 if enough or name in ("checks", "statuses") else 1)
    assert (len(shop.issues), len(shop.pulls), set(shop.bare.branches())) == (0, 0, {"main"})


def test_a_token_that_sees_nothing_or_is_worthless(
    as_token: Agent, shop: Repository, rehearsal: Rehearsal, monkeypatch: pytest.MonkeyPatch
) -> None:
    rehearsal.forge.add_token(TOKEN, TokenRights(user="machine", permissions={}, repositories=("acme/other",)))
    code, out, _ = as_token("check", "acme/shop")
    assert (code, "add the repository to the token" in marked(out, "✘")[0]) == (1, True)
    monkeypatch.setenv("AGENT_GITHUB_TOKEN", "github_pat_unknown0000")
    code, out, err = as_token("check", "acme/shop")
    assert (code, out, len(err.splitlines())) == (1, "", 1)
    assert "the token was refused" in err


def test_hooks_that_a_token_may_not_see(
    as_token: Agent, shop: Repository, rehearsal: Rehearsal, receiver: Receiver
) -> None:
    grant(rehearsal, needed_of_token())
    code, out, _ = as_token("setup", "acme/shop", "--url", receiver.url, "--yes")
    assert (code, shop.hooks) == (0, [])
    assert any("by hand" in line for line in marked(out, "!"))


def test_a_secret_that_would_be_lost_is_not_made(as_token: Agent, shop: Repository, receiver: Receiver) -> None:
    code, _, err = as_token("setup", "acme/shop", "--url", receiver.url, "--yes")
    assert (code, shop.hooks) == (2, [])
    assert "add --write" in err


def test_json_is_one_object_for_each_finding(as_token: Agent, shop: Repository) -> None:
    code, out, _ = as_token("check", "acme/shop", "--json")
    found = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert {one["repository"] for one in found} == {"acme/shop"}
    assert {one["level"] for one in found} == {"ok", "warning"}


# What is wrong before GitHub is asked


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["check", "acme/shop"], "--new-app NAME"),
        (["setup", "acme/shop", "--url", "http://agent.example.test"], "https://"),
        (["setup", "--code", "short"], "paste the whole address"),
        (["setup", "--new-app", "x", "--organization", "a/b"], "is no organization"),
        (["deliveries", "--status", "lost"], "--status is one of"),
    ],
)
def test_a_wrong_call_is_one_line(agent: Agent, arguments: list[str], words: str) -> None:
    code, out, err = agent(*arguments)
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert words in err


def test_without_a_repository_the_checkout_is_meant(as_token: Agent) -> None:
    code, _, err = as_token("check")
    assert (code, "name the repositories" in err) == (2, True)


# A new App


def test_an_app_is_made_from_a_manifest(agent: Agent, rehearsal: Rehearsal, config: Path, tmp_path: Path) -> None:
    page = tmp_path / "form.html"
    url = "https://agent.example.test"
    code, out, _ = agent("setup", "--new-app", "My Bot", "--url", url, "--form", str(page), "--yes")
    assert (code, page.as_uri() in out, "agent github setup --code" in out) == (0, True, True)
    assert 'name="manifest"' in page.read_text()
    wanted = WantedApp(name="My Bot", hook_url=f"{url}/webhooks/github/main", redirect_url="http://127.0.0.1/x")
    pressed = rehearsal.forge.acts.apps.begin("acme", manifest(wanted))
    code, out, _ = agent("setup", "--code", f"http://127.0.0.1/x?code={pressed}&state=1")
    assert code == 0, out
    made = next(app for app in rehearsal.forge.state.apps if app.slug == "my-bot")
    assert (made.permissions, set(made.events)) == (needed_permissions(), set(EVENTS))
    written = tomllib.loads(config.read_text())
    key = Path(written["github_app_private_key_file"])
    assert (key.read_text(), stat.S_IMODE(key.stat().st_mode)) == (made.private_key, 0o600)
    assert (written["github_app_id"], written["github_bot_login"]) == (made.id, "my-bot[bot]")
    assert written["github_webhook_secrets"] == [made.hook.secret]
    assert made.hook.secret not in out
    assert "PRIVATE KEY" not in out
    code, _, err = agent("setup", "--code", pressed)
    assert (code, len(err.splitlines())) == (1, 1)


def test_the_form_holds_nothing_but_the_manifest() -> None:
    wanted = WantedApp(name='"><script>', redirect_url="http://127.0.0.1/x", organization="acme")
    page = form_page(wanted, GitHubSettings(), "s")
    assert "<script>" not in page
    assert "https://github.com/organizations/acme/settings/apps/new?state=s" in page


async def refused(home: Path) -> None:
    home.mkdir()
    async with open_store(f"sqlite:///{home / 'pullwright.db'}", SystemClock()) as store:
        key, work = "1" * 8, "github.com/5#7"
        await store.receive(
            NewDelivery(source="github", connection="main", key=key, work_key=work, kind="WorkRequested")
        )
        (taken,) = await store.take("a worker")
        await store.conclude(taken, DeliveryStatus.REFUSED, "only writers\x1b[2J may ask\nfor work")


def test_deliveries_are_listed_with_their_reasons(agent: Agent, tmp_path: Path) -> None:
    assert "nothing of github reached the bot yet; `agent github setup`" in agent("deliveries")[1]
    assert agent("deliveries", "--json", "--status", "failed") == (0, "", "")
    shutil.rmtree(tmp_path / "home")
    anyio.run(refused, tmp_path / "home")
    code, out, _ = agent("deliveries", "--status", "refused", "--limit", "1")
    assert code == 0
    assert out[21:] == "github  WorkRequested  github.com/5#7  refused: only writers\ufffd[2J may ask for work\n"
    assert json.loads(agent("deliveries", "--json")[1])["status"] == "refused"
