from __future__ import annotations

from tests.benchmarks.pool_simulation import GOAL, saving, simulate, trace


def test_four_replicas_prefill_at_least_two_times_fewer_tokens_again_than_with_other_policies() -> None:
    results = simulate(4, 0.8, seed=1, hours=0.4)
    assert saving(results) >= GOAL
    assert len({len(result.first_token) for result in results.values()}) == 1
    assert len({result.fresh for result in results.values()}) == 1


def test_the_same_seed_gives_the_same_numbers() -> None:
    assert simulate(2, 0.5, seed=3, hours=0.1) == simulate(2, 0.5, seed=3, hours=0.1)
    assert trace(3, 2, 0.5) != trace(4, 2, 0.5)
