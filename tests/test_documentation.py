from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

from pullwright.agents.events import ChangePublished, RunEvent, to_data
from pullwright.agents.testing.contracts_store import every_event, finished
from pullwright.cli.server.tasks import Filing, task_routes
from pullwright.cli.settings import Settings

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def test_every_setting_that_the_readme_names_exists() -> None:
    named = set(re.findall(r"AGENT_([A-Z_]+)", README))
    assert named
    assert {name.lower() for name in named} <= set(Settings.model_fields)


def test_the_stable_settings_exist() -> None:
    stable = {
        "home",
        "database_url",
        "endpoint_url",
        "endpoint_profile",
        "endpoint_key",
        "model",
        "reasoning_effort",
        "github_token",
        "github_api_url",
    }
    assert stable <= set(Settings.model_fields)


def test_every_file_that_the_readme_links_to_exists() -> None:
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", README) if "://" not in link]
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_every_proof_that_the_readme_names_is_a_test() -> None:
    named = set(re.findall(r"`(test_[a-z_]+)`", README))
    tests = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    assert len(named) > 20
    assert {name for name in named if not re.search(rf"def {name}\(", tests)} == set()


def test_every_make_target_that_the_readme_names_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`?make ([a-z-]+)", README)) <= targets


@pytest.mark.parametrize("option", re.findall(r"`(--[a-z-]+)", README.split("| `agent run` | |")[1].split("\n\n")[0]))
def test_every_option_that_the_readme_names_is_in_the_help(option: str) -> None:
    assert option in help_of("run")


def test_every_command_that_the_readme_names_is_in_the_help() -> None:
    commands = set(re.findall(r"(?:`|\$ |^)agent ([a-z]+)\b", README, re.MULTILINE))
    assert {command for command in commands if command not in help_of()} == set()


def help_of(*command: str) -> str:
    arguments = [sys.executable, "-P", "-m", "pullwright.cli", *command, "--help"]
    roots = [str(ROOT / name) for name in ("agents", "sandbox", "integrations", "cli")]
    # The tree that this file is in, whatever else is installed.
    environment = {"COLUMNS": "200", "PYTHONPATH": os.pathsep.join(roots)}
    return subprocess.run(arguments, capture_output=True, text=True, check=True, env=environment).stdout


def test_every_event_and_each_of_its_fields_is_documented() -> None:
    rows = {
        line.split("|")[1].strip(" `"): line
        for line in (ROOT / "docs" / "events.md").read_text().splitlines()
        if line.startswith("| `")
    }
    shown = [*every_event(), ChangePublished(branch="b"), finished("succeeded")]
    assert set(rows) == {event.type for event in shown} == {kind.type for kind in get_args(RunEvent)}
    for event in shown:
        assert [name for name in to_data(event) if f"`{name}`" not in rows[event.type]] == []


def test_every_field_and_path_of_the_api_is_documented() -> None:
    text = (ROOT / "docs" / "api.md").read_text()
    table = text.split("| field | |")[1].split("\n\n")[0]
    assert set(re.findall(r"`([a-z_]+)`", table)) - {"true", "false"} == set(Filing.model_fields)
    routes = task_routes(*[None] * 4).routes  # type: ignore[arg-type]
    ends = {str(getattr(route, "path", "")).rpartition("}")[2] or "/api/tasks" for route in routes}
    assert {end for end in ends if end not in text} == set()
