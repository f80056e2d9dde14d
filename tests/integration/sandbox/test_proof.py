"""Tests of a change, run without the change: real git, real processes, each side in a container of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pullwright.agents.change import RepositoryRef
from pullwright.agents.errors import ChangeRefused
from pullwright.agents.ports.mirror import CommitMeta
from pullwright.agents.ports.sandbox import SandboxProvider
from pullwright.agents.worker.testfiles import separate_tests
from pullwright.sandbox.local_provider import LocalProvider
from pullwright.sandbox.mirror import GitMirror
from pullwright.sandbox.verifier import FreshVerifier
from tests.integration.sandbox.engine import docker_provider
from tests.integration.sandbox.repositories import make_checkout

pytestmark = pytest.mark.anyio

LIMIT = 1 << 20
CHECK = "python3 -m unittest discover -s tests -t ."
BUGGY, FIXED = b"def total(a):\n    return sum(a)\n", b"def total(a):\n    return sum(x or 0 for x in a)\n"
FILES = {"cart.py": BUGGY, "tests/__init__.py": b"", "tests/old.json": b"[1]"}
TEST = b"""\
import json, pathlib, unittest
from cart import total


class CartTest(unittest.TestCase):
    def test_none(self):
        self.assertEqual(total(json.loads(pathlib.Path("tests/new.json").read_text())), 1)
"""
CHANGED = {"cart.py": FIXED, "tests/test_cart.py": TEST, "tests/new.json": b"[1, null]", "tests/x.dat": b"\0\1"}


@pytest.fixture(params=["local", pytest.param("docker", marks=pytest.mark.docker)])
async def provider(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[SandboxProvider]:
    if request.param == "local":
        yield LocalProvider(tmp_path)
        return
    async with docker_provider() as made:
        yield made


async def test_a_new_test_fails_without_the_change_and_passes_with_it(
    provider: SandboxProvider, tmp_path: Path
) -> None:
    make_checkout(tmp_path / "checkout", FILES)
    mirror, verifier = GitMirror(tmp_path / "mirrors"), FreshVerifier(provider)
    repository = RepositoryRef(url=str(tmp_path / "checkout"), name="checkout")
    base = await mirror.sync(repository, "main", None)
    async with provider.open(base, task_id="t") as workspace:
        async with workspace.open_sandbox() as sandbox:
            await sandbox.exec("rm tests/old.json", timeout=60)
            for path, content in CHANGED.items():
                await sandbox.write_file(path, content)
        patch = await workspace.extract(limit=LIMIT)
    change = await mirror.commit(repository, base, patch, CommitMeta(branch="agent/x", title="x"))
    tests = separate_tests(file.path for file in change.files)
    assert set(tests) == {*CHANGED, "tests/old.json"} - {"cart.py"}
    alone = await mirror.difference(base, base.sha, change.head_sha, limit=LIMIT, paths=tests)
    evidence = await verifier.verify(base, patch, (CHECK, "true"), chosen_by="owner", task_id="t")
    (ran, other), _ = await verifier.check_tests(base, alone, (CHECK, "true"), task_id="t")
    assert evidence.verified, evidence.after
    assert (ran.exit_code, other.exit_code) == (1, 0)
    assert "TypeError" in ran.output
    with pytest.raises(ChangeRefused):
        await verifier.check_tests(base, b"nonsense", ("true",), task_id="t")
