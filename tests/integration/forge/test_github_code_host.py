from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import anyio
import pytest

from pullwright.agents.change import Change
from pullwright.agents.errors import AuthFailed, ConfigError, NotFound, RemoteRejected, RemoteUnavailable
from pullwright.integrations.github import GitHubCodeHost, GitHubSettings
from pullwright.integrations.github.client import API_VERSION
from pullwright.integrations.testing.access import TokenRights
from pullwright.integrations.testing.bare_repository import TreeFile
from pullwright.integrations.testing.faults import Fault
from pullwright.integrations.testing.forge import AGENT_TOKEN, READER_TOKEN, RehearsalForge

pytestmark = pytest.mark.anyio
MakeHost = Callable[..., GitHubCodeHost]
BRANCH = "agent/42-fix"
PULLS = "/repos/acme/shop/pulls"


@pytest.fixture(autouse=True)
def _shop(forge: RehearsalForge) -> Iterator[None]:
    bare = forge.create_repository("acme", "shop", {"a.txt": "one\n"}).bare
    forge.create_issue("acme", "shop", title="Broken", body="See log.", number=42)
    bare.git("branch", BRANCH, "main")
    bare.commit(BRANCH, "Change", [TreeFile(b"a.txt", b"two\n")])
    yield


@pytest.fixture
def change(forge: RehearsalForge) -> Change:
    bare = forge.repository("acme", "shop").bare
    return Change(
        repository=forge.ref("acme", "shop"),
        base_ref="main",
        base_sha=bare.require("main"),
        head_sha=bare.require(BRANCH),
        branch=BRANCH,
        title="Fix it",
    )


def requests(forge: RehearsalForge, method: str, path: str = "") -> list[Any]:
    return [seen for seen in forge.requests if seen.method == method and path in seen.path]


async def test_every_request_names_version_and_program(forge: RehearsalForge, code_host: MakeHost) -> None:
    await code_host().get_issue(forge.ref("acme", "shop"), 42)
    for seen in forge.requests:
        assert seen.headers["X-GitHub-Api-Version"] == API_VERSION == "2022-11-28"
        assert seen.headers["User-Agent"] == "pullwright"
        assert seen.authorized


async def test_a_public_repository_is_read_without_a_token(forge: RehearsalForge, code_host: MakeHost) -> None:
    forge.repository("acme", "shop").private = False
    issue = await code_host("").get_issue(forge.ref("acme", "shop"), 42)
    assert issue.title == "Broken"
    assert not any(seen.authorized for seen in forge.requests)


async def test_only_the_newest_comments_are_read(forge: RehearsalForge, code_host: MakeHost) -> None:
    for number in range(123):
        forge.add_comment("acme", "shop", 42, f"comment {number}")
    issue = await code_host().get_issue(forge.ref("acme", "shop"), 42)
    assert [comment.body for comment in issue.comments] == [f"comment {n}" for n in range(73, 123)]
    assert issue.notes == ("73 older comments were left out",)
    assert len(requests(forge, "GET", "/comments")) == 2


@pytest.mark.parametrize("count", [0, 1, 49, 50, 51, 100])
async def test_few_comments_are_read_whole(forge: RehearsalForge, code_host: MakeHost, count: int) -> None:
    for number in range(count):
        forge.add_comment("acme", "shop", 42, f"comment {number}")
    issue = await code_host().get_issue(forge.ref("acme", "shop"), 42)
    assert [comment.body for comment in issue.comments] == [f"comment {n}" for n in range(count)][-50:]


async def test_the_pull_request_is_what_the_branch_holds(
    forge: RehearsalForge, code_host: MakeHost, change: Change
) -> None:
    pull = await code_host().open_pull_request(change, body="Fixes #42")
    assert pull.number == 43
    bare = forge.repository("acme", "shop").bare
    assert forge.pull_request_diff("acme", "shop", 43) == bare.diff("main", BRANCH)
    sent = requests(forge, "POST", PULLS)[0].json()
    assert sent == {"title": "Fix it", "body": "Fixes #42", "head": BRANCH, "base": "main", "draft": True}


async def test_too_long_texts_are_cut_before_they_are_sent(
    forge: RehearsalForge, code_host: MakeHost, change: Change
) -> None:
    long = replace(change, title="word\n" * 500)
    pull = await code_host().open_pull_request(long, body="```\n" + "x\n" * 90_000)
    record = forge.repository("acme", "shop").pulls[pull.number].issue
    assert len(record.title) <= 256
    assert len(record.body or "") <= 65_536
    assert (record.body or "").count("```") == 2


async def test_without_drafts_it_is_an_ordinary_one(forge: RehearsalForge, code_host: MakeHost, change: Change) -> None:
    forge.repository("acme", "shop").drafts = False
    pull = await code_host().open_pull_request(change, body="x")
    assert not pull.draft
    assert len(requests(forge, "POST", PULLS)) == 2


@pytest.mark.parametrize("fault", [{"status": 502}, {"status": 500}, {"close": True}], ids=str)
async def test_a_lost_answer_opens_no_second_pull_request(
    forge: RehearsalForge, code_host: MakeHost, change: Change, fault: dict[str, Any]
) -> None:
    forge.add_fault(Fault(method="POST", path=PULLS, after=True, **fault))
    pull = await code_host().open_pull_request(change, body="x")
    assert pull.number == 43
    assert len(forge.pull_requests("acme", "shop")) == 1
    assert len(requests(forge, "POST", PULLS)) == 1


async def test_a_write_that_had_no_effect_is_not_repeated(
    forge: RehearsalForge, code_host: MakeHost, change: Change
) -> None:
    forge.add_fault(Fault(method="POST", path=PULLS, status=502))
    with pytest.raises(RemoteUnavailable, match="502"):
        await code_host().open_pull_request(change, body="x")
    assert len(requests(forge, "POST", PULLS)) == 1
    assert (await code_host().open_pull_request(change, body="x")).number == 43


async def test_a_pull_request_that_came_in_between_is_adopted(
    forge: RehearsalForge, code_host: MakeHost, change: Change
) -> None:
    await code_host().open_pull_request(change, body="first")
    forge.add_fault(Fault(method="GET", path=PULLS, status=200, body=[]))
    pull = await code_host().open_pull_request(change, body="second")
    assert pull.number == 43
    assert len(forge.pull_requests("acme", "shop")) == 1


async def test_two_at_once_open_one(forge: RehearsalForge, code_host: MakeHost, change: Change) -> None:
    host, numbers = code_host(), []

    async def open_it() -> None:
        numbers.append((await host.open_pull_request(change, body="x")).number)

    async with anyio.create_task_group() as group:
        for _ in range(4):
            group.start_soon(open_it)
    assert numbers == [43] * 4


async def test_an_open_pull_request_is_preferred_to_a_closed_one(
    forge: RehearsalForge, code_host: MakeHost, change: Change
) -> None:
    host = code_host()
    await host.open_pull_request(change, body="x")
    records = forge.repository("acme", "shop").pulls
    records[43].issue.state = "closed"
    records[50] = replace(records[43], issue=replace(records[43].issue, number=50, state="open"))
    records[51] = replace(records[43], issue=replace(records[43].issue, number=51), merged=True)
    assert (await host.open_pull_request(change, body="x")).number == 50
    records[50].issue.state = "closed"
    merged = await host.open_pull_request(change, body="x")
    assert (merged.number, merged.state) == (51, "merged")


async def test_a_filter_that_is_ignored_adopts_nothing(
    forge: RehearsalForge, code_host: MakeHost, change: Change
) -> None:
    other = {"number": 9, "html_url": "https://x/9", "state": "open", "head": {"ref": "other", "label": "acme:other"}}
    forge.add_fault(Fault(method="GET", path=PULLS, status=200, body=[other]))
    assert (await code_host().open_pull_request(change, body="x")).number == 43


async def test_no_commits_between_is_said(forge: RehearsalForge, code_host: MakeHost, change: Change) -> None:
    forge.repository("acme", "shop").bare.git("branch", "same", "main")
    with pytest.raises(RemoteRejected, match="No commits between main and same"):
        await code_host().open_pull_request(replace(change, branch="same"), body="x")


async def test_a_renamed_repository_is_written_under_its_new_name(
    forge: RehearsalForge, code_host: MakeHost, change: Change
) -> None:
    for number in range(60):
        forge.add_comment("acme", "shop", 42, f"comment {number}")
    forge.rename_repository("acme", "shop", "store")
    issue = await code_host().get_issue(forge.ref("acme", "shop"), 42)
    assert [comment.body for comment in issue.comments] == [f"comment {n}" for n in range(10, 60)]
    pull = await code_host().open_pull_request(change, body="x")
    assert pull.number == 43
    assert requests(forge, "POST")[0].path == "/repos/acme/store/pulls"


async def test_a_missing_permission_is_named(forge: RehearsalForge, code_host: MakeHost, change: Change) -> None:
    with pytest.raises(AuthFailed, match="lacks the permission 'pull_requests=write'"):
        await code_host(READER_TOKEN).open_pull_request(change, body="x")
    forge.add_token("ghp_contents", TokenRights(user="x", permissions={"metadata": "read", "contents": "write"}))
    with pytest.raises(AuthFailed, match="lacks the permission 'issues=read'"):
        await code_host("ghp_contents").get_issue(forge.ref("acme", "shop"), 42)


async def test_a_bad_token_is_refused(forge: RehearsalForge, code_host: MakeHost) -> None:
    with pytest.raises(AuthFailed, match="AGENT_GITHUB_TOKEN") as caught:
        await code_host("ghp_wrong").default_branch(forge.ref("acme", "shop"))
    assert "ghp_wrong" not in str(caught.value)


async def test_a_private_repository_is_not_found_without_a_token(forge: RehearsalForge, code_host: MakeHost) -> None:
    with pytest.raises(NotFound, match="set AGENT_GITHUB_TOKEN"):
        await code_host("").get_issue(forge.ref("acme", "shop"), 42)


async def test_an_archived_repository_is_refused(forge: RehearsalForge, code_host: MakeHost, change: Change) -> None:
    forge.repository("acme", "shop").archived = True
    with pytest.raises(RemoteRejected, match="archived"):
        await code_host().open_pull_request(change, body="x")


async def test_a_deleted_issue_is_not_found(forge: RehearsalForge, code_host: MakeHost) -> None:
    forge.add_fault(Fault(path="/issues/42", status=410, body={"message": "This issue was deleted"}))
    with pytest.raises(NotFound, match="deleted"):
        await code_host().get_issue(forge.ref("acme", "shop"), 42)


@pytest.mark.parametrize("fault", [{"status": 502}, {"close": True}, {"status": 503, "headers": {"Retry-After": "0"}}])
async def test_reads_are_repeated(forge: RehearsalForge, code_host: MakeHost, fault: dict[str, Any]) -> None:
    forge.add_fault(Fault(path="/issues/42", times=2, **fault))
    assert (await code_host().get_issue(forge.ref("acme", "shop"), 42)).title == "Broken"


@pytest.mark.parametrize("fault", [{"status": 502}, {"close": True}])
async def test_reads_are_not_repeated_for_ever(
    forge: RehearsalForge, code_host: MakeHost, fault: dict[str, Any]
) -> None:
    forge.add_fault(Fault(path="/issues/42", times=10, **fault))
    with pytest.raises(RemoteUnavailable):
        await code_host(retries=2).get_issue(forge.ref("acme", "shop"), 42)
    assert len(requests(forge, "GET", "/issues/42")) == 3


@pytest.mark.parametrize(
    "fault",
    [
        Fault(
            path="",
            status=403,
            body={"message": "API rate limit exceeded"},
            headers={"X-RateLimit-Reset": "4102444800"},
        ),
        Fault(path="", status=403, body={"message": "You have exceeded a secondary rate limit."}),
        Fault(path="", status=429, body={"message": "Too many requests"}),
    ],
    ids=["primary", "secondary", "429"],
)
async def test_a_long_wait_is_left_to_the_worker(forge: RehearsalForge, code_host: MakeHost, fault: Fault) -> None:
    forge.add_fault(fault)
    with anyio.fail_after(20), pytest.raises(RemoteUnavailable, match="rate limit"):
        await code_host().default_branch(forge.ref("acme", "shop"))


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        ({"body": "{broken"}, RemoteUnavailable, "no JSON"),
        ({"body": "<html>proxy login</html>"}, RemoteRejected, "no usable 'full_name'"),
        ({"body": {"full_name": "a/b"}}, RemoteRejected, "no usable 'default_branch'"),
        ({"body": [1]}, RemoteRejected, "AGENT_GITHUB_API_URL"),
        ({"status": 301, "headers": {"Location": "https://example.org/x"}}, ConfigError, "redirects elsewhere"),
    ],
    ids=["broken", "html", "partial", "list", "elsewhere"],
)
async def test_a_strange_answer_is_one_clear_line(
    forge: RehearsalForge, code_host: MakeHost, fault: dict[str, Any], kind: type[Exception], words: str
) -> None:
    forge.add_fault(Fault(path="/repos/acme/shop", **{"status": 200, **fault}))
    with pytest.raises(kind, match=words) as caught:
        await code_host().default_branch(forge.ref("acme", "shop"))
    assert "\n" not in str(caught.value)


async def test_a_pull_request_without_a_number_was_not_opened(
    forge: RehearsalForge, code_host: MakeHost, change: Change
) -> None:
    forge.add_fault(
        Fault(method="POST", path=PULLS, status=307, headers={"Location": f"{forge.api_url}/repositories/1"})
    )
    with pytest.raises(RemoteRejected, match="nothing was written"):
        await code_host().open_pull_request(change, body="x")


async def test_a_certificate_of_strangers_is_not_trusted(forge: RehearsalForge) -> None:
    host = GitHubCodeHost(GitHubSettings(api_url=forge.api_url, token=AGENT_TOKEN))
    with pytest.raises(ConfigError, match="REQUESTS_CA_BUNDLE"):
        await host.default_branch(forge.ref("acme", "shop"))


async def test_nobody_there_is_one_clear_line(forge: RehearsalForge) -> None:
    ref = replace(forge.ref("acme", "shop"), url="https://127.0.0.1:1/acme/shop.git", host="127.0.0.1:1")
    host = GitHubCodeHost(GitHubSettings(api_url="https://127.0.0.1:1/api/v3", token=AGENT_TOKEN))
    with pytest.raises(RemoteUnavailable, match="could not be reached") as caught:
        await host.default_branch(ref)
    assert "\n" not in str(caught.value)


async def test_a_cancelled_read_is_left_at_once(forge: RehearsalForge, code_host: MakeHost) -> None:
    host = code_host()
    await host.default_branch(forge.ref("acme", "shop"))
    with forge.state.lock, anyio.move_on_after(0.2) as scope:
        await host.default_branch(forge.ref("acme", "shop"))
    assert scope.cancelled_caught


async def test_a_traceback_has_the_token_in_none_of_our_frames(forge: RehearsalForge, code_host: MakeHost) -> None:
    forge.add_fault(Fault(path="/repos/acme/shop", status=404, body={"message": "Not Found"}))
    with pytest.raises(NotFound) as caught:
        await code_host().default_branch(forge.ref("acme", "shop"))
    error: BaseException | None = caught.value
    frames = []
    while error is not None:
        frames += [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
        error = error.__cause__
    ours = [frame for frame in frames if "/pullwright/integrations/" in frame.f_code.co_filename]
    assert ours
    assert not [frame for frame in ours if AGENT_TOKEN in repr({**frame.f_locals, "AGENT_TOKEN": None})]
