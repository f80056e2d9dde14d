from __future__ import annotations

import copy
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pullwright.integrations.commands import AgentRequest, Verb
from pullwright.integrations.github import meanings as m
from pullwright.integrations.github.events import interpret
from pullwright.integrations.github.failures import Refusal, to_error
from pullwright.integrations.github.payloads import IssuePayload
from tests.means import NO_DOCUMENTS
from tests.unit.integrations.github.event_table import MENTION, ROWS, RUN
from tests.unit.integrations.github.payload_samples import (
    ANN,
    BOT,
    GUID,
    ISSUE,
    RECORDED,
    REPOSITORY,
    WEBHOOKS,
    WHEN,
    comment,
    delivery,
    parsed,
    real_payloads,
)


@pytest.mark.parametrize(("name", "payload", "kind", "values"), ROWS, ids=[f"{r[0]} {i}" for i, r in enumerate(ROWS)])
def test_the_table(name: str, payload: dict[str, Any], kind: type[m.Meaning], values: dict[str, Any]) -> None:
    meaning = interpret(delivery(name, **payload), BOT)
    assert type(meaning) is kind
    assert {key: getattr(meaning, key) for key in values} == values
    assert meaning.delivery_id == GUID
    if kind not in (m.Ignored, m.HookConfirmed):
        assert meaning.semantic_key


def test_a_request_holds_what_was_signed() -> None:
    issue = {**ISSUE, "pull_request": {"url": "x"}, "locked": True}
    request = interpret(delivery("issue_comment.created", issue=issue, comment=comment(MENTION)), BOT)
    assert request == m.WorkRequested(
        delivery_id=GUID,
        repository=m.RepositoryFacts(id=5, full_name="acme/shop", private=False, default_branch="main"),
        installation_id=3,
        actor=m.Actor(id=1, login="ann"),
        work_key="github.com/5#7",
        semantic_key="issue_comment:github.com:11:2026-01-05T09:00:00+00:00",
        cause=m.Cause.COMMENTED,
        request=AgentRequest(verb=Verb.RUN, instruction="fix the sum"),
        subject=m.Subject(
            number=7,
            is_pull_request=True,
            title="Broken",
            body="See log.",
            author="ann",
            state="open",
            locked=True,
            node_id="I_7",
        ),
        at=datetime.fromisoformat(WHEN),
        comment_id=11,
    )


def test_the_person_who_sets_a_label_asks_and_not_the_author() -> None:
    bob = {"id": 2, "login": "bob", "type": "User"}
    request = interpret(delivery("issues.labeled", issue=ISSUE, label={"name": "agent"}, sender=bob), BOT)
    assert isinstance(request, m.WorkRequested)
    assert request.actor == m.Actor(id=2, login="bob")
    assert request.subject.author == "ann"


def test_the_time_of_a_label_completes_its_key() -> None:
    request = interpret(delivery("issues.labeled", issue=ISSUE, label={"name": "agent"}), BOT)
    assert isinstance(request, m.WorkRequested)
    assert request.semantic_key == f"labeled:agent:github.com/5#7@{GUID}"
    at = datetime(2026, 1, 5, tzinfo=UTC)
    assert request.happened(at).semantic_key == "labeled:agent:github.com/5#7@2026-01-05T00:00:00+00:00"
    assert request.happened(at).at == at


def test_everyone_who_started_a_workflow_is_named() -> None:
    found = interpret(delivery("workflow_run.completed", workflow_run=RUN), BOT)
    assert isinstance(found, m.ChecksCompleted)
    assert [actor.login for actor in found.starters] == ["ann", "bob"]


def test_new_issues_are_read_only_when_that_is_wanted() -> None:
    quiet = m.BotIdentity(host="github.com", login="pull-bot", user_id=900)
    opened = delivery("issues.opened", issue={**ISSUE, "body": MENTION})
    assert isinstance(interpret(opened, quiet), m.Ignored)
    assert not quiet.is_me(m.Actor(id=1, login="ann"))
    assert not quiet.is_me(None)


def test_two_hooks_tell_of_one_thing_with_one_key() -> None:
    first = delivery("issue_comment.created", issue=ISSUE, comment=comment(MENTION))
    second = replace(first, id="other-guid", document={**first.document, "installation": None})
    assert interpret(first, BOT).semantic_key == interpret(second, BOT).semantic_key  # fmt: skip


@pytest.mark.parametrize("value", [None, 5, "x", [], {}, {"id": "7"}, {"number": -1}, {"number": 2**70}, True])
@pytest.mark.parametrize("member", ["issue", "comment", "sender", "repository", "installation"])
def test_a_member_of_another_shape_is_ignored(member: str, value: object) -> None:
    document = {
        "action": "created",
        "sender": ANN,
        "repository": REPOSITORY,
        "issue": ISSUE,
        "comment": comment(MENTION),
    }
    meaning = interpret(parsed("issue_comment", {**document, member: value}), BOT)
    assert isinstance(meaning, m.Ignored) or (value is None and member in ("sender", "installation"))


def test_half_characters_and_nul_are_replaced() -> None:
    text = comment("@pull-bot a\ud800b\0c")
    request = interpret(delivery("issue_comment.created", issue={**ISSUE, "title": "\udfff"}, comment=text), BOT)
    assert isinstance(request, m.WorkRequested)
    assert request.subject.title == "?"
    assert request.request.instruction == "a?b\ufffdc"


@pytest.mark.skipif(not WEBHOOKS.is_dir(), reason=NO_DOCUMENTS)
@pytest.mark.parametrize("path", real_payloads(), ids=lambda path: path.stem)
def test_every_real_payload_has_a_meaning(path: Path) -> None:
    document = json.loads(path.read_text())
    meaning = interpret(parsed(path.name.partition(".")[0], document), BOT)
    assert meaning.delivery_id == GUID
    if isinstance(meaning, m.Ignored):
        assert "unexpected" not in meaning.reason
        assert "lacks" not in meaning.reason


@pytest.mark.skipif(not WEBHOOKS.is_dir(), reason=NO_DOCUMENTS)
@settings(max_examples=100)
@given(st.data())
def test_a_damaged_payload_raises_nothing(data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(real_payloads()))
    document = copy.deepcopy(json.loads(path.read_text()))
    place: Any = document
    for _ in range(data.draw(st.integers(0, 3))):
        inner = [
            value
            for value in (place.values() if isinstance(place, dict) else place)
            if isinstance(value, dict | list) and value
        ]
        if inner:
            place = data.draw(st.sampled_from(inner))
    if isinstance(place, dict) and place:
        place[data.draw(st.sampled_from(sorted(place)))] = data.draw(
            st.sampled_from([None, 1, -1, "x", [], {}, 2**80, "2019"])
        )
    assert isinstance(interpret(parsed(path.name.partition(".")[0], document), BOT), m.Meaning)


@pytest.mark.skipif(not RECORDED.is_dir(), reason=NO_DOCUMENTS)
@pytest.mark.parametrize("path", sorted(RECORDED.glob("*.json")), ids=lambda path: path.stem)
def test_recorded_answers_can_be_read(path: Path) -> None:
    for step in json.loads(path.read_text()):
        answer = step["response"]
        for event in ("issues", "issue_comment", "repository"):
            document = {"action": "created", "issue": answer, "comment": answer, "repository": answer, "sender": ANN}
            assert isinstance(interpret(parsed(event, document), BOT), m.Meaning)
        if step["status"] >= 400:
            refusal = Refusal(
                status=step["status"], headers={}, document=answer, host="github.com", action="it", anonymous=False
            )
            assert "github.com" in str(to_error(refusal))
        issues = answer if isinstance(answer, list) else [answer]
        for issue in issues:
            if isinstance(issue, dict) and "comments_url" in issue and "number" in issue:
                assert IssuePayload.model_validate(issue).number
