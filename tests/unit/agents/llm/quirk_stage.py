"""The real client against a scripted endpoint with a quirk."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from pullwright.agents.llm.exact_counts import rendered
from pullwright.agents.llm.openai_model import OpenAIModel
from pullwright.agents.llm.profile import PROFILES
from pullwright.agents.llm.settings import EndpointSettings, Timeouts
from pullwright.agents.message import AssistantMessage, Message, ToolResult
from pullwright.agents.ports.model import ModelRequest
from pullwright.agents.testing.endpoint_script import Answer
from pullwright.agents.testing.fake_clock import FakeClock
from pullwright.agents.testing.scripted_endpoint import Quirk, ScriptedEndpoint
from pullwright.agents.testing.scripted_model import Reply

HELLO = Reply("Hello: an array [1, 2] and a naïve “quote” 🎉.", "Some thoughts.")
LOOK = Reply("I look.", "Where?", [("bash", {"command": "ls [ab]"})])
BOTH = Reply("Two.", "Both.", [("bash", {"command": "one"}), ("bash", {"command": "two"})])


@asynccontextmanager
async def quirky(
    script: Sequence[Reply] | Answer,
    *quirks: Quirk,
    profile: str = "vllm",
    clock: FakeClock | None = None,
    timeouts: Timeouts | None = None,
    streaming: bool | None = None,
    **options: Any,
) -> AsyncIterator[tuple[OpenAIModel, ScriptedEndpoint]]:
    style = profile.removeprefix("nim-")
    with ScriptedEndpoint(script, style=style, quirks=frozenset(quirks), **options) as endpoint:
        settings = EndpointSettings(
            url=endpoint.url, profile=profile, timeouts=timeouts or Timeouts(), streaming=streaming
        )
        async with OpenAIModel.open(settings, clock=clock or FakeClock(), count=counter(profile)) as model:
            yield model, endpoint


def counter(profile: str) -> Callable[[ModelRequest], int]:
    """Counts as the scripted endpoint does."""

    def count(request: ModelRequest) -> int:
        return len(json.dumps(rendered(request, PROFILES[profile])["messages"])) // 4

    return count


def answered(message: AssistantMessage) -> list[Message]:
    """A reply and the results of its calls."""
    return [message, *(ToolResult(call_id=call.id, name=call.name, content="ok") for call in message.tool_calls)]


def commands(message: AssistantMessage) -> list[str]:
    return [call.arguments for call in message.tool_calls]
