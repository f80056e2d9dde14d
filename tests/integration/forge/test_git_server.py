from __future__ import annotations

import time
from pathlib import Path

import pytest

from pullwright.integrations.testing.access import READ_ALL, TokenRights
from pullwright.integrations.testing.forge import ADMIN_TOKEN, AGENT_TOKEN, READER_TOKEN, RehearsalForge
from tests.integration.forge.conftest import GitClient

BRANCH = "agent/1-x"


@pytest.fixture
def url(forge: RehearsalForge) -> str:
    forge.create_repository("acme", "shop", {"a.txt": b"one\n", "bin": b"\x00\xff" * 2000})
    return forge.clone_url("acme", "shop")


@pytest.fixture
def checkout(git: GitClient, url: str, tmp_path: Path) -> Path:
    folder = tmp_path / "checkout"
    assert git("clone", "--quiet", url, str(folder), token=AGENT_TOKEN).returncode == 0
    (folder / "a.txt").write_text("two\n")
    assert git("commit", "-qam", "Change", cwd=folder).returncode == 0
    return folder


def test_a_clone_without_a_token_fails_at_once(git: GitClient, url: str, tmp_path: Path) -> None:
    start = time.monotonic()
    done = git("clone", url, str(tmp_path / "x"))
    assert done.returncode == 128
    assert "terminal prompts disabled" in done.stderr
    assert time.monotonic() - start < 10


def test_a_bad_token_is_refused(git: GitClient, url: str, tmp_path: Path) -> None:
    done = git("-c", "http.emptyAuth=false", "clone", url, str(tmp_path / "x"), token="ghp_wrong")
    assert done.returncode == 128
    assert "terminal prompts disabled" in done.stderr or "Authentication failed" in done.stderr


@pytest.mark.parametrize("options", [(), ("--depth=1",), ("--filter=blob:none",), ("--bare",)], ids=str)
def test_every_kind_of_clone_works(git: GitClient, url: str, tmp_path: Path, options: tuple[str, ...]) -> None:
    done = git("clone", *options, url, str(tmp_path / "x"), token=AGENT_TOKEN)
    assert done.returncode == 0, done.stderr
    written = [path for path in (tmp_path / "x").rglob("*") if path.is_file()]
    assert written
    assert not [path for path in written if AGENT_TOKEN.encode() in path.read_bytes()]


def test_an_address_without_git_at_its_end_works(git: GitClient, url: str) -> None:
    assert git("ls-remote", url.removesuffix(".git"), token=AGENT_TOKEN).returncode == 0


def test_a_public_repository_is_read_by_anyone_and_written_by_nobody(
    git: GitClient, forge: RehearsalForge, checkout: Path, tmp_path: Path
) -> None:
    forge.repository("acme", "shop").private = False
    url = forge.clone_url("acme", "shop")
    assert git("clone", "--quiet", url, str(tmp_path / "x")).returncode == 0
    assert git("push", "origin", f"HEAD:{BRANCH}", cwd=checkout).returncode == 128


def test_a_branch_is_pushed(git: GitClient, forge: RehearsalForge, checkout: Path) -> None:
    assert git("push", "origin", f"HEAD:refs/heads/{BRANCH}", cwd=checkout, token=AGENT_TOKEN).returncode == 0
    head = git("rev-parse", "HEAD", cwd=checkout).stdout.strip()
    assert forge.repository("acme", "shop").bare.branches()[BRANCH] == head


def test_a_large_push_arrives_whole(git: GitClient, forge: RehearsalForge, checkout: Path) -> None:
    (checkout / "large").write_bytes(b"".join(n.to_bytes(8, "big") * 3 for n in range(200_000)))
    git("add", "large", cwd=checkout)
    git("commit", "-qm", "Large", cwd=checkout)
    done = git("-c", "core.compression=0", "push", "origin", f"HEAD:{BRANCH}", cwd=checkout, token=AGENT_TOKEN)
    assert done.returncode == 0, done.stderr
    assert len(forge.repository("acme", "shop").bare.read(BRANCH, b"large")) == 4_800_000


def test_the_protected_branch_is_rejected(git: GitClient, checkout: Path) -> None:
    done = git("push", "origin", "HEAD:main", cwd=checkout, token=AGENT_TOKEN)
    assert done.returncode == 1
    assert "GH006: Protected branch update failed for refs/heads/main" in done.stderr
    assert "hook declined" in done.stderr


def test_an_administrator_pushes_to_it(git: GitClient, checkout: Path) -> None:
    assert git("push", "origin", "HEAD:main", cwd=checkout, token=ADMIN_TOKEN).returncode == 0


def test_a_token_that_only_reads_is_forbidden_to_push(git: GitClient, checkout: Path) -> None:
    done = git("push", "origin", f"HEAD:{BRANCH}", cwd=checkout, token=READER_TOKEN)
    assert done.returncode == 128
    assert "403" in done.stderr
    assert "denied to reader" in done.stderr


def test_a_token_for_other_repositories_sees_nothing(
    git: GitClient, forge: RehearsalForge, url: str, tmp_path: Path
) -> None:
    forge.add_token("ghp_other", TokenRights(user="eve", permissions=READ_ALL, repositories=("acme/other",)))
    done = git("clone", url, str(tmp_path / "x"), token="ghp_other")
    assert "not found" in done.stderr.lower()


def test_a_renamed_repository_redirects(git: GitClient, forge: RehearsalForge, url: str) -> None:
    forge.rename_repository("acme", "shop", "store")
    done = git("ls-remote", url, "HEAD", token=AGENT_TOKEN)
    assert done.returncode == 0, done.stderr
    assert "acme/store.git" in done.stderr
