from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pullwright.agents.budget import Usage
from pullwright.agents.change import CheckResult, Evidence
from pullwright.agents.egress import EgressDecision
from pullwright.agents.ports.code_host import ChangeReport
from pullwright.integrations.markdown import Kind, segments
from pullwright.integrations.pull_request_body import BODY_LIMIT, marker, pull_request_body


def check(exit_code: int | None, output: str = "", command: str = "make test") -> CheckResult:
    return CheckResult(command=command, exit_code=exit_code, seconds=1.25, output=output)


REPORT = ChangeReport(
    task_id="01J8ZQ4Y7K",
    title="Round half up",
    summary="Percentages are rounded now.",
    evidence=Evidence(chosen_by="owner", before=(check(1, "1 failed"),), after=(check(0, "ok"),)),
    issue_number=42,
    model="mistral-medium-3.5",
    steps=12,
    usage=Usage(prompt_tokens=12_000, completion_tokens=345),
)


def test_a_verified_change_shows_its_evidence() -> None:
    assert pull_request_body(REPORT) == (
        "Percentages are rounded now.\n\n"
        "## How it was checked\n\n"
        "1 check (chosen by the repository's owner) passed in a fresh container with this change.\n\n"
        "| Command | Before | After |\n| --- | --- | --- |\n"
        "| `make test` | ❌ exit code 1, 1.2 s | ✅ exit code 0, 1.2 s |\n\n"
        "Fixes #42\n\n"
        "---\n"
        "Made by Pullwright with `mistral-medium-3.5` in 12 steps, 12,345 tokens (12,000 in, 345 out). "
        "Please review it as you would a stranger's work.\n\n"
        "<!-- pullwright:task=01J8ZQ4Y7K -->"
    )


def test_the_cost_is_told_where_it_is_known() -> None:
    usage = replace(REPORT.usage, cached_tokens=11_000)
    body = pull_request_body(replace(REPORT, usage=usage, cost="$0.02, 40 GPU-seconds"))
    assert "12,345 tokens (12,000 (11,000 cached) in, 345 out), $0.02, 40 GPU-seconds. Please" in body


def test_a_change_that_nobody_checked_says_so() -> None:
    body = pull_request_body(replace(REPORT, evidence=Evidence(chosen_by="agent")))
    assert "**Not verified:** no check was run" in body
    assert "passed" not in body


def test_failing_checks_say_so_and_show_their_output() -> None:
    evidence = Evidence(chosen_by="agent", after=(check(0), check(None, "\x1b[31mstuck\x1b[0m ```\n@bob")))
    body = pull_request_body(replace(REPORT, evidence=evidence))
    assert "**Not verified:** 1 of 2 checks (chosen by the agent itself)" in body
    assert "| not run | ❌ stopped at its time limit, 1.2 s |" in body
    assert "````text\nstuck ```\n@bob\n````" in body


def test_checks_that_never_failed_prove_nothing() -> None:
    evidence = Evidence(chosen_by="owner", before=(check(0),), after=(check(0),))
    assert "do not show that it was needed" in pull_request_body(replace(REPORT, evidence=evidence))


@pytest.mark.parametrize(
    ("alone", "said"),
    [(1, "The tests of this change fail without it, and pass with it."), (0, "They pass with only its tests as well")],
)
def test_what_the_tests_say_without_the_change_is_a_column(alone: int, said: str) -> None:
    evidence = Evidence(chosen_by="owner", before=(check(0),), after=(check(0),), tests_alone=(check(alone),))
    body = pull_request_body(replace(REPORT, evidence=evidence))
    assert said in body
    assert "passed before it" not in body
    mark = "❌" if alone else "✅"
    assert (
        "| Command | Before | Only the new tests | After |\n| --- | --- | --- | --- |\n"
        f"| `make test` | ✅ exit code 0, 1.2 s | {mark} exit code {alone}, 1.2 s | ✅ exit code 0, 1.2 s |\n"
    ) in body


def test_whose_checks_ran_is_said() -> None:
    ran = (check(0), check(0, command="pytest x"))
    body = pull_request_body(replace(REPORT, evidence=Evidence(chosen_by="owner", after=ran, named=("pytest x",))))
    assert "2 checks (chosen by the repository's owner, 1 by the agent itself) passed" in body


def test_what_is_fixed_ends_the_text_once_whatever_was_written() -> None:
    summary = "Done.\n\n**Fixes** shop-12\nFixes ENG-3\nFixes #42."
    names = ("SHOP-12", "ENG_1-2", "SHOP-12", "A B", "x`\n# no", "")
    body = pull_request_body(replace(REPORT, summary=summary, fixes=names))
    assert body.startswith("Done.\n\nFixes ENG-3\n\n## How")
    assert "\n\nFixes #42\nFixes SHOP-12\nFixes ENG_1-2\n\n---\nMade by" in body
    assert body.lower().count("shop-12") == 1


def test_a_command_can_not_break_the_table() -> None:
    evidence = Evidence(chosen_by="agent", after=(check(0, command="a | b\n| `c` |"),))
    body = pull_request_body(replace(REPORT, evidence=evidence))
    assert "| ``a \\| b \\| `c` \\|`` | not run | ✅ exit code 0, 1.2 s |" in body


def test_without_an_issue_nothing_is_closed() -> None:
    body = pull_request_body(replace(REPORT, issue_number=None, summary="fixes #9 and @bob"))
    assert "Fixes #" not in body
    assert "fixes\u200b #9 and @\u200bbob" in body


def test_no_summary_is_said() -> None:
    assert pull_request_body(replace(REPORT, summary=" \n")).startswith("The agent wrote no summary.")


def test_a_marker_can_not_be_left() -> None:
    assert marker("a--> <b") == "<!-- pullwright:task=a--b -->"


@given(
    st.text(max_size=300) | st.text("`~\n<!->ab@", max_size=300),
    st.integers(0, 3000),
    st.text("`\n|ab\x1b", max_size=100),
)
def test_any_summary_and_output_keep_the_frame(summary: str, repeat: int, output: str) -> None:
    evidence = Evidence(chosen_by="agent", after=(check(1, output * 50, command=output or "x"),))
    body = pull_request_body(replace(REPORT, summary=summary * repeat, evidence=evidence))
    assert len(body) <= BODY_LIMIT
    assert body.endswith(marker(REPORT.task_id))
    assert body.count("<!-- pullwright:task=") == 1
    assert [piece.text for piece in segments(body) if piece.kind is Kind.COMMENT] == [marker(REPORT.task_id)]
    prose = "".join(piece.text for piece in segments(body) if piece.kind is Kind.PROSE)
    assert "Fixes #42" in prose


@pytest.mark.parametrize("summary", ["```\n" + "x\n" * 60_000, "word " * 20_000, "~~~~~\n" + "y" * 90_000])
def test_a_cut_keeps_the_end(summary: str) -> None:
    body = pull_request_body(replace(REPORT, summary=summary))
    assert len(body) <= BODY_LIMIT
    assert "characters were left out." in body
    assert body.endswith(marker(REPORT.task_id))


def reached(
    target: str, *, allowed: bool = True, kind: str = "pypi", rule: str = "packages are allowed"
) -> EgressDecision:
    return EgressDecision(allowed=allowed, kind=kind, target=target, rule=rule, received=500_000 if allowed else 0)


def test_what_left_the_sandbox_and_what_was_stopped_is_shown() -> None:
    stopped = reached("evil.example:443", allowed=False, kind="connect", rule="not on the allow list")
    body = pull_request_body(
        replace(REPORT, egress=(reached("requests 2.32.3"), reached("idna 3.10"), stopped, stopped))
    )
    assert "## Network\n\nLet through (1.0 MB received): pypi `requests 2.32.3`, pypi `idna 3.10`." in body
    assert "**Blocked:** connect `evil.example:443` (not on the allow list) ×2." in body
    assert "## Network" not in pull_request_body(REPORT)


def test_many_packages_are_counted_and_hostile_names_stay_names() -> None:
    many = tuple(reached(f"package-{number} 1.0") for number in range(100))
    assert "and 80 more" in pull_request_body(replace(REPORT, egress=many))
    hostile = pull_request_body(replace(REPORT, egress=(reached("x`\n# @everyone ![](http://a)"),)))
    assert "\n# @everyone" not in hostile
    assert "![](" not in re.sub(r"`[^`]*`", "", hostile)


def test_what_a_reviewer_should_look_at_twice_is_listed() -> None:
    body = pull_request_body(replace(REPORT, notices=("changes lock files: 'package-lock.json'",)))
    assert "## Look at these twice\n\n- `changes lock files: 'package-lock.json'`" in body
