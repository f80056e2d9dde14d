"""One line per call: what it cost and what came of it. What was said is logged only when the settings say so."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass

from pullwright.agents.llm.settings import EndpointSettings
from pullwright.agents.message import AssistantMessage, Message
from pullwright.agents.ports.model import ModelReply, ModelRequest
from pullwright.agents.token_patterns import TOKENS

_logger = logging.getLogger(__name__)

_LONGEST = 20_000
"""Characters of one message that are logged."""
_TOKEN = re.compile("|".join(f"(?:{token.pattern})" for token in TOKENS))


@dataclass(frozen=True, slots=True, kw_only=True)
class CallLog:
    """Writes down the calls to one endpoint."""

    settings: EndpointSettings

    def note(self, model: str, request: ModelRequest, reply: ModelReply) -> None:
        """Log a finished call; one that failed is logged by its failure."""
        if not _logger.isEnabledFor(logging.INFO):
            return
        usage = reply.usage
        _logger.info(
            "model call: profile=%s endpoint=%s model=%s effort=%s class=%s finish=%s prompt=%d cached=%d "
            "completion=%d reasoning=%d first_token=%.3fs total=%.3fs retries=%d request=%s calls=%s",
            self.settings.profile,
            self.settings.shown_url,
            model,
            request.effort.value,
            (reply.finding or reply.kind).value,
            reply.finish_reason,
            usage.prompt_tokens,
            usage.cached_tokens,
            usage.completion_tokens,
            usage.reasoning_tokens,
            reply.first_token_seconds,
            usage.model_seconds,
            reply.retries,
            reply.request_id,
            dict(reply.server_ids),
        )
        if self.settings.log_prompts:
            for message in (*_new(request.messages), reply.message):
                self._note_message(request.conversation_id, message)

    def _note_message(self, conversation_id: str, message: Message) -> None:
        for what, text in _spoken(message):
            hidden = _TOKEN.sub("…", self.settings.without_secrets(text))
            shown = hidden if len(hidden) <= _LONGEST else hidden[:_LONGEST] + "…"
            _logger.info("model call of %s: %s %s: %r", conversation_id, type(message).__name__, what, shown)


def _new(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """What came after the model's last words, which were logged with their call."""
    for index in range(len(messages) - 1, -1, -1):
        if isinstance(messages[index], AssistantMessage):
            return messages[index + 1 :]
    return messages


def _spoken(message: Message) -> Iterator[tuple[str, str]]:
    if message.content:
        yield "content", message.content
    if isinstance(message, AssistantMessage):
        if message.reasoning:
            yield "reasoning", message.reasoning
        for call in message.tool_calls:
            yield f"call of {call.name}", call.arguments
