"""What GitHub answers in the cases that a bot must have thought of."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pullwright.integrations.testing.faults import primary_rate_limit, secondary_rate_limit
from pullwright.integrations.testing.forge_state import Repository
from pullwright.integrations.testing.people import Person
from pullwright.integrations.testing.rehearsal import Rehearsal
from tests.integration.forge.app_client import ask, mint


@pytest.fixture
def rehearsal() -> Iterator[Rehearsal]:
    with Rehearsal() as running:
        yield running
        assert running.forge.violations == []


@pytest.fixture
def shop(rehearsal: Rehearsal) -> Repository:
    return rehearsal.repository("shop", {"a.txt": "one\n"})


@pytest.fixture
def ann(rehearsal: Rehearsal, shop: Repository) -> Person:
    return rehearsal.person("ann")


@pytest.fixture
def token(rehearsal: Rehearsal) -> str:
    return mint(rehearsal)


def test_deleted_and_moved_issues(rehearsal: Rehearsal, shop: Repository, ann: Person, token: str) -> None:
    other = rehearsal.repository("other", {"b.txt": "b\n"})
    spam, useful = ann.open_issue(shop, "Spam"), ann.open_issue(shop, "Useful")
    ann.delete_issue(shop, spam.number)
    moved = ann.transfer_issue(shop, useful.number, other)
    gone = ask(rehearsal, "GET", f"/repos/acme/shop/issues/{spam.number}", token)
    assert (gone.status_code, gone.json()["message"]) == (410, "This issue was deleted")
    address = f"/repos/acme/shop/issues/{useful.number}"
    found = ask(rehearsal, "GET", address, token)
    assert found.status_code == 301
    assert found.headers["Location"].endswith(f"/repositories/{other.id}/issues/{moved.number}")
    write = ask(rehearsal, "POST", f"{address}/comments", token, json={"body": "x"})
    assert (write.status_code, set(write.json())) == (307, {"message", "url", "documentation_url"})
    assert ann.open_issue(shop, "Next").number == 3


def test_who_may_do_what(rehearsal: Rehearsal, shop: Repository, ann: Person, token: str) -> None:
    rehearsal.person("max", role="maintain")
    rehearsal.person("tom", role="triage")
    roles = {"acme": "admin", "max": "write", "ann": "write", "tom": "read", "eve": "none"}
    path = "/repos/acme/shop/collaborators"
    for login, permission in roles.items():
        answer = ask(rehearsal, "GET", f"{path}/{login}/permission", token).json()
        assert (answer["permission"], answer["user"]["login"]) == (permission, login)
    assert ask(rehearsal, "GET", f"{path}/max/permission", token).json()["role_name"] == "maintain"
    bot = ask(rehearsal, "GET", f"{path}/renovate[bot]/permission", token)
    assert (bot.status_code, bot.json()["message"]) == (404, "renovate[bot] is not a user")
    assert [ask(rehearsal, "GET", f"{path}/{who}", token).status_code for who in ("ann", "eve")] == [204, 404]


def test_reactions_labels_and_history(rehearsal: Rehearsal, shop: Repository, ann: Person, token: str) -> None:
    issue = ann.open_issue(shop, "Broken", labels=["agent"])
    comment = ann.comment(shop, issue.number, "please")
    path = "/repos/acme/shop/issues"
    for address in (f"{path}/1", f"{path}/comments/{comment.id}"):
        answers = [ask(rehearsal, "POST", f"{address}/reactions", token, json={"content": "eyes"}) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [201, 200]
    number = answers[0].json()["id"]
    assert ask(rehearsal, "GET", f"{path}/comments/{comment.id}", token).json()["reactions"]["eyes"] == 1
    gone = ask(rehearsal, "DELETE", f"{path}/comments/{comment.id}/reactions/{number}", token)
    assert gone.status_code == 204
    labels = ask(rehearsal, "POST", f"{path}/1/labels", token, json={"labels": ["agent:working"]}).json()
    assert [label["name"] for label in labels] == ["agent", "agent:working"]
    assert ask(rehearsal, "DELETE", f"{path}/1/labels/agent", token).status_code == 200
    assert ask(rehearsal, "DELETE", f"{path}/1/labels/agent", token).json()["message"] == "Label does not exist"
    history = ask(rehearsal, "GET", f"{path}/1/timeline", token).json()
    assert [(e["event"], e["actor"]["login"], e["label"]["name"]) for e in history] == [
        ("labeled", "ann", "agent"),
        ("labeled", "pull-bot[bot]", "agent:working"),
        ("unlabeled", "pull-bot[bot]", "agent"),
    ]
    ann.lock(shop, 1)
    locked = ask(rehearsal, "POST", f"{path}/1/comments", token, json={"body": "x"})
    assert (locked.status_code, "locked" in locked.json()["message"]) == (403, True)


def test_what_is_known_already_is_not_sent_again(rehearsal: Rehearsal, ann: Person, token: str) -> None:
    first = ask(rehearsal, "GET", "/repos/acme/shop/issues", token)
    headers = {"If-None-Match": first.headers["ETag"]}
    assert ask(rehearsal, "GET", "/repos/acme/shop/issues", token, headers=headers).status_code == 304
    ann.open_issue(rehearsal.forge.repository("acme", "shop"), "New")
    assert ask(rehearsal, "GET", "/repos/acme/shop/issues", token, headers=headers).status_code == 200


def test_limits_can_be_planned(rehearsal: Rehearsal, shop: Repository, token: str) -> None:
    rehearsal.forge.add_fault(primary_rate_limit("/issues", reset=4102444800))
    rehearsal.forge.add_fault(secondary_rate_limit("/issues", retry_after=60))
    first, second, third = (ask(rehearsal, "GET", "/repos/acme/shop/issues", token) for _ in range(3))
    assert (first.status_code, first.headers["X-RateLimit-Remaining"]) == (403, "0")
    assert (second.status_code, second.headers["Retry-After"]) == (403, "60")
    assert third.status_code == 200


def test_branches_are_compared_and_protected(rehearsal: Rehearsal, shop: Repository, ann: Person, token: str) -> None:
    sha = ann.push(shop, "agent/1", {"a.txt": "two\n", "b.txt": "b\n"})
    compared = ask(rehearsal, "GET", "/repos/acme/shop/compare/main...agent%2F1", token).json()
    assert (compared["status"], compared["ahead_by"], len(compared["files"])) == ("ahead", 1, 2)
    number = ann.open_pull_request(shop, "agent/1", "Fix").number
    pulls = ask(rehearsal, "GET", f"/repos/acme/shop/commits/{sha}/pulls", token).json()
    assert [pull["number"] for pull in pulls] == [number]
    rules = ask(rehearsal, "GET", "/repos/acme/shop/rules/branches/main", token).json()
    assert [rule["type"] for rule in rules] == ["pull_request"]
    assert ask(rehearsal, "GET", "/repos/acme/shop/branches/main/protection", token).status_code == 403
    move = ask(rehearsal, "PATCH", "/repos/acme/shop/git/refs/heads/main", token, json={"sha": sha})
    assert move.status_code == 422
    gone = ask(rehearsal, "DELETE", "/repos/acme/shop/git/refs/heads/agent%2F1", token)
    assert (gone.status_code, shop.pulls[number].issue.state) == (204, "closed")


def test_a_force_push_is_told_as_one(rehearsal: Rehearsal, shop: Repository, ann: Person, token: str) -> None:
    old = ann.push(shop, "agent/1", {"a.txt": "two\n"})
    number = ann.open_pull_request(shop, "agent/1", "Fix").number
    new = ann.push(shop, "agent/1", {"a.txt": "three\n"}, force=True)
    pull = ask(rehearsal, "GET", f"/repos/acme/shop/pulls/{number}", token).json()
    assert (pull["head"]["sha"], pull["commits"]) == (new, 1)
    assert not shop.bare.is_ancestor(old, new)


def test_search(rehearsal: Rehearsal, shop: Repository, ann: Person, token: str) -> None:
    ann.open_issue(shop, "Sum is wrong", "adds twice", labels=["bug"])
    ann.close(shop, ann.open_issue(shop, "Sum is old").number)
    for terms, count in {"is:open sum": 1, "sum": 2, "label:bug twice": 1, "is:pr sum": 0}.items():
        answer = ask(rehearsal, "GET", "/search/issues", token, params={"q": f"repo:acme/shop {terms}"}).json()
        assert answer["total_count"] == count
