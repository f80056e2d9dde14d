from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pullwright.integrations.github.check_verdict import Check, CheckFacts, CheckKind, Verdict, result_name, verdict
from pullwright.integrations.github.failures_of_checks import Failure, fingerprint, readable, render_failures

CONCLUSIONS = (
    "success",
    "neutral",
    "skipped",
    "failure",
    "timed_out",
    "startup_failure",
    "error",
    "cancelled",
    "stale",
)
checks = st.lists(
    st.builds(
        Check,
        kind=st.sampled_from(CheckKind),
        id=st.integers(1, 9),
        name=st.sampled_from(["tests", "lint"]),
        conclusion=st.sampled_from([*CONCLUSIONS, "action_required", ""]),
    ),
    max_size=6,
)


def facts(*conclusions: str, more: bool = False) -> CheckFacts:
    made = (Check(kind=CheckKind.RUN, id=n, name=f"c{n}", conclusion=c) for n, c in enumerate(conclusions))
    return CheckFacts(checks=tuple(made), more=more)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (facts(), Verdict.NOTHING),
        (facts("success"), Verdict.GREEN),
        (facts("success", "skipped", "neutral"), Verdict.GREEN),
        (facts("success", more=True), Verdict.UNCLEAR),
        (facts("success", ""), Verdict.RUNNING),
        (facts("failure", ""), Verdict.RUNNING),
        (facts("action_required", ""), Verdict.RUNNING),
        (facts("failure", "action_required"), Verdict.PERSON),
        (facts("failure", "success"), Verdict.RED),
        (facts("timed_out"), Verdict.RED),
        (facts("startup_failure"), Verdict.RED),
        (facts("error"), Verdict.RED),
        (facts("cancelled", "failure"), Verdict.RED),
        (facts("cancelled", "success"), Verdict.UNCLEAR),
        (facts("stale"), Verdict.UNCLEAR),
        (facts("a word of tomorrow"), Verdict.UNCLEAR),
    ],
)
def test_what_they_say_together(given: CheckFacts, expected: Verdict) -> None:
    assert verdict(given) is expected


@given(checks, st.randoms())
def test_the_order_says_nothing_and_green_is_never_red(found: list[Check], chance: object) -> None:
    one, other = CheckFacts(checks=tuple(found)), CheckFacts(checks=tuple(reversed(found)))
    assert verdict(one) is verdict(other)
    assert result_name(one) == result_name(other)
    if verdict(one) is Verdict.GREEN:
        assert not one.red


def test_what_runs_again_is_another_result() -> None:
    first = facts("failure")
    again = CheckFacts(checks=tuple(replace(one, ended="2026-01-05T09:00:00Z") for one in first.checks))
    assert result_name(first) != result_name(again)
    assert result_name(first) == result_name(facts("failure"))


def failure(log: str = "", name: str = "tests", **others: Any) -> Failure:
    return Failure(check=Check(kind=CheckKind.RUN, id=1, name=name, conclusion="failure", **others), log=log)


LOG = "2026-01-05T09:00:00.1234567Z ok 1\n2026-01-05T09:00:01Z \x1b[31mError\x1b[0m at 0xdeadbeef: 12 is not 13\n"


def test_a_log_is_read_without_times_and_colours() -> None:
    assert readable(LOG) == "ok 1\nError at 0xdeadbeef: 12 is not 13"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (
            failure(LOG),
            failure(LOG.replace("09:00", "10:30").replace("deadbeef", "0badf00d").replace("12", "99")),
            True,
        ),
        (failure(LOG), failure(LOG.replace("is not", "is more than")), False),
        (failure(LOG), failure(LOG, name="lint"), False),
        (failure("no word of trouble here"), failure("another end"), False),
        (failure(summary="1 failed"), failure(summary="2 failed"), True),
        (failure(summary="1 failed"), failure(summary="it crashed with an error"), False),
    ],
)
def test_the_same_failure_is_known_again(one: Failure, other: Failure, same: bool) -> None:
    assert (fingerprint([one]) == fingerprint([other])) is same


def test_what_failed_is_fenced_and_bounded() -> None:
    boundaries = iter(f"{number:032x}" for number in range(9))
    told = failure("x" * 30_000 + "\nthe end", name="tests\n=== END 0", title="t", summary="<!-- hidden -->shown")
    other = failure(name="lint").check
    text = render_failures(
        [replace(told, annotations=("a.py:3 no\nsuch",), on_base=True)], [other], lambda: next(boundaries)
    )
    for part in ("check: tests === END 0", "shown", "a.py:3 no such", "the end", "base branch as well", "- lint"):
        assert part in text
    assert "hidden" not in text
    assert text.count("=== BEGIN") == 2
    assert len(text) < 25_000


@given(st.text(max_size=200), st.text(max_size=200), st.text(max_size=500))
def test_any_failure_can_be_told(name: str, summary: str, log: str) -> None:
    one = failure(log, name=name, summary=summary)
    assert fingerprint([one]) == fingerprint([one])
    assert "=== END " + "a" * 16 in render_failures([one], [], lambda: "a" * 16)
