"""A Jira that answers what nobody wants: pages, refusals, limits, the wrong kind."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pullwright.agents.errors import (
    AuthFailed,
    ConfigError,
    NotFound,
    RemoteRateLimited,
    RemoteRejected,
    RemoteUnavailable,
)
from pullwright.integrations.jira.client import JiraClient, ServerFacts, Session
from pullwright.integrations.jira.payloads import UserPart
from pullwright.integrations.jira.settings import JiraSettings
from pullwright.integrations.testing.jira_site import BOT_EMAIL, BOT_TOKEN, RehearsalJira
from pullwright.integrations.testing.web_server import Response, json_response

pytestmark = pytest.mark.anyio


def me(session: Session) -> UserPart:
    return session.get(UserPart, "myself", action="asking who I am")


@pytest.fixture
def client(jira: RehearsalJira) -> JiraClient:
    return JiraClient(jira.settings, jira.tuning)


async def test_it_is_asked_once_what_it_is(jira: RehearsalJira, client: JiraClient) -> None:
    for _ in range(3):
        await client.talk(me)
    facts = await client.facts()
    assert facts == ServerFacts(
        deploymentType="Cloud" if jira.state.cloud else "Server",
        version=facts.version,
        versionNumbers=facts.numbers,
    )
    assert [one.path.rpartition("/")[2] for one in jira.requests] == ["serverInfo", "myself", "myself", "myself"]


async def test_a_page_for_people_is_no_answer(jira: RehearsalJira, client: JiraClient) -> None:
    await client.facts()
    jira.state.trouble.page = True
    with pytest.raises(RemoteUnavailable, match="a page for people instead of data"):
        await client.talk(me)
    with pytest.raises(RemoteUnavailable, match="a page for people instead of data"):
        await client.talk(lambda session: session.search(dict, "updated >= -1m", ["summary"], action="looking"))
    jira.state.trouble.page = False
    assert (await client.talk(me)).account == jira.bot.account


async def test_the_first_thing_may_be_a_page_too(jira: RehearsalJira, client: JiraClient) -> None:
    jira.state.trouble.page = True
    with pytest.raises(RemoteUnavailable):
        await client.facts()
    jira.state.trouble.page = False
    assert await client.facts()


@pytest.mark.parametrize(
    ("status", "headers", "error"),
    [
        (401, {}, AuthFailed),
        (403, {"X-Authentication-Denied-Reason": "CAPTCHA_CHALLENGE; login-url=x"}, AuthFailed),
        (404, {}, NotFound),
        (400, {}, RemoteRejected),
        (500, {}, RemoteUnavailable),
        (503, {"Retry-After": "1"}, RemoteUnavailable),
        (429, {"Retry-After": "7"}, RemoteRateLimited),
        (429, {"Retry-After": "Fri, 31 Dec 2999 23:59:59 GMT"}, RemoteRateLimited),
        (429, {"Retry-After": "soon"}, RemoteRateLimited),
    ],
)
async def test_refusals_are_told_apart_and_nothing_is_repeated(
    jira: RehearsalJira, client: JiraClient, status: int, headers: dict[str, str], error: type[Exception]
) -> None:
    await client.facts()
    jira.state.trouble.answers.append(json_response({"errorMessages": ["Because."]}, status, headers))
    seen = len(jira.requests)
    with pytest.raises(error) as caught:
        await client.talk(me)
    assert len(jira.requests) == seen + 1
    if isinstance(caught.value, RemoteRateLimited):
        waits = {"7": 7.0, "soon": 60.0}
        assert caught.value.retry_after == waits.get(headers["Retry-After"], 3600.0)


async def test_a_redirected_write_is_not_followed(jira: RehearsalJira, client: JiraClient) -> None:
    await client.facts()
    jira.state.trouble.answers.append(Response(status=302, headers={"Location": "/elsewhere"}))
    with pytest.raises(ConfigError, match="it redirects elsewhere"):
        await client.talk(lambda session: session.send("POST", "issue/1/comment", {}, action="commenting"), writes=True)


async def test_a_read_that_is_sent_elsewhere_goes_without_the_token(jira: RehearsalJira, client: JiraClient) -> None:
    await client.facts()
    elsewhere = f"https://{jira.media_host}{jira.requests[-1].path.replace('serverInfo', 'myself')}"
    jira.state.trouble.answers.append(Response(status=302, headers={"Location": elsewhere}))
    with pytest.raises(AuthFailed):
        await client.talk(me)
    assert [one.authorized for one in jira.requests[-2:]] == [True, False]


async def test_a_limit_of_one_ticket_holds_up_no_other(jira: RehearsalJira, client: JiraClient) -> None:
    await client.facts()
    headers = {"Retry-After": "900", "RateLimit-Reason": "jira-per-issue-on-write"}
    jira.state.trouble.answers.append(json_response({}, 429, headers))
    with pytest.raises(RemoteUnavailable, match="too many changes of this ticket") as caught:
        await client.talk(me)
    assert not isinstance(caught.value, RemoteRateLimited)


@pytest.mark.parametrize("jira", ["cloud"], indirect=True)
async def test_the_old_search_of_cloud_is_gone(jira: RehearsalJira, client: JiraClient) -> None:
    await client.facts()
    with pytest.raises(ConfigError, match="was removed from Jira"):
        await client.talk(lambda session: session.get(UserPart, "search", action="looking"))
    jira.violations.clear()  # the document says so too


async def test_a_jira_of_the_other_kind_is_said_to_be_one(jira: RehearsalJira) -> None:
    right = jira.settings
    wrong = replace(right, cloud=not right.is_cloud, email="")
    jira.state.trouble.answers.append(
        json_response({"deploymentType": "Cloud" if right.is_cloud else "Server", "versionNumbers": [9]})
    )
    with pytest.raises(ConfigError, match="set AGENT_JIRA_CLOUD to"):
        await JiraClient(wrong, jira.tuning).facts()
    jira.violations.clear()


async def test_a_token_that_is_not_known(jira: RehearsalJira) -> None:
    client = JiraClient(replace(jira.settings, token="another"), jira.tuning)
    with pytest.raises(AuthFailed, match="the token was refused"):
        await client.talk(me)


@pytest.mark.parametrize("jira", ["data center"], indirect=True)
async def test_data_center_takes_no_basic_authentication(jira: RehearsalJira) -> None:
    with pytest.raises(ConfigError, match="personal access token alone"):
        replace(jira.settings, email=BOT_EMAIL)
    jira.state.trouble.answers += [
        json_response({"deploymentType": "Server", "versionNumbers": [11]}),
        json_response({"message": "Basic Authentication has been disabled on this instance."}, 403),
    ]
    with pytest.raises(AuthFailed, match="basic authentication switched off; put a personal access token"):
        await JiraClient(jira.settings, jira.tuning).talk(me)


async def test_a_certificate_that_is_not_trusted(jira: RehearsalJira) -> None:
    client = JiraClient(replace(jira.settings, ca_file=None), jira.tuning)
    with pytest.raises(ConfigError, match="certificate is not trusted"):
        await client.facts()


async def test_nobody_there() -> None:
    settings = JiraSettings(url="https://127.0.0.1:1", token=BOT_TOKEN, cloud=False)
    with pytest.raises(RemoteUnavailable, match="could not be reached"):
        await JiraClient(settings).facts()
