from __future__ import annotations

import functools
import gzip
import json
from collections.abc import Iterator
from typing import Any

import pytest
from openapi_schema_validator import OAS31Validator

from pullwright.integrations.github.deliveries import Delivery, parse_delivery
from pullwright.integrations.github.events import interpret
from pullwright.integrations.github.meanings import BotIdentity, Ignored
from pullwright.integrations.signatures import GITHUB, HmacVerifier, Secret
from pullwright.integrations.testing.contract_gate import contracts_folder
from pullwright.integrations.testing.forge_state import Repository
from pullwright.integrations.testing.github_documents import user_id
from pullwright.integrations.testing.pipelines import Pipeline
from pullwright.integrations.testing.pull_acts import Inline
from pullwright.integrations.testing.rehearsal import SECRET, Rehearsal
from tests.integration.forge.receiver import Received, Receiver, receiving
from tests.means import NO_DOCUMENTS

SCHEMAS = contracts_folder() / "github" / "openapi-webhooks.api.github.com.json.gz"
EXPECTED = {
    "installation.created",
    "installation.suspend",
    "installation.unsuspend",
    "installation.deleted",
    "installation_repositories.removed",
    "ping",
    "push",
    "create",
    "delete",
    "repository.renamed",
    "issues.opened",
    "issues.edited",
    "issues.labeled",
    "issues.unlabeled",
    "issues.assigned",
    "issues.closed",
    "issues.deleted",
    "issues.transferred",
    "issue_comment.created",
    "issue_comment.edited",
    "issue_comment.deleted",
    "pull_request.opened",
    "pull_request.synchronize",
    "pull_request.labeled",
    "pull_request.converted_to_draft",
    "pull_request.ready_for_review",
    "pull_request.closed",
    "pull_request_review.submitted",
    "pull_request_review_comment.created",
    "pull_request_review_thread.resolved",
    "check_run.created",
    "check_run.completed",
    "check_suite.completed",
    "workflow_run.requested",
    "workflow_run.in_progress",
    "workflow_run.completed",
}


def play_issues(rehearsal: Rehearsal, shop: Repository, other: Repository) -> None:
    ann = rehearsal.person("ann")
    number = ann.open_issue(shop, "Broken", "See log", labels=["bug"]).number
    ann.edit_issue(shop, number, title="Very broken")
    comment = ann.comment(shop, number, "@pull-bot fix this")
    ann.edit_comment(shop, number, comment, "never mind")
    ann.delete_comment(shop, number, comment)
    ann.assign(shop, number, "ann")
    ann.unassign(shop, number, "ann")
    ann.unlabel(shop, number, "BUG")
    ann.lock(shop, number)
    ann.close(shop, number)
    ann.reopen(shop, number)
    ann.transfer_issue(shop, number, other)
    ann.delete_issue(shop, ann.open_issue(shop, "Spam").number)


def play_pull_request(rehearsal: Rehearsal, shop: Repository) -> None:
    ann, bob = rehearsal.person("ann"), rehearsal.person("bob")
    ann.push(shop, "agent/1-x", {"a.txt": "two\n"})
    number = ann.open_pull_request(shop, "agent/1-x", "Fix", draft=True).number
    ann.push(shop, "agent/1-x", {"a.txt": "three\n"})
    ann.label(shop, number, "bug")
    ann.mark_ready(shop, number)
    ann.mark_draft(shop, number)
    ann.mark_ready(shop, number)
    remarks = [Inline(path="a.txt", line=1, body="Why?")]
    bob.review(shop, number, "Hm.", state="changes_requested", inline=remarks)
    first = shop.pulls[number].review_comments[0]
    ann.reply(shop, number, first, "Because.")
    bob.resolve(shop, number, first)
    bob.approve(shop, number)
    bob.merge(shop, number)
    ann.delete_branch(shop, "agent/1-x")


def play_app(rehearsal: Rehearsal, other: Repository) -> None:
    apps = rehearsal.forge.acts.apps
    with rehearsal.forge.state.lock:
        apps.suspend(rehearsal.installation)
        apps.suspend(rehearsal.installation, suspended=False)
        apps.set_repositories(rehearsal.installation, [other])
        apps.install(rehearsal.app, "elsewhere", [])
        apps.uninstall(rehearsal.installation)


@pytest.fixture(scope="module")
def played() -> Iterator[tuple[Rehearsal, Receiver]]:
    """Everything that can happen, received once for all tests here."""
    with receiving() as receiver, Rehearsal() as rehearsal:
        shop = rehearsal.repository("shop", {"a.txt": "one\n"}, checks=[Pipeline(checks={"tests": "cat a.txt"})])
        other = rehearsal.repository("other", {"b.txt": "b\n"})
        rehearsal.send_hooks_to(receiver.url)
        hook = rehearsal.add_hook(other, receiver.url, events=["push"])
        assert hook.target_type == "repository"
        play_issues(rehearsal, shop, other)
        play_pull_request(rehearsal, shop)
        rehearsal.wait_settled()
        rehearsal.person("ann").rename_repository(shop, "store")
        play_app(rehearsal, other)
        rehearsal.wait_settled()
        yield rehearsal, receiver


@functools.cache
def document() -> Any:
    with gzip.open(SCHEMAS) as stream:
        return json.load(stream)


def problems(received: Received) -> list[str]:
    name = received.name.replace("_", "-").replace(".", "-")
    schema = document()["webhooks"][name]["post"]["requestBody"]["content"]["application/json"]["schema"]
    validator = OAS31Validator({**schema, "components": document()["components"]})
    return [f"{error.json_path}: {error.message[:300]}" for error in validator.iter_errors(received.payload)]


@pytest.mark.skipif(not SCHEMAS.is_file(), reason=NO_DOCUMENTS)
def test_the_schemas_would_notice() -> None:
    assert problems(Received([("X-GitHub-Event", "issues")], b'{"action": "opened"}'))


def test_everything_that_happens_is_told(played: tuple[Rehearsal, Receiver]) -> None:
    assert set(played[1].names) >= EXPECTED


@pytest.mark.skipif(not SCHEMAS.is_file(), reason=NO_DOCUMENTS)
@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_payloads_are_as_github_documents_them(played: tuple[Rehearsal, Receiver], name: str) -> None:
    received = [found for found in played[1].got if found.name == name]
    assert received
    found = [problem for one in (received[0], received[-1]) for problem in problems(one)]
    assert found == []


def test_every_delivery_is_signed_and_read_by_the_bot(played: tuple[Rehearsal, Receiver]) -> None:
    verifier = HmacVerifier(GITHUB, [Secret(name="main", value=SECRET)])
    bot = BotIdentity(
        host=played[0].forge.host, login="pull-bot[bot]", user_id=user_id("pull-bot[bot]"), app_id=played[0].app.id
    )
    understood = set()
    for received in played[1].got:
        assert verifier.check(received.headers, received.body, now=0.0).accepted
        delivery = parse_delivery(received.headers, received.body)
        assert isinstance(delivery, Delivery)
        assert delivery.enterprise_host == played[0].forge.host
        if not isinstance(interpret(delivery, bot), Ignored):
            understood.add(received.name)
    assert understood >= {"issue_comment.created", "check_run.completed", "ping"}
    assert understood >= {"issues.closed", "pull_request.closed", "workflow_run.completed", "installation.deleted"}


def test_an_app_hears_with_its_installation_and_a_repository_without(played: tuple[Rehearsal, Receiver]) -> None:
    targets = {(dict(r.headers)["X-GitHub-Hook-Installation-Target-Type"], "installation" in r.payload)
               for r in played[1].got}  # fmt: skip
    assert targets == {("integration", True), ("repository", False)}
    assert len({received.guid for received in played[1].got}) == len(played[1].got)
