"""What a run may spend and what it has spent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
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


class Scope(StrEnum):
    """Whose spending a limit is for; the beginning of its name."""

    RUN = ""
    REPOSITORY_DAY = "repository_day_"
    """All runs of one repository on one day (UTC)."""
    DAY = "day_"
    """All runs on one day (UTC)."""


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

    def __add__(self, other: Spent) -> Spent:
        priced = [one.dollars for one in (self, other) if one.dollars is not None]
        return Spent(
            steps=self.steps + other.steps,
            usage=self.usage + other.usage,
            seconds=self.seconds + other.seconds,
            dollars=sum(priced) if priced else None,
        )

    @property
    def amounts(self) -> Mapping[Limit, float]:
        """What was used, in each limit's own unit; without what has no price."""
        used = {
            Limit.STEPS: float(self.steps),
            Limit.TOKENS: float(self.usage.total_tokens),
            Limit.MINUTES: self.seconds / 60,
            Limit.FRESH_TOKENS: float(self.usage.fresh_tokens),
        }
        return used if self.dollars is None else {**used, Limit.MONEY: self.dollars}


NOTHING: Final = Spent()


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """How far one limit is used up, in the limit's own unit."""

    limit: Limit
    spent: float
    allowed: float
    agreed: float
    """What was allowed at first; a person may have raised it since."""
    scope: Scope = Scope.RUN

    @property
    def key(self) -> str:
        """The limit's name, as events and settings have it."""
        return f"{self.scope}{self.limit}"

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
        amount = _amount(self.limit, max(0.0, self.allowed - self.spent))
        return f"{amount} for {_WHOSE[self.scope]}" if self.scope else amount

    @property
    def whose(self) -> str:
        """Whose spending it is about, in words."""
        return _WHOSE[self.scope]

    def exceeded(self) -> BudgetExceeded:
        """Return the error that ends a run here."""
        error, advice = _ENDS[self.limit]
        if self.scope:
            return error(f"{self.whose} reached their limit of {self.total}; raise {self.key} in pullwright.toml")
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

    @property
    def limits(self) -> Mapping[Limit, float]:
        """The limits, each in its own unit."""
        limits = {
            Limit.STEPS: float(self.max_steps),
            Limit.TOKENS: float(self.max_tokens),
            Limit.MINUTES: self.max_seconds / 60,
            Limit.FRESH_TOKENS: float(self.max_fresh_tokens),
            Limit.MONEY: self.max_cost,
        }
        optional = (Limit.FRESH_TOKENS, Limit.MONEY)
        return {limit: most for limit, most in limits.items() if most or limit not in optional}


@dataclass(frozen=True, slots=True, kw_only=True)
class DayLimits:
    """Limits of one day (UTC, by the database's clock); what is not named has none."""

    repository: Mapping[Limit, float] = field(default_factory=dict)
    """For all runs of a repository together."""
    everything: Mapping[Limit, float] = field(default_factory=dict)
    """For all runs together."""

    def __bool__(self) -> bool:
        return bool(self.repository or self.everything)


def levels(
    limits: Mapping[Limit, float], spent: Spent, raised: Mapping[str, float], scope: Scope = Scope.RUN
) -> tuple[Level, ...]:
    """Return how far each limit is used up; one on money is left out where nothing has a price.

    Args:
        limits: What was agreed at first.
        spent: What has been used.
        raised: By the limit's name, what a person allows instead.
        scope: Whose limits they are.
    """
    used = spent.amounts
    return tuple(
        Level(
            limit=limit,
            spent=used[limit],
            allowed=float(raised.get(f"{scope}{limit}", agreed)),
            agreed=agreed,
            scope=scope,
        )
        for limit, agreed in limits.items()
        if limit in used
    )


NEARLY: Final = 0.8
"""The part of a limit after which the model is told how much is left."""

_WHOSE: Final = {
    Scope.RUN: "the run",
    Scope.REPOSITORY_DAY: "today's runs of this repository",
    Scope.DAY: "today's runs",
}

_ENDS: Final = {
    Limit.STEPS: (StepLimit, "raise it with --max-steps"),
    Limit.TOKENS: (TokenLimit, "raise it with --max-tokens"),
    Limit.FRESH_TOKENS: (TokenLimit, "raise it with --max-fresh-tokens"),
    Limit.MONEY: (CostLimit, "raise it with --max-cost"),
    Limit.MINUTES: (TimeLimit, "raise it with --max-minutes"),
}


def _amount(limit: Limit, amount: float) -> str:
    if limit is Limit.MONEY:
        return f"${amount:.2f}"
    unit = limit.value.replace("fresh_tokens", "tokens not read from the cache")
    return f"{amount:.4g} {unit}" if limit is Limit.MINUTES else f"{amount:.0f} {unit}"
