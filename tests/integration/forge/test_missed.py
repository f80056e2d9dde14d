"""Deliveries that nobody took are asked for again, a few times, and arrive through the door."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pullwright.integrations.github import GitHubSettings, missed
from pullwright.integrations.github.app_auth import AppCredentials, AppKey
from pullwright.integrations.github.client import GitHubClient
from pullwright.integrations.github.missed import AGAIN, AppHook, MissedHooks, RepositoryHook, Sent, to_send_again
from pullwright.integrations.github.tuning import GitHubTuning
from pullwright.integrations.testing.access import TokenRights
from pullwright.integrations.testing.forge import AGENT_TOKEN
from pullwright.integrations.testing.forge_state import Repository
from pullwright.integrations.testing.hook_trouble import HookTrouble
from pullwright.integrations.testing.rehearsal import Rehearsal

NOW = datetime(2026, 11, 22, 9, tzinfo=UTC)
TUNING = GitHubTuning(backoff=0, rate_limit_wait=1)
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def sent(number: int, guid: str = "a", code: int = 0, minutes: float = 60) -> Sent:
    return Sent(id=number, guid=guid, status_code=code, delivered_at=NOW - timedelta(minutes=minutes))


def test_what_arrived_once_or_is_fresh_is_left_alone() -> None:
    assert to_send_again([sent(1), sent(2, code=202)], NOW) == []
    assert to_send_again([sent(1, minutes=0.5)], NOW) == []
    assert to_send_again([sent(1, code=401), sent(3, "b", 503), sent(2, "b", 0)], NOW) == [
        sent(1, code=401),
        sent(3, "b", 503),
    ]


@given(st.lists(st.integers(1, 600), max_size=60))
def test_nothing_is_asked_for_more_often_than_that(pauses: list[int]) -> None:
    log, now = [sent(0, minutes=0)], NOW
    for number, pause in enumerate(pauses, start=1):
        now += timedelta(minutes=pause)
        if to_send_again(log, now):
            log.append(Sent(id=number, guid="a", delivered_at=now))
    assert len(log) <= 1 + AGAIN
    waits = [after.delivered_at - before.delivered_at for before, after in pairwise(log)]
    assert all(wait >= timedelta(minutes=4**tries) for tries, wait in enumerate(waits))


@pytest.fixture
def rehearsal() -> Iterator[Rehearsal]:
    with Rehearsal() as running:
        running.send_hooks_to("http://127.0.0.1:9/webhooks/github/main")
        running.set_trouble(HookTrouble(lost=1.0))
        yield running
        assert running.forge.violations == []


@pytest.fixture
def shop(rehearsal: Rehearsal, monkeypatch: pytest.MonkeyPatch) -> Repository:
    monkeypatch.setattr(missed, "_PAGE", 2)
    repository = rehearsal.repository("shop", {"a.txt": "one\n"})
    for number in range(3):  # more than a page of them
        rehearsal.forge.person("ann").open_issue(repository, f"Issue {number}")
    return repository


def settings(rehearsal: Rehearsal) -> GitHubSettings:
    return GitHubSettings(api_url=rehearsal.forge.api_url, ca_file=rehearsal.forge.ca_file)


async def ask(source: MissedHooks) -> None:
    assert [one async for one in source.missed(LONG_AGO)] == []


@pytest.mark.anyio
async def test_an_app_asks_for_what_was_lost(rehearsal: Rehearsal, shop: Repository) -> None:
    app = AppCredentials(
        AppKey(app_id=str(rehearsal.app.id), private_key=rehearsal.app.private_key), settings(rehearsal), TUNING
    )
    first = rehearsal.deliveries
    clock = [datetime.now(UTC) + timedelta(minutes=2)]
    source = MissedHooks([AppHook(app)], now=lambda: clock[0])
    await ask(source)
    again = rehearsal.deliveries[len(first) :]
    assert [one.guid for one in again] == [one.guid for one in first if one.hook is rehearsal.app.hook]
    assert all(one.redelivery for one in again)
    await ask(source)
    assert len(rehearsal.deliveries) == len(first) + len(again)
    again[0].status_code = 202
    for _ in range(AGAIN + 3):
        clock[0] += timedelta(days=1)
        await ask(source)
    tries = [one for one in rehearsal.deliveries if one.guid == again[1].guid]
    assert len(tries) == 1 + AGAIN
    assert len([one for one in rehearsal.deliveries if one.guid == again[0].guid]) == 2


@pytest.mark.anyio
async def test_a_token_asks_for_those_of_the_hook_that_leads_here(
    rehearsal: Rehearsal, shop: Repository, caplog: pytest.LogCaptureFixture
) -> None:
    rehearsal.app.hook.active = False
    rehearsal.add_hook(shop, "https://elsewhere.test/hooks")
    ours = rehearsal.add_hook(shop, "http://127.0.0.1:9/webhooks/github/main")
    rehearsal.forge.person("ann").open_issue(shop, "Broken")
    rehearsal.forge.add_token("ghp_reader_0123456789", TokenRights(user="r", permissions={"issues": "read"}))

    def source(token: str) -> MissedHooks:
        known = GitHubSettings(api_url=rehearsal.forge.api_url, ca_file=rehearsal.forge.ca_file, token=token)
        log = RepositoryHook(GitHubClient(known, TUNING), "acme/shop", "/webhooks/github/main")
        return MissedHooks([log], now=lambda: datetime.now(UTC) + timedelta(minutes=2))

    await ask(source(AGENT_TOKEN))
    again = [one for one in rehearsal.deliveries if one.redelivery]
    assert [(one.event, one.hook.id) for one in again] == [("ping", ours.id), ("issues", ours.id)]
    with caplog.at_level(logging.WARNING):
        await ask(source("ghp_reader_0123456789"))
    assert "lacks the permission" in caplog.text
    with rehearsal.forge.state.lock:
        shop.hooks.remove(ours)
    with caplog.at_level(logging.WARNING):
        await ask(source(AGENT_TOKEN))
    assert "has no webhook that leads here" in caplog.text
