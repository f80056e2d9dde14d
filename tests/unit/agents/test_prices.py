from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pullwright.agents.budget import Pace, Usage
from pullwright.agents.llm.prices import MEDIUM_3_5, Cost, Price, Prices, cost_of, cost_of_run

MEDIUM = "mistralai/Mistral-Medium-3.5-128B"
LISTED = Prices(table=(MEDIUM_3_5,))
usages = st.builds(
    Usage,
    prompt_tokens=st.integers(0, 10**8),
    cached_tokens=st.integers(0, 10**8),
    completion_tokens=st.integers(0, 10**8),
    model_seconds=st.floats(0, 1e6),
)


@pytest.mark.parametrize(
    "name",
    [
        MEDIUM,
        MEDIUM + "-EAGLE",
        "mistral-medium-3-5",
        "mistral-medium-2604",
        "mistral-medium-3.5",
        "mistralai/mistral-medium-3.5-128b",
    ],
)
def test_every_name_of_the_model_has_its_price(name: str) -> None:
    assert LISTED.price_of(name) is MEDIUM_3_5


@pytest.mark.parametrize("name", ["", "mistral-medium-3", "mistral-medium-3-50", "mistral-small-2603", "gpt"])
def test_a_model_without_a_price_is_no_error(name: str) -> None:
    cost = cost_of(Usage(prompt_tokens=10**6), LISTED, model=name)
    assert cost == Cost()
    assert str(cost) == ""


def test_a_million_tokens_cost_what_the_table_says() -> None:
    usage = Usage(prompt_tokens=1_000_000, cached_tokens=400_000, completion_tokens=1_000_000)
    assert cost_of(usage, LISTED, model=MEDIUM).dollars == Decimal("9.00")
    cheap = Price(pattern="medium", prompt=Decimal("1.50"), completion=Decimal("7.50"), cached=Decimal("0.15"))
    assert cost_of(usage, Prices(table=(cheap,)), model=MEDIUM).dollars == Decimal("8.46")


def test_gpu_seconds_are_told_where_the_gpus_are_known() -> None:
    cost = cost_of(Usage(model_seconds=12.5), Prices(gpus=4), model=MEDIUM)
    assert cost == Cost(gpu_seconds=50.0)
    assert str(cost) == "50 GPU-seconds"


def test_gpu_hours_cost_money_where_the_tokens_have_no_price() -> None:
    usage = Usage(prompt_tokens=1_000_000, model_seconds=900)
    cost = cost_of(usage, Prices(gpus=4, gpu_hour=Decimal("2.50")), model=MEDIUM)
    assert str(cost) == "$2.50, 3600 GPU-seconds"
    both = Prices(table=(MEDIUM_3_5,), gpus=4, gpu_hour=Decimal("2.50"))
    assert str(cost_of(usage, both, model=MEDIUM)) == "$1.50, 3600 GPU-seconds", "nothing is paid twice"


def test_a_run_on_several_endpoints_pays_each_its_own_price() -> None:
    spent = {
        "own": Usage(prompt_tokens=1_000_000, model_seconds=10),
        "api": Usage(prompt_tokens=2_000_000, model_seconds=10),
        "gone": Usage(prompt_tokens=1, model_seconds=10),
    }
    cost = cost_of_run(spent, {"own": Prices(gpus=2), "api": LISTED}, model=MEDIUM)
    assert cost == Cost(dollars=Decimal(3), gpu_seconds=20.0)
    assert cost_of_run({}, {}, model=MEDIUM) == Cost()


@pytest.mark.parametrize(("dollars", "shown"), [("0", "$0.00"), ("0.00042", "$0.0004"), ("1.005", "$1.00")])
def test_small_sums_are_not_rounded_away(dollars: str, shown: str) -> None:
    assert str(Cost(dollars=Decimal(dollars))) == shown


@given(usages, usages)
def test_the_cost_of_a_sum_is_the_sum_of_the_costs(one: Usage, other: Usage) -> None:
    prices = Prices(table=(MEDIUM_3_5,), gpus=2)
    one, other = (Usage(prompt_tokens=u.prompt_tokens, completion_tokens=u.completion_tokens) for u in (one, other))
    together = cost_of(one + other, prices, model=MEDIUM)
    assert together.dollars == (cost_of(one, prices, model=MEDIUM) + cost_of(other, prices, model=MEDIUM)).dollars


@given(usages)
def test_a_cost_is_never_negative(usage: Usage) -> None:
    cost = cost_of(usage, Prices(table=(MEDIUM_3_5,), gpus=1), model=MEDIUM)
    assert cost.dollars is not None
    assert cost.dollars >= 0


def test_unknown_parts_do_not_hide_known_ones() -> None:
    known = Cost(dollars=Decimal(1), gpu_seconds=2.0)
    assert known + Cost() == Cost() + known == known


def test_the_pace_of_a_run_is_the_mean_over_its_tokens_not_over_its_calls() -> None:
    fast = Pace.of(Usage(completion_tokens=900, model_seconds=11.0), 2.0)
    slow = Pace.of(Usage(completion_tokens=100, model_seconds=5.0), 4.0)
    run = fast + slow
    assert (run.tokens_per_second, run.mean_first_token_seconds) == (100.0, 3.0)


def test_a_reply_that_came_whole_has_no_writing_speed() -> None:
    pace = Pace.of(Usage(completion_tokens=50, model_seconds=3.0), 3.0)
    assert (pace.tokens_per_second, pace.written_tokens) == (0.0, 0)
    assert Pace().mean_first_token_seconds == 0.0
