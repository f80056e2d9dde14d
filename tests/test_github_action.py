"""The action, the example workflow and the issue form: well-formed, frugal, and closed to what people write."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from pullwright.cli.settings import Settings

ROOT = Path(__file__).parent.parent
ACTION = ROOT / "deploy" / "github-action" / "action.yml"
EXAMPLE = ROOT / "examples" / "github_action" / ".github"
WORKFLOW = EXAMPLE / "workflows" / "agent.yml"
FORM = EXAMPLE / "ISSUE_TEMPLATE" / "agent.yml"

_EXPRESSION = re.compile(r"\$\{\{(.*?)\}\}", re.DOTALL)


def read(path: Path) -> dict[Any, Any]:
    found = yaml.safe_load(path.read_text())
    assert isinstance(found, dict)
    return found


def steps(document: dict[Any, Any]) -> Iterator[dict[str, Any]]:
    yield from document.get("runs", {}).get("steps", ())
    for job in document.get("jobs", {}).values():
        yield from job["steps"]


@pytest.mark.parametrize("path", [ACTION, WORKFLOW], ids=lambda path: path.name)
def test_nothing_is_put_into_a_shell_by_interpolation(path: Path) -> None:
    """A title such as ``$(curl …)`` would be run; GitHub replaces expressions before the shell sees the line."""
    commands = [step["run"] for step in steps(read(path)) if "run" in step]
    assert [found for command in commands for found in _EXPRESSION.findall(command)] == []


@pytest.mark.parametrize("path", [ACTION, WORKFLOW], ids=lambda path: path.name)
def test_what_people_write_is_in_no_variable(path: Path) -> None:
    given = [
        str(value) for step in steps(read(path)) for key in ("env", "with") for value in step.get(key, {}).values()
    ]
    used = [found.strip() for value in given for found in _EXPRESSION.findall(value)]
    allowed = re.compile(r"(inputs\.[a-z-]+|runner\.temp|github\.(api_url|token)|vars\.[A-Z_]+|secrets\.[A-Z_]+)")
    assert [one for one in used if not allowed.fullmatch(one)] == []


def test_the_action_sets_only_settings_that_there_are() -> None:
    variables = {name for step in steps(read(ACTION)) for name in step.get("env", {}) if name.startswith("AGENT_")}
    assert "AGENT_GITHUB_TOKEN" in variables
    assert {name.removeprefix("AGENT_").lower() for name in variables} <= set(Settings.model_fields)


def test_every_input_is_used_and_said() -> None:
    action = read(ACTION)
    assert all(one["description"] for one in action["inputs"].values())
    assert {name for name in action["inputs"] if f"inputs.{name}" not in ACTION.read_text()} == set()
    assert set(next(steps(read(WORKFLOW)))["with"]) <= set(action["inputs"])
    assert action["inputs"]["github-token"]["default"] == "${{ github.token }}"


def test_every_step_of_the_action_has_a_shell_and_uses_nobody_elses_action() -> None:
    assert action_steps() == [("run", "bash"), ("run", "bash")]


def action_steps() -> list[tuple[str, str]]:
    return [("uses" if "uses" in step else "run", step.get("shell", "")) for step in steps(read(ACTION))]


def test_the_workflow_may_do_the_least_and_hears_of_nothing_from_forks() -> None:
    workflow = read(WORKFLOW)
    triggers = workflow[True]  # YAML 1.1 reads "on" as a boolean
    assert triggers == {"issues": {"types": ["labeled"]}, "issue_comment": {"types": ["created"]}}
    assert workflow["permissions"] == {"contents": "write", "issues": "write", "pull-requests": "write"}
    (job,) = workflow["jobs"].values()
    assert "permissions" not in job
    assert job["timeout-minutes"] <= 90
    assert "sender.type == 'User'" in job["if"]


def test_the_form_asks_and_sets_the_label() -> None:
    form = read(FORM)
    assert form["labels"] == [Settings().github_label]
    ids = [part["id"] for part in form["body"] if "id" in part]
    assert len(ids) == len(set(ids)) >= 3
    assert {part["type"] for part in form["body"]} <= {"markdown", "textarea", "input", "dropdown", "checkboxes"}
    assert all(part["attributes"].get("label") for part in form["body"] if part["type"] != "markdown")
