"""The ``Model`` port over any OpenAI-compatible server."""

from __future__ import annotations

import logging
import random
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import NoReturn, Self

from pullwright.agents.budget import Usage
from pullwright.agents.clock import SystemClock
from pullwright.agents.errors import EndpointMisconfigured, MalformedReply
from pullwright.agents.llm.body import BodyEncoder, request_options, streams
from pullwright.agents.llm.connection import Connection
from pullwright.agents.llm.failure import AttemptFailed, Failure, FailureKind, Place, to_error
from pullwright.agents.llm.profile import profile
from pullwright.agents.llm.reply import IdFactory, Reading, ReadingContext, random_call_id, read_reply
from pullwright.agents.llm.retry import Retries, RetryPolicy
from pullwright.agents.llm.served import EndpointReport, ServedModel, choose_model, probe_request, read_models
from pullwright.agents.llm.settings import EndpointSettings
from pullwright.agents.llm.wire import RawReply, ReplyCollector
from pullwright.agents.ports.clock import Clock
from pullwright.agents.ports.model import DeltaListener, ModelReply, ModelRequest, ReasoningEffort, ReplyClass

_logger = logging.getLogger(__name__)

_RESAMPLES = 2
_LEAKS_BEFORE_WARNING = 2
_WINDOW_SHARE = 2
"""A reply may take at most the window divided by this."""
_UNFINISHED = {
    "": FailureKind.INTERRUPTED,
    "abort": FailureKind.INTERRUPTED,
    "error": FailureKind.INTERRUPTED,
    "load": FailureKind.LOADING,
}
"""Finish reasons of a reply that did not end by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Call:
    """One request on its way, the same bytes for every attempt."""

    body: bytes
    headers: Mapping[str, str]
    on_delta: DeltaListener | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    raw: RawReply
    first_token_seconds: float
    seconds: float


class OpenAIModel:
    """A model behind one endpoint. Make it with ``open``."""

    def __init__(
        self,
        connection: Connection,
        settings: EndpointSettings,
        *,
        clock: Clock,
        retry: RetryPolicy,
        new_id: IdFactory,
    ) -> None:
        self._connection = connection
        self._settings = settings
        self._profile = profile(settings.profile)
        self._streams = streams(self._profile, settings)
        self._clock = clock
        self._retry = retry
        self._new_id = new_id
        self._bodies = BodyEncoder(self._profile)
        self._served = ServedModel(name=settings.model)
        self._leaks = 0

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        settings: EndpointSettings,
        *,
        clock: Clock | None = None,
        retry: RetryPolicy | None = None,
        new_id: IdFactory = random_call_id,
    ) -> AsyncIterator[Self]:
        """Connect, read the endpoint's list of models, and close at the end.

        Raises:
            ConfigError: The settings can not be right.
            ModelUnavailable: Nobody answers at the URL.
            EndpointMisconfigured: The key is refused, or no model is named and none is listed.
        """
        async with Connection.open(settings) as connection:
            model = cls(connection, settings, clock=clock or SystemClock(), retry=retry or RetryPolicy(), new_id=new_id)
            await model._choose()
            yield model

    @property
    def name(self) -> str:
        return self._served.name

    @property
    def window(self) -> int:
        """Tokens of prompt and reply together; 0 where the server does not say."""
        return self._served.window

    async def complete(self, request: ModelRequest, on_delta: DeltaListener | None = None) -> ModelReply:
        reading = await self._read(request, on_delta)
        if reading.leaked:
            self._note_leak()
        return reading.reply

    async def models(self) -> tuple[ServedModel, ...]:
        """Ask the endpoint what it serves; cheap.

        Raises:
            ModelError: As ``complete``.
        """
        retries = self._retries()
        while True:
            try:
                return read_models(await self._connection.models())
            except AttemptFailed as failed:
                await self._pause(failed, retries)

    async def probe(self, effort: ReasoningEffort = ReasoningEffort.HIGH) -> EndpointReport:
        """Find out what the endpoint serves, and whether a tool call comes back as one.

        Raises:
            ModelError: As ``complete``.
        """
        listed = await self.models()
        reading = await self._read(probe_request(effort), None)
        called = reading.reply.kind is ReplyClass.CALLS and not reading.leaked
        return EndpointReport(
            models=listed,
            model=self._served,
            calls_tools=called,
            shows_reasoning=bool(reading.reply.message.reasoning),
            remark="" if called else "start the server with its tool-call parser (vLLM: --tool-call-parser mistral)",
        )

    async def _choose(self) -> None:
        try:
            listed = await self.models()
        except EndpointMisconfigured as error:
            # A proxy without the list will do when the model is named; a refused key will not.
            if not self._settings.model or _kind_behind(error) is FailureKind.AUTH:
                raise
            listed = ()
        chosen = choose_model(listed, self._settings)
        if chosen is None:
            raise EndpointMisconfigured(
                f"the endpoint at {self._settings.url!r} lists no model; set AGENT_MODEL or load one"
            )
        self._served = chosen

    async def _read(self, request: ModelRequest, on_delta: DeltaListener | None) -> Reading:
        """Get a reply that is something; an empty one is sampled again from the same bytes."""
        limit = self._output_limit(request)
        call = self._call(request, limit, on_delta)
        retries = self._retries()
        spent = Usage()
        for _ in range(1 + _RESAMPLES):
            answer = await self._answer(call, retries)
            reading = read_reply(answer.raw, self._context(request, limit, answer))
            spent += replace(answer.raw.usage, model_seconds=answer.seconds)
            if reading.reply.kind is not ReplyClass.EMPTY:
                return _with_measures(reading, spent, answer, retries)
        raise MalformedReply(
            f"the model {self.name!r} gave {1 + _RESAMPLES} empty replies in a row; "
            "check the endpoint with `agent doctor` (are its parsers on?)"
        )

    def _call(self, request: ModelRequest, limit: int, on_delta: DeltaListener | None) -> _Call:
        options = request_options(request, self._profile, self._settings, model=self.name, max_tokens=limit)
        headers = {"Content-Type": "application/json"}
        if self._profile.affinity_header:
            headers[self._profile.affinity_header] = request.conversation_id
        return _Call(body=self._bodies.encode(request, options), headers=headers, on_delta=on_delta)

    def _output_limit(self, request: ModelRequest) -> int:
        limits = (request.max_tokens, self._settings.max_tokens, self.window // _WINDOW_SHARE)
        return min(limit for limit in limits if limit > 0)

    def _context(self, request: ModelRequest, limit: int, answer: _Answer) -> ReadingContext:
        room = self.window - answer.raw.usage.prompt_tokens if self.window else limit
        return ReadingContext(
            tool_names=frozenset(tool.name for tool in request.tools),
            messages=request.messages,
            output_limit=min(limit, room),
            reasoning_may_be_answer=self._profile.thinks_from_start and request.effort is ReasoningEffort.HIGH,
            new_id=self._new_id,
        )

    async def _answer(self, call: _Call, retries: Retries) -> _Answer:
        while True:
            try:
                return await self._attempt(call)
            except AttemptFailed as failed:
                await self._pause(failed, retries)

    async def _attempt(self, call: _Call) -> _Answer:
        collector = ReplyCollector()
        started = self._clock.monotonic()
        first_token = 0.0

        def take(chunk: object) -> None:
            nonlocal first_token
            delta = collector.add(chunk)
            if not first_token and collector.started:
                first_token = self._clock.monotonic()
            if delta is not None and call.on_delta is not None:
                call.on_delta(delta)

        if self._streams:
            await self._connection.stream(call.body, call.headers, take)
        else:
            take(await self._connection.whole(call.body, call.headers))
        ended = self._clock.monotonic()
        raw = collector.reply()
        if raw.finish_reason in _UNFINISHED:
            kind = _UNFINISHED[raw.finish_reason]
            raise AttemptFailed(Failure(kind=kind, detail=f"finish reason {raw.finish_reason!r}"))
        return _Answer(raw=raw, first_token_seconds=(first_token or ended) - started, seconds=ended - started)

    def _retries(self) -> Retries:
        return Retries(self._retry, self._clock.monotonic, random.random)

    async def _pause(self, failed: AttemptFailed, retries: Retries) -> None:
        """Wait before the next attempt, or raise what leaves the port."""
        wait = retries.wait_after(failed.failure)
        if wait is None:
            self._give_up(failed)
        _logger.info(
            "endpoint %s: %s (%s), trying again in %.1f s",
            self._settings.url,
            failed.failure.kind.value,
            failed.failure.detail,
            wait,
        )
        await self._clock.sleep(wait)

    def _give_up(self, failed: AttemptFailed) -> NoReturn:
        raise to_error(failed.failure, Place(url=self._settings.url, model=self.name)) from failed

    def _note_leak(self) -> None:
        self._leaks += 1
        if self._leaks == _LEAKS_BEFORE_WARNING:
            _logger.warning(
                "the endpoint at %s returns tool calls as text; start it with its tool-call parser", self._settings.url
            )


def _with_measures(reading: Reading, spent: Usage, answer: _Answer, retries: Retries) -> Reading:
    reply = replace(reading.reply, usage=spent, first_token_seconds=answer.first_token_seconds, retries=retries.count)
    return replace(reading, reply=reply)


def _kind_behind(error: EndpointMisconfigured) -> FailureKind | None:
    cause = error.__cause__
    return cause.failure.kind if isinstance(cause, AttemptFailed) else None
