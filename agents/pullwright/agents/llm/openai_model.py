"""The ``Model`` port over any OpenAI-compatible server."""

from __future__ import annotations

import logging
import random
from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import NoReturn, Self

from pullwright.agents.budget import Usage
from pullwright.agents.clock import SystemClock
from pullwright.agents.errors import EndpointMisconfigured
from pullwright.agents.llm.adapt import Shape, adapt
from pullwright.agents.llm.body import BodyEncoder, request_options, streams
from pullwright.agents.llm.call_log import CallLog
from pullwright.agents.llm.connection import Connection, Receipt
from pullwright.agents.llm.failure import AttemptFailed, Failure, FailureKind, Place, to_error
from pullwright.agents.llm.profile import profile
from pullwright.agents.llm.reply import IdFactory, Reading, ReadingContext, context_of, random_call_id, read_reply
from pullwright.agents.llm.retry import Retries, RetryPolicy, WaitedTime
from pullwright.agents.llm.served import ServedModel, choose_model, read_models
from pullwright.agents.llm.settings import EndpointSettings
from pullwright.agents.llm.wire import RawReply, ReplyCollector
from pullwright.agents.ports.clock import Clock
from pullwright.agents.ports.model import (
    DeltaListener,
    ModelReply,
    ModelRequest,
    ReasoningEffort,
    ReplyClass,
    TokenCounter,
)

_logger = logging.getLogger(__name__)

_RESAMPLES = 2
_LEAKS_BEFORE_WARNING = 2
_WINDOW_SHARE = 2
"""A reply may take at most the window divided by this."""
_BYTES_PER_TOKEN = 3
_MARGIN = 64
"""Tokens that a server's template may add to what was counted."""
_SMALLEST_ROOM = {ReasoningEffort.NONE: 4096, ReasoningEffort.HIGH: 16_384}
"""Tokens for a reply below which the conversation has to be made shorter first."""
_LOST_SHARE = 0.9
"""A server that counts less than this share of our count has dropped a part of the prompt."""
_KEPT_CONVERSATIONS = 256
_UNFINISHED = {
    "": FailureKind.INTERRUPTED,
    "abort": FailureKind.INTERRUPTED,
    "error": FailureKind.INTERRUPTED,
    "load": FailureKind.LOADING,
}
"""Finish reasons of a reply that did not end by itself."""


@dataclass(slots=True, kw_only=True)
class _Call:
    """One request on its way, the same bytes for every attempt until the endpoint refuses them."""

    request: ModelRequest
    shape: Shape
    body: bytes
    prompt_tokens: int
    """As counted by us; 0 when nobody can."""
    retries: Retries
    on_delta: DeltaListener | None
    adapted: set[FailureKind] = field(default_factory=set)

    @property
    def headers(self) -> Mapping[str, str]:
        headers = {"Content-Type": "application/json"}
        if self.shape.profile.affinity_header:
            headers[self.shape.profile.affinity_header] = self.request.conversation_id
        return headers

    @property
    def likely_tokens(self) -> int:
        return self.prompt_tokens or len(self.body) // _BYTES_PER_TOKEN


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    raw: RawReply
    first_token_seconds: float
    seconds: float
    request_id: str


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
        count: TokenCounter | None = None,
    ) -> None:
        self._connection = connection
        self._settings = settings
        self._log = CallLog(settings=settings)
        self._profile = profile(settings.profile)
        if settings.strict_tools is not None:
            self._profile = replace(self._profile, strict_tools=settings.strict_tools)
        self._streams = streams(self._profile, settings)
        self._count = count or (lambda _request: 0)
        self._waited: OrderedDict[str, WaitedTime] = OrderedDict()
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
        count: TokenCounter | None = None,
    ) -> AsyncIterator[Self]:
        """Connect, read the endpoint's list of models, and close at the end.

        Args:
            settings: The endpoint.
            clock: Tells the time of attempts and waits between them.
            retry: When to try again.
            new_id: Makes call ids.
            count: Counts prompts, which bounds replies and finds out silent truncation; without it neither is done.

        Raises:
            ConfigError: The settings can not be right.
            ModelUnavailable: Nobody answers at the URL.
            EndpointMisconfigured: The key is refused, no model is named and none is listed, or its window is smaller
                than the settings allow.
        """
        async with Connection.open(settings) as connection:
            policy = retry or RetryPolicy()
            model = cls(connection, settings, clock=clock or SystemClock(), retry=policy, new_id=new_id, count=count)
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

    def release(self, conversation_id: str) -> None:
        self._bodies.release(conversation_id)
        self._waited.pop(conversation_id, None)

    async def models(self) -> tuple[ServedModel, ...]:
        """Ask the endpoint what it serves; cheap.

        Raises:
            ModelError: As ``complete``.
        """
        retries = Retries(self._retry, self._clock.monotonic, random.random)
        while True:
            try:
                return read_models(await self._connection.models())
            except AttemptFailed as failed:
                await self._pause(failed, retries)

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
                f"the endpoint at {self._settings.shown_url!r} lists no model; set AGENT_MODEL or load one"
            )
        if 0 < chosen.window < self._settings.smallest_window:
            raise EndpointMisconfigured(
                f"the endpoint at {self._settings.shown_url!r} serves {chosen.name!r} with a window of {chosen.window} "
                f"tokens; serve it with at least {self._settings.smallest_window}"
            )
        self._served = chosen

    async def _read(self, request: ModelRequest, on_delta: DeltaListener | None) -> Reading:
        """Get a reply that is something; an empty one is sampled again from the same bytes, twice."""
        call = self._call(request, on_delta)
        spent = Usage()
        for _ in range(1 + _RESAMPLES):
            answer = await self._answer(call)
            reading = read_reply(answer.raw, self._context(call, answer))
            reply = replace(
                reading.reply,
                usage=replace(answer.raw.usage, model_seconds=answer.seconds),
                first_token_seconds=answer.first_token_seconds,
                retries=call.retries.count,
                request_id=answer.request_id,
            )
            spent += reply.usage
            self._log.note(self.name, request, reply)
            if reply.kind is not ReplyClass.EMPTY:
                break
        return replace(reading, reply=replace(reply, usage=spent))

    def _call(self, request: ModelRequest, on_delta: DeltaListener | None) -> _Call:
        counted = self._count(request)
        shape = Shape(profile=self._profile, max_tokens=self._output_limit(request, counted))
        return _Call(
            request=request,
            shape=shape,
            body=self._body(request, shape),
            prompt_tokens=counted,
            retries=self._retries(request.conversation_id),
            on_delta=on_delta,
        )

    def _body(self, request: ModelRequest, shape: Shape) -> bytes:
        options = request_options(request, shape.profile, self._settings, model=self.name, max_tokens=shape.max_tokens)
        return self._bodies.encode(request, options)

    def _output_limit(self, request: ModelRequest, counted: int) -> int:
        limits = (request.max_tokens, self._settings.max_tokens, self.window // _WINDOW_SHARE)
        wanted = min(limit for limit in limits if limit > 0)
        if not counted or not self.window:
            return wanted
        room = self.window - counted - _MARGIN
        if room < min(wanted, _SMALLEST_ROOM[request.effort]):
            detail = f"{counted} tokens of {self.window} leave no room for a reply"
            raise to_error(Failure(kind=FailureKind.CONTEXT_OVERFLOW, detail=detail), self._place())
        return min(wanted, room)

    def _context(self, call: _Call, answer: _Answer) -> ReadingContext:
        limit = call.shape.max_tokens
        room = self.window - answer.raw.usage.prompt_tokens if self.window else limit
        return context_of(call.request, self._profile, output_limit=min(limit, room), new_id=self._new_id)

    async def _answer(self, call: _Call) -> _Answer:
        while True:
            try:
                return await self._attempt(call)
            except AttemptFailed as failed:
                if not self._adapt(call, failed.failure):
                    await self._pause(failed, call.retries)

    def _adapt(self, call: _Call, failure: Failure) -> bool:
        """Change what the endpoint refused, at most once per kind of refusal; say whether to try again."""
        if failure.window:
            self._served = replace(self._served, window=failure.window)
        if failure.kind in call.adapted:
            return False
        shape = adapt(failure, call.shape)
        if shape is None:
            return False
        _logger.info("endpoint %s: %s, changing the request", self._settings.shown_url, failure.kind.value)
        call.adapted.add(failure.kind)
        if shape.profile != self._profile:
            self._profile = shape.profile
            self._bodies = BodyEncoder(shape.profile)
        call.shape = shape
        call.body = self._body(call.request, shape)
        return True

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

        receipt = Receipt()
        if self._streams:
            limit = self._settings.timeouts.first_byte_after(call.likely_tokens)
            await self._connection.stream(call.body, call.headers, take, first_byte=limit, receipt=receipt)
        else:
            await self._connection.whole(call.body, call.headers, take, receipt=receipt)
        ended = self._clock.monotonic()
        raw = collector.reply()
        self._check_whole(call, raw, done=receipt.done)
        return _Answer(
            raw=raw,
            first_token_seconds=(first_token or ended) - started,
            seconds=ended - started,
            request_id=receipt.request_id,
        )

    def _check_whole(self, call: _Call, raw: RawReply, *, done: bool) -> None:
        """Refuse a reply that did not end by itself, or that answers only a part of the conversation."""
        if raw.finish_reason in _UNFINISHED:
            kind = _UNFINISHED[raw.finish_reason]
            raise AttemptFailed(Failure(kind=kind, detail=f"finish reason {raw.finish_reason!r}"))
        seen = raw.usage.prompt_tokens
        if not done and not seen:
            raise AttemptFailed(Failure(kind=FailureKind.INTERRUPTED, detail="the stream has no end"))
        if self._profile.truncates_silently and 0 < seen < call.prompt_tokens * _LOST_SHARE:
            detail = f"it read {seen} of {call.prompt_tokens} tokens"
            raise AttemptFailed(Failure(kind=FailureKind.CONTEXT_LOSS, detail=detail))

    def _place(self) -> Place:
        return Place(url=self._settings.shown_url, model=self.name)

    def _retries(self, conversation_id: str) -> Retries:
        waited = self._waited.setdefault(conversation_id, WaitedTime())
        self._waited.move_to_end(conversation_id)
        if len(self._waited) > _KEPT_CONVERSATIONS:
            self._waited.popitem(last=False)
        return Retries(self._retry, self._clock.monotonic, random.random, waited)

    async def _pause(self, failed: AttemptFailed, retries: Retries) -> None:
        """Wait before the next attempt, or raise what leaves the port."""
        wait = retries.wait_after(failed.failure)
        if wait is None:
            self._give_up(failed)
        _logger.info(
            "endpoint %s: %s (%s), trying again in %.1f s",
            self._settings.shown_url,
            failed.failure.kind.value,
            failed.failure.detail,
            wait,
        )
        await self._clock.sleep(wait)

    def _give_up(self, failed: AttemptFailed) -> NoReturn:
        raise to_error(failed.failure, self._place()) from failed

    def _note_leak(self) -> None:
        self._leaks += 1
        if self._leaks == _LEAKS_BEFORE_WARNING:
            _logger.warning(
                "the endpoint at %s returns tool calls as text; start it with its tool-call parser",
                self._settings.shown_url,
            )


def _kind_behind(error: EndpointMisconfigured) -> FailureKind | None:
    cause = error.__cause__
    return cause.failure.kind if isinstance(cause, AttemptFailed) else None
