"""``agent deliveries`` as a person types it, and the same of GitHub alone."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import anyio
import pytest

import pullwright.integrations.generic.connection as generic
import pullwright.integrations.github.door as github
import pullwright.integrations.jira.door as jira
import pullwright.integrations.linear.door as linear
import pullwright.integrations.sentry.door as sentry
from pullwright.agents.ports.inbox import DeliveryStatus, NewDelivery
from pullwright.cli import wiring
from pullwright.cli.commands.deliveries import SOURCES
from pullwright.cli.settings import load_settings

NEW = NewDelivery(source="github", connection="main", key="k1", work_key="github.com/5#7", kind="WorkRequested")
JIRA = NewDelivery(source="jira", connection="main", key="k2", work_key="jira/SHOP-1", kind="Said", ignored="a bot")


def agent(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", "-m", "pullwright.cli", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert "Traceback" not in done.stderr, done.stderr
    return done


async def _receive(folder: Path) -> None:
    async with wiring.open_store(load_settings(folder)) as store:
        await store.receive(NEW)
        [taken] = await store.take("w1")
        reason = "only people\x1b[2J who may write\nto this repository can ask for work"
        await store.conclude(taken, DeliveryStatus.REFUSED, reason)
        await store.receive(JIRA)


@pytest.fixture
def received(tmp_path: Path) -> Path:
    """A folder whose store has a refused delivery of GitHub's, and after it an ignored one of Jira's."""
    anyio.run(_receive, tmp_path)
    return tmp_path


def sources(done: subprocess.CompletedProcess[str]) -> list[str]:
    assert done.returncode == 0, done.stderr
    rows: list[dict[str, Any]] = [json.loads(line) for line in done.stdout.splitlines()]
    return [row["source"] for row in rows]


def test_all_are_shown_the_newest_first(received: Path) -> None:
    later, earlier = agent(received, "deliveries").stdout.splitlines()
    assert "  jira  Said  jira/SHOP-1  ignored: a bot" in later
    assert "  github  WorkRequested  github.com/5#7  refused: only people" in earlier
    assert "\x1b" not in earlier
    row = json.loads(agent(received, "deliveries", "--json", "--limit", "1").stdout)
    assert (row["source"], row["key"], row["status"], row["reason"]) == ("jira", "k2", "ignored", "a bot")
    assert "content" not in row


def test_those_of_one_source_or_status_are_shown(received: Path) -> None:
    assert sources(agent(received, "deliveries", "--source", "GitHub", "--limit", "1", "--json")) == ["github"]
    assert sources(agent(received, "deliveries", "--status", "ignored", "--json")) == ["jira"]
    assert sources(agent(received, "deliveries", "--source", "jira", "--status", "refused", "--json")) == []
    assert sources(agent(received, "github", "deliveries", "--json")) == ["github"]
    assert sources(agent(received, "github", "deliveries", "--status", "ignored", "--json")) == []
    assert "`agent sentry setup` says" in agent(received, "deliveries", "--source", "sentry").stdout
    assert "`agent deliveries` shows what did" in agent(received, "deliveries", "--source", "generic").stdout


def test_where_nothing_came_it_is_said_what_to_look_at(tmp_path: Path) -> None:
    assert "`agent github setup`" in agent(tmp_path, "deliveries").stdout
    assert agent(tmp_path, "deliveries", "--json").stdout == ""


@pytest.mark.parametrize("option", ["--source", "--status"])
def test_what_there_is_not_is_one_line(tmp_path: Path, option: str) -> None:
    done = agent(tmp_path, "deliveries", option, "gihub")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"agent: {option} is one of ")
    assert done.stderr.endswith("not 'gihub'\n")


def test_every_source_can_be_asked_for() -> None:
    assert {generic.SOURCE, github.SOURCE, jira.SOURCE, linear.SOURCE, sentry.SOURCE} == set(SOURCES)
