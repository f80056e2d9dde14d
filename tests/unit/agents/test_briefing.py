from __future__ import annotations

from pathlib import Path

from pullwright.agents.egress import EgressMode, EgressPolicy
from pullwright.agents.environment import Environment
from pullwright.agents.ports.sandbox import Base
from pullwright.agents.testing.contracts_store import a_spec
from pullwright.agents.worker.briefing import AGENTS_BYTES, brief

BASE = Base(mirror=Path("/m"), ref="main", sha="a" * 40)


def test_the_first_message_holds_instruction_rules_checks_and_context_in_that_order() -> None:
    spec = a_spec(instruction="fix $it ${now}", context="<untrusted>x</untrusted>", checks=("make test",))
    system, user = brief(spec, BASE, b"Use tabs.")
    parts = ["fix $it ${now}", "Use tabs.", "make test", "<untrusted>"]
    assert sorted(parts, key=user.index) == parts
    assert "a sandbox that reaches only what the task says" in system
    assert "pip, uv and npm can install packages from their registries. There is no other network." in user


def test_the_model_is_told_what_it_can_reach() -> None:
    for policy, told in (
        (EgressPolicy(mode=EgressMode.NONE), "there is no network"),
        (EgressPolicy(mode=EgressMode.ALLOWLIST, hosts=("a.example", "b.example")), "only: a.example, b.example."),
        (EgressPolicy(mode=EgressMode.OPEN), "any public host"),
    ):
        assert told in brief(a_spec(), BASE, None, Environment(egress=policy))[1]


def test_the_model_is_told_that_somebody_answers_and_approves_only_where_that_is_so() -> None:
    for options, told in (
        ({}, ()),
        ({"may_ask": True}, ("`ask`",)),
        ({"may_ask": True, "approve_plan": True}, ("`ask`", "approved")),
    ):
        system, user = brief(a_spec(**options), BASE, None)
        assert all(words in user for words in told)
        assert ("Do not wait for people" in system, "a person answers questions" in system) == (not told, bool(told))
        assert ("approved" in user, "a person answers:" in user) == ("approved" in told, bool(told))


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
