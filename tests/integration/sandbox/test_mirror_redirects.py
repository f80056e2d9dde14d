"""A repository that has another name now, and a host that sends git elsewhere."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest

from pullwright.agents.errors import PullwrightError
from pullwright.agents.ports.mirror import CommitMeta, Credential
from pullwright.integrations.testing.faults import Fault
from pullwright.integrations.testing.forge import AGENT_TOKEN, RehearsalForge
from pullwright.integrations.testing.web_server import Request
from pullwright.sandbox.mirror import GitMirror

pytestmark = [pytest.mark.anyio]

AGENT = Credential(token=AGENT_TOKEN)
META = CommitMeta(branch="agent/1-x", title="One", body="")
PATCH = b"--- a/a.txt\n+++ b/a.txt\n@@ -1 +1 @@\n-one\n+two\n"


@pytest.fixture
def forge(monkeypatch: pytest.MonkeyPatch) -> Iterator[RehearsalForge]:
    with RehearsalForge() as running:
        running.create_repository("acme", "shop", {"a.txt": "one\n"})
        monkeypatch.setenv("GIT_SSL_CAINFO", str(running.ca_file))
        yield running


async def test_a_renamed_repository_is_read_and_pushed_to_by_its_old_name(
    forge: RehearsalForge, tmp_path: Path
) -> None:
    mirror, old = GitMirror(tmp_path), forge.ref("acme", "shop")
    forge.rename_repository("acme", "shop", "store")
    change = await mirror.commit(old, await mirror.sync(old, "", AGENT), PATCH, META)
    await mirror.push(change, AGENT)
    assert forge.repository("acme", "store").bare.branches()["agent/1-x"] == change.head_sha


async def test_whoever_git_is_sent_to_sees_no_token(
    forge: RehearsalForge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Request] = []
    basic = base64.b64encode(f"x-access-token:{AGENT_TOKEN}".encode()).decode()
    with RehearsalForge() as other:
        other.watch(seen.append)
        trusted = tmp_path / "both.pem"
        trusted.write_bytes(forge.ca_file.read_bytes() + other.ca_file.read_bytes())
        monkeypatch.setenv("GIT_SSL_CAINFO", str(trusted))
        elsewhere = f"{other.web_url}/acme/shop.git/info/refs?service=git-upload-pack"
        forge.add_fault(Fault(path="/info/refs", status=301, headers={"Location": elsewhere}))
        with pytest.raises(PullwrightError):
            await GitMirror(tmp_path / "mirrors").sync(forge.ref("acme", "shop"), "", AGENT)
    assert seen
    assert not [one for one in seen if basic in str(one.headers) or AGENT_TOKEN in str(one.headers)]
