"""A fix with a new test, from the task to what the pull request shows: that the test fails without the fix."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import anyio
import pytest

from pullwright.agents.clock import SystemClock
from pullwright.agents.queue.open import open_store
from pullwright.agents.task import TaskSpec
from pullwright.agents.testing.scripted_model import Reply
from pullwright.agents.worker.proving import NO_TEST, UNPROVEN
from pullwright.integrations.testing.bare_repository import TreeFile
from pullwright.integrations.testing.sample import SampleIssue, SampleRepository
from tests.e2e.stage import OpenStage, Stage

pytestmark = pytest.mark.docker

CHECK = "python3 -m unittest discover -s src"
TEST = """\
import unittest

from shop.cart import total


class CartTest(unittest.TestCase):
    def test_what_has_no_price_is_free(self) -> None:
        self.assertEqual(total([2, None]), 2)
"""
OLD_TEST = """\
import unittest


class OldTest(unittest.TestCase):
    def test_nothing(self) -> None:
        pass
"""
SHOP = SampleRepository(
    name="shop",
    files=(
        TreeFile(b"src/shop/cart.py", b"def total(prices):\n    return sum(price for price in prices)\n"),
        TreeFile(b"src/shop/__init__.py", b""),
        TreeFile(b"src/test_old.py", OLD_TEST.encode()),
    ),
    issue=SampleIssue(number=7, title="Items without a price", body="`total` falls over them."),
    edits=(),
)
FIX = Reply(
    calls=(("edit", {"path": "src/shop/cart.py", "old": "for price in prices", "new": "for price in prices if price"}),)
)
WITH_TEST = Reply(calls=(("write", {"path": "src/test_cart.py", "content": TEST}),))
ROW = f"| `{CHECK}` | ✅ exit code 0 | ❌ exit code 1 | ✅ exit code 0 |"


def finish(**arguments: Any) -> Reply:
    return Reply(calls=(("finish", {"title": "Take what has no price as free", "summary": "So.", **arguments}),))


def shown(stage: Stage) -> str:
    """Return the text of the only pull request without the seconds of its table."""
    (pull,) = stage.forge.pull_requests("acme", "shop")
    return re.sub(r", [0-9.]+ s(?= \|)", "", pull.issue.body or "")


async def file(stage: Stage, spec: TaskSpec) -> str:
    """File a task as a tracker does, and return its id."""
    home = stage.folder / "agent-home"
    await anyio.Path(home).mkdir()
    async with open_store(f"sqlite:///{home / 'pullwright.db'}", SystemClock()) as store:
        return (await store.create(spec)).id


def test_a_pull_request_shows_that_its_test_fails_without_the_fix(tmp_path: Path) -> None:
    with OpenStage(tmp_path, [WITH_TEST, FIX, finish()]) as stage:
        stage.forge.create_sample("acme", SHOP)
        ran = stage.agent("run", "fix issue #7", "--check", CHECK, cwd=stage.clone(SHOP))
        assert ran.code == 0, ran.err + ran.out
        assert "(on the base: passes, with its tests alone: exit code 1)" in ran.out
        body = shown(stage)
    assert "The tests of this change fail without it, and pass with it." in body
    assert "| Command | Before | Only the new tests | After |" in body
    assert "\n\nFixes #7\n\n---" in body


def test_what_was_to_be_reproduced_is_taken_with_a_test_only(tmp_path: Path) -> None:
    script = [FIX, finish(summary="No test."), WITH_TEST, finish(summary="Tested.\n\nFixes SHOP-12", checks=[CHECK])]
    with OpenStage(tmp_path, script) as stage:
        repository = stage.forge.create_sample("acme", SHOP)
        spec = TaskSpec(
            instruction="Fix SHOP-12.",
            repository=stage.forge.ref("acme", "shop"),
            checks=("true",),
            fixes=("SHOP-12",),
            reproduce=True,
        )
        task = anyio.run(file, stage, spec)
        ran = stage.agent("worker", "--drain", cwd=tmp_path)
        assert ran.code == 0, ran.err
        events = stage.agent("show", task, "--json", cwd=tmp_path).events
        verdicts = [event["data"] for event in events if event["type"] == "change.verified"]
        assert [verdict["refused"] for verdict in verdicts] == [f"{UNPROVEN}: {NO_TEST}", ""]
        results = [event["data"]["result"]["content"] for event in events if event["type"] == "tool.finished"]
        assert any("Add a test that fails without the fix" in content for content in results)
        body = shown(stage)
        (pull,) = stage.forge.pull_requests("acme", "shop")
        message = repository.bare.git("log", "-1", "--format=%B", repository.head_sha(pull)).decode()
    assert "2 checks (chosen by the repository's owner, 1 by the agent itself) passed" in body
    assert "The tests of this change fail without it, and pass with it." in body
    assert ROW in body
    assert body.count("SHOP-12") == 1
    assert "\n\nFixes SHOP-12\n\n---" in body
    assert message.strip() == "Take what has no price as free\n\nTested.\n\nFixes SHOP-12"
