from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from pullwright.agents.change import Change, RepositoryRef
from pullwright.agents.errors import (
    AuthFailed,
    ChangeError,
    ChangeRefused,
    ConfigError,
    EmptyChange,
    NotFound,
    PushRejected,
    RemoteUnavailable,
)
from pullwright.agents.ports.mirror import CommitMeta, Credential
from pullwright.agents.ports.sandbox import Base
from pullwright.integrations.testing.forge import AGENT_TOKEN, READER_TOKEN, RehearsalForge
from pullwright.sandbox.checkout import read_checkout
from pullwright.sandbox.mirror import GitMirror
from tests.integration.sandbox.repositories import commit_all, git, make_checkout

pytestmark = pytest.mark.anyio

AGENT = Credential(token=AGENT_TOKEN)
PATCH = b"""diff --git a/a.txt b/a.txt
index 5626abf0f72e58d7a153368ba57db4c673c0e171..f719efd430d52bcfc8566a43b2eb655688d38871 100644
--- a/a.txt
+++ b/a.txt
@@ -1 +1 @@
-one
+two
"""
META = CommitMeta(branch="agent/1-x", title="A title\nin two lines", body="Why.\n")


@pytest.fixture
def mirror(tmp_path: Path) -> GitMirror:
    return GitMirror(tmp_path / "mirrors")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "checkout"
    make_checkout(folder, {"a.txt": b"one\n", "docs/b.txt": b"b\n", "bin": b"\0\1"})
    return folder


@pytest.fixture
def local(checkout: Path) -> RepositoryRef:
    return RepositoryRef(url=str(checkout), name="checkout")


@pytest.fixture
def forge(monkeypatch: pytest.MonkeyPatch) -> Iterator[RehearsalForge]:
    with RehearsalForge() as running:
        monkeypatch.delenv("GIT_SSL_CAINFO", raising=False)
        monkeypatch.delenv("CURL_CA_BUNDLE", raising=False)
        monkeypatch.setenv("SSL_CERT_FILE", str(running.ca_file))
        running.create_repository("acme", "shop", {"a.txt": "one\n"})
        yield running


def holds(folder: Path, secret: str) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and secret.encode() in path.read_bytes()]


async def test_a_branch_a_tag_and_a_commit_are_found(mirror: GitMirror, local: RepositoryRef, checkout: Path) -> None:
    first = git(checkout, "rev-parse", "HEAD")
    git(checkout, "tag", "-a", "v1", "-m", "x")
    git(checkout, "checkout", "-q", "-b", "side/branch")
    second = make_checkout(checkout, {"a.txt": b"two\n"})
    assert (await mirror.sync(local, "v1", None)).sha == first
    assert (await mirror.sync(local, "main", None)).sha == first
    assert await mirror.sync(local, "", None) == Base(
        mirror=(await mirror.sync(local, "main", None)).mirror, ref="side/branch", sha=second
    )
    assert (await mirror.sync(local, first, None)).sha == first
    git(checkout, "checkout", "-q", first)
    assert (await mirror.sync(local, "", None)).sha == first


async def test_a_branch_that_moved_or_changed_its_kind_is_followed(
    mirror: GitMirror, local: RepositoryRef, checkout: Path
) -> None:
    git(checkout, "branch", "dev")
    await mirror.sync(local, "dev", None)
    git(checkout, "branch", "-D", "dev")
    git(checkout, "checkout", "-q", "-b", "dev/x")
    git(checkout, "commit", "-q", "--amend", "--allow-empty", "-m", "rewritten")
    assert (await mirror.sync(local, "dev/x", None)).sha == git(checkout, "rev-parse", "HEAD")


@pytest.mark.parametrize(
    ("ref", "kind"), [("nope", NotFound), ("1" * 40, NotFound), ("--upload-pack=id", ConfigError), ("a b", ConfigError)]
)
async def test_a_ref_that_is_not_there(
    mirror: GitMirror, local: RepositoryRef, ref: str, kind: type[Exception]
) -> None:
    with pytest.raises(kind):
        await mirror.sync(local, ref, None)


async def test_a_repository_without_a_commit(mirror: GitMirror, tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "-b", "main", "empty")
    empty = RepositoryRef(url=str(tmp_path / "empty"), name="empty")
    for ref in ("", "main"):
        with pytest.raises(ConfigError, match="no commit"):
            await mirror.sync(empty, ref, None)


async def test_a_shallow_checkout_is_enough(
    mirror: GitMirror, local: RepositoryRef, checkout: Path, tmp_path: Path
) -> None:
    commit_all(checkout)
    git(tmp_path, "clone", "-q", "--depth=1", f"file://{checkout}", "shallow")
    base = await mirror.sync(RepositoryRef(url=str(tmp_path / "shallow"), name="shallow"), "", None)
    change = await mirror.commit(local, base, PATCH, META)
    assert change.base_sha == git(checkout, "rev-parse", "HEAD")


async def test_files_of_the_base_are_read_without_following_anything(
    mirror: GitMirror, local: RepositoryRef, checkout: Path
) -> None:
    (checkout / "link").symlink_to("a.txt")
    commit_all(checkout)
    base = await mirror.sync(local, "", None)
    assert await mirror.read_file(base, "docs/b.txt", limit=100) == b"b\n"
    assert await mirror.read_file(base, "a.txt", limit=2) == b"on"
    for path in ("nope", "docs", "link", "../a.txt", "/etc/passwd", "*", ":(top)a.txt", "", "docs/"):
        assert await mirror.read_file(base, path, limit=10) is None


async def test_a_commit_by_index_only(mirror: GitMirror, local: RepositoryRef) -> None:
    base = await mirror.sync(local, "", None)
    change = await mirror.commit(local, base, PATCH, META)
    shown = git(base.mirror, "show", "-s", "--format=%s|%b|%an|%ae|%P", "refs/heads/agent/1-x")
    assert shown == f"A title in two lines|Why.\n|Pullwright|pullwright@localhost|{base.sha}"
    assert [(stat.path, stat.added, stat.removed) for stat in change.files] == [("a.txt", 1, 1)]
    assert not (base.mirror / "index").exists()
    assert git(base.mirror, "cat-file", "blob", "agent/1-x:a.txt") == "two"


@pytest.mark.parametrize(
    ("patch", "kind"),
    [
        (b"", EmptyChange),
        (b"\n", EmptyChange),
        (b"nonsense\n", ChangeRefused),
        (PATCH.replace(b"-one", b"-other"), ChangeRefused),
        (PATCH.replace(b"a.txt", b"../a.txt"), ChangeRefused),
        (PATCH.replace(b"a.txt", b".git/a.txt"), ChangeRefused),
    ],
    ids=range(6),
)
async def test_patches_that_give_no_commit(
    mirror: GitMirror, local: RepositoryRef, patch: bytes, kind: type[Exception]
) -> None:
    base = await mirror.sync(local, "", None)
    with pytest.raises(kind):
        await mirror.commit(local, base, patch, META)
    assert git(base.mirror, "for-each-ref", "refs/heads") == ""


async def test_delivery_leaves_the_checkout_where_it_was(
    mirror: GitMirror, local: RepositoryRef, checkout: Path
) -> None:
    (checkout / "a.txt").write_text("uncommitted\n")
    base = await mirror.sync(local, "", None)
    change = await mirror.commit(local, base, PATCH, META)
    await mirror.deliver(change, checkout)
    await mirror.deliver(change, checkout)
    assert git(checkout, "rev-parse", "refs/heads/agent/1-x") == change.head_sha
    assert git(checkout, "branch", "--show-current") == "main"
    assert (checkout / "a.txt").read_text() == "uncommitted\n"
    assert git(checkout, "remote") == ""

    git(checkout, "branch", "-f", "agent/1-x", "main")
    other = await mirror.commit(local, base, PATCH, replace(META, branch="main"))
    for refused in (other, replace(change, branch="missing")):
        with pytest.raises(ChangeError, match="git fetch"):
            await mirror.deliver(refused, checkout)


async def test_two_runs_on_one_mirror(mirror: GitMirror, local: RepositoryRef, tmp_path: Path) -> None:
    other = GitMirror(tmp_path / "mirrors")
    changes: dict[int, Change] = {}

    async def one(number: int) -> None:
        on = (mirror, other)[number % 2]
        base = await on.sync(local, "", None)
        changes[number] = await on.commit(local, base, PATCH, replace(META, branch=f"agent/{number}-x"))

    async with anyio.create_task_group() as group:
        for number in range(8):
            group.start_soon(one, number)
    assert sorted(changes) == list(range(8))
    assert len({change.branch for change in changes.values()}) == 8


async def test_the_environment_of_whoever_started_us_is_not_gits(
    mirror: GitMirror, local: RepositoryRef, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("GIT_WORK_TREE", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("GIT_CONFIG_PARAMETERS", "'core.bare=nonsense'")
    base = await mirror.sync(local, "", None)
    assert (await mirror.commit(local, base, PATCH, META)).branch == "agent/1-x"
    assert (await read_checkout(Path(local.url))).head_sha == base.sha


async def test_push_over_https_leaves_no_token(
    mirror: GitMirror, forge: RehearsalForge, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    base = await mirror.sync(forge.ref("acme", "shop"), "", AGENT)
    change = await mirror.commit(forge.ref("acme", "shop"), base, PATCH, META)
    await mirror.push(change, AGENT)
    await mirror.push(change, AGENT)
    assert forge.repository("acme", "shop").bare.branches()["agent/1-x"] == change.head_sha
    assert base.ref == "main"
    assert holds(tmp_path, AGENT_TOKEN) == []
    assert AGENT_TOKEN not in "".join(capfd.readouterr())
    assert AGENT_TOKEN not in repr(AGENT)


async def test_the_token_is_never_an_argument(mirror: GitMirror, forge: RehearsalForge) -> None:
    seen: list[bytes] = []

    def look(*_: object) -> None:
        for process in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                seen.append(process.read_bytes())
            except OSError:
                continue

    forge.watch(look)
    await mirror.sync(forge.ref("acme", "shop"), "", AGENT)
    assert any(b"git-remote-https" in line or b"remote-https" in line for line in seen)
    assert not [line for line in seen if AGENT_TOKEN.encode() in line]


async def test_what_the_host_refuses(mirror: GitMirror, forge: RehearsalForge) -> None:
    shop = forge.ref("acme", "shop")
    for credential in (None, Credential(token="ghp_wrong")):
        with pytest.raises(AuthFailed):
            await mirror.sync(shop, "", credential)
    base = await mirror.sync(shop, "", AGENT)
    with pytest.raises(NotFound):
        await mirror.sync(shop, "nope", AGENT)
    with pytest.raises(NotFound):
        await mirror.sync(replace(shop, url=shop.url.replace("shop", "nothing"), name="nothing"), "", AGENT)
    change = await mirror.commit(shop, base, PATCH, META)
    with pytest.raises(AuthFailed):
        await mirror.push(change, Credential(token=READER_TOKEN))
    protected = await mirror.commit(shop, base, PATCH, replace(META, branch="main"))
    with pytest.raises(PushRejected):
        await mirror.push(protected, AGENT)
    await mirror.push(change, AGENT)
    second = await mirror.commit(shop, base, PATCH.replace(b"+two", b"+three"), META)
    with pytest.raises(PushRejected, match="other commits"):
        await mirror.push(second, AGENT)


async def test_a_host_that_is_not_there(mirror: GitMirror) -> None:
    nowhere = RepositoryRef(url="http://127.0.0.1:9/o/n.git", host="127.0.0.1:9", owner="o", name="n")
    with pytest.raises(RemoteUnavailable):
        await mirror.sync(nowhere, "", AGENT)


async def test_an_authority_that_is_not_trusted(
    mirror: GitMirror, forge: RehearsalForge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(ConfigError, match="SSL_CERT_FILE"):
        await mirror.sync(forge.ref("acme", "shop"), "", AGENT)


async def test_a_canceled_fetch_ends_its_process(tmp_path: Path) -> None:
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(anyio.abc.SocketAttribute.local_port)
    async with listener:
        mirror = GitMirror(tmp_path / "mirrors")
        silent = RepositoryRef(url=f"http://127.0.0.1:{port}/o/n.git", host=f"127.0.0.1:{port}", owner="o", name="n")
        started = time.monotonic()
        with anyio.move_on_after(0.5) as scope:
            await mirror.sync(silent, "", None)
        assert scope.cancelled_caught
        assert time.monotonic() - started < 5
        await anyio.sleep(0.2)
        left = await anyio.run_process(["pgrep", "-f", f"127.0.0.1:{port}"], check=False)
        assert left.stdout == b""
        with pytest.raises(RemoteUnavailable, match="did not finish"):
            await GitMirror(tmp_path / "mirrors", network_limit=0.3).sync(silent, "", None)


async def test_what_a_checkout_says(checkout: Path, tmp_path: Path) -> None:
    git(checkout, "remote", "add", "upstream", "git@github.com:o/n.git")
    found = await read_checkout(checkout / "docs")
    assert (found.root, found.branch, found.dirty) == (checkout, "main", False)
    assert found.remote_url == "git@github.com:o/n.git"
    git(checkout, "remote", "add", "origin", "https://github.com/me/n")
    (checkout / "new").write_text("x")
    git(checkout, "checkout", "-q", "--detach")
    found = await read_checkout(checkout)
    assert (found.remote_url, found.branch, found.dirty) == ("https://github.com/me/n", None, True)
    git(tmp_path, "init", "-q", "-b", "main", "fresh")
    assert (await read_checkout(tmp_path / "fresh")).head_sha is None


@pytest.mark.parametrize("name", ["plain", "missing", "file"])
async def test_what_is_no_checkout(tmp_path: Path, name: str) -> None:
    (tmp_path / "plain").mkdir()
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError) as caught:
        await read_checkout(tmp_path / name)
    assert "\n" not in str(caught.value)


async def test_nothing_of_the_checkouts_own_configuration_runs(checkout: Path, tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    hook = tmp_path / "hook"
    hook.write_text(f"#!/bin/sh\ntouch {marker}\n")
    hook.chmod(0o755)
    git(checkout, "config", "core.fsmonitor", str(hook))
    assert os.access(hook, os.X_OK)
    assert not (await read_checkout(checkout)).dirty
    assert not marker.exists()
