"""Which repository a ticket is about: only what somebody said decides."""

from __future__ import annotations

from typing import Any

import pytest

from pullwright.agents.errors import ConfigError
from pullwright.integrations.jira.repository_choice import RepositoryRule, TicketTraits
from pullwright.integrations.repository_choice import Chosen, RepositoryChoice, Unsure


def rule(repository: str, **more: str) -> RepositoryRule:
    return RepositoryRule(repository=repository, **more)


RULES = [
    rule("acme/web", project="SHOP"),
    rule("acme/api", project="SHOP", component="API*", path="services/api", base="dev"),
    rule("acme/pay", component="Payments"),
    rule("acme/ops", label="infra"),
    rule("acme/app", field="Team", value="mobile*"),
]
CHOICE = RepositoryChoice(RULES, tracker="Jira")


def ticket(project: str = "SHOP", **more: Any) -> TicketTraits:
    return TicketTraits(project=project, **more)


@pytest.mark.parametrize(
    ("traits", "named", "repository"),
    [
        (ticket(), "", "acme/web"),
        (ticket("shop"), "", "acme/web"),
        (ticket(components=("api v2",)), "", "acme/api"),
        (ticket("X", components=("Payments",)), "", "acme/pay"),
        (ticket(labels=("infra",)), "", "acme/ops"),
        (ticket(labels=("infra",), components=("Payments",)), "", "acme/pay"),
        (ticket("X", fields={"team": "Mobile Apps"}), "", "acme/app"),
        (ticket(labels=("repo:Acme/Ops",), components=("Payments",)), "", "acme/ops"),
        (ticket(fields={"repository": "acme/pay"}), "", "acme/pay"),
        (ticket(fields={"repository": "acme/pay"}), "acme/ops", "acme/ops"),
    ],
)
def test_what_is_said_most_exactly_decides(traits: TicketTraits, named: str, repository: str) -> None:
    chosen = CHOICE.choose(traits, named=named, field=traits.text_of("Repository"))
    assert isinstance(chosen, Chosen)
    assert chosen.repository == repository


@pytest.mark.parametrize(
    ("traits", "named", "reason"),
    [
        (ticket("X"), "", "no rule says"),
        (ticket("X", components=("API",)), "", "no rule says"),
        (ticket(components=("API", "Payments")), "", "the rules name more than one"),
        (ticket(labels=("repo:acme/web", "repo:acme/ops")), "", "more than one repository is named"),
        (ticket(labels=("repo:acme/web",), fields={"repository": "acme/ops"}), "", "more than one"),
        (ticket(labels=("repo:evil/web",)), "", "not one that I work on"),
        (ticket(fields={"repository": "see description"}), "", "not one that I work on"),
        (ticket(), "evil/web", "not one that I work on"),
    ],
)
def test_else_somebody_is_asked(traits: TicketTraits, named: str, reason: str) -> None:
    unsure = CHOICE.choose(traits, named=named, field=traits.text_of("Repository"))
    assert isinstance(unsure, Unsure)
    assert reason in unsure.reason
    assert set(unsure.choices) <= {one.repository for one in RULES}


def test_the_folder_and_the_branch_come_with_the_rule() -> None:
    chosen = CHOICE.choose(ticket(components=("API",)))
    assert chosen == Chosen(repository="acme/api", path="services/api", base="dev")
    named = CHOICE.choose(ticket(components=("API",)), named="acme/api")
    assert isinstance(named, Chosen)
    assert named.path == "services/api"
    two = RepositoryChoice([rule("a/b", component="x", path="x"), rule("a/b", component="y", path="y")], tracker="Jira")
    assert two.choose(ticket(components=("x", "y"))) == Chosen(repository="a/b")


def test_the_only_repository_is_the_one() -> None:
    assert RepositoryChoice([rule("a/b")], tracker="Jira").choose(ticket("ANY")) == Chosen(repository="a/b")
    assert isinstance(RepositoryChoice([rule("a/b", project="X")], tracker="Jira").choose(ticket("ANY")), Unsure)
    assert isinstance(RepositoryChoice([rule("a/b"), rule("a/c")], tracker="Jira").choose(ticket("ANY")), Unsure)


@pytest.mark.parametrize(
    "values",
    [
        {"repository": "shop"},
        {"repository": "../shop"},
        {"repository": "a/b", "field": "x"},
        {"repository": "a/b", "value": "x"},
        {"repository": "a/b", "path": "/etc"},
        {"repository": "a/b", "path": "x/../../y"},
    ],
)
def test_rules_that_make_no_sense(values: dict[str, str]) -> None:
    with pytest.raises(ConfigError):
        RepositoryRule(**values)


def test_without_rules_there_is_no_choice() -> None:
    with pytest.raises(ConfigError):
        RepositoryChoice([], tracker="Jira")
