from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator

import github
import pytest

from pullwright.integrations.testing.bare_repository import TreeFile
from pullwright.integrations.testing.forge import AGENT_TOKEN, RehearsalForge

BRANCH = "agent/1-x"


@pytest.fixture
def forge() -> Iterator[RehearsalForge]:
    """Without a look at violations: the requests of PyGithub's objects are not ours."""
    with RehearsalForge() as running:
        yield running


@pytest.fixture
def api(forge: RehearsalForge) -> Iterator[github.Github]:
    """PyGithub's objects, which notice when a document is not GitHub's."""
    auth = github.Auth.Token(AGENT_TOKEN)
    with github.Github(
        auth=auth, base_url=forge.api_url, verify=str(forge.ca_file), retry=None, seconds_between_requests=0,
        seconds_between_writes=0, per_page=10,
    ) as client:  # fmt: skip
        yield client


@pytest.fixture(autouse=True)
def _shop(forge: RehearsalForge) -> None:
    bare = forge.create_repository("acme", "shop", {"a.txt": b"one\n", "gone.txt": b"x\n", "pic": b"\x00\xff"}).bare
    bare.git("branch", BRANCH, "main")
    files = [TreeFile(b"a.txt", b"two\n"), TreeFile(b"new.txt", b"n\n"), TreeFile(b"pic", b"\x00\x01")]
    bare.commit(BRANCH, "Change\n\nWith a body", files)


def test_who_am_i(api: github.Github) -> None:
    assert api.get_user().login == "pullwright-agent"
    assert api.get_rate_limit().rate.limit == 5000


def test_a_repository_is_found_by_name_and_by_id(api: github.Github) -> None:
    repository = api.get_repo("acme/shop")
    assert (repository.full_name, repository.default_branch, repository.private) == ("acme/shop", "main", True)


def test_branches_and_references_are_the_real_ones(api: github.Github, forge: RehearsalForge) -> None:
    repository = api.get_repo("acme/shop")
    head = forge.repository("acme", "shop").bare.require(BRANCH)
    assert repository.get_branch(BRANCH).commit.sha == head
    assert repository.get_git_ref(f"heads/{BRANCH}").object.sha == head
    assert [ref.ref for ref in repository.get_git_matching_refs("heads/agent")] == [f"refs/heads/{BRANCH}"]
    with pytest.raises(github.UnknownObjectException):
        repository.get_git_ref("heads/nowhere")


def test_lists_come_in_pages(api: github.Github, forge: RehearsalForge) -> None:
    for number in range(25):
        forge.create_issue("acme", "shop", title=f"issue {number}")
    titles = [issue.title for issue in api.get_repo("acme/shop").get_issues()]
    assert titles == [f"issue {number}" for number in reversed(range(25))]
    assert len([seen for seen in forge.requests if seen.path.endswith("/issues")]) == 3


def test_an_issue_lives(api: github.Github, forge: RehearsalForge) -> None:
    repository = api.get_repo("acme/shop")
    issue = repository.create_issue("Broken", body="It is.", labels=["bug"])
    comment = issue.create_comment("me too")
    comment.edit("me three")
    assert [found.body for found in issue.get_comments()] == ["me three"]
    comment.delete()
    assert issue.get_comments().totalCount == 0
    assert [label.name for label in issue.get_labels()] == ["bug"]
    issue.remove_from_labels("bug")
    assert not list(issue.get_labels())
    issue.edit(state="closed", title="Mended")
    record = forge.repository("acme", "shop").issues[issue.number]
    assert (record.state, record.title) == ("closed", "Mended")
    assert not list(repository.get_issues())


def test_a_pull_request_is_computed_from_the_repository(api: github.Github, forge: RehearsalForge) -> None:
    repository = api.get_repo("acme/shop")
    pull = repository.create_pull("main", BRANCH, title="T", body="B", draft=True)
    assert (pull.draft, pull.state, pull.changed_files, pull.additions, pull.deletions) == (True, "open", 4, 2, 2)
    files = {file.filename: (file.status, file.patch) for file in pull.get_files()}
    assert files == {
        "a.txt": ("modified", "@@ -1 +1 @@\n-one\n+two\n"),
        "gone.txt": ("removed", "@@ -1 +0,0 @@\n-x\n"),
        "new.txt": ("added", "@@ -0,0 +1 @@\n+n\n"),
        "pic": ("modified", None),
    }
    assert [commit.commit.message for commit in pull.get_commits()] == ["Change\n\nWith a body"]
    assert pull.head.sha == forge.repository("acme", "shop").bare.require(BRANCH)
    pull.edit(title="Better", state="closed")
    assert repository.get_pull(pull.number).title == "Better"
    assert repository.get_issue(pull.number).pull_request is not None
    assert not list(repository.get_pulls())
    assert [found.number for found in repository.get_pulls(state="all", head=f"acme:{BRANCH}")] == [pull.number]
    assert not list(repository.get_pulls(state="all", head="acme:other"))


def test_a_pull_request_follows_its_branch_and_survives_it(api: github.Github, forge: RehearsalForge) -> None:
    bare = forge.repository("acme", "shop").bare
    pull = api.get_repo("acme/shop").create_pull("main", BRANCH, title="T")
    newer = bare.commit(BRANCH, "More", [TreeFile(b"a.txt", b"three\n")])
    pull.update()
    assert (pull.head.sha, pull.commits) == (newer, 2)
    bare.git("update-ref", "-d", f"refs/heads/{BRANCH}")
    pull.update()
    assert pull.head.sha == newer


@pytest.mark.parametrize(
    ("head", "base", "field", "message"),
    [
        ("nowhere", "main", "head", None),
        (BRANCH, "nowhere", "base", None),
        ("main", "main", None, "No commits between main and main"),
    ],
)
def test_an_impossible_pull_request_is_explained(
    api: github.Github, head: str, base: str, field: str | None, message: str | None
) -> None:
    with pytest.raises(github.GithubException) as caught:
        api.get_repo("acme/shop").create_pull(base, head, title="T")
    assert caught.value.status == 422
    error = caught.value.data["errors"][0]
    assert (error.get("field"), error.get("message")) == (field, message)


def test_texts_have_githubs_limits(api: github.Github) -> None:
    repository = api.get_repo("acme/shop")
    for title, body in (("", "x"), ("x" * 257, "x"), ("x", "x" * 65_537)):
        with pytest.raises(github.GithubException) as caught:
            repository.create_issue(title, body=body)
        assert caught.value.status == 422


def test_what_does_not_exist_is_a_404_in_json(api: github.Github) -> None:
    for path in ("/nowhere", "/repos/acme/shop/nowhere", "/repos/acme/nowhere", "/repos/acme/shop/issues/99"):
        with pytest.raises(github.UnknownObjectException):
            api.requester.requestJsonAndCheck("GET", path)


def test_every_answer_tells_the_rate_limit(forge: RehearsalForge) -> None:
    context = ssl.create_default_context(cafile=str(forge.ca_file))
    request = urllib.request.Request(f"{forge.api_url}/repos/acme/shop")
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request, context=context)
    with caught.value as answer:
        assert answer.headers["X-RateLimit-Limit"] == "5000"
        assert json.loads(answer.read())["message"] == "Not Found"
