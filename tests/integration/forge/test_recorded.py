"""Sequences recorded at the real GitHub, played to the forge: the same status codes, the same fields that we read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from pullwright.integrations.testing.contract_gate import contracts_folder
from pullwright.integrations.testing.forge import ADMIN_TOKEN
from pullwright.integrations.testing.forge_state import Repository
from pullwright.integrations.testing.rehearsal import Rehearsal
from tests.integration.forge.app_client import ask
from tests.means import NO_DOCUMENTS

FOLDER = contracts_folder() / "github" / "recorded"
READ = frozenset({"title", "body", "state", "number", "name", "ref", "message", "context", "description", "target_url"})
"""What the adapter reads of these documents, and whose values are not made up by each server."""
OWNER = "octokit-fixture-org"

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason=NO_DOCUMENTS)


@pytest.fixture
def rehearsal() -> Iterator[Rehearsal]:
    with Rehearsal(owner=OWNER) as running:
        yield running


def steps(name: str) -> list[dict[str, Any]]:
    found = json.loads((FOLDER / f"{name}.json").read_text())
    assert isinstance(found, list)
    return found


def play(rehearsal: Rehearsal, step: dict[str, Any], shas: dict[str, str]) -> tuple[int, Any]:
    text = json.dumps([step["path"], step.get("body") or None])
    for recorded, real in shas.items():
        text = text.replace(recorded, real)
    path, body = json.loads(text)
    answer = ask(rehearsal, step["method"].upper(), path.rstrip("/"), ADMIN_TOKEN, json=body)
    return answer.status_code, answer.json() if answer.content else ""


def read(document: Any) -> Any:
    if isinstance(document, list):
        return [read(item) for item in document]
    if not isinstance(document, dict):
        return {}
    return {key: value for key, value in document.items() if key in READ}


@pytest.mark.parametrize("name", ["add-labels-to-issue", "create-status", "lock-issue"])
def test_the_forge_answers_like_the_real_one(rehearsal: Rehearsal, name: str) -> None:
    made = rehearsal.repository(name, {"README.md": "x\n"})
    if name == "lock-issue":
        rehearsal.person("ann").open_issue(made, "Issue")
    shas = {f"{1:040d}": made.bare.require("refs/heads/main")}
    for step in steps(name):
        status, document = play(rehearsal, step, shas)
        assert status == step["status"], step["path"]
        assert read(document) == read(step["response"]), step["path"]


def test_references_like_the_real_ones(rehearsal: Rehearsal) -> None:
    made = rehearsal.repository("git-refs", {"README.md": "x\n"})
    first = made.bare.require("refs/heads/main")
    second = rehearsal.person("ann").push(made, "main", {"README.md": "y\n"})
    recorded = [step for step in steps("git-refs") if not step["path"].endswith("/refs/")]
    shas = {f"{1:040d}": second, f"{2:040d}": first}
    for step in recorded:
        status, document = play(rehearsal, step, shas)
        assert status == step["status"], step["path"]
        assert read(document) == read(step["response"]), step["path"]


def test_a_new_name_like_the_real_one(rehearsal: Rehearsal) -> None:
    made = rehearsal.repository("rename-repository", {"README.md": "x\n"})
    new_name(rehearsal, made)
    for step in steps("rename-repository")[1:]:
        if step["method"] == "patch" and step["status"] == 200:
            continue
        status, document = play(rehearsal, step, {"/repositories/1000": f"/repositories/{made.id}"})
        assert status == step["status"], step["path"]
        if status in (301, 307):
            assert set(document) == set(step["response"])
        assert read(document) == read(step["response"])


def new_name(rehearsal: Rehearsal, made: Repository) -> None:
    rehearsal.person(OWNER).rename_repository(made, "rename-repository-newname")
