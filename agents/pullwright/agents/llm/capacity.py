"""What fits on a set of GPUs, and what it costs next to an API. Arithmetic only; nothing here was measured.

The model has 88 layers with 8 KV heads of 128 values, so a token of context takes 360,448 bytes in BF16. What is left
of the GPUs' memory after the weights is all there is for the context of all agents together: agents are counted in
tokens of context, not in GPUs.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from pullwright.agents.errors import ConfigError

GB: Final = 10**9
MODEL_WINDOW: Final = 262_144
"""Tokens of prompt and reply together."""
KV_HEADS: Final = 8
KV_VALUES: Final = 88 * KV_HEADS * 128 * 2
"""Numbers kept for one token: a key and a value of 128, for each head of each layer."""
SMALLEST_WINDOW: Final = 32_768
"""Below this there is no room for a prompt and for a reply with high effort, which takes 16k."""
AGENT_TOKENS: Final = 60_000
"""Context of an agent in the middle of its task."""
GPU_RESERVE: Final = 4 * GB
"""Bytes on each GPU for activations, graphs and a draft head."""
ROUNDING: Final = 1024
"""Windows are rounded down to a multiple of this."""


class KvCache(StrEnum):
    """How a server keeps the context."""

    BF16 = "bf16"
    FP8 = "fp8"
    """8 bits; llama.cpp and Ollama have no FP8 and use ``q8_0``, which adds a scale to 32 values."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """One published form of the weights."""

    name: str
    gb: int


FP8: Final = Weights(name="fp8", gb=134)
Q8: Final = Weights(name="q8", gb=138)
Q4: Final = Weights(name="q4", gb=80)


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryModel:
    """How a kind of server shares out memory."""

    share: float
    """Part of each GPU's memory that it uses."""
    slots: bool
    """Whether each agent has a fixed part of the cache, as long as the window; otherwise all draw from one pool."""
    splits_heads: bool
    """Whether it works tensor-parallel, with the KV heads spread evenly over the GPUs."""
    weights: tuple[Weights, ...]
    """The first is the usual one."""
    eight_bit_kv: float
    """Bytes that one number takes in the 8-bit cache."""


PAGED: Final = MemoryModel(share=0.9, slots=False, splits_heads=True, weights=(FP8,), eight_bit_kv=1.0)
"""vLLM and SGLang, and NIM, which contains one of them."""
SLOTS: Final = MemoryModel(share=0.95, slots=True, splits_heads=False, weights=(Q4, Q8), eight_bit_kv=34 / 32)
"""llama.cpp and Ollama: whole layers go to each GPU."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpus:
    """Equal GPUs in one machine."""

    count: int
    name: str
    gb: int
    """Memory of each in units of 10^9 bytes, as it is sold."""

    def __str__(self) -> str:
        return f"{self.count}x{self.name}-{self.gb}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is asked of a set-up."""

    gpus: Gpus
    window: int | None = None
    """None for the largest that fits."""
    agents: int | None = None
    """None for as many as fit."""
    kv: KvCache = KvCache.BF16
    weights: str = ""
    """Empty for the usual ones of the server."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """What fits."""

    usable: int
    """Bytes of memory on all GPUs for weights and context."""
    share: float
    """Part of the whole memory that was counted, before the reserve of each GPU."""
    weights: Weights
    kv: KvCache
    kv_bytes: int
    """Bytes of one token of context."""
    kv_tokens: int
    """Tokens of context of all agents together."""
    window: int
    agents: int
    """Agents that can work at the same time."""
    agents_that_fit: int
    agent_tokens: int
    """Context that was counted for each of them."""

    @property
    def agents_at_full_window(self) -> int:
        """Agents whose context may all be as long as the window."""
        return self.kv_tokens // self.window


def parse_gpus(text: str) -> Gpus:
    """Read ``4xH100-80``: number, name, and the memory of each in GB.

    Raises:
        ConfigError: The text has another form.
    """
    found = re.fullmatch(
        r"([1-9][0-9]{0,2})[xX]([A-Za-z0-9][A-Za-z0-9_.-]{0,39})-([1-9][0-9]{0,3})(?:GB)?", text.strip()
    )
    if found is None:
        raise ConfigError(f"GPUs are written NUMBERxNAME-GB, such as 4xH100-80, not {text[:60]!r}")
    return Gpus(count=int(found[1]), name=found[2].upper(), gb=int(found[3]))


def fit(memory: MemoryModel, wish: Wish) -> Capacity:
    """Return what fits.

    Raises:
        ConfigError: It does not fit; the line says what would.
    """
    if memory.splits_heads and (wish.gpus.count > KV_HEADS or KV_HEADS % wish.gpus.count):
        raise ConfigError(_uneven(memory, wish))
    weights = _weights(memory, wish.weights)
    kv_bytes = _kv_bytes(memory, wish.kv)
    usable = _usable(memory, wish.gpus)
    kv_tokens = max(0, usable - weights.gb * GB) // kv_bytes
    if kv_tokens < SMALLEST_WINDOW:
        raise ConfigError(_too_small(memory, wish, weights, kv_tokens))
    window = _window(memory, wish, kv_tokens)
    agent_tokens = window if memory.slots else min(AGENT_TOKENS, window)
    agents_that_fit = kv_tokens // agent_tokens
    if wish.agents is not None and wish.agents > agents_that_fit:
        raise ConfigError(
            f"{wish.agents} agents with {agent_tokens:,} tokens each do not fit on {wish.gpus}: there is room for"
            f" {kv_tokens:,} tokens, that is --agents {agents_that_fit}{_or_fp8(memory, wish)}"
        )
    return Capacity(
        usable=usable,
        share=memory.share,
        weights=weights,
        kv=wish.kv,
        kv_bytes=kv_bytes,
        kv_tokens=kv_tokens,
        window=window,
        agents=wish.agents or agents_that_fit,
        agents_that_fit=agents_that_fit,
        agent_tokens=agent_tokens,
    )


def _weights(memory: MemoryModel, name: str) -> Weights:
    known = {weights.name: weights for weights in memory.weights}
    if name and name not in known:
        raise ConfigError(f"this server has no recipe for {name!r} weights; --weights is one of {', '.join(known)}")
    return known[name] if name else memory.weights[0]


def _usable(memory: MemoryModel, gpus: Gpus) -> int:
    return max(0, int(gpus.count * (gpus.gb * GB * memory.share - GPU_RESERVE)))


def _kv_bytes(memory: MemoryModel, kv: KvCache) -> int:
    return round(KV_VALUES * (2 if kv is KvCache.BF16 else memory.eight_bit_kv))


def _uneven(memory: MemoryModel, wish: Wish) -> str:
    count = wish.gpus.count
    if count > KV_HEADS:
        return (
            f"tensor parallel over {count} GPUs can not spread {KV_HEADS} KV heads; start one server for every"
            f" {KV_HEADS} GPUs and give Pullwright all of them"
        )
    return (
        f"tensor parallel over {count} GPUs can not spread {KV_HEADS} KV heads evenly;"
        f" what fits: {_alternative(memory, wish, fewer=True)}"
    )


def _too_small(memory: MemoryModel, wish: Wish, weights: Weights, kv_tokens: int) -> str:
    usable = _usable(memory, wish.gpus) / GB
    room = f"leave room for {kv_tokens:,} tokens" if kv_tokens else "do not fit"
    return (
        f"the {weights.name} weights take {weights.gb} GB and {room} on {wish.gpus}, of which {usable:.0f} GB are"
        f" usable; an agent needs {SMALLEST_WINDOW:,} tokens; what fits: {_alternative(memory, wish)}"
    )


def _alternative(memory: MemoryModel, wish: Wish, *, fewer: bool = False) -> str:
    """Return the nearest set-up with the same kind of GPU that works, or how much memory one must have."""
    if wish.kv is KvCache.BF16 and _fits(memory, replace(wish, kv=KvCache.FP8)):
        return "--kv fp8"
    counts = range(1 if fewer else wish.gpus.count, KV_HEADS + 1)
    fitting = [gpus for count in counts if _fits(memory, replace(wish, gpus=(gpus := replace(wish.gpus, count=count))))]
    if fitting:
        nearest = min(fitting, key=lambda gpus: (abs(gpus.count - wish.gpus.count), -gpus.count))
        return f"--gpus {nearest}"
    count = max(divisor for divisor in range(1, min(wish.gpus.count, KV_HEADS) + 1) if KV_HEADS % divisor == 0)
    sizes = (replace(wish.gpus, count=count, gb=gb) for gb in range(wish.gpus.gb, 10_000))
    size = next(gpus.gb for gpus in sizes if _fits(memory, replace(wish, gpus=gpus)))
    return f"{count} GPUs of at least {size} GB"


def _fits(memory: MemoryModel, wish: Wish) -> bool:
    """Whether there is room for one agent."""
    if memory.splits_heads and KV_HEADS % wish.gpus.count:
        return False
    left = _usable(memory, wish.gpus) - _weights(memory, wish.weights).gb * GB
    return left // _kv_bytes(memory, wish.kv) >= SMALLEST_WINDOW


def _window(memory: MemoryModel, wish: Wish, kv_tokens: int) -> int:
    each = kv_tokens // wish.agents if memory.slots and wish.agents else kv_tokens
    largest = min(MODEL_WINDOW, each // ROUNDING * ROUNDING)
    window = wish.window or largest
    if window > MODEL_WINDOW:
        raise ConfigError(f"the model's window is {MODEL_WINDOW:,} tokens; what fits: --window {largest}")
    if largest < SMALLEST_WINDOW:
        raise ConfigError(
            f"{wish.agents} agents leave {each:,} tokens to each on {wish.gpus}, and an agent needs"
            f" {SMALLEST_WINDOW:,}; what fits: --agents {kv_tokens // SMALLEST_WINDOW}{_or_fp8(memory, wish)}"
        )
    if window < SMALLEST_WINDOW:
        raise ConfigError(
            f"a window of {window:,} tokens is too small for an agent; --window {SMALLEST_WINDOW} or more"
        )
    if window > largest:
        raise ConfigError(
            f"a window of {window:,} tokens does not fit on {wish.gpus}, which has room for {kv_tokens:,} tokens of"
            f" context; what fits: --window {largest}{_or_fp8(memory, wish)}"
        )
    return window


def _or_fp8(memory: MemoryModel, wish: Wish) -> str:
    if wish.kv is KvCache.FP8:
        return ""
    try:
        fit(memory, replace(wish, kv=KvCache.FP8))
    except ConfigError:
        return ""
    return ", or all of it with --kv fp8"


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """What tokens and GPUs cost, in US dollars."""

    per_million_in: float
    per_million_out: float
    output_share: float
    """Part of the tokens that are output, 0 to 1."""
    gpu_hour: float | None = None
    """None when it is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The same tokens from an API and from one's own GPUs, in US dollars."""

    tokens_per_day: int
    api_per_day: float
    even_gpu_hour: float
    """Price of a GPU-hour at which both cost the same."""
    own_per_day: float | None
    even_tokens_per_day: int | None
    """Tokens a day from which the GPUs are cheaper; None when the price of a GPU-hour is not known."""


def compare(gpus: Gpus, tokens_per_day: int, prices: Prices) -> Comparison:
    """Compare a day of API use with a day of these GPUs, which are paid for whether they work or not.

    Raises:
        ConfigError: A number makes no sense.
    """
    if not all(map(math.isfinite, (prices.per_million_in, prices.per_million_out, prices.gpu_hour or 0))):
        raise ConfigError("a price is a number of dollars")
    if not 0 <= prices.output_share <= 1:
        raise ConfigError(f"--output-share is a part between 0 and 1, not {prices.output_share:g}")
    per_token = (
        prices.per_million_in * (1 - prices.output_share) + prices.per_million_out * prices.output_share
    ) / 1_000_000
    if per_token <= 0:
        raise ConfigError("an API that costs nothing can not be compared with; set --price-in and --price-out")
    own = None if prices.gpu_hour is None else prices.gpu_hour * gpus.count * 24
    return Comparison(
        tokens_per_day=tokens_per_day,
        api_per_day=tokens_per_day * per_token,
        even_gpu_hour=tokens_per_day * per_token / (gpus.count * 24),
        own_per_day=own,
        even_tokens_per_day=None if own is None else round(own / per_token),
    )


def parse_tokens(text: str) -> int:
    """Read a number of tokens: ``250000000``, ``250_000_000``, ``250M`` or ``1.5B``.

    Raises:
        ConfigError: It is not one, or not above 0.
    """
    found = re.fullmatch(r"([0-9][0-9_]{0,17}(?:\.[0-9]{1,6})?)([kKmMbBgG]?)", text.strip())
    scale = {"": 1, "k": 10**3, "m": 10**6, "b": 10**9, "g": 10**9}
    number = int(float(found[1].replace("_", "")) * scale[found[2].lower()]) if found else 0
    if number <= 0:
        raise ConfigError(f"a number of tokens is written 250000000 or 250M, not {text[:40]!r}")
    return number
