"""A model that says what a script tells it to, for tests of everything above the ``Model`` port."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from anyio.lowlevel import checkpoint

from pullwright.agents.budget import Usage
from pullwright.agents.errors import MalformedReply, ModelError
from pullwright.agents.llm.reply import ReadingContext, read_reply
from pullwright.agents.llm.wire import RawCall, RawReply
from pullwright.agents.message import AssistantMessage
from pullwright.agents.ports.model import Delta, DeltaListener, ModelReply, ModelRequest, ReplyClass

Arguments = Mapping[str, object] | str
"""Arguments of a call; text goes out as it is, valid or not."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One turn of a scripted model."""

    text: str = ""
    reasoning: str = ""
    calls: Sequence[tuple[str, Arguments]] = ()
    """Tool name and arguments of each call."""
    finish_reason: str = ""
    """Empty for what fits: ``tool_calls`` or ``stop``."""

    @property
    def finish(self) -> str:
        """The finish reason that goes out."""
        return self.finish_reason or ("tool_calls" if self.calls else "stop")


class ScriptExhausted(Exception):
    """The model was asked for more replies than its script holds."""


ScriptItem = Reply | ModelReply | ModelError | Callable[[ModelRequest], Reply]


class ScriptedModel:
    """Implements ``Model`` in memory.

    A ``ModelReply`` is returned as it is and an error is raised; a ``Reply`` is read as a real one would be, so
    malformed arguments and unknown tools show up in ``problems``. A callable sees the request first. Call ids are
    counted over the conversation: ``call00001``, ``call00002`` and so on.
    """

    def __init__(
        self,
        script: Iterable[ScriptItem],
        *,
        name: str = "scripted",
        usage: Usage = Usage(prompt_tokens=100, completion_tokens=10),
        window: int = 0,
    ) -> None:
        self._script = iter(script)
        self._name = name
        self._usage = usage
        self.requests: list[ModelRequest] = []
        """Every request, oldest first."""
        self.released: list[str] = []
        """Every conversation that was released, oldest first."""
        self._window = window

    @property
    def name(self) -> str:
        return self._name

    @property
    def window(self) -> int:
        return self._window

    def release(self, conversation_id: str) -> None:
        self.released.append(conversation_id)

    async def complete(self, request: ModelRequest, on_delta: DeltaListener | None = None) -> ModelReply:
        self.requests.append(request)
        await checkpoint()
        item = next(self._script, None)
        if item is None:
            raise ScriptExhausted(f"the script of {self._name!r} has no reply number {len(self.requests)}; add one")
        if isinstance(item, ModelError):
            raise item
        if isinstance(item, ModelReply):
            return item
        return self._read(item if isinstance(item, Reply) else item(request), request, on_delta)

    def _read(self, reply: Reply, request: ModelRequest, on_delta: DeltaListener | None) -> ModelReply:
        if on_delta is not None and (reply.text or reply.reasoning):
            on_delta(Delta(text=reply.text, reasoning=reply.reasoning))
        raw = RawReply(
            text=reply.text,
            reasoning=reply.reasoning,
            calls=[RawCall(name=name, arguments=arguments_text(arguments)) for name, arguments in reply.calls],
            finish_reason=reply.finish,
            usage=self._usage,
        )
        context = ReadingContext(
            tool_names=frozenset(tool.name for tool in request.tools),
            messages=request.messages,
            new_id=counted_ids(request),
        )
        read = read_reply(raw, context).reply
        if read.kind is ReplyClass.EMPTY:
            raise MalformedReply(f"the model {self._name!r} gave an empty reply; check its script")
        return replace(read, first_token_seconds=0.0)


def counted_ids(request: ModelRequest) -> Callable[[], str]:
    """Return a source of call ids that go on from those in the conversation."""
    count = sum(len(message.tool_calls) for message in request.messages if isinstance(message, AssistantMessage))

    def new_id() -> str:
        nonlocal count
        count += 1
        return f"call{count:05d}"

    return new_id


def arguments_text(arguments: Arguments) -> str:
    """Return arguments as they go over the wire."""
    return arguments if isinstance(arguments, str) else json.dumps(arguments)
