from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from pullwright.integrations.testing.hook_trouble import HookTrouble

SHARE = st.floats(0, 1)


def run(trouble: HookTrouble[int], count: int) -> tuple[list[int], list[int]]:
    lost: list[int] = []
    sent = [due for number in range(count) for due in trouble.put(number, lost.append)]
    return sent + trouble.release(), lost


@given(st.integers(0, 50), st.integers(0, 2**16), SHARE, SHARE, SHARE, SHARE)
def test_everything_is_sent_or_lost(
    count: int, seed: int, lost: float, doubled: float, reordered: float, delayed: float
) -> None:
    def trouble() -> HookTrouble[int]:
        return HookTrouble(seed=seed, lost=lost, duplicated=doubled, reordered=reordered, delayed=delayed)

    sent, gone = run(trouble(), count)
    assert set(sent) | set(gone) == set(range(count))
    assert not set(sent) & set(gone)
    assert max(Counter(sent).values(), default=1) <= 2
    assert run(trouble(), count) == (sent, gone)


def test_without_trouble_nothing_changes() -> None:
    assert run(HookTrouble(), 9) == (list(range(9)), [])


def test_reordering_swaps_neighbours() -> None:
    trouble: HookTrouble[int] = HookTrouble(reordered=1.0)
    assert [trouble.put(number, print) for number in range(3)] == [[], [0], [1]]
    assert trouble.holds
    assert trouble.release() == [2]
