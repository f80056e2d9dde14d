"""What every ``CodeHost`` must do. Subclass ``CodeHostContract`` and give it a ``stage`` fixture."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

import pytest

from pullwright.agents.change import Change, RepositoryRef
from pullwright.agents.errors import AuthFailed, ConfigError, NotFound, RemoteRejected
from pullwright.agents.ports.code_host import Access, CodeHost

TITLE = "Totals are wrong: “1 cent”"
BODY = "First line\n\n```\ncode  \n```\nGrüße <b>&amp;</b>"


class CodeHostStage(Protocol):
    """A code host with one repository whose default branch ``trunk`` has a commit, and the means to change it."""

    @property
    def host(self) -> CodeHost:
        """The code host under test, signed in."""
        ...

    @property
    def repository(self) -> RepositoryRef:
        """The repository."""
        ...

    def file_issue(self, *, title: str, body: str, author: str, comments: tuple[tuple[str, str], ...] = ()) -> int:
        """File an issue with (author, text) comments and return its number."""
        ...

    def push(self, branch: str) -> Change:
        """Put a branch with one commit more than the default branch on the host."""
        ...

    def close_pull_request(self, number: int) -> None:
        """Close a pull request without merging it."""
        ...

    def body_of(self, number: int) -> str:
        """Return the text of a pull request."""
        ...


@pytest.mark.anyio
class CodeHostContract:
    """Reads are what the host has; a branch never gets two pull requests."""

    async def test_the_default_branch_is_the_hosts(self, stage: CodeHostStage) -> None:
        assert await stage.host.default_branch(stage.repository) == "trunk"

    async def test_an_unknown_repository_is_named(self, stage: CodeHostStage) -> None:
        """Whether it is not there, or nobody let us in, can not be told apart with every kind of credential."""
        unknown = replace(stage.repository, name="nowhere")
        with pytest.raises((NotFound, AuthFailed), match="nowhere") as caught:
            await stage.host.default_branch(unknown)
        assert "\n" not in str(caught.value)

    async def test_an_issue_is_read_as_it_was_written(self, stage: CodeHostStage) -> None:
        said = (("ann", "first"), ("bob", "second"), ("ann", "third"))
        number = stage.file_issue(title=TITLE, body=BODY, author="carol", comments=said)
        issue = await stage.host.get_issue(stage.repository, number)
        assert (issue.number, issue.title, issue.body, issue.author) == (number, TITLE, BODY, "carol")
        assert tuple((comment.author, comment.body) for comment in issue.comments) == said
        assert (issue.state, issue.images, issue.notes) == ("open", (), ())
        assert issue.url.startswith("https://")

    async def test_an_issue_without_text_has_an_empty_one(self, stage: CodeHostStage) -> None:
        number = stage.file_issue(title=TITLE, body="", author="carol")
        issue = await stage.host.get_issue(stage.repository, number)
        assert (issue.body, issue.comments) == ("", ())

    async def test_an_unknown_issue_is_not_found(self, stage: CodeHostStage) -> None:
        with pytest.raises(NotFound, match="4711"):
            await stage.host.get_issue(stage.repository, 4711)

    async def test_a_pull_request_is_a_draft_for_the_branch(self, stage: CodeHostStage) -> None:
        change = stage.push("agent/1-one")
        pull = await stage.host.open_pull_request(change, body=BODY)
        assert (pull.branch, pull.state, pull.draft) == ("agent/1-one", "open", True)
        assert pull.url.endswith(f"/{pull.number}")
        assert stage.body_of(pull.number) == BODY

    async def test_numbers_are_not_shared_with_issues(self, stage: CodeHostStage) -> None:
        number = stage.file_issue(title=TITLE, body=BODY, author="carol")
        pull = await stage.host.open_pull_request(stage.push("agent/1-one"), body=BODY)
        assert pull.number > number

    async def test_a_second_call_returns_the_first_pull_request(self, stage: CodeHostStage) -> None:
        change = stage.push("agent/1-one")
        first = await stage.host.open_pull_request(change, body=BODY)
        second = await stage.host.open_pull_request(change, body="another text")
        assert first == second
        assert stage.body_of(first.number) == BODY

    async def test_a_closed_pull_request_is_returned_too(self, stage: CodeHostStage) -> None:
        change = stage.push("agent/1-one")
        first = await stage.host.open_pull_request(change, body=BODY)
        stage.close_pull_request(first.number)
        second = await stage.host.open_pull_request(change, body=BODY)
        assert (second.number, second.state) == (first.number, "closed")

    async def test_a_pull_request_is_found_by_its_branch_in_any_state(self, stage: CodeHostStage) -> None:
        change = stage.push("agent/1-one")
        assert await stage.host.find_pull_request(stage.repository, change.branch) is None
        made = await stage.host.open_pull_request(change, body=BODY)
        assert await stage.host.find_pull_request(stage.repository, change.branch) == made
        stage.close_pull_request(made.number)
        found = await stage.host.find_pull_request(stage.repository, change.branch)
        assert found is not None
        assert (found.number, found.state) == (made.number, "closed")
        assert await stage.host.find_pull_request(stage.repository, "agent/1") is None

    async def test_open_pull_requests_for_an_issue_are_found(self, stage: CodeHostStage) -> None:
        number = stage.file_issue(title=TITLE, body=BODY, author="carol")
        assert await stage.host.open_pull_requests_for(stage.repository, number) == []
        said = {
            "a": f"This Fixes #{number}.",
            "b": f"See #{number}",
            "c": f"closes #{number}0",
            f"agent/{number}-x": "",
        }
        made = [await stage.host.open_pull_request(stage.push(name), body=text) for name, text in said.items()]
        found = await stage.host.open_pull_requests_for(stage.repository, number)
        assert list(found) == [made[3], made[0]]
        stage.close_pull_request(made[0].number)
        assert list(await stage.host.open_pull_requests_for(stage.repository, number)) == [made[3]]

    async def test_two_branches_have_two_pull_requests(self, stage: CodeHostStage) -> None:
        one = await stage.host.open_pull_request(stage.push("agent/1-one"), body=BODY)
        other = await stage.host.open_pull_request(stage.push("agent/1-one-more"), body=BODY)
        assert one.number != other.number

    async def test_without_a_base_the_default_branch_is_it(self, stage: CodeHostStage) -> None:
        change = replace(stage.push("agent/1-one"), base_ref="")
        assert (await stage.host.open_pull_request(change, body=BODY)).state == "open"

    async def test_a_branch_that_was_not_pushed_is_refused(self, stage: CodeHostStage) -> None:
        change = replace(stage.push("agent/1-one"), branch="agent/never-pushed")
        with pytest.raises(RemoteRejected):
            await stage.host.open_pull_request(change, body=BODY)

    async def test_a_base_that_does_not_exist_is_refused(self, stage: CodeHostStage) -> None:
        change = replace(stage.push("agent/1-one"), base_ref="nowhere")
        with pytest.raises(RemoteRejected):
            await stage.host.open_pull_request(change, body=BODY)

    async def test_the_work_on_an_issue_has_one_name(self, stage: CodeHostStage) -> None:
        first, other = (stage.file_issue(title=TITLE, body=BODY, author="carol") for _ in range(2))
        shouted = replace(stage.repository, owner=stage.repository.owner.upper())
        keys = [(await stage.host.get_issue(one, first)).work_key for one in (stage.repository, shouted)]
        assert keys[0] == keys[1] != ""
        assert (await stage.host.get_issue(stage.repository, other)).work_key != keys[0]

    @pytest.mark.parametrize("need", Access)
    async def test_a_credential_does_not_show_its_token(self, stage: CodeHostStage, need: Access) -> None:
        credential = await stage.host.credential(stage.repository, need)
        assert credential is not None
        assert credential.token
        assert credential.token not in repr(credential) + repr(stage.host)

    async def test_a_refused_credential_is_not_the_end(self, stage: CodeHostStage) -> None:
        refused = await stage.host.credential(stage.repository, Access.PUSH)
        assert refused is not None
        stage.host.forget(refused)
        assert await stage.host.credential(stage.repository, Access.PUSH) is not None
        assert await stage.host.default_branch(stage.repository) == "trunk"

    async def test_no_other_host_gets_a_credential(self, stage: CodeHostStage) -> None:
        elsewhere = replace(stage.repository, url="https://elsewhere.test/a/b.git", host="elsewhere.test")
        with pytest.raises(ConfigError, match="elsewhere"):
            await stage.host.credential(elsewhere, Access.READ)
