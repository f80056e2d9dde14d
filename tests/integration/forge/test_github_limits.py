"""What the client makes of GitHub's ways to say no: nothing sleeps for long in a thread, and no write is repeated."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import anyio
import pytest

from pullwright.agents.errors import (
    AuthFailed,
    IntegrationError,
    NotFound,
    RemoteRateLimited,
    RemoteRejected,
    RemoteUnavailable,
)
from pullwright.integrations.github import GitHubSettings
from pullwright.integrations.github.client import GitHubClient, Session
from pullwright.integrations.github.payloads import Payload
from pullwright.integrations.github.tuning import GitHubTuning
from pullwright.integrations.testing.faults import Fault
from pullwright.integrations.testing.forge import AGENT_TOKEN, RehearsalForge

pytestmark = pytest.mark.anyio

ISSUE = "/repos/acme/shop/issues/1"
COMMENTS = f"{ISSUE}/comments"
PRIMARY = {"message": "API rate limit exceeded for installation ID 3."}
SECONDARY = {"message": "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."}


class Numbered(Payload):
    id: int


def read(session: Session) -> Numbered:
    return session.get(Numbered, ISSUE, action="reading an issue")


def write(session: Session) -> Numbered:
    return session.post(Numbered, COMMENTS, {"body": "hello"}, action="writing a comment")


@pytest.fixture
def client(forge: RehearsalForge) -> GitHubClient:
    forge.create_repository("acme", "shop", {"a.txt": "one\n"})
    forge.create_issue("acme", "shop", title="Broken", body="", number=1)
    settings = GitHubSettings(api_url=forge.api_url, ca_file=forge.ca_file, token=AGENT_TOKEN)
    return GitHubClient(settings, GitHubTuning(backoff=0, rate_limit_wait=2))


def comments(forge: RehearsalForge) -> int:
    return len(forge.repository("acme", "shop").issues[1].comments)


def in_an_hour() -> str:
    return str(int(time.time()) + 3600)


@pytest.mark.parametrize("work", [read, write])
@pytest.mark.parametrize(
    ("fault", "least", "most"),
    [
        ({"status": 403, "body": PRIMARY, "headers": {"X-RateLimit-Remaining": "0"}}, 3500, 3602),
        ({"status": 429, "body": PRIMARY, "headers": {"X-RateLimit-Remaining": "0"}}, 3500, 3602),
        ({"status": 403, "body": SECONDARY, "headers": {"Retry-After": "120"}}, 121, 121),
        ({"status": 403, "body": SECONDARY}, 60, 60),
        ({"status": 429, "body": {"message": "Too many requests"}}, 60, 60),
        ({"status": 429, "body": SECONDARY, "headers": {"Retry-After": "90"}}, 91, 91),
        ({"status": 403, "body": SECONDARY, "headers": {"Retry-After": "Wed, 21 Oct 2099 07:28:00 GMT"}}, 60, 60),
        ({"status": 429, "body": "<html>", "headers": {"Retry-After": "90"}}, 91, 91),
    ],
    ids=["403 primary", "429 primary", "403 secondary", "403 silent", "429 silent", "429 seconds", "date", "html"],
)
async def test_a_limit_puts_the_work_off(
    forge: RehearsalForge,
    client: GitHubClient,
    work: Callable[[Session], Numbered],
    fault: dict[str, Any],
    least: float,
    most: float,
) -> None:
    headers = fault.get("headers", {})
    reset = {"X-RateLimit-Reset": in_an_hour()} if "X-RateLimit-Remaining" in headers else {}
    forge.add_fault(Fault(path=ISSUE, **{**fault, "headers": {**headers, **reset}}))
    with anyio.fail_after(10), pytest.raises(RemoteRateLimited) as caught:
        await client.talk(work, writes=work is write)
    assert least <= caught.value.retry_after <= most
    assert comments(forge) == 0
    await client.talk(work, writes=work is write)


async def test_a_short_wait_is_worth_it(forge: RehearsalForge, client: GitHubClient) -> None:
    forge.add_fault(Fault(path=ISSUE, status=403, body=SECONDARY, headers={"Retry-After": "1"}))
    assert (await client.talk(read)).id
    assert sum(seen.path == ISSUE for seen in forge.requests) == 2


async def test_trouble_that_lasts_is_not_waited_for(forge: RehearsalForge, client: GitHubClient) -> None:
    forge.add_fault(Fault(path=ISSUE, status=503, headers={"Retry-After": "3600"}))
    with anyio.fail_after(10), pytest.raises(RemoteUnavailable, match="503"):
        await client.talk(read)
    assert sum(seen.path == ISSUE for seen in forge.requests) == 1


@pytest.mark.parametrize("fault", [{"status": 502}, {"status": 502, "after": True}, {"close": True}])
async def test_a_write_is_sent_once(forge: RehearsalForge, client: GitHubClient, fault: dict[str, Any]) -> None:
    forge.add_fault(Fault(path=COMMENTS, method="POST", **fault))
    with pytest.raises(RemoteUnavailable):
        await client.talk(write, writes=True)
    assert sum(seen.method == "POST" for seen in forge.requests) == 1
    assert comments(forge) == (1 if fault.get("after") else 0)


@pytest.mark.parametrize("body", [{"message": "Moved Permanently", "url": "x"}, {}, "", []])
async def test_a_redirected_write_wrote_nothing_and_says_so(
    forge: RehearsalForge, client: GitHubClient, body: Any
) -> None:
    location = {"Location": f"{forge.api_url}/repositories/1/issues/1/comments"}
    forge.add_fault(Fault(path=COMMENTS, method="POST", status=307, headers=location, body=body))
    with pytest.raises(RemoteRejected):
        await client.talk(write, writes=True)
    assert comments(forge) == 0


async def test_a_renamed_repository_is_read_and_not_written(
    forge: RehearsalForge, client: GitHubClient, caplog: pytest.LogCaptureFixture
) -> None:
    forge.rename_repository("acme", "shop", "store")
    assert (await client.talk(read)).id
    with pytest.raises(RemoteRejected, match="another name"):
        await client.talk(write, writes=True)
    assert len(forge.repository("acme", "store").issues[1].comments) == 0
    assert not [record for record in caplog.records if record.name.startswith("github")]


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        ({"status": 410, "body": {"message": "This issue was deleted"}}, NotFound, "deleted"),
        ({"status": 451, "body": {"message": "Repository access blocked"}}, RemoteRejected, "legal reasons"),
        ({"status": 401, "body": {"message": "Bad credentials"}}, AuthFailed, "refused"),
        (
            {
                "status": 403,
                "body": {"message": "Resource not accessible by integration"},
                "headers": {"X-Accepted-GitHub-Permissions": "issues=write"},
            },
            AuthFailed,
            "lacks the permission 'issues=write'",
        ),
    ],
)
async def test_other_refusals(
    forge: RehearsalForge, client: GitHubClient, fault: dict[str, Any], kind: type[IntegrationError], words: str
) -> None:
    forge.add_fault(Fault(path=ISSUE, **fault))
    with pytest.raises(kind, match=words):
        await client.talk(write, writes=True)
