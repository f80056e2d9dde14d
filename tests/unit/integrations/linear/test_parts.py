"""Which repository, who may ask, what is written, and what settings are refused."""

from __future__ import annotations

from typing import Any

import pytest

from pullwright.agents.errors import ConfigError
from pullwright.agents.ports.report import Standing
from pullwright.agents.task import TaskStatus
from pullwright.integrations.linear.answers import Member
from pullwright.integrations.linear.authority import Authority, AuthorityPolicy
from pullwright.integrations.linear.meanings import Actor, BotIdentity
from pullwright.integrations.linear.payloads import NamedPart, Nodes
from pullwright.integrations.linear.repository_choice import IssueTraits, RepositoryRule
from pullwright.integrations.linear.settings import LinearSettings
from pullwright.integrations.linear.texts import BODY_LIMIT, LinearTexts
from pullwright.integrations.redaction import Redactor
from pullwright.integrations.remembered import REMEMBERED_SECONDS
from pullwright.integrations.repository_choice import Chosen, RepositoryChoice, Unsure

SHOP = RepositoryRule(repository="acme/shop", team="ENG")
CART = RepositoryRule(repository="acme/shop", project="Cart*", path="services/cart", base="next")
SITE = RepositoryRule(repository="acme/site", label="web")
BOT = BotIdentity(user="bot-id")


def test_a_label_says_more_than_a_project_and_that_more_than_a_team() -> None:
    choice = RepositoryChoice([SHOP, CART, SITE], tracker="Linear")
    eng = ("ENG", "Engineering")
    assert choice.choose(IssueTraits(team=eng)) == Chosen(repository="acme/shop")
    cart = Chosen(repository="acme/shop", path="services/cart", base="next")
    assert choice.choose(IssueTraits(team=eng, project="cart v2")) == cart
    web = IssueTraits(team=eng, project="Cart", labels=("Web",))
    assert choice.choose(web) == Chosen(repository="acme/site")
    assert choice.choose(web, named="ACME/shop") == cart
    assert choice.choose(IssueTraits(labels=("repo:acme/site",))) == Chosen(repository="acme/site")


def test_nobody_is_guessed_for() -> None:
    choice = RepositoryChoice([SHOP, SITE], tracker="Linear")
    for issue, named in (
        (IssueTraits(team=("OPS",)), ""),
        (IssueTraits(), "evil/repo"),
        (IssueTraits(labels=("repo:acme/shop", "repo:acme/site")), ""),
    ):
        found = choice.choose(issue, named=named)
        assert isinstance(found, Unsure)
        assert found.choices == ("acme/shop", "acme/site")
    everything = RepositoryChoice([RepositoryRule(repository="acme/one")], tracker="Linear")
    assert everything.choose(IssueTraits()) == Chosen(repository="acme/one")
    for wrong in ({"repository": "one"}, {"repository": "a/b", "path": "../c"}):
        with pytest.raises(ConfigError):
            RepositoryRule(**wrong)
    with pytest.raises(ConfigError, match="AGENT_LINEAR_REPOSITORIES"):
        RepositoryChoice([], tracker="Linear")


class Directory:
    """Members, and how often they were looked up."""

    def __init__(self, **members: Member) -> None:
        self.members = members
        self.asked = 0

    async def member(self, user_id: str) -> Member | None:
        self.asked += 1
        return self.members.get(user_id)


def member(id_: str, **more: object) -> Member:
    return Member.model_validate({"id": id_, "active": True, "email": f"{id_}@acme.example", **more})


@pytest.mark.anyio
async def test_who_may_ask() -> None:
    ops = Nodes[NamedPart](nodes=[NamedPart(key="OPS")])
    directory = Directory(
        ann=member("ann"),
        gus=member("gus", guest=True),
        old=member("old", active=False),
        app=member("app", app=True),
        ops=member("ops", teams=ops),
    )

    async def allowed(policy: AuthorityPolicy, *names: str) -> list[bool]:
        authority = Authority(directory, BOT, policy, monotonic=lambda: 0.0)
        return [(await authority.decide(Actor(id=name))).allowed for name in names]

    everybody = ("ann", "gus", "old", "app", "ops", "bot-id", "nobody")
    assert await allowed(AuthorityPolicy(), *everybody) == [True, False, False, False, True, False, False]
    named = AuthorityPolicy(users=frozenset({"GUS@acme.example"}), teams=frozenset({"ops"}), denied=frozenset({"ops"}))
    assert await allowed(named, *everybody) == [False, True, False, False, False, False, False]
    assert await allowed(AuthorityPolicy(teams=frozenset({"ops"})), "ann", "ops") == [False, True]
    authority = Authority(directory, BOT, AuthorityPolicy(), monotonic=lambda: 0.0)
    assert not (await authority.decide(None)).allowed
    assert not (await authority.decide(Actor(id="ann", person=False))).allowed
    with pytest.raises(ConfigError):
        AuthorityPolicy(users=frozenset({"*"}))


@pytest.mark.anyio
async def test_a_right_that_was_taken_away_ends_soon() -> None:
    now = [0.0]
    directory = Directory(ann=member("ann"))
    authority = Authority(directory, BOT, AuthorityPolicy(), monotonic=lambda: now[0])
    for _ in range(3):
        assert (await authority.decide(Actor(id="ann"))).allowed
    assert directory.asked == 1
    directory.members.clear()
    now[0] += REMEMBERED_SECONDS
    assert not (await authority.decide(Actor(id="ann"))).allowed


def test_what_is_written_is_harmless() -> None:
    texts = LinearTexts(Redactor(["geheim-geheim"]))
    standing = Standing(
        task_id="t",
        status=TaskStatus.RUNNING,
        words="@ann ![x](https://evil.example/p.png) geheim-geheim <b>\n```\nopen " + "long " * 20_000,
        plan=tuple((f"step `{n}`", "done") for n in range(60)),
        steps=3,
        branch="a`b",
        pull_request_url="javascript:alert(1)",
    )
    text = texts.status(standing, requester="https://linear.app/acme/profiles/ann", cost="1 $")
    assert len(text) <= BODY_LIMIT
    for bad in ("@ann", "![x]", "geheim-geheim", "<b>", "javascript", "profiles/ann"):
        assert bad not in text, bad
    assert "and 20 more" in text
    assert "thinking (step 3)" in text
    waiting = Standing(task_id="t", status=TaskStatus.WAITING, words="Which?")
    assert "https://linear.app/acme/profiles/ann\n" in texts.status(
        waiting, requester="https://linear.app/acme/profiles/ann"
    )
    assert "evil" not in texts.status(waiting, requester="https://evil.example/profiles/ann")
    queued = Standing(task_id="t", status=TaskStatus.QUEUED, ahead=2)
    assert "Tasks before it: 2" in texts.status(queued)


@pytest.mark.parametrize(
    ("more", "match"),
    [
        ({"token": ""}, "AGENT_LINEAR_TOKEN"),
        ({"token": "a b"}, "AGENT_LINEAR_TOKEN"),
        ({"api_url": "http://api.linear.app/graphql"}, "not encrypted"),
        ({"api_url": "https://user:word@api.linear.app/"}, "AGENT_LINEAR_TOKEN"),
        ({"api_url": "https://[broken"}, "not a URL"),
        ({"api_url": "https://api.linear.app/?x"}, "leave it out"),
    ],
)
def test_settings_that_can_not_be(more: dict[str, Any], match: str) -> None:
    with pytest.raises(ConfigError, match=match):
        LinearSettings(**{"token": "lin_api_x", **more})
    assert "lin_api_x" not in repr(LinearSettings(token="lin_api_x"))
