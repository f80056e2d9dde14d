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
