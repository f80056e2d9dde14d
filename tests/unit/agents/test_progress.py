from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pullwright.agents.errors import NoProgress
from pullwright.agents.message import ToolCall
from pullwright.agents.progress import STOP_AFTER, TELL_AFTER, ProgressWatch


def call(arguments: str) -> ToolCall:
    return ToolCall(id="x", name="bash", arguments=arguments)


def test_the_same_again_is_told_and_then_stopped() -> None:
    watch = ProgressWatch()
    remarks = [watch.remark(call("{}"), "out") for _ in range(STOP_AFTER - 1)]
    assert [bool(remark) for remark in remarks] == [count >= TELL_AFTER for count in range(1, STOP_AFTER)]
    with pytest.raises(NoProgress, match="'bash' call 8 times"):
        watch.remark(call("{}"), "out")


@given(st.lists(st.sampled_from(["a", "b"]), max_size=30))
def test_only_what_follows_one_another_counts(outputs: list[str]) -> None:
    watch = ProgressWatch()
    run, last = 0, ""
    for output in outputs:
        run, last = (run + 1 if output == last else 1), output
        if run >= STOP_AFTER:
            with pytest.raises(NoProgress):
                watch.remark(call("{}"), output)
            return
        assert bool(watch.remark(call("{}"), output)) == (run >= TELL_AFTER)
