"""``service``: start, look at and stop what has to go on when a command ends."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from pullwright.agents.errors import ServiceError, ToolFailed, ToolRejected
from pullwright.agents.ports.sandbox import Sandbox, ServiceState
from pullwright.agents.tools.base import Arguments, Effect, ToolContext, ToolOutcome

KEEP_BYTES = 16_384
"""Bytes of a service's log that reach the model."""


class ServiceArguments(Arguments):
    """Arguments of ``service``."""

    action: Literal["start", "log", "stop"]
    name: str = Field(min_length=1, max_length=64, description="A short name of your choice, such as web.")
    command: str = Field("", description="For start: a bash command line that stays in the foreground.")


class Service:
    """Run servers in the background."""

    name: ClassVar[str] = "service"
    description: ClassVar[str] = (
        "Run a server in the background of the sandbox. It goes on when commands end, until you stop it; a command can "
        "reach it on localhost. Look at its log to see whether it is up."
    )
    effect: ClassVar[Effect] = Effect.ONCE
    arguments: ClassVar[type[Arguments]] = ServiceArguments

    async def run(self, arguments: ServiceArguments, context: ToolContext) -> ToolOutcome:
        if (arguments.action == "start") != bool(arguments.command):
            raise ToolRejected("the arguments of 'service' do not fit: 'command' goes with the action start, only")
        try:
            return await _act(arguments, context.sandbox)
        except ServiceError as exc:
            raise ToolFailed(str(exc)) from exc


async def _act(arguments: ServiceArguments, sandbox: Sandbox) -> ToolOutcome:
    match arguments.action:
        case "start":
            await sandbox.start_service(arguments.name, arguments.command)
            return ToolOutcome(content=f"service {arguments.name!r} is started; look at its log to see how it does")
        case "log":
            return ToolOutcome(content=describe(await sandbox.read_service(arguments.name, limit=KEEP_BYTES)))
    return ToolOutcome(content=describe(await sandbox.stop_service(arguments.name)))


def describe(state: ServiceState) -> str:
    """Say how a service is and what it printed, as the model and people read it."""
    log = state.log.text.rstrip("\n")
    return "\n".join([*([log] if log else []), f"[service {state.name!r} {_condition(state)}]"])


def _condition(state: ServiceState) -> str:
    if state.running:
        return "is running"
    return "was ended by a signal" if state.exit_code is None else f"ended with exit code {state.exit_code}"
