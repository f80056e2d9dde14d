"""What the settings name becomes Sentry's side of the intake; ``agent sentry setup`` looks at a real one."""

from __future__ import annotations

from typing import Any

import pytest
from anyio import to_thread
from pydantic_settings import BaseSettings, SettingsConfigDict

from pullwright.agents.change import RepositoryRef
from pullwright.agents.clock import SystemClock
from pullwright.agents.errors import ConfigError
from pullwright.agents.intake.door import PATH_SECRET
from pullwright.agents.queue.memory import MemoryStore
from pullwright.cli.commands.sentry import setup_command
from pullwright.cli.commands.tracker_setup import hook_address
from pullwright.cli.sentry_settings import SENTRY_TRUSTED_ONLY, SentryFields
from pullwright.cli.sentry_wiring import Surroundings, gate_rules, open_sentry
from pullwright.integrations.signatures import SENTRY, sign
from pullwright.integrations.testing.sentry_rehearsal import SentryRehearsal

PROJECT = {"project": "shop", "repo": "acme/shop", "base": "main", "stack_root": "/srv/app/", "source_root": "src/"}


class OurSettings(SentryFields, BaseSettings):
    """As the whole of the settings has them."""

    model_config = SettingsConfigDict(env_prefix="AGENT_", frozen=True, extra="forbid")


def repository(slug: str) -> RepositoryRef:
    owner, _, name = slug.partition("/")
    return RepositoryRef(url=f"https://github.com/{slug}.git", host="github.com", owner=owner, name=name)


def fields(**changes: Any) -> OurSettings:
    usual: dict[str, Any] = {
        "sentry_organization": "acme",
        "sentry_token": "sntrys_token",
        "sentry_webhook_secrets": ["secret"],
        "sentry_projects": [PROJECT],
        "sentry_app": "pullwright",
    }
    return OurSettings(**{**usual, **changes})


def around() -> Surroundings:
    return Surroundings(store=MemoryStore(SystemClock()), repository=repository, marks=b"k" * 16)


def test_every_setting_is_the_operators() -> None:
    assert set(SentryFields.model_fields) == SENTRY_TRUSTED_ONLY


def test_settings_come_from_variables_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENT_SENTRY_ORGANIZATION", "acme")
    monkeypatch.setenv("AGENT_SENTRY_PROJECTS", '[{"project": "shop", "repo": "acme/shop"}]')
    found = OurSettings()
    assert found.sentry_organization == "acme"
    assert found.sentry_projects[0].repo == "acme/shop"
    assert fields().sentry_secrets == ("sntrys_token", "secret")


def test_what_is_named_is_put_together() -> None:
    assert not open_sentry(fields(sentry_organization=""), around()).handlers
    whole = open_sentry(fields(), around())
    assert [(door.source, door.connection) for door in whole.doors] == [("sentry", "main")]
    assert list(whole.handlers) == ["sentry"]
    assert [source.name for source in whole.sources] == ["sentry/main"]
    assert list(whole.reports) == list(whole.landings) == ["sentry"]
    assert not open_sentry(fields(), around(), poll=True).doors
    assert not open_sentry(fields(sentry_webhook_secrets=[]), around()).doors
    rules = gate_rules(fields(sentry_known_days=2, sentry_quiet_days=0), repository)
    assert rules.routes["shop"].repository.slug == "acme/shop"
    assert (rules.longest_known is None, rules.longest_quiet is None) == (False, True)


def test_a_second_factor_and_an_address_for_the_plugin_can_be_had() -> None:
    more = fields(sentry_webhook_header="X-Extra: Bearer abc", sentry_path_secrets=["a long secret"])
    assert more.sentry_secrets == ("sntrys_token", "secret", "a long secret", "Bearer abc")
    doors = open_sentry(more, around()).doors
    assert [door.connection for door in doors] == ["main", "main-legacy"]
    signed = sign(SENTRY, "secret", b"{}")
    assert doors[0].problem(signed, b"{}", now=0.0) == "no signature"
    assert doors[0].problem([*signed, ("x-extra", "Bearer abc")], b"{}", now=0.0) == ""
    assert doors[1].problem([(PATH_SECRET, "a long secret")], b"{}", now=0.0) == ""
    with pytest.raises(ConfigError, match="AGENT_SENTRY_WEBHOOK_HEADER has no value"):
        open_sentry(fields(sentry_webhook_header="Authorization"), around())


def test_half_a_configuration_is_said_so() -> None:
    with pytest.raises(ConfigError, match="AGENT_SENTRY_TOKEN"):
        open_sentry(fields(sentry_token=""), around())
    with pytest.raises(ConfigError, match="two sentry_projects are named 'shop'"):
        open_sentry(fields(sentry_projects=[PROJECT, PROJECT]), around())
    with pytest.raises(ConfigError, match="AGENT_SENTRY_ORGANIZATION"):
        setup_command(fields(sentry_organization=""), repository, "")


def test_hooks_come_encrypted() -> None:
    assert hook_address("https://bot.example/", "sentry", "main") == "https://bot.example/webhooks/sentry/main"
    assert hook_address("", "sentry", "main") == ""
    with pytest.raises(ConfigError, match="not encrypted"):
        hook_address("http://bot.example", "sentry", "main")


async def _setup(sentry: SentryRehearsal, capsys: pytest.CaptureFixture[str], **changes: Any) -> tuple[int, str]:
    found = fields(sentry_url=sentry.url, sentry_token=sentry.state.token, **changes)
    code = await to_thread.run_sync(setup_command, found, repository, "https://bot.example")
    return code, capsys.readouterr().out


@pytest.mark.anyio
async def test_the_setup_is_shown(
    sentry: SentryRehearsal, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(sentry.ca_file))
    monkeypatch.setattr("pullwright.cli.commands.sentry.interruptible", _plain)
    code, shown = await _setup(sentry, capsys)
    assert code == 0
    assert "✔ Sentry, organization: acme at 127.0.0.1" in shown
    assert "✔ Sentry, projects: shop → acme/shop" in shown
    assert "put https://bot.example/webhooks/sentry/main as the webhook URL" in shown
    code, shown = await _setup(sentry, capsys, sentry_app="", sentry_projects=[])
    assert code == 1
    assert "! Sentry, bot: older Sentries do not say" in shown
    assert "✘ Sentry, projects: no project has a repository" in shown


async def _plain(work: Any) -> int:
    """Signals arrive in the main thread only, and this is another one."""
    return int(await work())
