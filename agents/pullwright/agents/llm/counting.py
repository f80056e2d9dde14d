"""How many tokens a request is: by an estimate that learns from the endpoint, exactly where it matters.

The estimate costs nothing that grows with the conversation: every message is measured once, and the prompt tokens
that the endpoint reported for the last request are taken as they are, so that only what came after them is estimated.
Where the estimate can not tell on which side of a limit the request is, the endpoint itself is asked, or the model's
tokenizer, where there is one (``exact_counts``).
"""

from __future__ import annotations

import json
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final, Protocol, assert_never

from pullwright.agents.llm.images import LONGEST_SIDE, image_size, image_tokens
from pullwright.agents.message import (
    AssistantMessage,
    Message,
    SystemMessage,
    ToolCall,
    ToolResult,
    ToolSpec,
    UserMessage,
)
from pullwright.agents.ports.model import ModelRequest

BYTES_PER_TOKEN: Final = 3.0
"""What a new endpoint is assumed to need; code and English need less, so the first guess is rather too high."""
MESSAGE_TOKENS: Final = 4
"""What a message or a call costs beside its text."""
DOUBT: Final = 0.25
"""How far off the estimate of what no reply has measured yet may be, as a share of it."""

_FORGET: Final = 0.8
"""How much of the earlier observations a new one leaves."""
_PRIOR_TOKENS: Final = 256.0
"""The weight of the first assumption."""
_STRANGE: Final = 1.6
"""A ratio that is off by more than this factor is believed only when the next one says the same."""
_KEPT_CONVERSATIONS: Final = 64
_UNKNOWN: Final = (LONGEST_SIDE, LONGEST_SIDE)
"""The size of a picture whose file does not tell: the largest that costs something."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """The prompt tokens of a request."""

    tokens: int
    exact: bool = False
    anchored: bool = False
    """The endpoint's own number for most of it, and an estimate of the rest."""
    guessed: int = 0
    """How many of the tokens are an estimate."""

    def decides(self, limit: int) -> bool:
        """Whether this is good enough to tell on which side of a limit the request is."""
        return abs(self.tokens - limit) > self.guessed * DOUBT


class ExactCounter(Protocol):
    """Something that knows the exact number: the server, or the model's tokenizer."""

    async def count(self, request: ModelRequest) -> int | None:
        """Return the prompt tokens of a request, None where they can not be had now."""
        ...


class PromptCounter(Protocol):
    """Counts requests to one endpoint."""

    async def count(self, request: ModelRequest, *, limit: int = 0) -> Count:
        """Count a request.

        Args:
            request: What would be sent.
            limit: The number that the count will be compared with; where an estimate can not decide that, the count
                is exact if that is offered. 0 for no limit.
        """
        ...

    def observe(self, request: ModelRequest, prompt_tokens: int) -> None:
        """Learn from the ``usage.prompt_tokens`` of a reply; 0 teaches nothing."""
        ...


class EndpointCounter:
    """Implements ``PromptCounter`` by an estimate, and by ``exact`` where that does not decide."""

    def __init__(self, exact: ExactCounter | None = None) -> None:
        self._exact = exact
        self._ratio = Ratio()
        self._ledgers: OrderedDict[str, Ledger] = OrderedDict()
        self._tools: tuple[tuple[ToolSpec, ...], int] = ((), 0)

    async def count(self, request: ModelRequest, *, limit: int = 0) -> Count:
        guess = self.estimate(request)
        if self._exact is None or not limit or guess.decides(limit):
            return guess
        tokens = await self._exact.count(request)
        if tokens is None:
            return guess
        self._learn(request, tokens)
        return Count(tokens=tokens, exact=True)

    def estimate(self, request: ModelRequest) -> Count:
        """Return what is known without asking anybody."""
        ledger, units = self._measure(request)
        rest = self._ratio.tokens(max(0, units - ledger.anchor_units))
        return Count(tokens=ledger.anchor_tokens + rest, anchored=ledger.anchor_messages > 0, guessed=rest)

    def known(self, request: ModelRequest) -> int:
        """Return the estimate where most of it is the endpoint's own number, else 0: a first guess proves nothing.

        This is what a server that drops a part of the prompt can be convicted with (R22).
        """
        count = self.estimate(request)
        return count.tokens if count.anchored else 0

    def observe(self, request: ModelRequest, prompt_tokens: int) -> None:
        if prompt_tokens > 0:
            self._learn(request, prompt_tokens)

    def _learn(self, request: ModelRequest, tokens: int) -> None:
        ledger, units = self._measure(request)
        if self._ratio.observe(units, tokens):
            ledger.anchor(len(request.messages), units, tokens)

    def _measure(self, request: ModelRequest) -> tuple[Ledger, int]:
        ledger = self._ledgers.setdefault(request.conversation_id, Ledger())
        self._ledgers.move_to_end(request.conversation_id)
        if len(self._ledgers) > _KEPT_CONVERSATIONS:
            self._ledgers.popitem(last=False)
        return ledger, ledger.measure(request.messages) + self._tool_units(request.tools)

    def _tool_units(self, tools: tuple[ToolSpec, ...]) -> int:
        if self._tools[0] is not tools:
            self._tools = (tools, sum(map(tool_units, tools)))
        return self._tools[1]


@dataclass(slots=True)
class Ratio:
    """Prompt tokens per estimated token at one endpoint, a mean in which newer observations weigh more."""

    observed: float = _PRIOR_TOKENS
    estimated: float = _PRIOR_TOKENS
    trained: bool = False
    doubted: bool = False

    @property
    def value(self) -> float:
        """The ratio as it stands."""
        return self.observed / self.estimated

    def tokens(self, units: int) -> int:
        """Translate an estimate."""
        return round(units * self.value)

    def observe(self, units: int, tokens: int) -> bool:
        """Take in one observation and say whether it is believed.

        A reply that was sampled several times reports the sum of its prompts, which must not spoil the mean.
        """
        off = tokens / max(1, units) / self.value
        strange = self.trained and not 1 / _STRANGE <= off <= _STRANGE
        if strange and not self.doubted:
            self.doubted = True
            return False
        if strange:  # twice in a row: the endpoint has changed
            self.observed = self.estimated = 0.0
        self.doubted = False
        self.trained = True
        self.observed = self.observed * _FORGET + tokens
        self.estimated = self.estimated * _FORGET + max(1, units)
        return True


@dataclass(slots=True)
class Ledger:
    """The messages of one conversation with the running sum of their estimates."""

    messages: list[Message] = field(default_factory=list)
    sums: list[int] = field(default_factory=list)
    anchor_messages: int = 0
    anchor_units: int = 0
    anchor_tokens: int = 0

    def measure(self, messages: tuple[Message, ...]) -> int:
        """Return the estimate of a conversation, looking only at messages that are new."""
        common = _common_length(self.messages, messages)
        if common < len(self.messages):
            del self.messages[common:], self.sums[common:]
            if common < self.anchor_messages:
                self.anchor(0, 0, 0)
        for message in messages[common:]:
            self.messages.append(message)
            self.sums.append((self.sums[-1] if self.sums else 0) + message_units(message))
        return self.sums[-1] if self.sums else 0

    def anchor(self, messages: int, units: int, tokens: int) -> None:
        """Remember the true number of tokens of the conversation as it is now."""
        self.anchor_messages, self.anchor_units, self.anchor_tokens = messages, units, tokens


def message_units(message: Message) -> int:
    """Return the first estimate of a message's tokens, before what the endpoint has taught."""
    match message:
        case SystemMessage():
            return MESSAGE_TOKENS + _units(message.content)
        case UserMessage():
            images = sum(image_tokens(*(image_size(image.content) or _UNKNOWN)) for image in message.images)
            return MESSAGE_TOKENS + _units(message.content) + images
        case AssistantMessage():
            calls = sum(map(_call_units, message.tool_calls))
            return MESSAGE_TOKENS + _units(message.content) + _units(message.reasoning) + calls
        case ToolResult():
            return MESSAGE_TOKENS + _units(message.content)
        case _:
            assert_never(message)


def tool_units(tool: ToolSpec) -> int:
    """Return the first estimate of a tool's definition."""
    schema = json.dumps(tool.parameters, default=str)
    return MESSAGE_TOKENS + _units(tool.name) + _units(tool.description) + _units(schema)


def _call_units(call: ToolCall) -> int:
    return MESSAGE_TOKENS + _units(call.name) + _units(call.arguments)


def _units(text: str) -> int:
    size = len(text) if text.isascii() else len(text.encode("utf-8", "replace"))
    return round(size / BYTES_PER_TOKEN)


def _common_length(old: list[Message], new: tuple[Message, ...]) -> int:
    for index, (left, right) in enumerate(zip(old, new, strict=False)):
        if left is not right and left != right:
            return index
    return min(len(old), len(new))
