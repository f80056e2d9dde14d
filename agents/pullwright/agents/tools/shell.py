"""``bash``: run a command line in the sandbox."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from pullwright.agents.ports.sandbox import ExecResult
from pullwright.agents.tools.base import Arguments, Effect, ToolContext, ToolOutcome, egress_events

DEFAULT_SECONDS = 120
MOST_SECONDS = 1800
KEEP_BYTES = 16_384
"""Bytes of each output stream that reach the model."""

BLOCKED_LINES = 10
"""Lines about egress that was blocked; the others are counted."""


class BashArguments(Arguments):
    """Arguments of ``bash``."""

    command: str = Field(min_length=1, description="A bash command line; may span lines.")
    timeout: int = Field(DEFAULT_SECONDS, ge=1, le=MOST_SECONDS, description="Seconds, 120 if left out.")


class Bash:
    """Run a command line; the working directory is kept, the environment is not."""

    name: ClassVar[str] = "bash"
    description: ClassVar[str] = (
        "Run a command in the sandbox and get its exit code and output. The working directory carries over to the "
        "next command, variables do not. No terminal; standard input is empty. The network, if any, is what the task "
        "says. Everything the command started is stopped when it ends: servers belong into the tool service."
    )
    effect: ClassVar[Effect] = Effect.ONCE
    arguments: ClassVar[type[Arguments]] = BashArguments

    async def run(self, arguments: BashArguments, context: ToolContext) -> ToolOutcome:
        result = await context.sandbox.exec(arguments.command, timeout=arguments.timeout, output_limit=KEEP_BYTES)
        return ToolOutcome(
            content=describe(result, arguments.timeout),
            is_error=result.exit_code != 0,
            events=egress_events(result, context.step),
        )


def describe(result: ExecResult, timeout: float) -> str:
    """Say how a command ended, as the model and people read it."""
    parts = [part for part in (result.stdout.text.rstrip("\n"), _stderr(result)) if part]
    return "\n".join([*parts, f"[{_ending(result, timeout)}]", *_blocked(result)])


def _blocked(result: ExecResult) -> list[str]:
    refused = [decision for decision in result.egress if not decision.allowed]
    distinct = list(dict.fromkeys((decision.target[:300], decision.rule) for decision in refused))
    lines = [
        f"[blocked by the egress policy: {target} ({rule}); ask the owner if it is needed]"
        for target, rule in distinct[:BLOCKED_LINES]
    ]
    more = len(distinct) - len(lines)
    return [*lines, f"[blocked by the egress policy: {more} more]"] if more else lines


def _stderr(result: ExecResult) -> str:
    text = result.stderr.text.rstrip("\n")
    return f"[stderr]\n{text}" if text else ""


def _ending(result: ExecResult, timeout: float) -> str:
    if result.timed_out:
        return f"stopped after {timeout:g} s: the time limit; all of its processes are gone"
    if result.exit_code is None:
        return f"ended by signal {result.signal}"
    return f"exit code {result.exit_code}"
