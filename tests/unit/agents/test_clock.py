"""Moments that others name."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pullwright.agents.clock import in_utc

zones = st.timedeltas(min_value=timedelta(hours=-23, minutes=-59), max_value=timedelta(hours=23, minutes=59)).map(
    timezone
)


@pytest.mark.parametrize(
    "text",
    [
        "9999-12-31T23:59:59-23:00",
        "9999-12-31T23:59:59+00:00",
        "9999-12-31T23:59:59+14:00",
        "0001-01-01T00:00:00+23:00",
        "0001-01-01T00:00:00+00:00",
    ],
)
def test_what_is_no_date_somewhere_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="too far away"):
        in_utc(datetime.fromisoformat(text))


@given(st.datetimes(timezones=zones), zones)
def test_the_others_are_the_same_moment_and_have_a_date_everywhere(moment: datetime, zone: timezone) -> None:
    try:
        found = in_utc(moment)
    except ValueError:
        assert not 2 <= moment.year <= 9998
        return
    assert (found, found.tzinfo) == (moment, UTC)
    assert found.astimezone(zone) == moment
