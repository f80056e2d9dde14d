"""Settings, refusals, markers, texts and what of a ticket was agreed to."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pullwright.agents.errors import AuthFailed, ConfigError, RemoteRejected
from pullwright.agents.ports.report import Standing
from pullwright.agents.task import TaskStatus
from pullwright.integrations.commands import AgentRequest, Verb, words_of
from pullwright.integrations.jira.failures import to_error, wait_of
from pullwright.integrations.jira.markers import MarkerKey
from pullwright.integrations.jira.payloads import CommentPart
from pullwright.integrations.jira.polling import query
from pullwright.integrations.jira.settings import JiraSettings
from pullwright.integrations.jira.status_text import JiraTexts
from pullwright.integrations.jira.tickets import TicketPayload, comments_of, ticket_of
from pullwright.integrations.markers import Marker
from pullwright.integrations.redaction import Redactor

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def settings(**more: Any) -> JiraSettings:
    return JiraSettings(**{"url": "https://acme.atlassian.net/", "token": "t", **more})


def test_settings_of_both_kinds() -> None:
    cloud = settings(email="bot@acme.example")
    assert (cloud.is_cloud, cloud.site, cloud.base) == (True, "acme.atlassian.net", "https://acme.atlassian.net")
    assert cloud.ticket_url("A-1") == "https://acme.atlassian.net/browse/A-1"
    scoped = settings(api_url="https://api.atlassian.com/ex/jira/1234")
    assert (scoped.is_cloud, scoped.base) == (True, "https://api.atlassian.com/ex/jira/1234")
    own = settings(url="https://tools.acme.example/jira")
    assert (own.is_cloud, own.site) == (False, "tools.acme.example/jira")
    assert "token" not in repr(cloud)


@pytest.mark.parametrize(
    "values",
    [
        {"url": "acme.atlassian.net"},
        {"url": "http://acme.atlassian.net"},
        {"url": "https://user:secret@acme.atlassian.net"},
        {"url": "https://acme.atlassian.net/?x=1"},
        {"url": "https://[x"},
        {"api_url": "ftp://x"},
        {"token": ""},
        {"token": "a b"},
        {"token": "ä"},
        {"ca_file": Path("/nowhere")},
        {"url": "https://jira.acme.example", "email": "bot@acme.example"},
    ],
)
def test_settings_that_can_not_work(values: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        settings(**values)


def error(status: int, text: str = "", **headers: str) -> Exception:
    return to_error(status, text, headers, site="x", action="looking", cloud=True, now=NOON)


def test_refusals_say_what_to_do() -> None:
    assert str(error(404)).startswith("Jira at 'x' failed looking: ")
    shown = str(error(400, "Field 'x' is bad.\nToken ATATT3xFfGF0" + "a" * 180))
    assert "Field 'x' is bad" in shown
    assert "ATATT3xFfGF0aaa" not in shown
    assert "<html" not in str(error(400, "<!DOCTYPE html><html>secret page</html>"))
    assert isinstance(error(400), RemoteRejected)
    captcha = to_error(403, "", {"X-Authentication-Denied-Reason": "CAPTCHA_CHALLENGE"}, site="x", action="y",
                       cloud=False, now=NOON)  # fmt: skip
    assert isinstance(captcha, AuthFailed)
    assert "captcha" in str(captcha)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("5", 5), (" 7 ", 7), ("", 60), ("soon", 60), ("-5", 60), ("Mon, 02 Mar 2026 12:00:30 GMT", 30),
     ("Mon, 02 Mar 2020 12:00:30 GMT", 0)],
)  # fmt: skip
def test_how_long_to_wait(value: str, seconds: float) -> None:
    assert wait_of(value, NOON) == seconds


def test_markers_fit_where_they_were_made() -> None:
    key, marker = MarkerKey(b"k" * 16), Marker(task_id="t", step="status")
    value = key.make(marker, work_key="w")
    assert key.fits(value, marker, work_key="w")
    assert not key.fits(value, marker, work_key="other")
    assert not MarkerKey(b"j" * 16).fits(value, marker, work_key="w")
    assert not key.fits(value, Marker(task_id="t", step="reply"), work_key="w")
    odd: Any
    for odd in (None, "x", [], {}, {**value, "key": 5}, {**value, "key": "é"}, {**value, "key": ""}):
        assert not key.fits(odd, marker, work_key="w")
    with pytest.raises(ConfigError):
        MarkerKey(b"short")


TEXTS = JiraTexts(Redactor(["the-secret-value"]))


def test_texts_hold_no_secret_and_mention_nobody() -> None:
    standing = Standing(
        task_id="t",
        status=TaskStatus.WAITING,
        words="Is it the-secret-value? @eve ![x](https://evil/p.png)\n```\nopen",
        plan=(("look @eve", "done"), *[("more", "open")] * 50),
        pull_request_url="javascript:x",
    )
    text = TEXTS.status(standing, requester="557058:ann", cost="5 tokens")
    assert "the-secret-value" not in text
    assert "@eve" not in text
    assert "![x]" not in text
    assert "javascript" not in text
    assert "[@557058:ann](mention:557058:ann)" in text
    assert "… and 11 more" in text
    assert text.count("```") % 2 == 0
    assert "mention" not in TEXTS.status(replace(standing, status=TaskStatus.RUNNING), requester="557058:ann")
    assert "acme/shop" in TEXTS.which_repository("no rule says it", ["acme/shop"])
    assert "owner/name" in TEXTS.which_repository("no rule says it", [])
    assert "`dance`" in TEXTS.unclear("dance")
    assert "has no verb" in TEXTS.unclear("")


def test_words_for_a_live_task() -> None:
    assert words_of(AgentRequest(verb=Verb.CONTINUE)) == "Yes, go on."
    assert words_of(AgentRequest(verb=Verb.CONTINUE, instruction="the second")) == "the second"


def test_the_query_holds_nothing_but_keys() -> None:
    assert query([], 5) == 'updated >= "-5m" ORDER BY created ASC'
    assert query(["B", 'A") OR (x', "A_1"], 7) == 'project in ("A_1", "B") AND updated >= "-7m" ORDER BY created ASC'


def payload(**fields: Any) -> TicketPayload:
    told = {"id": "1", "key": "A-1", "fields": {"summary": "Now", "description": "now", **fields}}
    return TicketPayload.model_validate({**told, "names": {"customfield_1": "Acceptance Criteria"}})


def changed(minutes: int, field: str, old: str, number: int = 1) -> dict[str, Any]:
    at = (NOON + timedelta(minutes=minutes)).isoformat()
    return {"id": str(number), "created": at, "items": [{"field": field, "fieldId": field, "fromString": old}]}


def test_a_ticket_is_rolled_back_to_the_moment() -> None:
    history = [
        changed(2, "description", "second", 3),
        changed(1, "description", "first", 2),
        changed(-1, "summary", "older", 1),
        changed(1, "customfield_1", "must be *green*", 4),
    ]
    found = payload(customfield_1="changed").model_copy()
    whole = TicketPayload.model_validate({**found.model_dump(), "changelog": {"total": 4, "histories": history}})
    ticket = ticket_of(whole, at=NOON, url="u", acceptance_field="acceptance criteria")
    assert (ticket.title, ticket.description, ticket.acceptance) == ("Now", "first", "must be **green**")
    assert len(ticket.notes) == 2


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("* one\n* two", "- one\n- two"),
        ({"type": "doc", "content": [{"type": "paragraph", "content": [{"type": "text", "text": "x"}]}]}, "x"),
        ([{"name": "one", "checked": True}, {"name": "two"}], "- one\n- two"),
        (["only"], "only"),
        ({"value": "chosen"}, "chosen"),
        (5, "5"),
        (None, ""),
        ({"odd": 1}, ""),
        ([[["deep"]]], ""),
    ],
)
def test_acceptance_criteria_of_any_kind(value: Any, text: str) -> None:
    assert (
        ticket_of(payload(customfield_1=value), at=NOON, url="u", acceptance_field="customfield_1").acceptance == text
    )


def test_what_belongs_to_a_ticket() -> None:
    sprint = {"id": 1, "name": "Sprint 7", "state": "active", "boardId": 3, "goal": ""}
    other = {"key": "A-2", "fields": {"summary": "The whole", "status": {"name": "Open"}}}
    link = {"type": {"inward": "is blocked by", "outward": "blocks"}, "inwardIssue": other}
    fields = {"customfield_9": [sprint], "customfield_8": [{"boardId": 3}, "x"], "parent": other, "issuelinks": [link]}
    assert ticket_of(payload(**fields), at=NOON, url="u").linked == (
        "is part of A-2 (Open): The whole",
        "is blocked by A-2 (Open): The whole",
        "is in the sprint Sprint 7 (active)",
    )


def test_a_picture_is_known_by_the_name_of_its_file() -> None:
    """A document names pictures by ids of a store that is not Jira's."""
    media = [{"type": "media", "attrs": {"id": "f-1", "alt": name}} for name in ("screen.png", "other.png")]
    described = payload(
        description={"type": "doc", "content": [{"type": "mediaGroup", "content": media}]},
        attachment=[{"id": "7", "filename": "screen.png", "created": (NOON - timedelta(1)).isoformat()}],
    )
    shown = ticket_of(described, at=NOON, url="u").description
    assert shown == "![screen.png](attachment:screen.png)\n\n![other.png](attachment:f-1)"


def test_a_field_that_there_is_not() -> None:
    assert ticket_of(payload(), at=NOON, url="u", acceptance_field="Nothing").acceptance == ""


def test_comments_of_the_moment() -> None:
    def said(number: int, minutes: int, edited: int | None = None) -> CommentPart:
        created = NOON + timedelta(minutes=minutes)
        updated = NOON + timedelta(minutes=edited) if edited is not None else created
        told = {"id": str(number), "body": f"*{number}*", "created": created, "updated": updated}
        return CommentPart.model_validate(told)

    timeless = CommentPart.model_validate({"id": "9", "body": "x"})
    found = [said(4, 1), said(3, -1), said(2, -2, 5), said(1, -3), said(5, 0), timeless]
    kept, later = comments_of(found, NOON, without="5")
    assert [one.body for one in kept] == ["**1**", "**3**"]
    assert later == 3
    assert kept[0].author == "somebody"
