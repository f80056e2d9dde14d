from __future__ import annotations

from pathlib import Path

from pullwright.agents.ports.sandbox import Base
from pullwright.agents.testing.contracts_store import a_spec
from pullwright.agents.worker.briefing import AGENTS_BYTES, brief

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
