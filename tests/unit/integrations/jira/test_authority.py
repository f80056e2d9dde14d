"""Who may ask: people, groups and roles that are named, and nobody else."""

from __future__ import annotations

import anyio
import pytest

from pullwright.agents.errors import ConfigError, RemoteUnavailable
from pullwright.agents.testing.fake_clock import FakeClock
from pullwright.integrations.jira.authority import Authority, AuthorityPolicy, Rule
from pullwright.integrations.jira.meanings import Actor, BotIdentity
from pullwright.integrations.remembered import REMEMBERED_SECONDS

pytestmark = pytest.mark.anyio

Lists = dict[str, frozenset[str]]
BOT = BotIdentity(site="x", account="bot")


class Company:
    def __init__(self) -> None:
        self.asked: list[str] = []
        self.in_groups = {"ann": frozenset({"Developers", "Staff"}), "bob": frozenset({"Staff"})}
        self.in_roles = {("bob", "SHOP"): frozenset({"Maintainers"})}
        self.down = False

    async def groups(self, account: str) -> frozenset[str]:
        await anyio.lowlevel.checkpoint()
        self.asked.append(account)
        if self.down:
            raise RemoteUnavailable("it is down")
        return self.in_groups.get(account, frozenset())

    async def roles(self, account: str, project: str, wanted: frozenset[str]) -> frozenset[str]:
        await anyio.lowlevel.checkpoint()
        found = self.in_roles.get((account, project), frozenset())
        return frozenset(name for name in found if name.casefold() in wanted)


def policy(**more: frozenset[str]) -> AuthorityPolicy:
    return AuthorityPolicy(groups=frozenset({"developers"}), roles=frozenset({"maintainers"}), **more)


def authority(company: Company, clock: FakeClock | None = None, lists: Lists | None = None) -> Authority:
    return Authority(company, BOT, policy(**(lists or {})), monotonic=(clock or FakeClock()).monotonic)


@pytest.mark.parametrize(
    ("actor", "project", "rule", "aloud"),
    [
        (Actor(account="ann"), "SHOP", Rule.ALLOWED, False),
        (Actor(account="bob"), "SHOP", Rule.ALLOWED, False),
        (Actor(account="bob"), "SITE", Rule.MEMBERSHIP, True),
        (Actor(account="eve"), "SHOP", Rule.MEMBERSHIP, True),
        (Actor(account="ann", kind="customer"), "SHOP", Rule.CUSTOMER, False),
        (Actor(account="ann", kind="app"), "SHOP", Rule.APP, False),
        (Actor(account="rule", kind="app"), "SHOP", Rule.ALLOWED, False),
        (Actor(account="mallory"), "SHOP", Rule.DENY_LIST, False),
        (Actor(account="bot"), "SHOP", Rule.OWN, False),
        (Actor(account=""), "SHOP", Rule.NO_ACTOR, False),
        (None, "SHOP", Rule.NO_ACTOR, False),
    ],
)
async def test_who_may_ask(actor: Actor | None, project: str, rule: Rule, aloud: bool) -> None:
    lists = {"users": frozenset({"rule", "mallory"}), "denied": frozenset({"mallory"})}
    verdict = await authority(Company(), lists=lists).decide(actor, project=project)
    assert (verdict.rule, verdict.say_aloud) == (rule, aloud)
    assert verdict.allowed or verdict.reason


async def test_in_public_nobody_may() -> None:
    verdict = await authority(Company()).decide(Actor(account="ann"), project="SHOP", public=True)
    assert (verdict.rule, verdict.say_aloud) == (Rule.PUBLIC, True)


async def test_a_right_that_was_taken_away_ends_soon() -> None:
    company, clock = Company(), FakeClock()
    judge = authority(company, clock)
    ann = Actor(account="ann")
    for _ in range(3):
        assert (await judge.decide(ann, project="SHOP")).allowed
    assert company.asked == ["ann"]
    company.in_groups.clear()
    await clock.sleep(REMEMBERED_SECONDS + 1)
    assert not (await judge.decide(ann, project="SHOP")).allowed


async def test_nobody_is_let_in_when_it_can_not_be_found_out() -> None:
    company = Company()
    company.down = True
    judge = authority(company)
    with pytest.raises(RemoteUnavailable):
        await judge.decide(Actor(account="ann"), project="SHOP")
    company.down = False
    assert (await judge.decide(Actor(account="ann"), project="SHOP")).allowed


@pytest.mark.parametrize("users", [frozenset(), frozenset({"*"}), frozenset({"ann@example.com"})])
def test_a_policy_that_lets_in_nobody_or_anybody(users: frozenset[str]) -> None:
    with pytest.raises(ConfigError):
        AuthorityPolicy(users=users)
