"""One issue from its label to a merged pull request, played by a bot that only knows GitHub."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import github
import pytest

from pullwright.integrations.testing.forge_state import Repository
from pullwright.integrations.testing.pipelines import Pipeline, Verdict
from pullwright.integrations.testing.pull_acts import Inline
from pullwright.integrations.testing.rehearsal import Rehearsal
from tests.integration.forge.app_client import ask, mint, pygithub
from tests.integration.forge.conftest import GitClient
from tests.integration.forge.receiver import Receiver, receiving

BRANCH = "agent/1-sum"


def judged(folder: Path) -> Verdict:
    good = "return a + b" in (folder / "sum.py").read_text()
    return Verdict(conclusion="success" if good else "failure", log="" if good else "AssertionError: sum(1, 1) == 0\n")


@pytest.fixture
def gate() -> threading.Event:
    return threading.Event()


@pytest.fixture
def rehearsal() -> Iterator[Rehearsal]:
    with Rehearsal() as running:
        yield running


@pytest.fixture
def receiver(rehearsal: Rehearsal) -> Iterator[Receiver]:
    with receiving() as found:
        rehearsal.send_hooks_to(found.url)
        yield found


@pytest.fixture
def shop(rehearsal: Rehearsal, gate: threading.Event) -> Repository:
    lint = Pipeline(name="Lint", checks={"lint": "grep -q 'def add' sum.py"}, branches="agent/*", gate=gate)
    tests = Pipeline(checks={"tests": judged, "style": "true"}, branches="agent/*")
    return rehearsal.repository("shop", {"sum.py": "def add(a, b):\n    return a * b\n"}, checks=[tests, lint])


@pytest.fixture
def push(rehearsal: Rehearsal, shop: Repository, tmp_path: Path) -> Push:
    return Push(rehearsal, tmp_path)


class Push:
    """A bot's clone: writes the file, commits, pushes with a token that may only do that."""

    def __init__(self, rehearsal: Rehearsal, folder: Path) -> None:
        self._rehearsal = rehearsal
        self._git = GitClient(rehearsal.forge.ca_file, folder)
        self._clone = folder / "clone"
        url = rehearsal.forge.clone_url("acme", "shop")
        token = mint(rehearsal, repositories=["shop"], permissions={"contents": "read"})
        assert self._git("clone", "-q", url, str(self._clone), token=token).returncode == 0
        self._git("checkout", "-q", "-b", BRANCH, cwd=self._clone)

    def __call__(self, content: str, *options: str) -> str:
        (self._clone / "sum.py").write_text(content)
        self._git("commit", "-qam", "Fix", cwd=self._clone)
        token = mint(self._rehearsal, repositories=["shop"], permissions={"contents": "write"})
        done = self._git("push", "-q", *options, "origin", BRANCH, cwd=self._clone, token=token)
        assert done.returncode == 0, done.stderr
        return self._git("rev-parse", "HEAD", cwd=self._clone).stdout.strip()


def conclusions(api: github.Github, sha: str) -> dict[str, str]:
    return {run.name: run.conclusion for run in api.get_repo("acme/shop").get_commit(sha).get_check_runs()}


async def play(
    rehearsal: Rehearsal, shop: Repository, push: Push, receiver: Receiver, gate: threading.Event, api: github.Github
) -> None:
    ann = rehearsal.person("ann")
    issue = ann.open_issue(shop, "add() multiplies", labels=["agent"])
    repository = api.get_repo("acme/shop")
    status = repository.get_issue(issue.number).create_comment("Working on it.")
    repository.get_issue(issue.number).create_reaction("eyes")
    first = push("def add(a, b):\n    return a - b\n")
    pull = repository.create_pull("main", BRANCH, title="Add adds", body="Fixes #1", draft=True)
    status.edit(f"See #{pull.number}.")
    gate.set()
    await rehearsal.settled()
    assert conclusions(api, first) == {"tests": "failure", "style": "success", "lint": "success"}
    assert receiver.names.count("check_suite.completed") == 2
    ann.review(shop, pull.number, inline=[Inline(path="sum.py", line=2, body="@pull-bot minus is not plus")])
    remark = next(iter(pull.get_review_comments()))
    second = push("def add(a, b):\n    return a + b\n")
    remark.create_reaction("rocket")
    pull.create_review_comment_reply(remark.id, f"Done in {second}.")
    await rehearsal.settled()
    assert set(conclusions(api, second).values()) == {"success"}
    pull.mark_ready_for_review()
    ann.approve(shop, pull.number)
    ann.merge(shop, pull.number)
    await rehearsal.settled()
    pull.update()
    assert (pull.merged, pull.draft, pull.head.sha) == (True, False, second)


@pytest.mark.anyio
async def test_from_an_issue_to_a_merge(
    rehearsal: Rehearsal, shop: Repository, push: Push, receiver: Receiver, gate: threading.Event
) -> None:
    token = mint(
        rehearsal,
        repositories=["shop"],
        permissions={"contents": "read", "issues": "write", "pull_requests": "write", "checks": "read"},
    )
    with pygithub(rehearsal, token) as api:
        await play(rehearsal, shop, push, receiver, gate, api)
    told = [name for name in receiver.names if not name.startswith(("check_", "workflow_"))]
    assert told == [
        "issues.opened",
        "issues.labeled",
        "issue_comment.created",
        "push",
        "create",
        "pull_request.opened",
        "issue_comment.edited",
        "pull_request_review.submitted",
        "pull_request_review_comment.created",
        "push",
        "pull_request.synchronize",
        "pull_request_review_comment.created",
        "pull_request.ready_for_review",
        "pull_request_review.submitted",
        "pull_request.closed",
        "push",
    ]
    sent = {received.name: received.payload for received in receiver.got}
    assert sent["pull_request.synchronize"]["sender"]["login"] == "pull-bot[bot]"
    assert sent["issue_comment.edited"]["comment"]["performed_via_github_app"]["id"] == rehearsal.app.id
    assert rehearsal.forge.violations == []


@pytest.mark.anyio
async def test_suites_end_when_they_like_and_can_be_repeated(
    rehearsal: Rehearsal, shop: Repository, push: Push, receiver: Receiver, gate: threading.Event
) -> None:
    token = mint(rehearsal, permissions={"contents": "read", "checks": "read", "actions": "read"})
    sha = push("def add(a, b):\n    return 0\n")
    with pytest.raises(TimeoutError, match="still has"):
        await rehearsal.settled(0.5)
    before = receiver.names.count("check_suite.completed")
    suites = ask(rehearsal, "GET", f"/repos/acme/shop/commits/{sha}/check-suites", token).json()["check_suites"]
    assert before <= 1
    assert [suite["conclusion"] for suite in suites if suite["status"] != "completed"] == [None]
    gate.set()
    await rehearsal.settled()
    run = ask(rehearsal, "GET", f"/repos/acme/shop/actions/runs?head_sha={sha}", token).json()["workflow_runs"][-1]
    jobs = ask(rehearsal, "GET", f"/repos/acme/shop/actions/runs/{run['id']}/jobs", token).json()["jobs"]
    failed = next(job for job in jobs if job["conclusion"] == "failure")
    link = ask(rehearsal, "GET", f"/repos/acme/shop/actions/jobs/{failed['id']}/logs", token)
    path = link.headers["Location"].removeprefix(rehearsal.forge.web_url)
    assert (link.status_code, path.startswith("/actions-results/")) == (302, True)
    suite = next(suite for suite in shop.suites if suite.conclusion == "failure")
    rehearsal.person("ann").rerun(shop, suite)
    await rehearsal.settled()
    again = ask(rehearsal, "GET", f"/repos/acme/shop/actions/runs/{run['id']}", token).json()
    assert (again["run_attempt"], again["conclusion"]) == (2, "failure")
    assert rehearsal.forge.violations == []
