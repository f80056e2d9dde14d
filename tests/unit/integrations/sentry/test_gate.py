"""The gate: what passes, and that every no has its reason."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pullwright.integrations.sentry.event_reading import read_event
from pullwright.integrations.sentry.gate import LEVELS, GateRules, IssueFacts, judge_event, judge_issue
from pullwright.integrations.sentry.incident import Incident
from tests.unit.integrations.sentry.samples import BROKEN, ISSUE, NOW, ROUTE, RULES, event, frame, issue, raised

GOOD = read_event(BROKEN)
OLD = NOW - timedelta(days=40)


@pytest.mark.parametrize(
    ("facts", "rules", "reason"),
    [
        ({"project": "other"}, {}, "no repository is configured for the project 'other'"),
        ({"status": "resolved"}, {}, "the issue is resolved"),
        ({"status": "ignored"}, {}, "the issue is ignored"),
        ({"events": 4}, {"min_events": 5}, "it happened 4 times, and 5 are asked for"),
        ({"level": "warning"}, {}, "its level is 'warning', and 'error' is asked for"),
        ({"first_seen": OLD}, {"longest_known": timedelta(days=30)}, "it was first seen more than 30 days ago"),
        ({"last_seen": OLD}, {}, "it was not seen for 14 days"),
        ({}, {"environments": frozenset({"b", "a"})}, "in the environment 'production', and only 'a', 'b' count"),
    ],
)
def test_what_does_not_pass(facts: dict[str, Any], rules: dict[str, Any], reason: str) -> None:
    verdict = judge_event(issue(**facts), GOOD, replace(RULES, **rules), NOW)
    assert len(verdict.reasons) == 1
    assert reason in verdict.reason


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (event(), "its event has no stack"),
        (event(raised("E", "x")), "its event has no stack"),
        (event(raised("E", "x", frame("f", 1, in_app=False))), "no frame of its stack is in your own code"),
        (event(raised("E", "x", frame("f", 1, filename="app.min.js"))), "its frames are minified"),
        (event(raised("E", "x", frame("f", 1, colno=90_000))), "its frames are minified"),
        (event(raised("E", "x", frame("f", 1, context_line="x" * 900))), "its frames are minified"),
        ({}, "its event has no stack"),
    ],
)
def test_frames_of_our_own_code_are_needed_whoever_asks(document: dict[str, Any], reason: str) -> None:
    for asked in (False, True):
        verdict = judge_event(ISSUE, read_event(document), RULES, NOW, asked=asked)
        assert reason in verdict.reason


def test_where_no_frame_says_whose_it_is_all_count() -> None:
    unknown = read_event(event(raised("E", "x", frame("f", 1, in_app=None))))
    assert judge_event(ISSUE, unknown, RULES, NOW).passed


def test_one_that_came_back_is_news_however_old() -> None:
    rules = replace(RULES, longest_known=timedelta(days=30))
    assert not judge_issue(issue(first_seen=OLD), rules, NOW).passed
    assert judge_issue(issue(first_seen=OLD, substatus="regressed"), rules, NOW).passed


FACTS = st.builds(
    IssueFacts,
    id=st.just("1"),
    project=st.sampled_from(["shop", "other", ""]),
    status=st.sampled_from(["unresolved", "resolved", "ignored", "x"]),
    substatus=st.sampled_from(["", "regressed", "new"]),
    level=st.sampled_from([*LEVELS, "", "odd"]),
    events=st.integers(0, 50),
    first_seen=st.none() | st.datetimes().map(lambda moment: moment.replace(tzinfo=NOW.tzinfo)),
    last_seen=st.none() | st.datetimes().map(lambda moment: moment.replace(tzinfo=NOW.tzinfo)),
)
ALL_RULES = st.builds(
    GateRules,
    routes=st.just({"shop": ROUTE}),
    min_events=st.integers(0, 50),
    longest_known=st.none() | st.timedeltas(min_value=timedelta(0)),
    longest_quiet=st.none() | st.timedeltas(min_value=timedelta(0)),
    environments=st.frozensets(st.sampled_from(["production", "staging", ""])),
    lowest_level=st.sampled_from(LEVELS),
)
INCIDENTS = st.sampled_from([GOOD, Incident(), read_event(event(raised("E", "x", frame("f", 1, in_app=False))))])


@given(facts=FACTS, rules=ALL_RULES, incident=INCIDENTS)
def test_every_no_has_a_reason_and_every_yes_a_place(facts: IssueFacts, rules: GateRules, incident: Incident) -> None:
    first, verdict = judge_issue(facts, rules, NOW), judge_event(facts, incident, rules, NOW)
    asked = judge_event(facts, incident, rules, NOW, asked=True)
    for one in (first, verdict, asked):
        assert one.passed == (one.reasons == ())
        assert all(one.reasons) and len(set(one.reasons)) == len(one.reasons)
        assert one.route is not None or not one.passed
    assert first.passed or not verdict.passed
    assert set(first.reasons) <= set(verdict.reasons)
    assert set(asked.reasons) <= set(verdict.reasons)


@given(facts=FACTS, rules=ALL_RULES, more=st.integers(0, 100))
def test_more_of_it_never_turns_a_yes_into_a_no(facts: IssueFacts, rules: GateRules, more: int) -> None:
    if judge_event(facts, GOOD, rules, NOW).passed:
        assert judge_event(replace(facts, events=facts.events + more), GOOD, rules, NOW).passed
        assert judge_event(facts, GOOD, replace(rules, environments=frozenset()), NOW).passed


def test_a_path_of_a_frame_is_mapped_to_the_repository() -> None:
    assert ROUTE.path("/srv/app/shop/cart.py") == "src/shop/cart.py"
    assert ROUTE.path("/usr/lib/python3/x.py") == ""
    assert replace(ROUTE, stack_root="").path("/srv/app/x") == ""
