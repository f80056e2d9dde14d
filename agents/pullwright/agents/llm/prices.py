"""What a run cost: money by a price table, GPU-seconds where the model runs on one's own machines."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, TypeVar

from pullwright.agents.budget import Usage

_MILLION: Final = 1_000_000
_HOUR: Final = 3600
_CENT: Final = Decimal("0.01")
_SMALL: Final = Decimal("0.0001")


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What the tokens of some models cost, in US dollars per million."""

    pattern: str
    """Regular expression that is looked for in the model's name, whatever its case."""
    prompt: Decimal
    completion: Decimal
    cached: Decimal | None = None
    """Of prompt tokens that were in the prefix cache; None for the price of all others."""

    def fits(self, model: str) -> bool:
        """Whether this is the price of the model with this name."""
        return re.search(self.pattern, model, re.IGNORECASE) is not None


MEDIUM_3_5: Final = Price(
    # The list price of Mistral's own API.
    # Its names: mistral-medium-3-5, mistral-medium-3.5, mistralai/Mistral-Medium-3.5-128B, mistral-medium-2604.
    pattern=r"mistral-medium-(3[.-]5|2604)(?!\d)",
    prompt=Decimal("1.50"),
    completion=Decimal("7.50"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """What one endpoint costs."""

    table: Sequence[Price] = ()
    """The first that fits the model's name counts."""
    gpus: int = 0
    """GPUs that serve one copy of the model; 0 where that is not known, or somebody else's matter."""
    gpu_hour: Decimal | None = None
    """Dollars per GPU-hour, which count where the model has no price of its own."""

    def price_of(self, model: str) -> Price | None:
        """Return the price of a model, None when it has none."""
        return next((price for price in self.table if price.fits(model)), None)


PriceList = Mapping[str, Prices]
"""The prices of each endpoint, by its name, which is empty for the only one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What tokens cost. Costs of the same run can be added."""

    dollars: Decimal | None = None
    """None where nothing has a price."""
    gpu_seconds: float | None = None
    """Seconds of the model's time, times the GPUs that served it; other runs may have shared them."""

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            dollars=_sum(self.dollars, other.dollars),
            gpu_seconds=_sum(self.gpu_seconds, other.gpu_seconds),
        )

    def __str__(self) -> str:
        """Return the cost for people; empty when nothing is known."""
        parts = [] if self.dollars is None else [f"${_rounded(self.dollars)}"]
        if self.gpu_seconds is not None:
            parts.append(f"{self.gpu_seconds:.0f} GPU-seconds")
        return ", ".join(parts)


def cost_of(usage: Usage, prices: Prices, *, model: str) -> Cost:
    """Return what ``usage`` of ``model`` at one endpoint cost; a model without a price is no error."""
    price = prices.price_of(model)
    gpu_seconds = usage.model_seconds * prices.gpus if prices.gpus else None
    dollars = None if price is None else _dollars(usage, price)
    if dollars is None and gpu_seconds is not None and prices.gpu_hour is not None:
        dollars = Decimal(gpu_seconds) * prices.gpu_hour / _HOUR
    return Cost(dollars=dollars, gpu_seconds=gpu_seconds)


def cost_of_run(spent: Mapping[str, Usage], prices: PriceList, *, model: str) -> Cost:
    """Return what a run cost that spent so much at each endpoint; one that is not in the list costs nothing known."""
    costs = (cost_of(usage, prices.get(endpoint, Prices()), model=model) for endpoint, usage in spent.items())
    return sum(costs, Cost())


def _dollars(usage: Usage, price: Price) -> Decimal:
    cached = min(usage.cached_tokens, usage.prompt_tokens)
    cached_price = price.prompt if price.cached is None else price.cached
    spent = (usage.prompt_tokens - cached) * price.prompt + cached * cached_price
    return (spent + usage.completion_tokens * price.completion) / _MILLION


def _rounded(dollars: Decimal) -> Decimal:
    return dollars.quantize(_CENT if dollars >= _CENT or not dollars else _SMALL)


_Number = TypeVar("_Number", Decimal, float)


def _sum(one: _Number | None, other: _Number | None) -> _Number | None:
    if one is None or other is None:
        return other if one is None else one
    return one + other
