from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pullwright.agents.errors import ConfigError
from pullwright.agents.queue.fair import Lane, after_claim, changed_lane, next_lane, on_return

weights = st.lists(st.sampled_from([0.5, 1.0, 2.0, 3.0, 5.0]), min_size=2, max_size=8)


@given(weights, st.integers(20, 400))
def test_every_lane_gets_its_share_within_one_turn_of_each(of_lanes: list[float], turns: int) -> None:
    lanes = {str(n): Lane(key=str(n), weight=weight, queued=10**6) for n, weight in enumerate(of_lanes)}
    got: Counter[str] = Counter()
    for _ in range(turns):
        lane = next_lane(lanes.values())
        assert lane is not None
        lanes[lane.key] = replace(lane, vtime=after_claim(lane))
        got[lane.key] += 1
    for key, lane in lanes.items():
        assert abs(got[key] - turns * lane.weight / sum(of_lanes)) <= len(lanes)


@given(st.floats(0, 1e6), st.lists(st.floats(0, 1e6), max_size=5))
def test_who_comes_back_is_not_behind_those_that_have_work(vtime: float, others: list[float]) -> None:
    busy = [Lane(key=str(n), queued=1, vtime=other) for n, other in enumerate(others)]
    back = on_return(Lane(key="x", vtime=vtime), [*busy, Lane(key="idle", vtime=0.0)])
    assert back >= vtime
    assert back == vtime or back == min(others)


@pytest.mark.parametrize("closed", [{"queued": 0}, {"running": 4}, {"paused": True}, {"max_running": 0}])
def test_a_lane_that_may_not_go_does_not(closed: dict[str, int]) -> None:
    assert next_lane([replace(Lane(key="a", queued=1), **closed)]) is None  # type: ignore[arg-type]


def test_settings_are_checked() -> None:
    lane = changed_lane(Lane(key="a"), weight=2.0, max_running=0, paused=True)
    assert (lane.weight, lane.max_running, lane.paused) == (2.0, 0, True)
    assert changed_lane(lane) == lane
    for wrong in (0.0, float("nan"), float("inf")):
        with pytest.raises(ConfigError, match="'a'"):
            changed_lane(lane, weight=wrong)
