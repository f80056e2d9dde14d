"""From deliveries to meanings, over payloads that Linear sent, and damaged ones."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pullwright.agents.intake.door import Unreadable
from pullwright.integrations.commands import Verb
from pullwright.integrations.linear import meanings as m
from pullwright.integrations.linear.deliveries import LinearDelivery, parse_delivery
from pullwright.integrations.linear.door import new_delivery
from pullwright.integrations.linear.events import interpret
from pullwright.integrations.linear.meaning_codec import CODEC
from pullwright.integrations.testing.contract_gate import contracts_folder
from tests.means import NO_DOCUMENTS

WEBHOOKS = contracts_folder() / "linear" / "webhooks"
BOT = m.BotIdentity(user="bot-id", name="pull-bot", teams=frozenset({"eng", "web"}))
ANN = {"id": "ann-id", "type": "user", "name": "Ann", "url": "https://linear.app/acme/profiles/ann"}
TODO = {"id": "s1", "name": "Todo", "type": "unstarted"}
OVER = {"id": "s9", "name": "Gone", "type": "canceled"}
AGENT, BUG = {"id": "l1", "name": "Agent"}, {"id": "l2", "name": "bug"}
ISSUE = {"id": "i1", "identifier": "ENG-7", "title": "Broken", "description": "It is.", "state": TODO}
COMMENT = {"id": "c1", "body": "/agent run", "issueId": "i1", "issue": {"id": "i1"}, "userId": "ann-id"}
SESSION = {"id": "x1", "issueId": "i1", "issue": {"id": "i1", "identifier": "ENG-7"}, "creator": ANN}
AT = "2026-03-02T09:00:00.000Z"


def delivery(document: dict[str, Any]) -> LinearDelivery:
    found = parse_delivery([("Content-Type", "application/json; charset=utf-8")], json.dumps(document).encode())
    assert isinstance(found, LinearDelivery)
    return found


def meaning(kind: str, action: str, bot: m.BotIdentity = BOT, **more: Any) -> m.Meaning:
    told = {"type": kind, "action": action, "actor": ANN, "createdAt": AT, **more}
    return interpret(delivery(told), bot)


def changed(before: dict[str, Any] | None = None, actor: Any = ANN, **now: Any) -> m.Meaning:
    labels = now.get("labels", [])
    data = {**ISSUE, "labelIds": [one["id"] for one in labels], **now}
    return meaning("Issue", "update", data=data, updatedFrom=before or {}, actor=actor)


def described(found: m.Meaning) -> str:
    """Return a meaning in a word."""
    match found:
        case m.WorkRequested():
            return f"work: {found.cause}"
        case m.ControlRequested():
            return f"control: {found.verb}"
        case m.RequestWithdrawn():
            return "withdrawn"
        case m.SubjectGone():
            return f"gone: {found.why.name}"
        case m.Ignored():
            return f"ignored: {found.reason}"
    raise AssertionError(found)


NOTHING = "ignored: a change that does not ask for anything"
ISSUES: dict[str, tuple[m.Meaning, str]] = {
    "label": (changed({"labelIds": []}, labels=[AGENT]), "work: labeled"),
    "another label": (changed({"labelIds": ["l1"]}, labels=[AGENT, BUG]), NOTHING),
    "label there already": (changed({"title": "x"}, labels=[AGENT]), NOTHING),
    "label before is odd": (changed({"labelIds": 7}, labels=[AGENT]), "work: labeled"),
    "label gone": (changed({"labelIds": ["l1", "l2"]}, labels=[BUG]), "gone: UNLABELED"),
    "assigned": (changed({"assigneeId": None}, assigneeId="bot-id"), "work: assigned"),
    "delegated": (changed({"delegateId": "other"}, delegateId="bot-id"), "work: assigned"),
    "delegated and mine": (changed({"delegateId": None}, delegateId="bot-id", assigneeId="bot-id"), NOTHING),
    "taken away": (changed({"assigneeId": "bot-id"}, assigneeId="ann-id"), "gone: UNASSIGNED"),
    "to somebody": (changed({"assigneeId": None}, assigneeId="ann-id"), NOTHING),
    "ended": (changed({"stateId": "s1"}, state=OVER, labels=[AGENT]), "gone: ENDED"),
    "swapped": (changed({"labelIds": ["l2"], "assigneeId": None}, assigneeId="bot-id"), "work: assigned"),
    "ended and asked": (changed({"stateId": "s1", "labelIds": []}, state=OVER, labels=[AGENT]), "gone: ENDED"),
    "ended before": (changed({"title": "x"}, state=OVER), NOTHING),
    "trashed": (changed({"trashed": None}, trashed=True), "gone: REMOVED"),
    "by the bot": (changed({"labelIds": []}, {"id": "bot-id"}, labels=[AGENT]), "ignored: done by the bot itself"),
    "another team": (
        changed({"labelIds": []}, identifier="OPS-1", labels=[AGENT]),
        "ignored: a team that is not listened to",
    ),
    "created": (meaning("Issue", "create", data={**ISSUE, "labels": [AGENT], "labelIds": ["l1"]}), "work: labeled"),
    "removed": (meaning("Issue", "remove", data=ISSUE), "gone: REMOVED"),
    "no data": (meaning("Issue", "update"), "ignored: Issue update has an unexpected 'data'"),
    "odd labels": (changed(labels=[{"id": 7}]), "ignored: Issue update has an unexpected 'data.labelIds.0'"),
    "another thing": (meaning("Project", "update", data={}), "ignored: Project update is nothing to listen to"),
    "nothing at all": (interpret(delivery({}), BOT), "ignored: something is nothing to listen to"),
    "odd type": (interpret(delivery({"type": []}), BOT), "ignored: [] is nothing to listen to"),
}


@pytest.mark.parametrize("name", ISSUES)
def test_issues(name: str) -> None:
    found, expected = ISSUES[name]
    assert described(found) == expected


def said(action: str = "create", before: Any = None, **more: Any) -> m.Meaning:
    more = {"data": {**COMMENT, **more}}
    return meaning("Comment", action, **more, **({"updatedFrom": before} if before else {}))


SILENT = "ignored: a comment that does not ask for anything"
COMMENTS: dict[str, tuple[m.Meaning, str]] = {
    "command": (said(), "work: commented"),
    "mention": (said(body="Please, @pull-bot, look"), "work: commented"),
    "link to the profile": (said(body="https://linear.app/acme/profiles/pull-bot fix it"), "work: commented"),
    "another name": (said(body="@pull-bot-two fix it, mail a@pull-bot"), SILENT),
    "quoted": (said(body="> /agent run"), SILENT),
    "stop": (said(body="/agent stop"), "control: stop"),
    "unknown": (said(body="/agent dance"), "control: help"),
    "of the bot": (said(userId="bot-id"), "ignored: written by the bot itself"),
    "without an issue": (said(issueId=None, issue=None), "ignored: a comment that belongs to no issue"),
    "issue by its id": (said(issue=None), "work: commented"),
    "edited": (said("update", {"body": "before"}), "withdrawn"),
    "touched": (said("update", {"reactionData": []}), "ignored: an edited comment never asks for anything"),
    "deleted": (said("remove"), "withdrawn"),
}


@pytest.mark.parametrize("name", COMMENTS)
def test_comments(name: str) -> None:
    found, expected = COMMENTS[name]
    assert described(found) == expected


def session(action: str, about: dict[str, Any] | None = None, **more: Any) -> m.Meaning:
    return meaning("AgentSessionEvent", action, agentSession={**SESSION, **(about or {})}, **more)


def prompt(body: str, **more: Any) -> dict[str, Any]:
    return {"id": "a1", "content": {"type": "prompt", "body": body}, "user": ANN, **more}


SPOKEN = {"comment": {"id": "c1", "body": "@pull-bot fix it"}}
SESSIONS: dict[str, tuple[m.Meaning, str]] = {
    "delegated": (session("created"), "work: session"),
    "of a comment": (session("created", SPOKEN), "work: commented"),
    "to stop": (session("created", {"comment": {"id": "c1", "body": "/agent stop"}}), "control: stop"),
    "prompted": (session("prompted", agentActivity=prompt("use blue")), "work: commented"),
    "prompted to stop": (session("prompted", agentActivity=prompt("x", signal="stop")), "control: stop"),
    "a command": (session("prompted", agentActivity=prompt("/agent status")), "control: status"),
    "without words": (session("prompted", agentActivity=prompt("  ")), "ignored: a prompt without words"),
    "nobody asks": (session("prompted"), "ignored: a session in which nobody asks for anything"),
    "no issue": (
        session("created", {"issue": None, "issueId": None}),
        "ignored: a session that belongs to no issue",
    ),
}


@pytest.mark.parametrize("name", SESSIONS)
def test_sessions(name: str) -> None:
    found, expected = SESSIONS[name]
    assert described(found) == expected


def test_a_comment_and_its_session_are_one_thing() -> None:
    found = session("created", {**SPOKEN, "sourceCommentId": "c1"})
    assert isinstance(found, m.WorkRequested)
    assert (found.semantic_key, found.session_id) == (said().semantic_key, "x1")
    prompted = session("prompted", agentActivity=prompt("use blue", sourceCommentId="c1"))
    assert isinstance(prompted, m.WorkRequested)
    assert (prompted.semantic_key, prompted.request.verb, prompted.request.instruction) == (
        "comment:c1",
        Verb.CONTINUE,
        "use blue",
    )


def test_a_request_keeps_the_texts_of_its_moment() -> None:
    found = changed({"labelIds": []}, labels=[AGENT])
    assert isinstance(found, m.WorkRequested)
    assert (found.title, found.description, found.work_key) == ("Broken", "It is.", "linear:i1")
    assert found.actor == m.Actor(id="ann-id", name="Ann", url="https://linear.app/acme/profiles/ann")
    assert CODEC.from_json(CODEC.to_json(found)) == found


def test_half_a_text_is_none() -> None:
    data = {"id": "i1", "title": "Broken", "labelIds": ["l1"], "labels": [AGENT]}
    found = meaning("Issue", "update", data=data, updatedFrom={"labelIds": []})
    assert isinstance(found, m.WorkRequested)
    assert found.title is None


def test_programs_are_no_persons() -> None:
    for kind in ("OauthClient", "integration"):
        found = changed({"labelIds": []}, {"id": "app", "type": kind}, labels=[AGENT])
        assert found.actor is not None
        assert not found.actor.person
    assert said(userId=None).actor is None


@pytest.mark.skipif(not WEBHOOKS.is_dir(), reason=NO_DOCUMENTS)
def test_every_shared_payload_is_handled() -> None:
    found = {path.name: json.loads(path.read_text()) for path in sorted(WEBHOOKS.glob("*.json"))}
    assert len(found) >= 2
    for document in found.values():
        assert described(interpret(delivery(document), BOT)).startswith("ignored: a ")
    made = found["issue_create_simple.json"]
    made["data"] |= {"assigneeId": "bot-id"}
    asked = interpret(delivery(made), BOT)
    assert isinstance(asked, m.WorkRequested)
    assert asked.title == "Very small font in tooltip"
    assert asked.actor == m.Actor(id="674c90c8-35ea-454d-8ca4-5548258fd795")
    comment = found["comment_create.json"]
    comment["data"]["body"] = "/agent run"
    asked = interpret(delivery(comment), BOT)
    assert described(asked) == "work: commented"
    assert asked.actor is not None
    assert asked.actor.name == "Satyam Bansal"


def test_what_is_no_delivery() -> None:
    for headers, body, status in (
        ([("Content-Type", "text/plain")], b"{}", 415),
        ([("Content-Type", "application/json"), ("Content-Encoding", "gzip")], b"{}", 415),
        ([("Content-Type", "application/json")], b"[]", 400),
        ([("Content-Type", "application/json"), ("Linear-Delivery", "a b")], b"{}", 400),
    ):
        found = parse_delivery(headers, body)
        assert isinstance(found, Unreadable)
        assert found.status == status


WHOLE = [
    {"type": "Issue", "action": "update", "actor": ANN, "createdAt": AT, "updatedFrom": {"labelIds": []}}
    | {"data": {**ISSUE, "labels": [AGENT], "labelIds": ["l1"]}},
    {"type": "Comment", "action": "create", "actor": ANN, "createdAt": AT, "data": COMMENT},
    {"type": "AgentSessionEvent", "action": "prompted", "agentSession": SESSION, "agentActivity": prompt("x")},
]
ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9) | st.just("\ud800\x00"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)


def places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [at, *(place for name, one in inside for place in places(one, (*at, name)))]


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_damaged_payloads_never_raise(data: st.DataObject) -> None:
    document = copy.deepcopy(data.draw(st.sampled_from(WHOLE)))
    *path, last = data.draw(st.sampled_from([place for place in places(document) if place]))
    holder: Any = document
    for name in path:
        holder = holder[name]
    holder[last] = data.draw(ODD)
    found = interpret(LinearDelivery(id="d", document=document), BOT)
    kept = new_delivery(found, "main", "key")
    if kept.content:
        assert CODEC.from_json(kept.content) == found
    kept.content.encode()
