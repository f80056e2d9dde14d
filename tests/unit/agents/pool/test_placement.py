from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pullwright.agents.pool.admission import Admission, AdmissionLimits
from pullwright.agents.pool.load import Load
from pullwright.agents.pool.placement import Placement, PlacementLimits, rendezvous

NAMES = ("a", "b", "c", "d")
KV = 100_000


def placement(*names: str, kv_tokens: int = KV) -> tuple[Placement, dict[str, Admission]]:
    admissions = {name: Admission(AdmissionLimits(), kv_tokens) for name in names}
    return Placement(admissions, PlacementLimits(expected_tokens=0, idle_seconds=100.0)), admissions


@given(st.text(), st.sets(st.text(min_size=1), min_size=2, max_size=6))
def test_r28_losing_a_replica_moves_only_its_own_conversations(conversation: str, names: set[str]) -> None:
    order = rendezvous(conversation, names)
    assert sorted(order) == sorted(names)
    for lost in order[1:]:
        assert rendezvous(conversation, names - {lost})[0] == order[0]


def test_r28_the_hash_spreads_conversations() -> None:
    firsts = [rendezvous(f"task-{number}", NAMES)[0] for number in range(1000)]
    assert all(200 < firsts.count(name) < 300 for name in NAMES)


def test_r28_a_conversation_stays_while_its_replica_is_usable() -> None:
    placed, admissions = placement(*NAMES)
    home = placed.place("task", 10_000, usable=NAMES, now=0.0)
    assert home == rendezvous("task", NAMES)[0]
    for _ in range(5):
        admissions[home].note(Load(running=9, waiting=9, kv_share=1.0))
    assert placed.place("task", 90_000, usable=NAMES, now=1.0) == home


def test_r28_it_moves_when_its_replica_fails_and_stays_there() -> None:
    placed, _ = placement(*NAMES)
    home = placed.place("task", 10_000, usable=NAMES, now=0.0)
    assert home is not None
    second = placed.place("task", 10_000, usable=set(NAMES) - {home}, now=1.0)
    assert second == rendezvous("task", NAMES)[1]
    assert placed.place("task", 10_000, usable=NAMES, now=2.0) == second


def test_a_released_conversation_follows_the_hash_again() -> None:
    placed, _ = placement(*NAMES)
    home = placed.place("task", 10_000, usable=NAMES, now=0.0)
    assert home is not None
    placed.place("task", 10_000, usable=set(NAMES) - {home}, now=1.0)
    placed.release("task")
    assert placed.home("task") is None
    assert placed.place("task", 10_000, usable=NAMES, now=2.0) == home


def test_r28_it_spills_from_a_replica_that_is_much_fuller() -> None:
    placed, admissions = placement("a", "b")
    first, second = rendezvous("task", ("a", "b"))
    admissions[first].note(Load(kv_share=0.8))
    assert placed.place("task", 1_000, usable=("a", "b"), now=0.0) == second


def test_r29_summed_contexts_never_pass_the_kv_tokens() -> None:
    placed, _ = placement("a", "b")
    homes = [placed.place(f"task-{number}", 20_000, usable=("a", "b"), now=0.0) for number in range(10)]
    assert homes.count("a") == homes.count("b") == 4
    assert homes[8:] == [None, None]
    assert max(placed.committed(0.0).values()) <= 0.9 * KV


def test_r29_idle_conversations_hold_no_tokens_but_keep_their_home() -> None:
    placed, _ = placement("a")
    placed.place("idle", 80_000, usable="a", now=0.0)
    assert placed.place("new", 20_000, usable="a", now=100.0) is None
    assert placed.place("new", 20_000, usable="a", now=101.0) == "a"
    assert placed.home("idle") == "a"


def test_r29_a_call_on_its_way_is_not_idle() -> None:
    placed, _ = placement("a")
    placed.place("busy", 80_000, usable="a", now=0.0)
    placed.call_began("busy")
    assert placed.place("new", 20_000, usable="a", now=5000.0) is None
    placed.call_ended("busy", 5000.0, 30_000)
    assert placed.committed(5000.0) == {"a": 30_000}
    assert placed.place("new", 20_000, usable="a", now=5000.0) == "a"


def test_an_empty_replica_takes_a_conversation_of_any_size() -> None:
    placed, _ = placement("a")
    assert placed.place("huge", 10 * KV, usable="a", now=0.0) == "a"


def test_young_conversations_count_with_the_usual_size() -> None:
    admissions = {"a": Admission(AdmissionLimits(), KV)}
    placed = Placement(admissions, PlacementLimits(expected_tokens=30_000))
    assert [placed.place(f"task-{number}", 1_000, usable="a", now=0.0) for number in range(4)] == ["a"] * 3 + [None]


def test_what_is_remembered_is_bounded_but_never_a_call_on_its_way() -> None:
    admissions = {"a": Admission(AdmissionLimits())}
    placed = Placement(admissions, PlacementLimits(remembered=2))
    placed.place("busy", 1, usable="a", now=0.0)
    placed.call_began("busy")
    for number in range(5):
        placed.place(f"task-{number}", 1, usable="a", now=0.0)
    assert placed.home("busy") == "a"
    assert [placed.home(f"task-{number}") for number in range(5)] == [None] * 4 + ["a"]


operations = st.lists(
    st.tuples(
        st.sampled_from(["place", "begin", "end", "release"]),
        st.integers(0, 8),
        st.integers(1, KV),
        st.sets(st.sampled_from(NAMES), min_size=1),
    )
)


@given(operations)
def test_whatever_happens_a_call_goes_to_a_usable_replica(steps: list[tuple[str, int, int, set[str]]]) -> None:
    placed, _ = placement(*NAMES)
    for now, (what, number, tokens, usable) in enumerate(steps):
        name = f"task-{number}"
        if what == "place":
            home = placed.home(name)
            chosen = placed.place(name, tokens, usable=usable, now=now)
            assert chosen == home if home in usable else chosen in {*usable, None}
        elif what == "begin":
            placed.call_began(name)
        elif what == "end":
            placed.call_ended(name, now, tokens)
        else:
            placed.release(name)
    assert all(tokens >= 0 for tokens in placed.committed(1e9).values())
