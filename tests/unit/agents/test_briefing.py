from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pullwright.agents.ports.sandbox import Base
from pullwright.agents.testing.contracts_store import a_spec
from pullwright.agents.worker.briefing import AGENTS_BYTES, branch_name, brief

BASE = Base(mirror=Path("/m"), ref="main", sha="a" * 40)


def test_the_first_message_holds_instruction_rules_checks_and_context_in_that_order() -> None:
    spec = a_spec(instruction="fix $it ${now}", context="<untrusted>x</untrusted>", checks=("make test",))
    system, user = brief(spec, BASE, b"Use tabs.")
    parts = ["fix $it ${now}", "Use tabs.", "make test", "<untrusted>"]
    assert sorted(parts, key=user.index) == parts
    assert "sandbox without network" in system


def test_without_rules_checks_and_context_nothing_is_said_about_them() -> None:
    _, user = brief(a_spec(checks=()), BASE, None)
    assert "AGENTS.md" not in user
    assert "<checks>" not in user


def test_a_huge_agents_file_is_cut_and_says_so() -> None:
    _, user = brief(a_spec(), BASE, b"\xc3\xa9" * AGENTS_BYTES)
    assert len(user.encode()) < AGENTS_BYTES + 1000
    assert "cut after" in user


def test_prompts_are_small() -> None:
    system, user = brief(a_spec(), BASE, None)
    assert len(system) + len(user) < 5000


@given(st.text(max_size=200), st.integers(0, 10**9))
def test_a_branch_is_always_a_valid_ref(title: str, issue: int) -> None:
    name = branch_name(a_spec(issue_number=issue), title, "01k" + "x" * 23)
    assert re.fullmatch(r"agent/(\d+-)?[a-z0-9]+(-[a-z0-9]+)*", name)
    assert len(name) <= 100


@pytest.mark.parametrize(
    ("title", "issue", "expected"), [("Fix: a *bug*", 42, "agent/42-fix-a-bug-"), ("…", None, "agent/change-")]
)
def test_a_branch_says_what_it_is_about(title: str, issue: int | None, expected: str) -> None:
    spec = a_spec(issue_number=issue)
    assert branch_name(spec, title, "0" * 18 + "abcdefgh") == f"{expected}abcdefgh"
