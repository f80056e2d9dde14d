from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from pullwright.integrations.testing.forge_state import Repository
from pullwright.integrations.testing.people import Person
from pullwright.integrations.testing.rehearsal import Rehearsal
from tests.integration.forge.app_client import ask, mint

THREADS = """\
query ($owner: String!, $name: String!, $number: Int!, $after: String) {
  repository(owner: $owner, name: $name) {
    pullRequest(number: $number) {
      isDraft
      reviewThreads(first: 1, after: $after) {
        pageInfo { hasNextPage endCursor }
        nodes { id isResolved path comments(first: 10) { nodes { databaseId body author { login } } } }
      }
    }
  }
}
"""
RESOLVE = (
    "mutation ($input: ResolveReviewThreadInput!) { resolveReviewThread(input: $input) { thread { isResolved } } }"
)
EDITED = "query ($id: ID!) { node(id: $id) { ... on Issue { lastEditedAt } ... on IssueComment { lastEditedAt } } }"
READY = """\
mutation ($input: MarkPullRequestReadyForReviewInput!) {
  markPullRequestReadyForReview(input: $input) { pullRequest { isDraft } }
}
"""


@pytest.fixture
def rehearsal() -> Iterator[Rehearsal]:
    with Rehearsal() as running:
        yield running


@pytest.fixture
def ann(rehearsal: Rehearsal, shop: Repository) -> Person:
    return rehearsal.person("ann")


@pytest.fixture
def shop(rehearsal: Rehearsal) -> Repository:
    return rehearsal.repository("shop", {"a.txt": "one\n"})


def query(rehearsal: Rehearsal, token: str, text: str, **variables: Any) -> Any:
    answer = ask(rehearsal, "POST", "/api/graphql", token, json={"query": text, "variables": variables})
    assert answer.status_code == 200
    return answer.json()


def test_threads_are_listed_and_resolved(rehearsal: Rehearsal, shop: Repository, ann: Person) -> None:
    ann.push(shop, "agent/1", {"a.txt": "two\n"})
    number = ann.open_pull_request(shop, "agent/1", "Fix", draft=True).number
    first = ann.review_comment(shop, number, "a.txt", 1, "Why?")
    ann.reply(shop, number, first, "Because.")
    ann.review_comment(shop, number, "a.txt", 1, "Really?")
    token = mint(rehearsal, permissions={"pull_requests": "write"})
    place = {"owner": "acme", "name": "shop", "number": number}
    found = query(rehearsal, token, THREADS, **place)["data"]["repository"]["pullRequest"]
    thread = found["reviewThreads"]["nodes"][0]
    assert (found["isDraft"], thread["isResolved"], thread["path"]) == (True, False, "a.txt")
    assert [comment["body"] for comment in thread["comments"]["nodes"]] == ["Why?", "Because."]
    after = found["reviewThreads"]["pageInfo"]["endCursor"]
    rest = query(rehearsal, token, THREADS, after=after, **place)["data"]["repository"]["pullRequest"]
    assert rest["reviewThreads"]["pageInfo"]["hasNextPage"] is False
    resolved = query(rehearsal, token, RESOLVE, input={"threadId": thread["id"]})
    assert resolved["data"]["resolveReviewThread"]["thread"] == {"isResolved": True}
    ready = query(rehearsal, token, READY, input={"pullRequestId": f"PR_{shop.id}_{number}"})
    assert ready["data"]["markPullRequestReadyForReview"]["pullRequest"] == {"isDraft": False}
    assert rehearsal.forge.violations == []


def test_it_tells_when_a_text_was_changed(rehearsal: Rehearsal, shop: Repository, ann: Person) -> None:
    issue = ann.open_issue(shop, "Broken", "See log")
    comment = ann.comment(shop, issue.number, "please")
    token = mint(rehearsal, permissions={"issues": "read"})
    nodes = (f"I_{shop.id}_{issue.number}", f"IC_{comment.id}")
    assert [query(rehearsal, token, EDITED, id=node)["data"]["node"]["lastEditedAt"] for node in nodes] == [None] * 2
    ann.edit_issue(shop, issue.number, body="See the other log")
    ann.edit_comment(shop, issue.number, comment, "now")
    assert all(query(rehearsal, token, EDITED, id=node)["data"]["node"]["lastEditedAt"] for node in nodes)
    assert rehearsal.forge.violations == []


def test_what_is_refused(rehearsal: Rehearsal, shop: Repository, ann: Person) -> None:
    ann.push(shop, "agent/1", {"a.txt": "two\n"})
    number = ann.open_pull_request(shop, "agent/1", "Fix", draft=True).number
    token = mint(rehearsal, permissions={"pull_requests": "read"})
    refused = query(rehearsal, token, READY, input={"pullRequestId": f"PR_{shop.id}_{number}"})
    assert refused["errors"][0]["type"] == "FORBIDDEN"
    unknown = query(rehearsal, token, READY, input={"pullRequestId": "PR_1"})
    assert unknown["errors"][0]["type"] == "NOT_FOUND"
    assert "doesn't exist" in query(rehearsal, token, "{ viewer { wishes } }")["errors"][0]["message"]
    assert ask(rehearsal, "POST", "/api/graphql", json={"query": "{ viewer { login } }"}).status_code == 401
    if rehearsal.forge.graphql_gate.active:
        reason = rehearsal.forge.violations[0].reason
        assert reason.startswith("Cannot query field 'wishes' on type 'User'.")
