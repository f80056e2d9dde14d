"""docs/jira.md, docs/linear.md and docs/sentry.md name every setting, and nothing that is not there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pullwright.cli.settings import Settings

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("tracker", ["jira", "linear", "sentry"])
def test_every_setting_is_named_and_exists(tracker: str) -> None:
    text = (ROOT / "docs" / f"{tracker}.md").read_text()
    named = {name.lower() for name in re.findall(r"AGENT_([A-Z_]+)", text)}
    there = {name for name in Settings.model_fields if name.startswith(f"{tracker}_")}
    assert there == named
    in_the_file = set(re.findall(rf"^\[*({tracker}_[a-z_]+)", text, re.MULTILINE))
    assert len(in_the_file) > 4
    assert in_the_file <= there


@pytest.mark.parametrize("tracker", ["jira", "linear", "sentry"])
def test_every_target_of_make_exists(tracker: str) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"make ([a-z-]+)", (ROOT / "docs" / f"{tracker}.md").read_text())) <= targets
