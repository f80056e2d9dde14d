"""Asking an endpoint one thing at a time, without trying again: what ``self_test`` looks through."""

from __future__ import annotations

from dataclasses import dataclass, replace

import anyio

from pullwright.agents.llm.body import BodyEncoder, request_options, streams
from pullwright.agents.llm.connection import Connection
from pullwright.agents.llm.failure import AttemptFailed, Failure, FailureKind
from pullwright.agents.llm.profile import Profile
from pullwright.agents.llm.reply import Reading, context_of, random_call_id, read_reply
from pullwright.agents.llm.served import ServedModel
from pullwright.agents.llm.settings import EndpointSettings
from pullwright.agents.llm.wire import RawReply, ReplyCollector
from pullwright.agents.ports.model import ModelRequest, ReplyClass

_WINDOW_SHARE = 2
_CALL_MARKERS = ("[TOOL_CALLS]", "<tool_call>", "[ARGS]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """One reply: as it was sent, and as it is understood."""

    raw: RawReply
    reading: Reading
    seconds: float

    @property
    def kind(self) -> ReplyClass:
        """What it is."""
        return self.reading.reply.kind

    @property
    def silent(self) -> bool:
        """Whether there was neither text nor a call: at most reasoning."""
        return not self.raw.text.strip() and not self.raw.calls and not self.reading.leaked

    @property
    def filed_as_reasoning(self) -> bool:
        """Whether its calls were among the reasoning, and nothing else was said."""
        marked = any(marker in self.raw.reasoning for marker in _CALL_MARKERS)
        return self.reading.leaked and marked and not self.raw.text.strip()


class Questions:
    """Sends requests the way runs would, or in another way of asking."""

    def __init__(self, connection: Connection, settings: EndpointSettings, profile: Profile) -> None:
        self._connection = connection
        self._settings = settings
        self._profile = profile
        self.model = ServedModel(name=settings.model)

    async def ask(
        self, request: ModelRequest, *, streamed: bool | None = None, profile: Profile | None = None
    ) -> Heard:
        """Get one reply.

        Args:
            request: What to ask.
            streamed: Whether to ask for a stream; None for the way of runs.
            profile: How to render the request; None for the way of runs.

        Raises:
            AttemptFailed: There was none, or it has no end.
        """
        shape = profile or self._profile
        settings = self._settings if streamed is None else replace(self._settings, streaming=streamed)
        limit = min(request.max_tokens, self.model.window // _WINDOW_SHARE or request.max_tokens)
        options = request_options(request, shape, settings, model=self.model.name, max_tokens=limit)
        begun = anyio.current_time()
        raw = await self._sent(BodyEncoder(shape).encode(request, options), request, settings)
        seconds = anyio.current_time() - begun
        if not raw.finish_reason:
            raise AttemptFailed(Failure(kind=FailureKind.INTERRUPTED, detail="the reply has no finish reason"))
        context = context_of(request, shape, output_limit=limit, new_id=random_call_id)
        return Heard(raw=raw, reading=read_reply(raw, context), seconds=seconds)

    async def _sent(self, body: bytes, request: ModelRequest, settings: EndpointSettings) -> RawReply:
        headers = {"Content-Type": "application/json"}
        if self._profile.affinity_header:
            headers[self._profile.affinity_header] = request.conversation_id
        collector = ReplyCollector()
        if streams(self._profile, settings):
            limit = settings.timeouts.total
            await self._connection.stream(body, headers, collector.add, first_byte=limit)
        else:
            await self._connection.whole(body, headers, collector.add)
        return collector.reply()
