"""Every way in which a hook proves where it comes from, over real HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import requests

from pullwright.integrations.jira.admission import (
    AUTOMATION_HEADER,
    Admission,
    HeaderAdmission,
    PathAdmission,
    SignedAdmission,
    TokenAdmission,
)
from pullwright.integrations.jira.door import JiraDoor
from pullwright.integrations.jira.meaning_codec import meaning_from_json
from pullwright.integrations.jira.meanings import BotIdentity, WorkRequested
from pullwright.integrations.signatures import Secret
from pullwright.integrations.testing.jira_site import RehearsalJira
from tests.integration.tracker_office import Receiver

SECRET = "s3cret-that-is-long-enough-for-a-key"
SECRETS = [Secret(name="old", value="x" * 40), Secret(name="new", value=SECRET)]


@contextmanager
def receiving(jira: RehearsalJira, admission: Admission) -> Iterator[Receiver]:
    bot = BotIdentity(site=jira.settings.site, account=jira.bot.account, cloud=jira.state.cloud)
    receiver = Receiver(JiraDoor("main", admission, bot))
    try:
        yield receiver
    finally:
        receiver.close()


def happen(jira: RehearsalJira) -> None:
    ann = jira.person("ann")
    ticket = jira.acts.create("SITE", ann, "Broken", "")
    jira.acts.set_labels(ticket, ann, ["agent"])
    jira.hooks.settle()


@pytest.mark.parametrize("jira", ["cloud"], indirect=True)
def test_a_signature(jira: RehearsalJira) -> None:
    with receiving(jira, SignedAdmission(SECRETS)) as receiver:
        jira.send_hooks_to(receiver.url, secret=SECRET)
        happen(jira)
        assert [one.kind for one in receiver.came] == ["Ignored", "WorkRequested"]
        jira.state.hooks.clear()
        jira.send_hooks_to(receiver.url, secret="another")
        jira.send_hooks_to(receiver.url)
        happen(jira)
        assert receiver.refused == ["no secret fits", "no signature"] * 2
        assert {one.status for one in jira.hooks.sent[2:]} == {401}


@pytest.mark.parametrize("jira", ["cloud"], indirect=True)
def test_a_token_of_an_app(jira: RehearsalJira) -> None:
    with receiving(jira, TokenAdmission(SECRETS)) as receiver:
        jira.send_hooks_to(receiver.url, token_secret=SECRET)
        jira.send_hooks_to(receiver.url, token_secret="y" * 40)
        jira.send_hooks_to(receiver.url, secret=SECRET)
        happen(jira)
        assert [one.kind for one in receiver.came] == ["Ignored", "WorkRequested"]
        assert set(receiver.refused) == {"the token is not accepted (InvalidSignatureError)", "no token"}


@pytest.mark.parametrize("jira", ["data center"], indirect=True)
def test_a_secret_in_the_address(jira: RehearsalJira) -> None:
    with receiving(jira, PathAdmission(SECRETS)) as receiver:
        jira.send_hooks_to(f"{receiver.url}/{SECRET}")
        jira.send_hooks_to(f"{receiver.url}/guess")
        happen(jira)
        assert [one.kind for one in receiver.came] == ["Ignored", "WorkRequested"]
        assert receiver.refused == ["no secret fits"] * 2


@pytest.mark.parametrize("jira", ["cloud"], indirect=True)
def test_a_rule_of_automation(jira: RehearsalJira) -> None:
    body = {"key": "SITE-1", "id": 10100, "actor": "557058:ann", "rule": "nightly", "updated": "2026-03-02T09:00:00Z"}
    with receiving(jira, HeaderAdmission(SECRETS)) as receiver:
        for headers in ({AUTOMATION_HEADER: SECRET}, {AUTOMATION_HEADER: "guess"}, {}):
            requests.post(receiver.url, json=body, headers=headers, timeout=10)
        assert receiver.refused == ["no secret fits", "no signature"]
        [came] = receiver.came
    meaning = meaning_from_json(came.content)
    assert isinstance(meaning, WorkRequested)
    assert (came.work_key, meaning.actor and meaning.actor.account) == (
        f"jira:{jira.settings.site}/10100",
        "557058:ann",
    )
    assert json.loads(came.content)["kind"] == "WorkRequested"
