"""What a run may spend and what it has spent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from pullwright.agents.errors import BudgetExceeded, CostLimit, StepLimit, TimeLimit, TokenLimit


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens and time of one model call, or the sum of several."""

    prompt_tokens: int = 0
    cached_tokens: int = 0
    """The part of ``prompt_tokens`` that the engine found in its prefix cache, where it says so."""
    completion_tokens: int = 0
    reasoning_tokens: int = 0
    """The part of ``completion_tokens`` that was reasoning, where the engine says so."""
    model_seconds: float = 0.0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            prompt_tokens=self.prompt_tokens + other.prompt_tokens,
            cached_tokens=self.cached_tokens + other.cached_tokens,
            completion_tokens=self.completion_tokens + other.completion_tokens,
            reasoning_tokens=self.reasoning_tokens + other.reasoning_tokens,
            model_seconds=self.model_seconds + other.model_seconds,
        )

    @property
    def total_tokens(self) -> int:
        """Prompt and completion tokens together."""
        return self.prompt_tokens + self.completion_tokens

    @property
    def fresh_tokens(self) -> int:
        """Prompt tokens that were not in the prefix cache, and completion tokens."""
        return self.total_tokens - self.cached_tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How fast one model call was, or several; the sums that means are made of."""

    calls: int = 0
    first_token_seconds: float = 0.0
    """From the request to the first token: the queue and the reading of the prompt."""
    writing_seconds: float = 0.0
    """From the first token to the end."""
    written_tokens: int = 0
    """Completion tokens of the calls whose writing could be timed; a reply that comes whole can not."""

    @classmethod
    def of(cls, usage: Usage, first_token_seconds: float) -> Pace:
        """Return the pace of one call."""
        writing = max(0.0, usage.model_seconds - first_token_seconds)
        written = usage.completion_tokens if writing else 0
        return cls(calls=1, first_token_seconds=first_token_seconds, writing_seconds=writing, written_tokens=written)

    def __add__(self, other: Pace) -> Pace:
        return Pace(
            calls=self.calls + other.calls,
            first_token_seconds=self.first_token_seconds + other.first_token_seconds,
            writing_seconds=self.writing_seconds + other.writing_seconds,
            written_tokens=self.written_tokens + other.written_tokens,
        )

    @property
    def mean_first_token_seconds(self) -> float:
        """Mean time to the first token; 0 without a call."""
        return self.first_token_seconds / self.calls if self.calls else 0.0

    @property
    def tokens_per_second(self) -> float:
        """Completion tokens per second of writing; 0 where that could not be timed."""
        return self.written_tokens / self.writing_seconds if self.writing_seconds else 0.0


class Limit(StrEnum):
    """What a budget limits."""

    STEPS = "steps"
    TOKENS = "tokens"
    FRESH_TOKENS = "fresh_tokens"
    MONEY = "money"
    MINUTES = "minutes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What a run has used until now."""

    steps: int = 0
    usage: Usage = Usage()
    seconds: float = 0.0
    """Running time of all attempts; waiting for people and for a worker does not count."""
    dollars: float | None = None
    """None where the model has no price."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """How far one limit is used up, in the limit's own unit."""

    limit: Limit
    spent: float
    allowed: float

    @property
    def nearly_reached(self) -> bool:
        """Whether it is time to tell the model."""
        return self.spent >= NEARLY * self.allowed

    @property
    def reached(self) -> bool:
        """Whether another step is not allowed any more."""
        return self.spent >= self.allowed

    @property
    def total(self) -> str:
        """What is allowed, in words."""
        return _amount(self.limit, self.allowed)

    @property
    def left(self) -> str:
        """What is left, in words."""
        return _amount(self.limit, max(0.0, self.allowed - self.spent))

    def exceeded(self) -> BudgetExceeded:
        """Return the error that ends a run here."""
        error, advice = _ENDS[self.limit]
        return error(f"the run reached its limit of {self.total}; {advice}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """Limits of one run; looked at between steps, so that the last one may go beyond."""

    max_steps: int = 100
    """Model replies."""
    max_tokens: int = 20_000_000
    """Prompt and completion tokens over all calls; cached prompt tokens count."""
    max_seconds: float = 3600.0
    """Running time of all attempts together."""
    max_fresh_tokens: int = 0
    """As ``max_tokens``, but prompt tokens that the engine had in its cache do not count; 0 for no limit."""
    max_cost: float = 0.0
    """Dollars, where the model has a price; 0 for no limit."""

    def levels(self, spent: Spent, raised: Mapping[str, float]) -> tuple[Level, ...]:
        """Return how far each limit is used up.

        Args:
            spent: What the run has used.
            raised: By limit, what a person allows instead of what was agreed at first.
        """
        found = [
            (Limit.STEPS, spent.steps, self.max_steps),
            (Limit.TOKENS, spent.usage.total_tokens, self.max_tokens),
            (Limit.MINUTES, spent.seconds / 60, self.max_seconds / 60),
        ]
        if self.max_fresh_tokens:
            found.append((Limit.FRESH_TOKENS, spent.usage.fresh_tokens, self.max_fresh_tokens))
        if self.max_cost and spent.dollars is not None:
            found.append((Limit.MONEY, spent.dollars, self.max_cost))
        return tuple(
            Level(limit=limit, spent=float(used), allowed=float(raised.get(limit.value, allowed)))
            for limit, used, allowed in found
        )


NEARLY: Final = 0.8
"""The part of a limit after which the model is told how much is left."""

_ENDS: Final = {
    Limit.STEPS: (StepLimit, "raise it with --max-steps"),
    Limit.TOKENS: (TokenLimit, "raise max_tokens in pullwright.toml"),
    Limit.FRESH_TOKENS: (TokenLimit, "raise max_fresh_tokens in pullwright.toml"),
    Limit.MONEY: (CostLimit, "raise max_cost in pullwright.toml"),
    Limit.MINUTES: (TimeLimit, "raise it with --max-minutes"),
}


def _amount(limit: Limit, amount: float) -> str:
    if limit is Limit.MONEY:
        return f"${amount:.2f}"
    unit = limit.value.replace("fresh_tokens", "tokens not read from the cache")
    return f"{amount:.4g} {unit}" if limit is Limit.MINUTES else f"{amount:.0f} {unit}"
