from __future__ import annotations

from pullwright.agents.pool.admission import Admission, AdmissionLimits
from pullwright.agents.pool.load import Load


def admission(kv_tokens: int = 0) -> Admission:
    return Admission(AdmissionLimits(kv_share=0.9, crowded_readings=3), kv_tokens)


def test_r29_a_queue_seen_several_times_ends_admission_and_an_empty_one_begins_it() -> None:
    crowded = admission()
    for _ in range(2):
        crowded.note(Load(waiting=1))
        assert crowded.admits(1, 1)
    crowded.note(Load(waiting=1))
    assert not crowded.admits(1, 1)
    crowded.note(Load(waiting=0))
    assert crowded.admits(1, 1)


def test_r29_a_full_kv_cache_ends_admission() -> None:
    full = admission()
    full.note(Load(kv_share=0.9))
    assert not full.admits(1, 0)


def test_r29_rising_preemptions_end_admission() -> None:
    thrashing = admission()
    thrashing.note(Load(preemptions=7))
    assert thrashing.admits(1, 1)
    thrashing.note(Load(preemptions=8))
    assert not thrashing.admits(1, 1)
    thrashing.note(Load(preemptions=8))
    assert thrashing.admits(1, 1)
    thrashing.note(Load(preemptions=0))  # the engine was restarted
    assert thrashing.admits(1, 1)


def test_r29_kv_tokens_from_the_settings_win_over_the_engines() -> None:
    known = admission(1_000)
    known.note(Load(kv_tokens=5_000))
    assert known.kv_tokens == 1_000
    assert known.admits(500, 400)
    assert not known.admits(501, 400)


def test_without_known_kv_tokens_only_the_engine_refuses() -> None:
    unknown = admission()
    assert unknown.kv_tokens is None
    assert unknown.admits(10**9, 10**9)
    assert 0 < unknown.pressure(100_000) < 1


def test_readings_that_end_are_forgotten_but_not_the_size_of_the_cache() -> None:
    silent = admission()
    for _ in range(3):
        silent.note(Load(waiting=5, kv_share=1.0, kv_tokens=1_000))
    silent.forget()
    assert silent.admits(100, 0)
    assert silent.kv_tokens == 1_000
