"""docs/github.md names only what there is, and every command of the bot."""

from __future__ import annotations

import re
from pathlib import Path

from pullwright.cli.github_group import github
from pullwright.cli.settings import Settings
from pullwright.integrations.commands import Verb
from pullwright.integrations.github.setup_check import needed_permissions

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "docs" / "github.md").read_text()


def test_every_setting_exists_and_every_one_of_github_is_named() -> None:
    named = {name.lower() for name in re.findall(r"AGENT_([A-Z_]+)", TEXT)}
    assert named <= set(Settings.model_fields)
    assert {name for name in Settings.model_fields if name.startswith("github_")} <= named


def test_every_command_is_there_and_every_one_that_there_is_is_said() -> None:
    there = {command.name or command.callback.__name__ for command in github.registered_commands if command.callback}
    assert set(re.findall(r"agent github ([a-z]+)", TEXT)) == there


def test_the_verbs_are_those_of_the_grammar() -> None:
    assert set(re.findall(r"^\| `/agent ([a-z]+)", TEXT, re.MULTILINE)) == set(Verb)


def test_every_permission_is_in_the_table() -> None:
    rows = re.findall(r"^\| ([A-Z][a-z ]+) \| read", TEXT, re.MULTILINE)
    titles = {"statuses": "Commit statuses", "pull_requests": "Pull requests"}
    assert {titles.get(name, name.capitalize()) for name in needed_permissions(["workflows"])} == set(rows)


def test_every_file_that_it_links_to_exists() -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", TEXT)
    assert len(links) > 2
    assert [link for link in links if not (ROOT / "docs" / link).exists()] == []
