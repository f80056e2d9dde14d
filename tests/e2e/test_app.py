"""Runs as a GitHub App: tokens for one step and one repository, and what happens when they are taken away meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from pullwright.agents.testing.endpoint_script import by_turn
from pullwright.agents.testing.scripted_endpoint import ScriptedEndpoint
from pullwright.agents.testing.scripted_model import Reply
from pullwright.integrations.testing.rehearsal import Rehearsal
from pullwright.integrations.testing.sample_repositories import SAMPLES
from tests.e2e.stage import Stage, fixing, prune

pytestmark = pytest.mark.docker

INVOICE = SAMPLES["invoice"]()


@dataclass
class Scene:
    """A stage where an App acts, and what happens there while the model thinks."""

    stage: Stage
    rehearsal: Rehearsal
    meanwhile: list[Callable[[], object]] = field(default_factory=list)

    @property
    def minted(self) -> list[Mapping[str, str]]:
        """The permissions of each token that was asked for."""
        asked = [seen.json() for seen in self.stage.forge.requests if seen.path.endswith("/access_tokens")]
        assert all(one.get("repositories") == ["invoice"] for one in asked)
        return [one["permissions"] for one in asked]


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    meanwhile: list[Callable[[], object]] = []
    replies = by_turn({"": fixing(INVOICE)})

    def script(request: Mapping[str, Any]) -> Reply:
        while meanwhile:
            meanwhile.pop()()
        return replies(request)

    with Rehearsal(tmp_path / "forge") as rehearsal, ScriptedEndpoint(script) as endpoint:
        rehearsal.forge.create_sample("acme", INVOICE)
        key = tmp_path / "app.pem"
        key.write_text(rehearsal.app.private_key)
        extra = {"AGENT_GITHUB_APP_ID": str(rehearsal.app.id), "AGENT_GITHUB_APP_PRIVATE_KEY_FILE": str(key)}
        yield Scene(
            Stage(folder=tmp_path, forge=rehearsal.forge, endpoint=endpoint, token="", extra=extra),
            rehearsal,
            meanwhile,
        )
        assert rehearsal.forge.violations == []
    prune(tmp_path / "agent-home")


def test_each_step_has_a_token_that_may_do_no_more(scene: Scene) -> None:
    ran = scene.stage.agent("run", "fix issue #42", cwd=scene.stage.clone(INVOICE))
    assert ran.code == 0, ran.err + ran.out
    [pull] = scene.stage.forge.pull_requests("acme", "invoice")
    assert pull.issue.author == scene.rehearsal.app.login
    writing = [sorted(name for name, level in one.items() if level == "write") for one in scene.minted]
    assert [names for names in writing if names] == [["contents"], ["issues", "pull_requests"]]
    assert writing[0] == []


def test_tokens_that_are_revoked_in_the_middle_are_replaced(scene: Scene) -> None:
    scene.meanwhile.append(scene.rehearsal.revoke_tokens)
    ran = scene.stage.agent("run", "fix issue #42", cwd=scene.stage.clone(INVOICE))
    assert ran.code == 0, ran.err + ran.out
    assert len(scene.stage.forge.pull_requests("acme", "invoice")) == 1


def test_an_app_that_is_removed_in_the_middle_is_said_so_and_the_work_is_kept(scene: Scene) -> None:
    stage, rehearsal = scene.stage, scene.rehearsal
    scene.meanwhile.append(lambda: rehearsal.forge.acts.apps.uninstall(rehearsal.installation))
    checkout = stage.clone(INVOICE)
    ran = stage.agent("run", "fix issue #42", "--json", cwd=checkout)
    assert ran.code == 1, ran.err + ran.out
    reason = ran.events[-1]["data"]["reason"]
    assert reason == "the GitHub App is not installed at 'acme/invoice' any more; install it there"
    assert "\n" not in reason
    task = ran.events[-1]["task"]
    assert stage.agent("diff", task, cwd=checkout).out.startswith("diff --git")
    assert stage.forge.pull_requests("acme", "invoice") == []
    rehearsal.forge.acts.apps.install(rehearsal.app, "acme", None)
    again = stage.agent("retry", task, cwd=checkout)
    assert again.code == 0, again.err
