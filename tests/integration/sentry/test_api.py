"""The client against a Sentry on loopback: what is read and written, and what trouble becomes."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from pullwright.agents.budget import Usage
from pullwright.agents.errors import (
    AuthFailed,
    IntegrationError,
    NotFound,
    RemoteRateLimited,
    RemoteRejected,
    RemoteUnavailable,
)
from pullwright.agents.events import ModelReplied
from pullwright.agents.finding import Mark
from pullwright.agents.message import AssistantMessage, ToolCall
from pullwright.agents.ports.report import Standing
from pullwright.agents.task import TaskStatus
from pullwright.agents.testing.contracts_store import finished
from pullwright.integrations.redaction import Redactor
from pullwright.integrations.sentry.api import OLDEST, SentryApi
from pullwright.integrations.sentry.cases import Cases
from pullwright.integrations.sentry.client import SentryClient
from pullwright.integrations.sentry.gate import GateRules
from pullwright.integrations.sentry.reports import SentryReports, link
from pullwright.integrations.sentry.seer import Seer
from pullwright.integrations.sentry.setup_check import check_setup
from pullwright.integrations.sentry.texts import SentryTexts
from pullwright.integrations.sentry.voice import SentryVoice
from pullwright.integrations.testing.faults import Fault
from pullwright.integrations.testing.sentry_rehearsal import SentryRehearsal
from tests.integration.sentry.conftest import Scene, settings_of
from tests.unit.integrations.sentry.samples import BROKEN, ME, ROUTE, event, frame, raised

pytestmark = pytest.mark.anyio

PULL = "https://github.com/acme/shop/pull/5"


Call = Callable[[SentryApi], Awaitable[Any]]


@pytest.fixture
def api(sentry: SentryRehearsal) -> SentryApi:
    return api_of(sentry)


def api_of(sentry: SentryRehearsal, **changes: Any) -> SentryApi:
    settings = settings_of(sentry, **changes)
    return SentryApi(settings, SentryClient(settings, now=lambda: 1000.0))


async def test_what_sentry_knows_is_read(sentry: SentryRehearsal, api: SentryApi) -> None:
    deep = event(raised("KeyError", "x", frame("f", 1)), raised("ValueError", "y", frame("g", 2)), release="shop@1/2")
    issue, _ = sentry.happen("shop", BROKEN, group="a", times=5)
    sentry.happen("shop", deep, group="a")
    sentry.state.releases["shop@1/2"] = {"ref": "d" * 40, "commits": [{"id": "d" * 40, "message": None}]}
    issue.committers = [{"author": {"email": "x@y.z"}, "commits": [{"id": "e" * 40, "message": "Oops"}]}]
    facts = await api.issue(str(issue.id))
    assert (facts.short_id, facts.events, facts.open, facts.project) == ("SHOP-1", 6, True, "shop")
    latest, oldest = await api.event(facts.id), await api.event(facts.id, OLDEST)
    assert [one.type for one in latest.raised] == ["KeyError", "ValueError"]
    assert oldest.frames[-1].suspect == "    return sum(item.price for item in items)"
    assert oldest.frames[-1].before[-1] == "def total(items):"
    assert latest.release == "shop@1/2"
    assert (await api.release("shop@1/2")).commit == "d" * 40
    assert [one.id for one in await api.release_commits("shop@1/2")] == ["d" * 40]
    assert [one.message for one in await api.suspects("shop", latest.event_id)] == ["Oops"]
    assert not await api.suspects("shop", "nothing")
    assert not await api.release_commits("none")
    assert await api.projects() == ["shop", "worker"]


async def test_what_not_every_sentry_says_is_read_where_it_is_said(sentry: SentryRehearsal, api: SentryApi) -> None:
    issue, _ = sentry.happen("shop", {**BROKEN, "release": "b@1"}, group="a")
    sentry.happen("shop", {**BROKEN, "release": "b@2", "tags": [["environment", "staging"]]}, group="a")
    sentry.happen("shop", {**BROKEN, "release": "b@2"}, group="a")
    known = {"projectSlug": "shop", "repoName": "Acme/Shop", "stackRoot": "app/", "sourceRoot": "src/app/"}
    sentry.state.mappings = [
        {**known, "projectSlug": "worker"},
        {**known, "stackRoot": ""},
        known,
        {**known, "stackRoot": "app/api/", "sourceRoot": "api/"},
        {**known, "repoName": "acme/other"},
    ]
    issue.seer = {"steps": [{"causes": [{"description": "A gift has no price."}]}]}
    where = str(issue.id)
    assert [(one.value, one.count) for one in await api.tag(where, "release")] == [("b@2", 2), ("b@1", 1)]
    assert await api.mappings("shop", "acme/shop") == [("app/api/", "api/"), ("app/", "src/app/")]
    assert (await api.seer(where)).cause == ("A gift has no price.",)
    facts = await api.issue(where)
    cases = Cases(api, SentryVoice(api, b"k" * 16))
    incident = await cases.incident(where)
    assert incident is not None
    case = await cases.case(facts, incident, replace(ROUTE, stack_root=""))
    assert case.route.path("app/api/x.py") == "api/x.py"
    assert case.route.path("app/x.py") == "src/app/x.py"
    assert dict(case.spread) == {
        "environment": "production (2), staging (1)",
        "release": "b@2 (2), b@1 (1)",
        "browser": "Firefox (2)",
    }


PROBES: dict[str, Call] = {
    "/committers/": lambda api: api.suspects("shop", "e" * 32),
    "/commits/": lambda api: api.release_commits("b@1"),
    "/tags/": lambda api: api.tag("1", "release"),
    "/autofix/": lambda api: api.seer("1"),
    "/code-mappings/": lambda api: api.mappings("shop", "acme/shop"),
}
PAGE = {"Content-Type": "text/html"}


@pytest.mark.parametrize("path", PROBES)
@pytest.mark.parametrize(
    "answer",
    [
        {"status": 404},
        {"status": 403, "body": {"detail": "No."}},
        {"status": 410},
        {"status": 200, "headers": PAGE, "body": "<html>"},
        {"status": 200, "body": "7"},
    ],
    ids=["404", "403", "410", "HTML", "another shape"],
)
async def test_what_not_every_sentry_says_is_left_out_elsewhere(
    sentry: SentryRehearsal, api: SentryApi, path: str, answer: dict[str, Any]
) -> None:
    sentry.add_fault(Fault(path=path, **answer))
    assert await PROBES[path](api) in ((), [], Seer())


@pytest.mark.parametrize("path", PROBES)
async def test_trouble_is_not_taken_for_nothing(sentry: SentryRehearsal, api: SentryApi, path: str) -> None:
    sentry.add_fault(Fault(path=path, status=503))
    with pytest.raises(RemoteUnavailable):
        await PROBES[path](api)


@pytest.mark.parametrize(
    "answer", [{"status": 404}, {"status": 400}, {"status": 200, "headers": PAGE, "body": "<html>"}]
)
async def test_a_sidebar_that_is_not_there_is_done_without(scene: Scene, answer: dict[str, Any]) -> None:
    issue = await scene.happen("shop", BROKEN, group="a")
    [origin, *_] = await scene.deliveries()
    scene.sentry.add_fault(Fault(path="/external-issues/", **answer))
    await link(scene.api, origin, PULL)
    assert issue.links == {}
    await link(scene.api, origin, PULL)
    assert issue.links == {"acme/shop#5": PULL}


@pytest.mark.parametrize("name", ["", ".", ".."])
async def test_no_name_leads_elsewhere(api: SentryApi, name: str) -> None:
    with pytest.raises(NotFound):
        await api.release(name)


async def test_a_list_of_several_pages_is_read_to_its_end(sentry: SentryRehearsal, api: SentryApi) -> None:
    for number in range(7):
        sentry.happen("shop", BROKEN, group=f"{number}")
    found = await api.unresolved(["shop"])
    assert [one.short_id for one in found] == [f"SHOP-{number}" for number in range(7, 0, -1)]
    # The links of the answers lead elsewhere, and nothing went there.
    assert len([one for one in sentry.api.requests if one.endswith("/issues/")]) == 4


async def test_a_comment_is_written_found_and_changed(sentry: SentryRehearsal, api: SentryApi) -> None:
    issue, _ = sentry.happen("shop", BROKEN, group="a")
    other, _ = sentry.happen("shop", BROKEN, group="b")
    voice, where = SentryVoice(api, b"k" * 16), str(issue.id)
    for number in range(3):
        sentry.comment(issue, f"chatter {number}")
    made = await voice.comment(where, "status:1", "It goes on.")
    sentry.comment(issue, "more chatter")
    copied = sentry.said(issue)[0]
    assert await voice.find(where, "status:1") is not None
    assert await voice.find(where, "status:2") is None
    sentry.state.issues[other.id].notes.append(sentry.state.issues[issue.id].notes[3])
    assert await voice.find(str(other.id), "status:1") is None
    assert await SentryVoice(api, b"x" * 16).find(where, "status:1") is None
    await voice.change(where, "status:1", "It is done.", made.external_id)
    assert copied.startswith("It goes on.")
    assert sentry.said(issue)[0].startswith("It is done.")
    assert (await voice.find(where, "status:1")) is not None
    with pytest.raises(NotFound):
        await voice.change(where, "status:1", "x", "99")


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        (Fault(path="/issues/", status=500), RemoteUnavailable, "it is in trouble (500)"),
        (Fault(path="/issues/", status=502, body="<html>Bad gateway"), RemoteUnavailable, "it is in trouble (502)"),
        (Fault(path="/issues/", status=429), RemoteRateLimited, "try again in 60 s"),
        (
            Fault(path="/issues/", status=429, headers={"X-Sentry-Rate-Limit-Reset": "1030"}),
            RemoteRateLimited,
            "try again in 31 s",
        ),
        (Fault(path="/issues/", status=429, headers={"Retry-After": "9" * 11}), RemoteRateLimited, "in 3600 s"),
        (
            Fault(path="/issues/", status=200, headers={"Content-Type": "text/html"}, body="<!DOCTYPE html>Log in"),
            RemoteRejected,
            "a web page answered instead of the API (200); check AGENT_SENTRY_URL",
        ),
        (Fault(path="/issues/", status=200, body="{not json"), RemoteUnavailable, "it gave no JSON"),
        (Fault(path="/issues/", status=200, body=[1]), RemoteRejected, "it gave something unexpected"),
        (Fault(path="/issues/", status=302, headers={"Location": "https://x/"}), RemoteRejected, "leads somewhere"),
        (Fault(path="/issues/", status=403, body={"detail": "No."}), AuthFailed, "may not do this (No.); give"),
        (Fault(path="/issues/", status=401, body="<html>"), AuthFailed, "put a valid one in AGENT_SENTRY_TOKEN"),
        (Fault(path="/issues/", status=410), NotFound, "it does not exist"),
        (Fault(path="/issues/", status=400, body={"detail": {"message": "Odd"}}), RemoteRejected, "status 400 (Odd)"),
        (Fault(path="/issues/", close=True), RemoteUnavailable, "it could not be reached; try again later"),
    ],
)
async def test_trouble_says_what_to_do(
    sentry: SentryRehearsal, api: SentryApi, fault: Fault, kind: type[IntegrationError], words: str
) -> None:
    issue, _ = sentry.happen("shop", BROKEN, group="a")
    sentry.add_fault(fault)
    with pytest.raises(kind) as caught:
        await api.issue(str(issue.id))
    assert type(caught.value) is kind
    assert words in str(caught.value)
    assert f"reading issue '{issue.id}'" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert sentry.state.token not in str(caught.value)
    assert (await api.issue(str(issue.id))).short_id == "SHOP-1"


async def test_an_answer_is_read_up_to_a_limit(
    sentry: SentryRehearsal, api: SentryApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pullwright.integrations.sentry.client.BODY_BYTES", 1000)
    sentry.add_fault(Fault(path="/issues/", status=200, body="x" * 2000))
    with pytest.raises(RemoteRejected, match="more than 1000 bytes"):
        await api.issue("1")


async def test_without_rights_nothing_is_shown_or_done(sentry: SentryRehearsal) -> None:
    with pytest.raises(AuthFailed, match="the token was refused"):
        await api_of(sentry, token="another").issue("1")
    issue, _ = sentry.happen("shop", BROKEN, group="a")
    sentry.state.scopes = frozenset({"event:read"})
    with pytest.raises(AuthFailed, match="event:write to comment"):
        await api_of(sentry).comment(str(issue.id), "x")
    assert sentry.said(issue) == []


async def test_nobody_at_home_is_unavailable(sentry: SentryRehearsal) -> None:
    sentry.close()
    with pytest.raises(RemoteUnavailable, match="could not be reached"):
        await api_of(sentry).issue("1")


async def test_a_report_is_one_comment_and_a_link(scene: Scene) -> None:
    issue = await scene.happen("shop", BROKEN, group="a")
    [origin, *_] = await scene.deliveries()
    texts = SentryTexts(Redactor())
    reports = SentryReports(scene.api, SentryVoice(scene.api, b"k" * 16), texts, scene.store)
    task = (await scene.tasks())[0]
    made = await reports.write(origin, Standing(task_id=task.id, status=TaskStatus.RUNNING), 1)
    again = await reports.find(origin, Standing(task_id=task.id, status=TaskStatus.RUNNING), 1)
    assert again is not None
    assert again.external_id == made.external_id
    done = Standing(task_id=task.id, status=TaskStatus.SUCCEEDED, pull_request_url=PULL)
    await reports.rewrite(origin, done, 1, made.external_id)
    for _ in range(2):
        await reports.sign(origin, done)
    assert issue.links == {"acme/shop#5": PULL}
    assert f"Pull request: {PULL}" in scene.sentry.said(issue)[-1]
    assert len(scene.sentry.said(issue)) == 2


async def test_what_can_not_be_reproduced_is_reported(scene: Scene) -> None:
    issue = await scene.happen("shop", BROKEN, group="a")
    [origin, *_] = await scene.deliveries()
    claimed = await scene.store.claim("w")
    assert claimed is not None
    summary = "Could be @ann's race.\n\nFixes #1"
    arguments = json.dumps({"title": "None", "summary": summary})
    call = ToolCall(id="abcdefghi", name="finish", arguments=arguments)
    message = AssistantMessage(tool_calls=(call,))
    await scene.store.append(claimed, [ModelReplied(step=1, message=message, kind="calls", usage=Usage())])
    await scene.store.finish(claimed, TaskStatus.SUCCEEDED, finished("succeeded"))
    reports = SentryReports(scene.api, SentryVoice(scene.api, b"k" * 16), SentryTexts(Redactor()), scene.store)
    standing = Standing(task_id=claimed.id, status=TaskStatus.SUCCEEDED, words="nothing needed changing")
    await reports.write(origin, standing, 1)
    said = scene.sentry.said(issue)[-1]
    assert "What I found; there is no change:" in said
    assert "race" in said
    assert "@ann" not in said
    await reports.sign(origin, standing)
    assert issue.links == {}


async def test_a_link_that_can_not_be_made_does_no_harm(scene: Scene) -> None:
    await scene.happen("shop", BROKEN, group="a")
    [origin, *_] = await scene.deliveries()
    await link(api_of(scene.sentry, installation=""), origin, PULL)
    await link(api_of(scene.sentry, installation="another"), origin, PULL)


async def test_the_set_up_is_checked(sentry: SentryRehearsal) -> None:
    rules = GateRules(routes={"shop": ROUTE}, longest_quiet=None)

    async def checked(**changes: Any) -> dict[str, tuple[Mark, str]]:
        settings, chosen = settings_of(sentry, **changes), rules
        found = await check_setup(settings, api_of(sentry, **changes), ME, chosen, secrets=1, address="https://x/y")
        return {one.name: (one.mark, one.text) for one in found}

    assert (await checked())["Sentry, events"] == (Mark.OK, "there is no unresolved issue")
    sentry.happen("shop", BROKEN, group="a")
    good = await checked()
    assert {mark for mark, _ in good.values()} == {Mark.OK}
    assert good["Sentry, events"][1] == "SHOP-1 would become a task"
    sentry.state.scopes = frozenset({"event:admin", "event:read", "org:read"})
    assert (await checked())["Sentry, rights"] == (
        Mark.MISSING,
        "the integration lacks project:read; add that in its settings in Sentry",
    )
    sentry.state.scopes = frozenset({"event:read", "event:write", "project:read", "org:read"})
    assert (await checked())["Sentry, rights"] == (Mark.OK, "event:read, event:write, project:read, org:read")
    assert (await checked(organization="other"))["Sentry, organization"][0] is Mark.MISSING
    assert (await checked(token=""))["Sentry, token"][0] is Mark.MISSING
    assert (await checked(installation=""))["Sentry, links"][0] is Mark.WARN
    rules = GateRules(routes={"gone": ROUTE})
    assert "does not see gone" in (await checked())["Sentry, projects"][1]
    no_hook = await check_setup(settings_of(sentry), api_of(sentry), ME, GateRules(), secrets=0, address="")
    assert [one.mark for one in no_hook] == [Mark.OK, Mark.OK, Mark.MISSING, Mark.OK, Mark.WARN]
