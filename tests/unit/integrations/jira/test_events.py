"""From deliveries to meanings, over payloads that real Jiras sent, and damaged ones."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pullwright.agents.intake.door import Unreadable
from pullwright.integrations.jira import meanings as m
from pullwright.integrations.jira.deliveries import JiraDelivery, parse_delivery
from pullwright.integrations.jira.door import new_delivery
from pullwright.integrations.jira.events import interpret
from pullwright.integrations.jira.meaning_codec import CODEC
from tests.means import NO_DOCUMENTS
from tests.unit.integrations.jira.shared_payloads import WEBHOOKS, real_payloads

BOT = m.BotIdentity(site="acme.atlassian.net", account="bot-id", key="BOTKEY", statuses=frozenset({"Agent", "10003"}))
ANN = {"accountId": "ann-id", "displayName": "Ann", "accountType": "atlassian"}
FIELDS = {"summary": "Broken", "labels": [], "project": {"key": "SHOP", "projectTypeKey": "software"}}
ISSUE = {"id": "10100", "key": "SHOP-7", "fields": FIELDS}
STAMP = 1_772_442_000_000


def delivery(document: dict[str, Any]) -> JiraDelivery:
    found = parse_delivery([("Content-Type", "application/json")], json.dumps(document).encode())
    assert isinstance(found, JiraDelivery)
    return found


def meaning(event: str = "jira:issue_updated", bot: m.BotIdentity = BOT, **more: Any) -> m.Meaning:
    body = {"webhookEvent": event, "timestamp": STAMP, "user": ANN, "issue": ISSUE, **more}
    return interpret(delivery({name: value for name, value in body.items() if value is not None}), bot)


def change(field: str, old: tuple[Any, Any], new: tuple[Any, Any], number: str = "77") -> dict[str, Any]:
    item = {"field": field, "fieldId": field, "from": old[0], "fromString": old[1], "to": new[0], "toString": new[1]}
    return {"id": number, "items": [item]}


def comment(body: Any, **more: Any) -> dict[str, Any]:
    address = "https://acme.atlassian.net/rest/api/2/issue/10100/comment/5"
    times = {"created": "2026-03-02T09:00:00.000+0000", "updated": "2026-03-02T09:00:00.000+0000"}
    return {"self": address, "id": "5", "author": ANN, "body": body, **times, **more}


def cause(found: m.Meaning) -> m.Cause | str:
    if isinstance(found, m.WorkRequested):
        return found.cause
    return found.reason if isinstance(found, m.Ignored) else type(found).__name__


NOTHING = "a change that does not ask for anything"


@pytest.mark.parametrize(
    ("changelog", "expected"),
    [
        (change("labels", (None, ""), (None, "agent")), m.Cause.LABELED),
        (change("labels", (None, "a b"), (None, "a AGENT b")), m.Cause.LABELED),
        (change("labels", (None, "agent"), (None, "agent c")), NOTHING),
        (change("labels", (None, "x"), (None, "agents")), NOTHING),
        (change("labels", (None, "agent x"), (None, "x")), "SubjectGone"),
        (change("status", ("1", "To Do"), ("5", "agent")), m.Cause.MOVED),
        (change("status", ("1", "To Do"), ("10003", "Umbenannt")), m.Cause.MOVED),
        (change("status", ("1", "To Do"), ("5", "In Progress")), NOTHING),
        (change("assignee", (None, None), ("bot-id", "Bot")), m.Cause.ASSIGNED),
        (change("assignee", (None, None), ("BOTKEY", "Bot")), m.Cause.ASSIGNED),
        (change("assignee", (None, None), ("x", "bot-id")), NOTHING),
        (change("assignee", ("bot-id", "Bot"), (None, None)), "SubjectGone"),
        ({"id": "1", "items": []}, NOTHING),
        ({}, NOTHING),
        (None, NOTHING),
    ],
)
def test_changes(changelog: Any, expected: m.Cause | str) -> None:
    assert cause(meaning(issue_event_type_name="issue_updated", changelog=changelog)) == expected


def test_an_assignment_that_only_the_ticket_tells_of() -> None:
    mine = {**ISSUE, "fields": {**FIELDS, "assignee": {"accountId": "bot-id"}}}
    found = meaning(issue=mine, issue_event_type_name="issue_assigned", changelog={"id": "9", "items": []})
    assert cause(found) is m.Cause.ASSIGNED
    assert cause(meaning(issue=mine, issue_event_type_name="issue_updated", changelog={"items": []})) == NOTHING
    quiet = m.BotIdentity(site="x", account="bot-id", listens_to_assignment=False)
    assert cause(meaning(bot=quiet, issue=mine, issue_event_type_name="issue_assigned", changelog=None)) == NOTHING


def test_a_ticket_that_is_done_is_not_worked_on() -> None:
    done = {**ISSUE, "fields": {**FIELDS, "status": {"name": "Closed", "statusCategory": {"key": "done"}}}}
    found = meaning(issue=done, changelog=change("status", ("1", "To Do"), ("6", "Closed")))
    assert isinstance(found, m.SubjectGone)
    assert found.why is m.Gone.DONE


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"labels": ["x", "Agent"]}, m.Cause.CREATED),
        ({"assignee": {"accountId": "bot-id"}}, m.Cause.CREATED),
        ({"status": {"id": "10003", "name": "x"}}, m.Cause.CREATED),
        ({}, "a new ticket that does not ask for anything"),
    ],
)
def test_new_tickets(fields: dict[str, Any], expected: m.Cause | str) -> None:
    found = meaning("jira:issue_created", issue={**ISSUE, "fields": {**FIELDS, **fields}})
    assert cause(found) == expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("[~accountid:bot-id] fix it", m.Cause.COMMENTED),
        ("hello [~accountid:bot-id]", m.Cause.COMMENTED),
        ("/agent run now", m.Cause.COMMENTED),
        ("thanks\n/agent plan", m.Cause.COMMENTED),
        ("/agent stop", "ControlRequested"),
        ("/agent what", "ControlRequested"),
        ("[~accountid:other] fix it", "a comment that does not ask for anything"),
        ("[@bot|mention:bot-id]", "a comment that does not ask for anything"),
        ("[@bot](mention:bot-id)", "a comment that does not ask for anything"),
        ("{quote}\n/agent run\n{quote}", "a comment that does not ask for anything"),
        ("{code}\n/agent run [~accountid:bot-id]\n{code}", "a comment that does not ask for anything"),
        ({"type": "doc", "content": [{"type": "paragraph", "content": [
            {"type": "mention", "attrs": {"id": "bot-id", "text": "@Bot"}}, {"type": "text", "text": " go"}]}]},
         m.Cause.COMMENTED),
        ({"type": "doc", "content": [{"type": "paragraph", "content": [
            {"type": "mention", "attrs": {"id": "other", "text": "@bot-id"}}]}]},
         "a comment that does not ask for anything"),
        (None, "a comment that does not ask for anything"),
    ],
)  # fmt: skip
def test_comments(body: Any, expected: m.Cause | str) -> None:
    assert cause(meaning("comment_created", comment=comment(body), user=None)) == expected


def test_the_words_of_a_comment_are_the_instruction() -> None:
    found = meaning("comment_created", comment=comment("/agent run base=dev repo=acme/shop\nmake it *fast*\nplease"))
    assert isinstance(found, m.WorkRequested)
    assert found.request.instruction == "make it **fast**\nplease"
    assert found.request.arguments == {"base": "dev", "repo": "acme/shop"}
    assert found.at is not None
    assert found.ticket == m.TicketFacts(id="10100", key="SHOP-7", project="SHOP")


def test_data_center_tells_of_one_comment_twice_and_names_no_ticket() -> None:
    said = comment("[~bot-id] fix it", author={"name": "ann", "key": "ann"})
    user = {"name": "ann", "key": "ann"}
    first = meaning("comment_created", issue=None, user=None, comment=said)
    second = meaning(issue_event_type_name="issue_commented", user=user, comment=said)
    assert isinstance(first, m.WorkRequested)
    assert isinstance(second, m.WorkRequested)
    assert (first.semantic_key, first.work_key) == (second.semantic_key, second.work_key)
    assert first.ticket == m.TicketFacts(id="10100")
    assert first.actor == second.actor == m.Actor(account="ann")


@pytest.mark.parametrize("address", ["", "https://x/rest/2/issue/SHOP-7/comment/5", "https://x/comment/5/issue/1"])
def test_a_comment_of_no_ticket_is_ignored(address: str) -> None:
    said = {**comment("/agent run"), "self": address}
    found = meaning("comment_created", issue=None, user=None, comment=said)
    assert cause(found) == "comment_created lacks 'issue'"


@pytest.mark.parametrize(
    ("event", "kind", "expected"),
    [
        ("comment_updated", None, "an edited comment never asks for anything"),
        ("jira:issue_updated", "issue_comment_edited", NOTHING),
        ("comment_deleted", None, "RequestWithdrawn"),
        ("jira:issue_deleted", None, "SubjectGone"),
        ("jira:worklog_updated", None, "jira:worklog_updated is nothing to listen to"),
        ("jira:issue_updated", None, m.Cause.COMMENTED),
    ],
)
def test_other_events(event: str, kind: str | None, expected: m.Cause | str) -> None:
    assert cause(meaning(event, issue_event_type_name=kind, comment=comment("/agent run"))) == expected


def test_an_old_server_does_not_say_that_a_comment_was_edited() -> None:
    edited = comment("/agent run", updated="2026-03-02T09:05:00.000+0000")
    assert cause(meaning(comment=edited)) == NOTHING


def test_the_bot_does_not_hear_itself() -> None:
    me = {"accountId": "bot-id"}
    assert cause(meaning(user=me, changelog=change("labels", (None, ""), (None, "agent")))) == "done by the bot itself"
    assert cause(meaning("jira:issue_created", user=me)) == "done by the bot itself"
    said = comment("/agent run", author=me)
    assert cause(meaning("comment_created", user=None, comment=said)) == "written by the bot itself"


def test_only_named_projects_are_listened_to() -> None:
    bot = m.BotIdentity(site="x", account="bot-id", projects=frozenset({"site"}))
    labelled = change("labels", (None, ""), (None, "agent"))
    assert cause(meaning(bot=bot, changelog=labelled)) == "a project that is not listened to"
    assert cause(meaning(bot=bot, changelog=labelled, issue={**ISSUE, "key": "SITE-1"})) is m.Cause.LABELED


@pytest.mark.parametrize(
    "document",
    [
        {"accountId": "x", "username": "y"},
        {},
        {"key": "SHOP-1"},
        {"webhookEvent": None},
        {"webhookEvent": {"a": 1}},
        {"webhookEvent": ""},
        {"key": 5, "rule": "x"},
        {"key": "no key", "rule": "x"},
    ],
)
def test_what_is_no_event_is_ignored(document: dict[str, Any]) -> None:
    assert isinstance(interpret(delivery(document), BOT), m.Ignored)


def test_automation_by_our_body_and_by_its_own() -> None:
    ours = {"key": "SHOP-7", "actor": "ann-id", "rule": "nightly", "updated": "1", "instruction": "do<!-- x --> it"}
    found = interpret(delivery(ours), BOT)
    assert isinstance(found, m.WorkRequested)
    assert (found.cause, found.request.instruction) == (m.Cause.AUTOMATION, "do it")
    assert found.ticket == m.TicketFacts(key="SHOP-7", project="SHOP")
    again = interpret(delivery({**ours, "updated": "2"}), BOT)
    assert again.semantic_key != found.semantic_key
    document = {"key": "SHOP-7", "id": 10100, "fields": {"updated": STAMP}, "changelog": None}
    its_own = interpret(delivery(document), BOT)
    assert isinstance(its_own, m.WorkRequested)
    assert (its_own.work_key, its_own.actor) == ("jira:acme.atlassian.net/10100", None)
    assert isinstance(interpret(delivery({**ours, "actor": "bot-id"}), BOT), m.Ignored)


def test_meanings_survive_the_inbox() -> None:
    labelled = change("labels", (None, ""), (None, "agent"))
    for found in (meaning(changelog=labelled), meaning("comment_created", comment=comment("/agent status")),
                  meaning("comment_deleted", comment=comment("x")), meaning("jira:issue_deleted")):  # fmt: skip
        assert CODEC.from_json(CODEC.to_json(found)) == found
        kept = new_delivery(found, "main", found.delivery_id)
        assert (kept.source, kept.work_key, kept.ignored) == ("jira", "jira:acme.atlassian.net/10100", "")
    ignored = new_delivery(meaning(), "main", "k")
    assert (ignored.content, ignored.ignored, ignored.meaning_key) == ("", NOTHING, "")
    with pytest.raises(ValueError, match="not known to this release"):
        CODEC.from_json('{"kind": "Other", "meaning": {}}')


HEADERS = [("content-type", "application/json; charset=utf-8")]


def test_the_identifier_is_the_key_of_a_delivery() -> None:
    named = parse_delivery([*HEADERS, ("x-atlassian-webhook-identifier", "8d50-f1a")], b"{}")
    assert isinstance(named, JiraDelivery)
    assert named.id == "8d50-f1a"
    for value in ("short", "with blank s", "a" * 300):
        refused = parse_delivery([*HEADERS, ("X-Atlassian-Webhook-Identifier", value)], b"{}")
        assert isinstance(refused, Unreadable)
        assert refused.status == 400


def test_without_one_the_same_thing_has_the_same_key() -> None:
    told = {"webhookEvent": "comment_created", "timestamp": 5, "comment": {"id": "7"}}
    same = delivery({**told, "user": {"name": "seen later"}})
    assert delivery(told).id == same.id
    assert delivery({**told, "timestamp": 6}).id != same.id
    assert delivery({**told, "comment": {"id": "8"}}).id != same.id
    assert delivery({"key": "A-1"}).id != delivery({"key": "A-2"}).id


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        (HEADERS, b"", 400),
        (HEADERS, b"[]", 400),
        (HEADERS, b"\xff", 400),
        (HEADERS, b'{"a": NaN}', 400),
        (HEADERS, b'{"a":' + b"[" * 10_000, 400),
        ([("Content-Type", "text/plain")], b"{}", 415),
        ([*HEADERS, ("Content-Encoding", "gzip")], b"{}", 415),
    ],
)
def test_what_can_not_be_read(headers: list[tuple[str, str]], body: bytes, status: int) -> None:
    found = parse_delivery(headers, body)
    assert isinstance(found, Unreadable)
    assert found.status == status


@pytest.mark.skipif(not WEBHOOKS.is_dir(), reason=NO_DOCUMENTS)
@pytest.mark.parametrize("path", real_payloads(), ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_every_real_payload_has_a_meaning(path: Path) -> None:
    found = interpret(delivery(json.loads(path.read_text())), BOT)
    if isinstance(found, m.Ignored):
        assert "unexpected" not in found.reason
        assert "lacks" not in found.reason


MEANT: dict[str, m.BotIdentity] = {
    "issue-updated-labels": m.BotIdentity(site="x", account="x", label="sad"),
    "issue-updated-started-working": m.BotIdentity(site="x", account="x", statuses=frozenset({"In Progress"})),
    "issue-updated-assigned": m.BotIdentity(site="x", account="admin"),
    "server-issue-updated-in-progress": m.BotIdentity(site="x", account="x", statuses=frozenset({"3"})),
}


@pytest.mark.skipif(not WEBHOOKS.is_dir(), reason=NO_DOCUMENTS)
@pytest.mark.parametrize("name", sorted(MEANT))
def test_real_payloads_that_ask_for_work(name: str) -> None:
    document = json.loads((WEBHOOKS / "mattermost" / f"{name}.json").read_text())
    found = interpret(delivery({**document, "user": {"name": "somebody"}}), MEANT[name])
    assert isinstance(found, m.WorkRequested), cause(found)


@pytest.mark.skipif(not WEBHOOKS.is_dir(), reason=NO_DOCUMENTS)
@settings(max_examples=100)
@given(st.data())
def test_a_damaged_payload_raises_nothing(data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(real_payloads()))
    document = copy.deepcopy(json.loads(path.read_text()))
    place: Any = document
    for _ in range(data.draw(st.integers(0, 4))):
        values = place.values() if isinstance(place, dict) else place
        inner = [value for value in values if isinstance(value, dict | list) and value]
        if inner:
            place = data.draw(st.sampled_from(inner))
    if isinstance(place, dict) and place:
        strange: list[Any] = [None, 1, -1, "x", [], {}, 2**80, "2019", True, "\ud800", 1e400]
        place[data.draw(st.sampled_from(sorted(place)))] = data.draw(st.sampled_from(strange))
    found = interpret(JiraDelivery(id="x", document=document), BOT)
    assert isinstance(found, m.Meaning)
    if not isinstance(found, m.Ignored):
        assert CODEC.from_json(CODEC.to_json(found)) == found
