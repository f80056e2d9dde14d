"""The shape of a tool, and the box of tools that one run offers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Any, ClassVar, Protocol

from pydantic import BaseModel, ConfigDict, ValidationError

from pullwright.agents.errors import ToolRejected
from pullwright.agents.events import EgressDecided, RunEvent
from pullwright.agents.message import ToolCall, ToolSpec
from pullwright.agents.ports.sandbox import ExecResult, Sandbox


class Effect(StrEnum):
    """What repeating a call would do; decides how a run that was cut in half goes on."""

    PURE = "pure"
    """Changes no files: run it again."""
    IDEMPOTENT = "idempotent"
    """Changes files, and twice is the same as once: run it again."""
    ONCE = "once"
    """May have happened or not: look, do not repeat."""
    EXTERNAL = "external"
    """Reaches outside the sandbox: only by the outbox."""


class Arguments(BaseModel):
    """Base of every tool's arguments."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolContext:
    """What every tool gets."""

    sandbox: Sandbox
    step: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolOutcome:
    """What a tool tells the model, and the journal."""

    content: str
    is_error: bool = False
    events: tuple[RunEvent, ...] = ()


def egress_events(result: ExecResult, step: int) -> tuple[RunEvent, ...]:
    """Return the event that tells what a command reached; none when it reached for nothing."""
    return (EgressDecided(step=step, phase="agent", decisions=result.egress),) if result.egress else ()


class Tool(Protocol):
    """Something the model may call."""

    name: ClassVar[str]
    description: ClassVar[str]
    effect: ClassVar[Effect]
    arguments: ClassVar[type[Arguments]]

    async def run(self, arguments: Any, context: ToolContext) -> ToolOutcome:
        """Do it.

        Raises:
            ToolError: The model gets its text as the result.
            SandboxError: The sandbox is broken; ends the attempt.
        """
        ...


class Toolbox:
    """The tools of one run, in a fixed order."""

    def __init__(self, tools: Sequence[Tool]) -> None:
        self._tools = {tool.name: tool for tool in sorted(tools, key=lambda tool: tool.name)}
        self.specs: tuple[ToolSpec, ...] = tuple(_spec(type(tool)) for tool in self._tools.values())

    def parse(self, call: ToolCall) -> tuple[Tool, Arguments]:
        """Find the tool of a call and check its arguments.

        Raises:
            ToolRejected: No such tool, or arguments that do not fit; says what would.
        """
        tool = self._tools.get(call.name)
        if tool is None:
            raise ToolRejected(f"there is no tool {call.name!r}; the tools are: {', '.join(self._tools)}")
        try:
            return tool, tool.arguments.model_validate_json(call.arguments)
        except ValidationError as exc:
            problems = "; ".join(_problem(error) for error in exc.errors(include_url=False))
            raise ToolRejected(f"the arguments of {call.name!r} do not fit: {problems}") from exc

    def effect(self, call: ToolCall) -> Effect:
        """Return what repeating a call would do; nothing is run for one that is rejected."""
        try:
            return self.parse(call)[0].effect
        except ToolRejected:
            return Effect.PURE

    def changes_files(self, call: ToolCall) -> bool:
        """Say whether a call changes files, or may."""
        return self.effect(call) in (Effect.IDEMPOTENT, Effect.ONCE)


def _problem(error: Any) -> str:
    where = ".".join(str(part) for part in error["loc"]) or "arguments"
    return f"{where}: {error['msg']}"


@cache
def _spec(tool: type[Tool]) -> ToolSpec:
    schema = tool.arguments.model_json_schema()
    definitions = schema.pop("$defs", {})
    return ToolSpec(name=tool.name, description=tool.description, parameters=_plain(schema, definitions))


def _plain(schema: Any, definitions: Any, *, named: bool = False) -> Any:
    """Inline references and drop what costs tokens and tells the model nothing (titles, defaults, limits).

    ``named`` says that the keys of this object are names of properties, which are kept whatever they are.
    """
    match schema:
        case {"$ref": str(reference)}:
            return _plain(definitions[reference.rpartition("/")[2]], definitions)
        case dict():
            noise = _LIMITS | (_NOISE if "properties" in schema else _NOISE - {"description"})
            noise = frozenset() if named else noise
            return {
                key: _plain(value, definitions, named=key == "properties" and not named)
                for key, value in schema.items()
                if key not in noise
            }
        case list():
            return [_plain(item, definitions) for item in schema]
    return schema


_NOISE = frozenset({"title", "description", "default"})

# Servers turn the schema into a grammar, and llama-server refuses one with long repetitions; we check limits ourselves.
_LIMITS = frozenset({"minLength", "maxLength", "minItems", "maxItems", "minimum", "maximum"})
