"""From a repository of awkward shapes into a workspace, through an agent's edits, and back into a commit."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pullwright.agents.change import RepositoryRef
from pullwright.agents.errors import ChangeRefused, EmptyChange
from pullwright.agents.ports.mirror import CommitMeta
from pullwright.agents.ports.sandbox import Base, SandboxProvider
from pullwright.sandbox.local_provider import LocalProvider
from pullwright.sandbox.mirror import GitMirror
from tests.integration.sandbox.engine import docker_provider
from tests.integration.sandbox.hostile import EDITS, blobs, make_hostile
from tests.integration.sandbox.repositories import git, make_checkout

pytestmark = pytest.mark.anyio
LIMIT = 32 << 20


@pytest.fixture(params=["local", pytest.param("docker", marks=pytest.mark.docker)])
async def provider(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[SandboxProvider]:
    if request.param == "local":
        yield LocalProvider(tmp_path)
        return
    async with docker_provider() as made:
        yield made


@pytest.fixture
def mirror(tmp_path: Path) -> GitMirror:
    return GitMirror(tmp_path / "mirrors")


async def edited(provider: SandboxProvider, base: Base, script: str) -> bytes:
    async with provider.open(base, task_id="round-trip") as workspace:
        async with workspace.open_sandbox() as sandbox:
            result = await sandbox.exec(script, timeout=120)
            assert result.exit_code == 0, result.stderr.text
        return await workspace.extract(limit=LIMIT)


async def test_every_shape_survives(provider: SandboxProvider, mirror: GitMirror, tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    make_hostile(checkout)
    repository = RepositoryRef(url=str(checkout), name="checkout")
    base = await mirror.sync(repository, "", None)

    with pytest.raises(EmptyChange):
        await edited(provider, base, 'git status --porcelain; test -z "$(git status --porcelain)"; touch -h -- *')
    async with provider.open(base, task_id="expected") as workspace:
        async with workspace.open_sandbox() as sandbox:
            result = await sandbox.exec(EDITS, timeout=60)
            assert result.exit_code == 0, result.stderr.text
            expected = await sandbox.exec("git add -A && git write-tree", timeout=60)
        patch = await workspace.extract(limit=LIMIT)
    change = await mirror.commit(repository, base, patch, CommitMeta(branch="agent/x", title="Edits"))
    assert git(base.mirror, "rev-parse", f"{change.head_sha}^{{tree}}") == expected.stdout.text.strip()

    after = blobs(base.mirror, change.head_sha)
    assert after[b"lib"] == blobs(base.mirror, base.sha)[b"lib"]
    assert b"ignored/x" not in after
    assert git(base.mirror, "cat-file", "blob", "agent/x:crlf.txt") == "one\r\ntwo\r\nthree\r\nfour"
    async with provider.open(base, task_id="again") as workspace:
        await workspace.apply(patch)
        assert await workspace.extract(limit=LIMIT) == patch


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("ln -s /etc/passwd new", "leaves the repository"),
        ("mkdir d && ln -s ../../x d/new", "leaves the repository"),
        ("ln -s .git/config new", "leaves the repository"),
        (
            "git init -q n && cd n && git -c user.name=a -c user.email=a@b commit -q --allow-empty -m x",
            "git repository inside",
        ),
        ("printf '[submodule \"x\"]\\npath = x\\nurl = -u./x\\n' > .gitmodules", "submodules come from"),
    ],
    ids=["absolute", "escaping", "into .git", "nested repository", "gitmodules"],
)
async def test_what_may_not_come_out(
    provider: SandboxProvider, mirror: GitMirror, tmp_path: Path, script: str, reason: str
) -> None:
    make_checkout(tmp_path / "checkout", {"a": b"1\n"})
    repository = RepositoryRef(url=str(tmp_path / "checkout"), name="checkout")
    base = await mirror.sync(repository, "", None)
    patch = await edited(provider, base, script)
    with pytest.raises(ChangeRefused, match=reason):
        await mirror.commit(repository, base, patch, CommitMeta(branch="agent/x", title="x"))
    assert git(base.mirror, "branch", "--list") == ""


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("git init -q empty", "does not have a commit checked out"),
        ("rm a && mkfifo a", "can only add regular files"),
        ("mkdir .GIT && echo '[core]' > .GIT/config", "invalid path"),
    ],
    ids=["nested repository without commit", "fifo", "odd spelling of .git"],
)
async def test_what_git_can_not_take_in(
    provider: SandboxProvider, mirror: GitMirror, tmp_path: Path, script: str, reason: str
) -> None:
    make_checkout(tmp_path / "checkout", {"a": b"1\n"})
    base = await mirror.sync(RepositoryRef(url=str(tmp_path / "checkout"), name="checkout"), "", None)
    with pytest.raises(ChangeRefused, match=reason):
        await edited(provider, base, script)


async def test_what_is_planted_in_the_agents_git_folder_changes_nothing(
    provider: SandboxProvider, mirror: GitMirror, tmp_path: Path
) -> None:
    make_checkout(tmp_path / "checkout", {"a": b"1\n", "b": b"1\n"})
    repository = RepositoryRef(url=str(tmp_path / "checkout"), name="checkout")
    base = await mirror.sync(repository, "", None)
    marker = tmp_path / "ran"
    script = f"""
    set -eu
    echo 2 > a
    for key in core.fsmonitor diff.external core.sshCommand core.pager gpg.program filter.x.clean; do
      git config $key 'touch {marker}; true'
    done
    git config core.worktree /tmp; git config core.hooksPath /tmp
    echo '* filter=x diff=x' > .git/info/attributes; echo '*' > .git/info/exclude
    rm -f .git/index; rm -rf .git/objects; echo garbage > .git/HEAD
    """
    patch = await edited(provider, base, script)
    change = await mirror.commit(repository, base, patch, CommitMeta(branch="agent/x", title="x"))
    assert [stat.path for stat in change.files] == ["a"]
    assert not marker.exists()


async def test_five_thousand_files(provider: SandboxProvider, mirror: GitMirror, tmp_path: Path) -> None:
    files = {f"d{number % 50}/f{number}": b"line %d\n" % number for number in range(5000)}
    make_checkout(tmp_path / "checkout", files)
    repository = RepositoryRef(url=str(tmp_path / "checkout"), name="checkout")
    base = await mirror.sync(repository, "", None)
    patch = await edited(provider, base, "for f in d1*/*; do echo more >> $f; done; rm -r d2")
    change = await mirror.commit(repository, base, patch, CommitMeta(branch="agent/x", title="x"))
    assert len(change.files) == 1200
