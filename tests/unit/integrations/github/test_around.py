"""What nobody asked for: threads, repositories, installations, hooks."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from pullwright.agents.intake.decisions import Ignore, Stop, Tell
from pullwright.agents.task import TaskStatus
from tests.unit.integrations.github.handler_scene import ON_PULL, Scene
from tests.unit.integrations.github.payload_samples import ANN, ISSUE, ME, PULL, REPOSITORY, comment

pytestmark = [pytest.mark.anyio]

THREAD = {"node_id": "T", "comments": [{"id": 8, "path": "src/a.py"}, {"id": 12}]}


@pytest.fixture
def scene() -> Scene:
    return Scene()


async def working(scene: Scene, *numbers: int) -> None:
    """Let there be live tasks for issues."""
    for number in numbers:
        await scene.decide("issues.labeled", issue={**ISSUE, "number": number}, label={"name": "agent"})


async def test_a_thread_that_is_settled_is_told_to_the_task_that_lives(scene: Scene) -> None:
    await scene.published()
    settled: dict[str, Any] = {"pull_request": PULL, "thread": THREAD}
    assert isinstance(await scene.decide("pull_request_review_thread.resolved", **settled), Ignore)
    await scene.decide("issue_comment.created", issue=ON_PULL, comment=comment("@pull-bot more"))
    own = await scene.decide("pull_request_review_thread.resolved", **settled, sender=ME)
    assert isinstance(own, Ignore)
    told = await scene.decide("pull_request_review_thread.resolved", **settled)
    assert isinstance(told, Tell)
    assert told.text == "ann settled the review thread 8 on src/a.py: nothing more is wanted there."
    assert told.reply is None


@pytest.mark.parametrize("action", ["archived", "deleted"])
async def test_a_repository_that_ends_ends_all_its_tasks(scene: Scene, action: str) -> None:
    await working(scene, 7, 8, 9)
    other = {**REPOSITORY, "id": 51, "full_name": "acme/other"}
    await scene.decide("issues.labeled", issue=ISSUE, label={"name": "agent"}, repository=other)
    decision = await scene.decide(f"repository.{action}")
    assert isinstance(decision, Stop)
    ended = [task.spec.work_key for task in await scene.store.list() if task.status is TaskStatus.CANCELED]
    assert sorted(ended) == ["github.com/5#7", "github.com/5#8", "github.com/5#9"]
    again = await scene.decide(f"repository.{action}")
    assert isinstance(again, Ignore)


@pytest.mark.parametrize("action", ["renamed", "transferred", "privatized", "publicized", "unarchived"])
async def test_a_repository_that_goes_on_ends_nothing(scene: Scene, action: str) -> None:
    await working(scene, 7)
    assert isinstance(await scene.decide(f"repository.{action}"), Ignore)


@pytest.mark.parametrize(
    ("event", "payload", "ends"),
    [
        ("installation.suspend", {"installation": {"id": 3, "account": {**ANN, "login": "Acme"}}}, True),
        ("installation.deleted", {"installation": {"id": 3, "account": {**ANN, "login": "acme"}}}, True),
        ("installation.deleted", {"installation": {"id": 3, "account": {**ANN, "login": "other"}}}, False),
        ("installation.created", {"repositories": [REPOSITORY]}, False),
        ("installation_repositories.removed", {"repositories_removed": [REPOSITORY]}, True),
        ("installation_repositories.removed", {"repositories_removed": [{**REPOSITORY, "id": 50}]}, False),
        ("installation_repositories.added", {"repositories_added": [REPOSITORY]}, False),
    ],
)
async def test_access_that_is_taken_away_ends_its_tasks(
    scene: Scene, event: str, payload: dict[str, Any], ends: bool
) -> None:
    await working(scene, 7, 8)
    decision = await scene.decide(event, repository=None, **payload)
    assert isinstance(decision, Stop) is ends
    assert {task.status for task in await scene.store.list()} == {TaskStatus.CANCELED if ends else TaskStatus.QUEUED}


async def test_a_task_that_runs_is_asked_to_end(scene: Scene) -> None:
    await working(scene, 7, 8)
    assert await scene.store.claim("w")
    await scene.decide("repository.archived")
    states = {task.status for task in await scene.store.list()}
    assert states == {TaskStatus.CANCELING, TaskStatus.CANCELED}


async def test_a_hook_that_is_gone_is_told_to_the_operator(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        await scene.decide("meta.deleted", hook_id=5)
        await scene.decide("github_app_authorization.revoked", repository=None)
    assert "webhook 5" in caplog.text
    assert "--poll" in caplog.text
    assert "ann revoked" in caplog.text
