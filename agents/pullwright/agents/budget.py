"""What a run may spend and what it has spent."""

from __future__ import annotations

from dataclasses import dataclass

from pullwright.agents.errors import StepLimit, TimeLimit, TokenLimit


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """Limits of one run."""

    max_steps: int = 100
    """Model replies."""
    max_tokens: int = 20_000_000
    """Prompt and completion tokens over all calls; cached prompt tokens count."""
    max_seconds: float = 3600.0
    """Wall time of the run."""

    def check(self, *, steps: int, usage: Usage, seconds: float) -> None:
        """Raise when another step is not allowed any more.

        Raises:
            StepLimit: ``steps`` have been taken.
            TokenLimit: The tokens are spent.
            TimeLimit: The time is over.
        """
        if steps >= self.max_steps:
            raise StepLimit(f"the run reached its limit of {self.max_steps} steps; raise it with --max-steps")
        if usage.total_tokens >= self.max_tokens:
            raise TokenLimit(
                f"the run reached its limit of {self.max_tokens} tokens; raise max_tokens in pullwright.toml"
            )
        if seconds >= self.max_seconds:
            raise TimeLimit(
                f"the run reached its limit of {self.max_seconds / 60:g} minutes; raise it with --max-minutes"
            )
