"""Looking instead of being told: the same meanings, once, however much of what hooks tell is lost or comes twice."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from random import Random

import anyio
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as profile
from hypothesis import strategies as st
from pydantic import SecretStr

from pullwright.agents.clock import SystemClock
from pullwright.agents.intake.catch_up import CatchUp
from pullwright.agents.intake.reception import Reception
from pullwright.agents.ports.inbox import DeliveryStatus, NewDelivery
from pullwright.agents.queue.memory import MemoryStore
from pullwright.agents.task import TaskStatus
from pullwright.cli.intake_parts import Intake
from pullwright.cli.intake_wiring import open_intake
from pullwright.cli.settings import Settings
from pullwright.integrations.testing.bare_repository import TreeFile
from pullwright.integrations.testing.faults import Fault
from pullwright.integrations.testing.forge import AGENT_TOKEN
from pullwright.integrations.testing.forge_state import Repository
from pullwright.integrations.testing.github_documents import user_id
from pullwright.integrations.testing.hook_records import Delivery
from pullwright.integrations.testing.hook_trouble import HookTrouble
from pullwright.integrations.testing.rehearsal import SECRET, Rehearsal
from tests.integration.forge.app_client import ask

SOME_DAYS = timedelta(days=3)
_names = count(1)


@pytest.fixture(scope="module")
def rehearsal() -> Iterator[Rehearsal]:
    with pytest.MonkeyPatch.context() as patch, Rehearsal() as running:
        patch.setenv("REQUESTS_CA_BUNDLE", str(running.forge.ca_file))
        running.send_hooks_to("http://127.0.0.1:9/webhooks/github/main")
        running.set_trouble(HookTrouble(lost=1.0))
        yield running
        assert running.forge.violations == []


def a_repository(rehearsal: Rehearsal) -> Repository:
    made = rehearsal.repository(f"shop{next(_names)}", {"a.txt": "one\n"})
    for number in (1, 2):
        rehearsal.forge.person("eve").open_issue(made, f"Broken {number}", "See log.")
    rehearsal.person("ann")
    return made


@pytest.fixture
def shop(rehearsal: Rehearsal) -> Repository:
    return a_repository(rehearsal)


class Server:
    """What `agent serve` does with its inbox, in steps."""

    def __init__(self, rehearsal: Rehearsal, shop: Repository, store: MemoryStore, intake: Intake) -> None:
        self.store = store
        self._rehearsal = rehearsal
        self._intake = intake
        self._catch_up = CatchUp(store, intake.sources, clock=SystemClock())
        self._polling = intake.sources[-1]
        self._shop = shop

    @classmethod
    async def open(cls, rehearsal: Rehearsal, shop: Repository, *, poll: float = 60.0, **more: object) -> Server:
        store, app = MemoryStore(SystemClock()), rehearsal.app
        known = Settings(
            github_api_url=rehearsal.forge.api_url,
            github_webhook_secrets=(SecretStr(SECRET),),
            api_token=SecretStr("t" * 16),
            github_repositories=(shop.slug,),
            **{
                "github_app_id": app.id,
                "github_app_private_key": SecretStr(app.private_key),
                "github_bot_login": app.login,
                "github_bot_id": user_id(app.login),
                **more,
            },  # type: ignore[arg-type]
        )
        return cls(rehearsal, shop, store, await open_intake(known, store, poll=poll))

    async def looks(self, since: timedelta = SOME_DAYS) -> int:
        news = await self._catch_up.ask(self._polling, datetime.now(UTC) - since)
        await self.deals()
        return news

    async def is_told(self, told: Delivery) -> None:
        [door] = self._intake.doors
        new = door.read(list(told.request_headers.items()), told.body)
        assert isinstance(new, NewDelivery)
        await self.store.receive(new)

    async def deals(self) -> None:
        await Reception(self.store, self._intake.handlers, clock=SystemClock()).deal_with_all("w")

    def used(self) -> int:
        return int(ask(self._rehearsal, "GET", "/rate_limit", AGENT_TOKEN).json()["rate"]["used"])

    async def heard(self, number: int) -> list[str]:
        """Return everything that the tasks of an issue were told."""
        tasks = await self.store.tasks_of(f"{self._rehearsal.forge.host}/{self._shop.id}#{number}")
        words = [signal.text for task in tasks for signal in await self.store.signals(task.id)]
        return [*(task.spec.instruction for task in tasks), *words]


@pytest.mark.anyio
async def test_label_comment_and_new_issue_are_found_without_any_hook(rehearsal: Rehearsal, shop: Repository) -> None:
    server = await Server.open(rehearsal, shop, github_new_issues=True)
    assert await server.looks() == 0
    ann = rehearsal.forge.person("ann")
    ann.label(shop, 1, "bug", "agent")
    ann.comment(shop, 2, "/agent run mind the rounding")
    ann.comment(shop, 2, "what a pity")
    ann.open_issue(shop, "Slow", f"@{rehearsal.app.slug} make it fast")
    assert await server.looks() == 3
    assert await server.looks() == 0
    assert await server.heard(1) == ["Resolve issue #1."]
    assert await server.heard(2) == ["mind the rounding"]
    assert await server.heard(3) == ["make it fast"]
    assert len(await server.store.list()) == 3


@pytest.mark.anyio
async def test_looking_in_vain_costs_nothing(rehearsal: Rehearsal, shop: Repository) -> None:
    server = await Server.open(rehearsal, shop)
    rehearsal.forge.person("ann").label(shop, 1, "agent")
    await server.looks()
    await server.looks()  # the bot's own reaction changed the issue
    before, asked = server.used(), len(rehearsal.forge.requests)
    for _ in range(5):
        assert await server.looks() == 0
    assert len(rehearsal.forge.requests) - asked == 5 * 4
    assert server.used() == before + 1  # the question itself


@pytest.mark.anyio
async def test_a_remark_at_a_line_of_the_bots_pull_request_is_found(rehearsal: Rehearsal, shop: Repository) -> None:
    server = await Server.open(rehearsal, shop)
    bot, ann = rehearsal.forge.person(rehearsal.app.login), rehearsal.forge.person("ann")
    numbers = []
    for author in (bot, ann):
        branch = f"agent/{author.login[:3]}"
        shop.bare.git("branch", branch, "main")
        shop.bare.commit(branch, "Change", [TreeFile(b"a.txt", branch.encode())])
        numbers.append(author.open_pull_request(shop, branch, "Change").number)
    for number in numbers:
        ann.review_comment(shop, number, "a.txt", 1, f"@{rehearsal.app.slug} round here")
        ann.review_comment(shop, number, "a.txt", 1, "nice")
    assert await server.looks() == 1
    [kept] = await server.store.deliveries()
    assert kept.work_key == f"{rehearsal.forge.host}/{shop.id}#{numbers[0]}"
    assert kept.key.startswith("poll:review_comment:")
    assert await server.looks() == 0


@pytest.mark.anyio
async def test_what_ends_is_seen_and_what_came_after_it_is_kept(rehearsal: Rehearsal, shop: Repository) -> None:
    server = await Server.open(rehearsal, shop)
    ann = rehearsal.forge.person("ann")
    ann.label(shop, 1, "agent")
    ann.label(shop, 2, "agent")
    await server.looks()
    first, second = sorted(await server.store.list(), key=lambda task: task.spec.issue_number or 0)
    ann.unlabel(shop, 1, "agent")
    ann.close(shop, 2)
    await server.looks()
    assert [await server.store.status(task.id) for task in (first, second)] == [TaskStatus.CANCELED] * 2
    ann.label(shop, 1, "agent")
    await server.looks()
    live = [task for task in await server.store.list() if not task.status.terminal]
    assert [task.spec.issue_number for task in live] == [1]
    restarted = await Server.open(rehearsal, shop)
    await restarted.looks()
    assert [task.spec.issue_number for task in await restarted.store.list()] == [1]


@pytest.mark.anyio
async def test_what_is_old_by_now_or_the_bots_own_is_left_alone(rehearsal: Rehearsal, shop: Repository) -> None:
    ann, bot = rehearsal.forge.person("ann"), rehearsal.forge.person(rehearsal.app.login)
    old = ann.comment(shop, 1, "hello")
    with rehearsal.forge.state.lock:
        shop.issues[1].comments[0].created = "2020-01-01T00:00:00Z"
    ann.edit_comment(shop, 1, old, "/agent run")
    bot.label(shop, 2, "agent")
    bot.comment(shop, 2, "/agent run")
    server = await Server.open(rehearsal, shop)
    await server.looks()
    assert await server.store.list() == []


@pytest.mark.anyio
async def test_a_label_of_long_ago_that_nothing_came_of_is_found(rehearsal: Rehearsal, shop: Repository) -> None:
    rehearsal.forge.person("ann").label(shop, 1, "agent")
    with rehearsal.forge.state.lock:
        timeline = shop.issues[1].timeline
        timeline[:] = [replace(one, created="2020-01-01T00:00:00Z") for one in timeline]
    server = await Server.open(rehearsal, shop, poll=0.0)
    assert await server.looks() == 1
    [task] = await server.store.list()
    await server.store.cancel(task.id, reason="enough")
    rehearsal.forge.person("ann").comment(shop, 1, "a pity")
    assert await server.looks() == 0
    assert len(await server.store.list()) == 1


@pytest.mark.anyio
async def test_a_machine_user_is_assigned(rehearsal: Rehearsal, shop: Repository) -> None:
    user = "pullwright-agent"
    server = await Server.open(
        rehearsal,
        shop,
        github_app_id=0,
        github_app_private_key=SecretStr(""),
        github_token=SecretStr(AGENT_TOKEN),
        github_bot_login=user,
        github_bot_id=user_id(user),
    )
    rehearsal.forge.person("ann").assign(shop, 1, user)
    rehearsal.forge.person("ann").assign(shop, 2, "ann")
    assert await server.looks() == 1
    assert [task.spec.issue_number for task in await server.store.list()] == [1]


@pytest.mark.anyio
async def test_trouble_with_a_list_loses_nothing(
    rehearsal: Rehearsal, shop: Repository, caplog: pytest.LogCaptureFixture
) -> None:
    server = await Server.open(rehearsal, shop)
    rehearsal.forge.person("ann").label(shop, 1, "agent")
    for body in ("<html>", [1], {"message": "x"}):
        rehearsal.forge.add_fault(Fault(path=f"/repos/{shop.slug}/issues/comments", status=200, body=body))
        with caplog.at_level(logging.WARNING):
            assert await server.looks() == 0
    assert "was not looked at" in caplog.text
    rehearsal.forge.rename_repository("acme", shop.name, f"{shop.name}-new")
    # What was to be seen then is seen now, although it is older than what is asked for.
    assert await server.looks(-SOME_DAYS) == 1
    assert await server.looks() == 0


happened = st.lists(
    st.tuples(st.sampled_from([1, 2]), st.sampled_from(["label", "comment", "comment", "noise"])),
    min_size=1,
    max_size=6,
)


@profile(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    happened=happened,
    fates=st.lists(st.integers(0, 2), min_size=20, max_size=20),
    looks=st.sets(st.integers(0, 12)),
    chance=st.randoms(use_true_random=False),
    alone=st.booleans(),
)
def test_every_request_is_done_once_whatever_is_lost(
    rehearsal: Rehearsal,
    happened: list[tuple[int, str]],
    fates: list[int],
    looks: set[int],
    chance: Random,
    alone: bool,
) -> None:
    anyio.run(live_through, rehearsal, happened, fates, looks, chance, alone)


async def live_through(
    rehearsal: Rehearsal,
    happened: list[tuple[int, str]],
    fates: list[int],
    looks: set[int],
    chance: Random,
    alone: bool,
) -> None:
    shop = a_repository(rehearsal)
    server = await Server.open(rehearsal, shop, poll=60.0 if alone else 0.0)
    seen = len(rehearsal.deliveries)
    for number, (issue, verb) in enumerate(happened):
        act(rehearsal, shop, issue, verb, number)
        if alone and number in looks:
            await server.looks()
    told = [one for one, fate in zip(rehearsal.deliveries[seen:], fates, strict=False) for _ in range(fate)]
    chance.shuffle(told)
    for number, one in enumerate([] if alone else told):
        await server.is_told(one)
        if number in looks:
            await server.looks()
    await server.looks()
    for issue in (1, 2):
        expected = [verb for at, verb in happened if at == issue]
        words = [f"words {number}." for number, (at, verb) in enumerate(happened) if (at, verb) == (issue, "comment")]
        heard = Counter(await server.heard(issue))
        assert {text: heard[text] for text in words} == dict.fromkeys(words, 1)
        tasks = [task for task in await server.store.list() if task.spec.issue_number == issue]
        assert len(tasks) == (1 if {"label", "comment"} & set(expected) else 0)
    kept = await server.store.deliveries(limit=500)
    assert not [one for one in kept if one.status in (DeliveryStatus.WAITING, DeliveryStatus.FAILED)]


def act(rehearsal: Rehearsal, shop: Repository, issue: int, verb: str, number: int) -> None:
    ann = rehearsal.forge.person("ann")
    match verb:
        case "label":
            ann.label(shop, issue, "agent")
        case "comment":
            ann.comment(shop, issue, f"/agent run words {number}.")
        case _:
            ann.comment(shop, issue, "what a pity")
