"""When schedules are due: compared with looking at every minute, and whatever the clocks of a place do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from hypothesis import assume, example, given
from hypothesis import strategies as st

from pullwright.agents.change import RepositoryRef
from pullwright.agents.errors import ConfigError
from pullwright.agents.schedule import (
    MAX_CATCH_UP_SECONDS,
    PUNCTUAL_SECONDS,
    FiringOutcome,
    Overlap,
    ScheduleSpec,
    decide,
    next_time,
    next_times,
    require_spec,
    task_for,
    what_is_due,
)
from pullwright.agents.task import TaskSpec

TEMPLATE = TaskSpec(instruction="x", repository=RepositoryRef(url="u", name="n"))
MINUTE = timedelta(minutes=1)


def field(low: int, high: int) -> st.SearchStrategy[str]:
    """Return one field of an expression: ``*``, ``*/n``, a number, a range or a list."""
    number = st.integers(low, high)
    steps = st.integers(1, high - low + 1).map(lambda step: f"*/{step}")
    ranges = st.tuples(number, number).map(sorted).map(lambda ends: f"{ends[0]}-{ends[1]}")
    lists = st.lists(number, min_size=1, max_size=4).map(lambda some: ",".join(map(str, some)))
    return st.one_of(st.just("*"), steps, number.map(str), ranges, lists)


days = st.one_of(st.just("* * *"), st.just("* * 1-5"), st.just("1 * *"), st.just("* 3,10 0"))
crons = st.tuples(field(0, 59), field(0, 23), days).map(" ".join)
fixed = st.tuples(
    st.integers(0, 59).map(str),
    st.lists(st.integers(0, 23), min_size=1, max_size=4).map(lambda h: ",".join(map(str, h))),
).map(lambda both: f"{both[0]} {both[1]} * * *")
zones = st.sampled_from(
    [
        "UTC",
        "Europe/Berlin",
        "America/New_York",
        "America/St_Johns",
        "Asia/Kolkata",
        "Africa/Cairo",
        "Australia/Lord_Howe",
    ]
)
CHANGES = [datetime(2026, 3, 29, tzinfo=UTC), datetime(2026, 10, 25, tzinfo=UTC), datetime(2026, 4, 24, tzinfo=UTC)]
moments = st.one_of(
    st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1)).map(lambda naive: naive.replace(tzinfo=UTC)),
    st.tuples(st.sampled_from(CHANGES), st.integers(-86_400, 86_400)).map(
        lambda both: both[0] + timedelta(seconds=both[1])
    ),
)


def spec(cron: str, tz: str = "UTC", catch_up: float = 0.0) -> ScheduleSpec:
    return ScheduleSpec(name="s", cron=cron, tz=tz, template=TEMPLATE, catch_up=catch_up)


@given(crons, zones, moments)
def test_times_only_go_forward_and_are_whole_minutes(cron: str, tz: str, after: datetime) -> None:
    times = next_times(spec(cron, tz), after, 50)
    assert len(times) == 50
    assert all(one < two for one, two in pairwise([after, *times]))
    assert all((at.second, at.microsecond, at.tzinfo) == (0, 0, UTC) for at in times)


@given(field(0, 59), field(0, 23), moments)
def test_in_utc_they_are_the_minutes_that_fit(minute: str, hour: str, after: datetime) -> None:
    found = next_times(spec(f"{minute} {hour} * * *"), after, 20)
    first = after.replace(second=0, microsecond=0) + MINUTE
    every = (first + number * MINUTE for number in range(int((found[-1] - first) / MINUTE) + 1))
    assert [at for at in every if fits(minute, at.minute, 60) and fits(hour, at.hour, 24)] == found


def fits(pattern: str, value: int, size: int) -> bool:
    """Say whether a field holds a value; written for this test only."""
    if pattern.startswith("*"):
        return value in range(0, size, int(pattern[2:] or 1))
    low, _, high = pattern.partition("-")
    return int(low) <= value <= int(high) if high else str(value) in pattern.split(",")


@given(fixed, zones, moments, st.integers(0, 172_800))
def test_fixed_times_do_not_depend_on_when_somebody_looks(cron: str, tz: str, after: datetime, seconds: int) -> None:
    later = after + timedelta(seconds=seconds)
    first = next_time(cron, tz, after)
    assert first is not None
    if first > later:
        assert next_time(cron, tz, later) == first


@given(st.integers(0, 23), st.integers(0, 59), zones, moments)
def test_a_fixed_time_comes_once_on_every_day(hour: int, minute: int, tz: str, after: datetime) -> None:
    """Whatever the clocks do; where they skip it, right after."""
    zone = ZoneInfo(tz)
    times = [at.astimezone(zone) for at in next_times(spec(f"{minute} {hour} * * *", tz), after, 12)]
    assert all((two.date() - one.date()).days == 1 for one, two in pairwise(times))
    for local in times:
        wanted = datetime(local.year, local.month, local.day, hour, minute)
        if wanted.replace(tzinfo=zone).astimezone(UTC).astimezone(zone).replace(tzinfo=None) == wanted:
            assert (local.replace(tzinfo=None), local.fold) == (wanted, 0)
        else:
            before = (local.astimezone(UTC) - MINUTE).astimezone(zone).replace(tzinfo=None)
            assert before < wanted < local.replace(tzinfo=None)


@given(crons, zones, moments, st.floats(0, 40 * 3600), st.floats(0, 30 * 3600))
@example("0 6 * * *", "UTC", datetime(2026, 1, 1, 5, tzinfo=UTC), 3600.0, 3600.0)
def test_the_latest_within_the_window_is_made_up_for(
    cron: str, tz: str, began: datetime, seconds: float, catch_up: float
) -> None:
    wanted = spec(cron, tz, catch_up)
    next_at = next_time(cron, tz, began)
    assert next_at is not None
    now = next_at + timedelta(seconds=seconds)
    due = what_is_due(wanted, next_at, now)
    every = [next_at, *next_times(wanted, next_at, 2500)]
    assume(every[-1] > now)
    opened = now - timedelta(seconds=max(catch_up, PUNCTUAL_SECONDS))
    assert due.at == max((at for at in every if opened <= at <= now), default=None)
    assert due.next_at == min(at for at in every if at > now)


@given(st.text(max_size=40), st.text(max_size=20), st.text(max_size=70), st.floats())
@example("0 0 30 2 *", "UTC", "s", 0.0)
@example("0 0 31 4,6,9,11 *", "Europe/Berlin", "s", 0.0)
@example("mon#1/2 * * * 5L/2", "Europe", "s", 0.0)
@example("* * LW/2 * ²L", "\x00", "s", 0.0)
@example("* * L-3 * 99999999999999999999", "/etc/localtime", "s", 0.0)
def test_whatever_is_typed_is_taken_or_refused_in_one_line(cron: str, tz: str, name: str, catch_up: float) -> None:
    typed = ScheduleSpec(name=name, cron=cron, tz=tz, template=TEMPLATE, catch_up=catch_up)
    try:
        require_spec(typed, datetime(2026, 1, 1, tzinfo=UTC))
    except ConfigError as exc:
        assert "\n" not in str(exc)
        assert len(str(exc)) < 400
    else:
        assert 0 <= catch_up <= MAX_CATCH_UP_SECONDS


@given(st.lists(st.sampled_from("0123456789*/-,LW#MONJAN "), max_size=20).map("".join))
def test_what_looks_like_an_expression_is_taken_or_refused(cron: str) -> None:
    try:
        found = next_time(f"{cron} * * *", "Europe/Berlin", datetime(2026, 1, 1, tzinfo=UTC))
    except ConfigError:
        return
    assert found is None or found > datetime(2026, 1, 1, tzinfo=UTC)


@given(st.sampled_from(Overlap), st.booleans(), moments)
def test_at_most_one_lives_where_none_may_overlap(overlap: Overlap, live: bool, at: datetime) -> None:
    outcome = decide(overlap, live=live)
    assert outcome.files or (overlap is Overlap.SKIP and live)
    assert (outcome is FiringOutcome.REPLACED) == (overlap is Overlap.REPLACE and live)
    wanted = ScheduleSpec(name="s", cron="* * * * *", template=TEMPLATE, overlap=overlap)
    keys = {task_for(wanted, moment).work_key for moment in (at, at + MINUTE)}
    assert len(keys) == (1 if overlap is Overlap.SKIP else 2)
