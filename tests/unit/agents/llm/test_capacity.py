from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pullwright.agents.errors import ConfigError
from pullwright.agents.llm.capacity import (
    GB,
    GPU_RESERVE,
    MODEL_WINDOW,
    PAGED,
    SLOTS,
    SMALLEST_WINDOW,
    Capacity,
    Gpus,
    KvCache,
    MemoryModel,
    Prices,
    Wish,
    compare,
    fit,
    parse_gpus,
    parse_tokens,
)

MEMORY = st.sampled_from([PAGED, SLOTS])
GPUS = st.builds(Gpus, count=st.sampled_from([1, 2, 4, 8]), name=st.just("X"), gb=st.integers(1, 400))
WISHES = st.builds(
    Wish,
    gpus=GPUS,
    window=st.none() | st.integers(1, 300_000),
    agents=st.none() | st.integers(1, 200),
    kv=st.sampled_from(KvCache),
)


def wished(gpus: str, *, window: int | None = None, agents: int | None = None, weights: str = "") -> Wish:
    return Wish(gpus=parse_gpus(gpus), window=window, agents=agents, weights=weights)


def tried(memory: MemoryModel, wish: Wish) -> Capacity | None:
    try:
        return fit(memory, wish)
    except ConfigError as exc:
        assert "\n" not in str(exc)
        return None


@pytest.mark.parametrize(
    ("gpus", "tokens", "agents"),
    [("4xH100-80", 382_856, 6), ("8xH100-80", 1_137_473, 18), ("4xH200-141", 992_098, 16), ("2xB200-192", 564_852, 9)],
)
def test_the_known_set_ups_hold_what_the_arithmetic_says(gpus: str, tokens: int, agents: int) -> None:
    found = fit(PAGED, Wish(gpus=parse_gpus(gpus)))
    assert (found.kv_tokens, found.agents, found.window, found.kv_bytes) == (tokens, agents, MODEL_WINDOW, 360_448)


def test_an_8_bit_cache_holds_twice_as_much_or_a_scale_less() -> None:
    wish = Wish(gpus=parse_gpus("4xH100-80"))
    assert fit(PAGED, replace(wish, kv=KvCache.FP8)).kv_tokens // 2 == fit(PAGED, wish).kv_tokens
    assert fit(SLOTS, replace(wish, kv=KvCache.FP8)).kv_bytes == 191_488


@given(MEMORY, WISHES)
def test_what_fits_is_within_the_memory_and_as_wished(memory: MemoryModel, wish: Wish) -> None:
    found = tried(memory, wish)
    if found is None:
        return
    assert found.usable <= wish.gpus.count * (wish.gpus.gb * GB * memory.share - GPU_RESERVE)
    assert found.kv_tokens * found.kv_bytes + found.weights.gb * GB <= found.usable
    assert SMALLEST_WINDOW <= found.window <= min(MODEL_WINDOW, found.kv_tokens)
    assert found.agents * found.agent_tokens <= found.kv_tokens
    assert (wish.window or found.window) == found.window
    assert (wish.agents or found.agents) == found.agents
    assert found.agents_at_full_window >= 1
    if memory.slots:
        assert found.agents <= found.agents_at_full_window


@given(MEMORY, WISHES, st.integers(1, 100))
def test_more_memory_never_holds_less(memory: MemoryModel, wish: Wish, more: int) -> None:
    small = tried(memory, wish)
    if small is None:
        return
    large = fit(memory, replace(wish, gpus=replace(wish.gpus, gb=wish.gpus.gb + more)))
    assert large.kv_tokens >= small.kv_tokens
    assert large.window >= small.window
    if wish.window:
        assert large.agents >= small.agents


@given(MEMORY, WISHES, st.integers(1, 50_000))
def test_a_smaller_window_never_holds_fewer_agents(memory: MemoryModel, wish: Wish, less: int) -> None:
    wish = replace(wish, agents=None)
    large = tried(memory, wish)
    if large is None or large.window - less < SMALLEST_WINDOW:
        return
    assert fit(memory, replace(wish, window=large.window - less)).agents >= large.agents


@given(MEMORY, GPUS)
def test_what_is_offered_instead_fits(memory: MemoryModel, gpus: Gpus) -> None:
    try:
        fit(memory, Wish(gpus=gpus))
    except ConfigError as exc:
        offer = str(exc).split("what fits: ")[1]
    else:
        return
    if offer.startswith("--gpus "):
        fit(memory, Wish(gpus=parse_gpus(offer.removeprefix("--gpus "))))
    elif offer == "--kv fp8":
        fit(memory, Wish(gpus=gpus, kv=KvCache.FP8))
    else:
        count, size = (int(word) for word in offer.split() if word.isdigit())
        fit(memory, Wish(gpus=Gpus(count=count, name="X", gb=size)))
        with pytest.raises(ConfigError):
            fit(memory, Wish(gpus=Gpus(count=count, name="X", gb=size - 1)))


@pytest.mark.parametrize(
    ("wish", "says"),
    [
        (wished("3xH100-80"), "can not spread 8 KV heads evenly; what fits: --gpus 4xH100-80"),
        (wished("3xA40-16"), "evenly; what fits: 2 GPUs of at least 86 GB"),
        (wished("16xH100-80"), "one server for every 8 GPUs"),
        (wished("1xH100-80"), "do not fit on 1xH100-80, of which 68 GB are usable"),
        (wished("2xH100-80"), "leave room for 5,548 tokens"),
        (wished("4xH100-80", window=262_145), "what fits: --window 262144"),
        (wished("4xL40S-48", window=100_000), "what fits: --window 62464, or all of it with --kv fp8"),
        (wished("4xH100-80", window=1000), "--window 32768 or more"),
        (wished("4xH100-80", agents=7), "that is --agents 6, or all of it with --kv fp8"),
        (wished("4xH100-80", agents=700), "that is --agents 6"),
        (wished("4xH100-80", weights="q4"), "--weights is one of fp8"),
    ],
)
def test_what_does_not_fit_is_one_line_that_says_what_does(wish: Wish, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        fit(PAGED, wish)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_too_many_agents_for_the_slots_say_how_many_there_are() -> None:
    with pytest.raises(ConfigError, match="what fits: --agents 17, or all of it with --kv fp8"):
        fit(SLOTS, Wish(gpus=parse_gpus("4xH100-80"), agents=30))


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("4xH100-80", Gpus(count=4, name="H100", gb=80)),
        ("8XMI300x-192GB", Gpus(count=8, name="MI300X", gb=192)),
        ("1xRTX-PRO-6000-96", Gpus(count=1, name="RTX-PRO-6000", gb=96)),
    ],
)
def test_gpus_are_read(text: str, read: Gpus) -> None:
    assert parse_gpus(text) == read


@given(GPUS)
def test_gpus_are_printed_as_they_are_read(gpus: Gpus) -> None:
    assert parse_gpus(str(gpus)) == gpus


@given(st.text(max_size=30) | st.from_regex(r"[0-9]{0,3}x?[A-Z0-9]*-?[0-9]*", fullmatch=True))
def test_other_text_is_refused_or_read(text: str) -> None:
    for read in (parse_gpus, parse_tokens):
        try:
            assert read(text)
        except ConfigError as exc:
            assert "\n" not in str(exc)


def test_the_break_even_is_where_both_cost_the_same() -> None:
    prices = Prices(per_million_in=1.5, per_million_out=7.5, output_share=0.05, gpu_hour=2.5)
    found = compare(parse_gpus("4xH100-80"), 250_000_000, prices)
    assert (found.api_per_day, found.own_per_day, found.even_tokens_per_day) == (450.0, 240.0, 133_333_333)
    assert compare(parse_gpus("4xH100-80"), 133_333_333, prices).api_per_day == pytest.approx(240.0)
    assert found.even_gpu_hour * 4 * 24 == pytest.approx(450.0)


@pytest.mark.parametrize("wrong", [{"output_share": 2.0}, {"per_million_in": float("nan")}, {"gpu_hour": float("inf")}])
def test_prices_without_sense_are_refused(wrong: dict[str, float]) -> None:
    prices = Prices(per_million_in=1.5, per_million_out=7.5, output_share=0.05)
    with pytest.raises(ConfigError):
        compare(parse_gpus("4xH100-80"), 1000, replace(prices, **wrong))


@pytest.mark.parametrize(("text", "number"), [("250M", 250_000_000), ("1.5b", 1_500_000_000), ("1_000", 1000)])
def test_tokens_are_read(text: str, number: int) -> None:
    assert parse_tokens(text) == number
