from __future__ import annotations

import pytest

from pullwright.cli.capacity import default_slots, slots_for
from pullwright.cli.settings import Settings


@pytest.mark.parametrize(
    ("memory_mb", "cores", "slots"),
    [(2_000, 1, 1), (8_000, 2, 1), (16_000, 4, 3), (64_000, 16, 12), (512_000, 8, 16)],
    ids=["too small", "laptop", "desktop", "by memory", "by cores"],
)
def test_slots_are_what_memory_and_cores_allow(memory_mb: float, cores: int, slots: int) -> None:
    assert slots_for(Settings(), memory_mb=memory_mb, cores=cores) == slots


def test_the_setting_wins_and_this_host_has_a_slot() -> None:
    assert default_slots(Settings(slots=7)) == 7
    assert default_slots(Settings()) >= 1
