from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from pullwright.agents.change import Change, RepositoryRef
from pullwright.agents.ports.code_host import Comment, Issue
from pullwright.agents.testing.contracts_code_host import CodeHostContract, CodeHostStage
from pullwright.agents.testing.fake_code_host import FakeCodeHost
from pullwright.integrations.github import GitHubCodeHost, GitHubSettings
from pullwright.integrations.github.tuning import GitHubTuning
from pullwright.integrations.testing.bare_repository import TreeFile
from pullwright.integrations.testing.forge import AGENT_TOKEN, RehearsalForge
from pullwright.integrations.testing.rehearsal import Rehearsal

SLUG = "acme/shop"


def change_of(repository: RepositoryRef, branch: str, *, base_sha: str, head_sha: str) -> Change:
    return Change(
        repository=repository,
        base_ref="trunk",
        base_sha=base_sha,
        head_sha=head_sha,
        branch=branch,
        title="Round half up",
    )


@dataclass(frozen=True)
class FakeStage:
    host: FakeCodeHost

    @property
    def repository(self) -> RepositoryRef:
        return self.host.ref(SLUG)

    def file_issue(self, *, title: str, body: str, author: str, comments: tuple[tuple[str, str], ...] = ()) -> int:
        issues = self.host.repositories[SLUG].issues
        number = max(issues, default=0) + 1
        issues[number] = Issue(
            number=number,
            title=title,
            body=body,
            author=author,
            url=f"https://example.test/{SLUG}/issues/{number}",
            comments=tuple(Comment(author=who, body=text) for who, text in comments),
        )
        return number

    def push(self, branch: str) -> Change:
        self.host.repositories[SLUG].push(branch)
        return change_of(self.repository, branch, base_sha="a" * 40, head_sha="b" * 40)

    def close_pull_request(self, number: int) -> None:
        self.host.close_pull_request(SLUG, number)

    def body_of(self, number: int) -> str:
        return self.host.repositories[SLUG].bodies[number]


@dataclass(frozen=True)
class ForgeStage:
    forge: RehearsalForge
    host: GitHubCodeHost

    @property
    def repository(self) -> RepositoryRef:
        return self.forge.ref("acme", "shop")

    def file_issue(self, *, title: str, body: str, author: str, comments: tuple[tuple[str, str], ...] = ()) -> int:
        issue = self.forge.create_issue("acme", "shop", title=title, body=body, author=author)
        for who, text in comments:
            self.forge.add_comment("acme", "shop", issue.number, text, who)
        return issue.number

    def push(self, branch: str) -> Change:
        bare = self.forge.repository("acme", "shop").bare
        base = bare.require("refs/heads/trunk")
        bare.git("branch", branch, "trunk")
        head = bare.commit(branch, "Change", [TreeFile(b"a.txt", branch.encode())])
        return change_of(self.repository, branch, base_sha=base, head_sha=head)

    def close_pull_request(self, number: int) -> None:
        self.forge.repository("acme", "shop").pulls[number].issue.state = "closed"

    def body_of(self, number: int) -> str:
        return self.forge.repository("acme", "shop").pulls[number].issue.body or ""


class TestFakeCodeHost(CodeHostContract):
    @pytest.fixture
    def stage(self) -> CodeHostStage:
        host = FakeCodeHost(token="secret-token")
        host.add_repository(SLUG, default_branch="trunk")
        return FakeStage(host)


class TestGitHubCodeHost(CodeHostContract):
    @pytest.fixture
    def stage(self) -> Iterator[CodeHostStage]:
        with RehearsalForge() as forge:
            forge.create_repository("acme", "shop", {"a.txt": "one\n"}, default_branch="trunk")
            settings = GitHubSettings(api_url=forge.api_url, token=AGENT_TOKEN, ca_file=forge.ca_file)
            yield ForgeStage(forge, GitHubCodeHost(settings, GitHubTuning(backoff=0)))
            assert forge.violations == []


class TestGitHubCodeHostAsApp(CodeHostContract):
    """With a token of its own for each step, none of which may do more than that step takes."""

    @pytest.fixture
    def stage(self) -> Iterator[CodeHostStage]:
        with Rehearsal() as rehearsal:
            forge = rehearsal.forge
            forge.create_repository("acme", "shop", {"a.txt": "one\n"}, default_branch="trunk")
            settings = GitHubSettings(
                api_url=forge.api_url,
                app_id=str(rehearsal.app.id),
                app_key=rehearsal.app.private_key,
                ca_file=forge.ca_file,
            )
            yield ForgeStage(forge, GitHubCodeHost(settings, GitHubTuning(backoff=0)))
            assert forge.violations == []
