"""When clocks change, and in words that people type."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from pullwright.agents.change import RepositoryRef
from pullwright.agents.schedule import ScheduleSpec, next_times
from pullwright.agents.task import TaskSpec

SPRING, AUTUMN = datetime(2026, 3, 29, tzinfo=UTC), datetime(2026, 10, 25, tzinfo=UTC)
"""In Berlin, 02:00 to 03:00 is skipped an hour after the one, and repeated half an hour before the other ends."""


@pytest.mark.parametrize(
    ("cron", "after", "expected"),
    [
        ("30 2 * * *", SPRING, ["29 03:00+0200", "30 02:30+0200"]),
        ("0,30 2-3 * * *", SPRING, ["29 03:00+0200", "29 03:30+0200", "30 02:00+0200"]),
        ("*/30 * * * *", SPRING, ["29 01:30+0100", "29 03:00+0200", "29 03:30+0200"]),
        ("30 2 * * *", AUTUMN, ["25 02:30+0200", "26 02:30+0100"]),
        ("0 3 * * *", AUTUMN, ["25 03:00+0100", "26 03:00+0100"]),
        ("30 * * * *", AUTUMN, ["25 02:30+0200", "25 02:30+0100", "25 03:30+0100"]),
        ("0 0 13 * FRI", AUTUMN, ["30 00:00+0100", "06 00:00+0100", "13 00:00+0100"]),
        ("0 6 L * *", AUTUMN, ["31 06:00+0100", "30 06:00+0100"]),
    ],
)
def test_clocks_change_as_for_cron(cron: str, after: datetime, expected: list[str]) -> None:
    template = TaskSpec(instruction="x", repository=RepositoryRef(url="u", name="n"))
    spec = ScheduleSpec(name="s", cron=cron, tz="Europe/Berlin", template=template)
    times = next_times(spec, after, len(expected))
    assert [f"{at.astimezone(ZoneInfo('Europe/Berlin')):%d %H:%M%z}" for at in times] == expected
