"""What an endpoint says and shows about itself."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, replace

from pullwright.agents.llm.settings import EndpointSettings
from pullwright.agents.message import AssistantMessage, Image, Message, SystemMessage, ToolResult, ToolSpec, UserMessage
from pullwright.agents.ports.model import ModelRequest, ReasoningEffort


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedModel:
    """One entry of the endpoint's list of models."""

    name: str
    window: int = 0
    """Tokens of prompt and reply together; 0 where the server does not say."""


def read_models(body: object) -> tuple[ServedModel, ...]:
    """Read the answer of ``/v1/models``; entries of unknown shape are left out."""
    entries = body.get("data") if isinstance(body, Mapping) else None
    return tuple(
        ServedModel(name=entry["id"], window=_window(entry))
        for entry in (entries if isinstance(entries, list) else ())
        if isinstance(entry, Mapping) and isinstance(entry.get("id"), str)
    )


def _window(entry: Mapping[str, object]) -> int:
    meta = entry.get("meta")
    served = meta.get("n_ctx") if isinstance(meta, Mapping) else None
    window = entry.get("max_model_len") or entry.get("max_context_length") or served
    return window if isinstance(window, int) else 0


def choose_model(listed: tuple[ServedModel, ...], settings: EndpointSettings) -> ServedModel | None:
    """Return the model to use, None when the endpoint lists nothing and none is set.

    A name that is not listed is kept: some servers accept any name, some list none.
    """
    if not settings.model:
        return listed[0] if listed else None
    for served in listed:
        if served.name == settings.model:
            return served
    return ServedModel(name=settings.model)


PROBE_IMAGE = Image(
    media_type="image/png",
    content=base64.b64decode(
        "iVBORw0KGgoAAAANSUhEUgAAACAAAAAgCAIAAAD8GO2jAAAAJ0lEQVR42u3NsQkAAAjAsP7/tF7hIASyp6lTCQQCgUAgEAgEgi/B"
        "AjLD/C5w/SM9AAAAAElFTkSuQmCC"
    ),
    name="red.png",
)
"""A red square of 32 pixels."""

PROBE_TOOL = ToolSpec(
    name="report",
    description="Report the sum.",
    parameters={
        "type": "object",
        "properties": {"sum": {"type": "integer", "description": "The sum of the two numbers."}},
        "required": ["sum"],
    },
)


def probe_request(effort: ReasoningEffort, *, times: int = 1) -> ModelRequest:
    """A short conversation whose only sensible answer is a tool call, or several at once."""
    task = "Add 2 and 3 and call the tool `report` with the sum."
    if times > 1:
        task = f"Call the tool `report` {times} times in one reply: for 2 + 3, and for 4 + 5."
    return ModelRequest(
        conversation_id="probe",
        messages=(SystemMessage(content="You answer only by calling tools."), UserMessage(content=task)),
        tools=(PROBE_TOOL,),
        effort=effort,
        max_tokens=1024,
    )


def plain_request() -> ModelRequest:
    """A question without tools, and without thinking."""
    return ModelRequest(
        conversation_id="probe-plain",
        messages=(SystemMessage(content="You answer in one word."), UserMessage(content="Say hello.")),
        tools=(),
        effort=ReasoningEffort.NONE,
        max_tokens=64,
    )


BRACKETED = "[1, [2, 3]]"


def bracket_request() -> ModelRequest:
    """A question with a tool on offer, whose answer is text with brackets."""
    return replace(
        probe_request(ReasoningEffort.NONE),
        conversation_id="probe-brackets",
        messages=(
            SystemMessage(content="You do what you are asked."),
            UserMessage(content=f"Call no tool. Answer with exactly this text: {BRACKETED}"),
        ),
    )


def two_voices_request() -> ModelRequest:
    """Two messages of a person in a row, which the strictest chat templates refuse."""
    request = plain_request()
    return replace(request, messages=(*request.messages, UserMessage(content="Please.")))


def results_for(message: AssistantMessage) -> tuple[Message, ...]:
    """A reply and a result for each of its calls: the next turn."""
    results = (ToolResult(call_id=call.id, name=call.name, content="noted") for call in message.tool_calls)
    return (message, *results)
