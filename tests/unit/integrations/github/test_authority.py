from __future__ import annotations

from dataclasses import replace

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pullwright.agents.errors import ConfigError, RemoteUnavailable
from pullwright.integrations.github.authority import (
    BOT_TRIGGERS_IN_A_ROW,
    Authority,
    AuthorityPolicy,
    Decision,
    Permission,
    Rule,
    Trigger,
    decide,
)
from pullwright.integrations.github.meanings import Actor
from tests.unit.integrations.github.payload_samples import BOT

pytestmark = pytest.mark.anyio

ANN = Actor(id=1, login="ann")
TRIGGER = Trigger(actor=ANN, private=True)
POLICY = AuthorityPolicy(apps=frozenset({"Renovate"}), denied=frozenset({"Mallory"}))
ACTORS = st.builds(
    Actor,
    id=st.integers(1, 5) | st.just(900),
    login=st.sampled_from(
        ["ann", "Mallory", "renovate[bot]", "renovate", "evil[bot]", "pull-bot[bot]", "", "a b", "../x"]
    ),
    kind=st.sampled_from(["User", "Bot", "Organization", "Mannequin"]),
    app_id=st.sampled_from([None, 77, 78]),
)


class Answers:
    """Says one thing and counts how often it was asked."""

    def __init__(self, permission: Permission) -> None:
        self.permission_now = permission
        self.asked: list[tuple[str, str]] = []

    async def permission(self, repository: str, login: str) -> Permission:
        self.asked.append((repository, login))
        await anyio.lowlevel.checkpoint()
        return self.permission_now


class Teams:
    """Knows one team, and counts how often it was asked."""

    def __init__(self, *members: str) -> None:
        self.members = members
        self.asked: list[str] = []

    async def is_member(self, team: str, login: str, *, repository: str) -> bool:
        self.asked.append(f"{team} {login}")
        await anyio.lowlevel.checkpoint()
        return team == "acme/core" and login in self.members


class Silent:
    async def permission(self, repository: str, login: str) -> Permission:
        raise RemoteUnavailable("no answer")


@pytest.mark.parametrize(
    ("trigger", "permission", "rule"),
    [
        (TRIGGER, Permission.ADMIN, Rule.ALLOWED),
        (TRIGGER, Permission.WRITE, Rule.ALLOWED),
        (TRIGGER, Permission.READ, Rule.PERMISSION),
        (TRIGGER, Permission.NONE, Rule.PERMISSION),
        (replace(TRIGGER, actor=None), Permission.ADMIN, Rule.NO_ACTOR),
        (replace(TRIGGER, actor=Actor(id=1, login="a/../b")), Permission.ADMIN, Rule.NO_ACTOR),
        (replace(TRIGGER, actor=Actor(id=900, login="renamed")), Permission.ADMIN, Rule.OWN),
        (replace(TRIGGER, actor=replace(ANN, app_id=77)), Permission.ADMIN, Rule.OWN),
        (replace(TRIGGER, actor=replace(ANN, app_id=78)), Permission.WRITE, Rule.ALLOWED),
        (replace(TRIGGER, carries_marker=True), Permission.ADMIN, Rule.MARKER),
        (replace(TRIGGER, actor=Actor(id=2, login="MALLORY")), Permission.ADMIN, Rule.DENY_LIST),
        (replace(TRIGGER, actor=Actor(id=3, login="x[bot]", kind="Bot")), Permission.ADMIN, Rule.BOT),
        (replace(TRIGGER, actor=Actor(id=3, login="x[bot]")), Permission.ADMIN, Rule.BOT),
        (replace(TRIGGER, actor=Actor(id=3, login="x", kind="Organization")), Permission.ADMIN, Rule.BOT),
        (replace(TRIGGER, actor=Actor(id=4, login="renovate[bot]", kind="Bot")), Permission.NONE, Rule.ALLOWED),
        (
            replace(TRIGGER, actor=Actor(id=4, login="renovate[bot]", kind="Bot"), bot_triggers_in_a_row=2),
            Permission.NONE,
            Rule.BOT_LOOP,
        ),
        (replace(TRIGGER, bot_triggers_in_a_row=9), Permission.WRITE, Rule.ALLOWED),
    ],
)
def test_who_may_ask(trigger: Trigger, permission: Permission, rule: Rule) -> None:
    decision = decide(trigger, BOT, POLICY, permission)
    assert decision.rule is rule
    assert decision.allowed == (rule is Rule.ALLOWED)
    assert bool(decision.reason) != decision.allowed


def test_a_list_of_users_narrows_and_does_not_widen() -> None:
    policy = AuthorityPolicy(users=frozenset({" Ann "}))
    assert decide(TRIGGER, BOT, policy, Permission.WRITE).allowed
    assert decide(TRIGGER, BOT, policy, Permission.READ).rule is Rule.PERMISSION
    bob = replace(TRIGGER, actor=Actor(id=2, login="bob"))
    assert decide(bob, BOT, policy, Permission.ADMIN).rule is Rule.ALLOW_LIST


@given(st.builds(Trigger, actor=st.none() | ACTORS, private=st.booleans(), carries_marker=st.booleans(),
                 bot_triggers_in_a_row=st.integers(0, 4)), st.sampled_from(list(Permission)))  # fmt: skip
def test_nobody_else_gets_in_and_public_repositories_stay_silent(trigger: Trigger, permission: Permission) -> None:
    decision = decide(trigger, BOT, POLICY, permission)
    if decision.allowed:
        assert trigger.actor is not None
        assert not BOT.is_me(trigger.actor)
        assert not trigger.carries_marker
        assert trigger.actor.login != "Mallory"
        person = trigger.actor.kind == "User" and not trigger.actor.login.endswith("[bot]")
        assert permission.writes if person else trigger.actor.login in ("renovate[bot]", "renovate")
        assert person or trigger.bot_triggers_in_a_row < BOT_TRIGGERS_IN_A_ROW
    assert not decision.say_aloud or trigger.private
    assert not (decision.say_aloud and decision.allowed)


@pytest.mark.parametrize("entry", ["*", "a*", "", "a b", "@ann", "org/team"])
@pytest.mark.parametrize("name", ["users", "denied", "apps"])
def test_wildcards_are_refused(name: str, entry: str) -> None:
    with pytest.raises(ConfigError, match="name each one"):
        AuthorityPolicy(**{name: frozenset({entry})})


class Watch:
    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


async def test_an_answer_is_remembered_for_a_minute() -> None:
    source, watch = Answers(Permission.WRITE), Watch()
    authority = Authority(source, BOT, POLICY, monotonic=watch)

    async def ask(repository_id: int = 5, actor: Actor = ANN) -> Decision:
        return await authority.decide(
            replace(TRIGGER, actor=actor), repository_id=repository_id, repository="acme/shop"
        )

    assert (await ask()).allowed
    source.permission_now = Permission.NONE
    watch.seconds += 59.9
    assert (await ask()).allowed
    assert source.asked == [("acme/shop", "ann")]
    assert not (await ask(6)).allowed
    assert not (await ask(5, Actor(id=7, login="ann"))).allowed
    watch.seconds += 0.2
    assert not (await ask()).allowed
    assert len(source.asked) == 4


async def test_bots_and_people_on_a_list_are_not_looked_up() -> None:
    source = Answers(Permission.ADMIN)
    authority = Authority(source, BOT, POLICY, monotonic=Watch())
    for actor in (
        None,
        Actor(id=900, login="x"),
        Actor(id=2, login="mallory"),
        Actor(id=3, login="x[bot]", kind="Bot"),
    ):
        decision = await authority.decide(replace(TRIGGER, actor=actor), repository_id=5, repository="acme/shop")
        assert not decision.allowed
    assert source.asked == []


async def test_without_an_answer_nobody_gets_in() -> None:
    authority = Authority(Silent(), BOT, POLICY, monotonic=Watch())
    for _ in range(2):
        with pytest.raises(RemoteUnavailable):
            await authority.decide(TRIGGER, repository_id=5, repository="acme/shop")


async def test_the_memory_is_bounded() -> None:
    source = Answers(Permission.WRITE)
    authority = Authority(source, BOT, POLICY, monotonic=Watch())
    for number in range(1001, 2002):
        trigger = replace(TRIGGER, actor=Actor(id=number, login=f"u{number}"))
        await authority.decide(trigger, repository_id=5, repository="acme/shop")
    await authority.decide(
        replace(TRIGGER, actor=Actor(id=1001, login="u1001")), repository_id=5, repository="acme/shop"
    )
    assert len(source.asked) == 1002


@pytest.mark.parametrize(
    ("login", "policy", "rule", "asked"),
    [
        ("bob", AuthorityPolicy(teams=frozenset({"Acme/Core", "acme/docs"})), Rule.ALLOWED, ["acme/core bob"]),
        ("ann", AuthorityPolicy(teams=frozenset({"acme/core"})), Rule.ALLOW_LIST, ["acme/core ann"]),
        ("ann", AuthorityPolicy(teams=frozenset({"acme/core"}), users=frozenset({"Ann"})), Rule.ALLOWED, []),
        (
            "bob",
            AuthorityPolicy(teams=frozenset({"acme/core"}), users=frozenset({"ann"})),
            Rule.ALLOWED,
            ["acme/core bob"],
        ),
        ("bob", AuthorityPolicy(teams=frozenset({"acme/core"}), denied=frozenset({"bob"})), Rule.DENY_LIST, []),
        ("bob", AuthorityPolicy(users=frozenset({"ann"})), Rule.ALLOW_LIST, []),
    ],
)
async def test_teams_and_users_may_and_a_denial_wins(
    login: str, policy: AuthorityPolicy, rule: Rule, asked: list[str]
) -> None:
    teams = Teams("bob")
    authority = Authority(Answers(Permission.WRITE), BOT, policy, monotonic=Watch(), teams=teams)
    trigger = replace(TRIGGER, actor=Actor(id=1, login=login))
    for _ in range(2):
        assert (await authority.decide(trigger, repository_id=5, repository="acme/shop")).rule is rule
    assert teams.asked == asked


async def test_a_team_gives_nobody_the_right_to_write() -> None:
    policy = AuthorityPolicy(teams=frozenset({"acme/core"}))
    authority = Authority(Answers(Permission.READ), BOT, policy, monotonic=Watch(), teams=Teams("ann"))
    assert not (await authority.decide(TRIGGER, repository_id=5, repository="acme/shop")).allowed


@pytest.mark.parametrize("team", ["core", "acme/", "acme/*", "a/b/c", "../x"])
def test_a_team_is_named_with_its_organization(team: str) -> None:
    with pytest.raises(ConfigError, match="organization/team"):
        AuthorityPolicy(teams=frozenset({team}))
