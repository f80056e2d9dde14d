"""What an endpoint can and can not do, found out before a run does: ``self_test``."""

from __future__ import annotations

from collections.abc import AsyncIterator, Set
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from pullwright.agents.llm.body import BodyEncoder, request_options, streams
from pullwright.agents.llm.connection import Connection
from pullwright.agents.llm.discovery import Facts
from pullwright.agents.llm.exact_counts import ServerCounter
from pullwright.agents.llm.failure import AttemptFailed, Failure, FailureKind, Place, to_error
from pullwright.agents.llm.findings import (
    SMALLEST_WINDOW,
    Finding,
    Mark,
    effort_ignored,
    failed,
    no_call,
    profile_found,
    reasoning_in_text,
    thinks_unasked,
    tool_parser_missing,
    window_found,
)
from pullwright.agents.llm.profile import profile
from pullwright.agents.llm.reply import Reading, ReadingContext, read_reply
from pullwright.agents.llm.served import (
    PROBE_IMAGE,
    ServedModel,
    choose_model,
    plain_request,
    probe_request,
    read_models,
    results_for,
)
from pullwright.agents.llm.settings import EndpointSettings
from pullwright.agents.llm.wire import RawReply, ReplyCollector
from pullwright.agents.message import UserMessage
from pullwright.agents.ports.model import ModelRequest, ReasoningEffort, ReplyClass

_PATIENCE = 300.0
"""Seconds for one reply; a first one may load the model."""
_MARKERS = ("[THINK]", "<think>")
_AGAIN = frozenset({FailureKind.INTERRUPTED, FailureKind.OUTPUT_UNPARSABLE, FailureKind.BROKEN})
"""Asked once more."""
_LASTING: Set[FailureKind] = frozenset(
    {
        FailureKind.AUTH,
        FailureKind.GONE,
        FailureKind.LOADING,
        FailureKind.ENGINE_DEAD,
        FailureKind.TIMED_OUT,
        FailureKind.UNSUPPORTED,
    }
)
"""What every further question would run into as well."""
_REFUSALS: Set[FailureKind] = frozenset(
    {
        FailureKind.SERVER_MISCONFIGURED,
        FailureKind.BAD_HISTORY,
        FailureKind.SCHEMA_REJECTED,
        FailureKind.UNSUPPORTED,
        FailureKind.REFUSED,
        FailureKind.BROKEN,
    }
)
"""What a server says to an image that it can not take; anything else says nothing about images."""
_PARALLEL = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfTest:
    """What was found."""

    model: ServedModel
    suggested_profile: str
    """Empty where the server gives no sign."""
    findings: tuple[Finding, ...]

    @property
    def usable(self) -> bool:
        """Whether runs can work."""
        return all(finding.mark is not Mark.MISSING for finding in self.findings)

    def named(self, name: str) -> Finding | None:
        """The finding of this name."""
        return next((finding for finding in self.findings if finding.name == name), None)


async def self_test(settings: EndpointSettings, *, patience: float = _PATIENCE) -> SelfTest:
    """Try everything that a run needs: about seven short replies.

    Nothing is waited for that passes; what fails is a finding. Cancellation closes the connection.

    Args:
        settings: The endpoint.
        patience: Seconds for one reply.

    Raises:
        ConfigError: The settings can not be right.
        ModelUnavailable: Nobody answers at the URL.
    """
    limits = replace(settings.timeouts, total=patience)
    settings = replace(settings, timeouts=limits)
    async with Connection.open(settings) as connection, Facts.open(settings) as facts:
        return await _Examination(connection, facts, settings).run()


@dataclass(frozen=True, slots=True)
class _Heard:
    raw: RawReply
    reading: Reading


class _Stop(Exception):
    """What was found makes further questions senseless."""


@dataclass(slots=True)
class _Findings:
    all: list[Finding] = field(default_factory=list)

    def add(self, finding: Finding) -> None:
        """Keep the first of each name, but a defect instead of what was fine."""
        for index, known in enumerate(self.all):
            if known.name == finding.name:
                if known.mark is Mark.OK:
                    self.all[index] = finding
                return
        self.all.append(finding)

    def ok(self, name: str, text: str) -> None:
        self.add(Finding(name=name, mark=Mark.OK, text=text))

    def warn(self, name: str, text: str) -> None:
        self.add(Finding(name=name, mark=Mark.WARN, text=text))


class _Examination:
    def __init__(self, connection: Connection, facts: Facts, settings: EndpointSettings) -> None:
        self._connection = connection
        self._facts = facts
        self._settings = settings
        self._smallest = settings.smallest_window or SMALLEST_WINDOW
        self._profile = profile(settings.profile)
        self._bodies = BodyEncoder(self._profile)
        self._found = _Findings()
        self._model = ServedModel(name=settings.model)
        self._suggested = ""

    async def run(self) -> SelfTest:
        try:
            await self._look_around()
            await self._talk()
        except _Stop:
            pass
        return SelfTest(model=self._model, suggested_profile=self._suggested, findings=tuple(self._found.all))

    async def _look_around(self) -> None:
        body: object = None
        async with self._noting("the list of models", _LASTING - {FailureKind.GONE, FailureKind.UNSUPPORTED}):
            body = await self._connection.models()
        listed = read_models(body)
        self._suggested = await self._facts.suggest_profile(body)
        self._found.add(profile_found(self._suggested, self._settings.profile))
        self._choose(listed)

    def _choose(self, listed: tuple[ServedModel, ...]) -> None:
        names = [served.name for served in listed]
        chosen = choose_model(listed, self._settings)
        if chosen is None or (names and chosen.name not in names):
            served = (
                f"the endpoint serves {', '.join(map(repr, names[:5]))}" if names else "the endpoint lists no model"
            )
            text = f"{self._settings.model!r} is not served, {served}; set AGENT_MODEL" if names else served
            self._found.add(Finding(name="model name", mark=Mark.MISSING, text=text))
            raise _Stop
        self._model = chosen

    async def _talk(self) -> None:
        plain = await self._ask(plain_request(), "a plain call")
        await self._measure_window()
        if plain is not None:
            self._judge_plain(plain)
        calls = [await self._ask(probe_request(effort), f"a tool call, effort {effort}") for effort in ReasoningEffort]
        self._judge_calls([heard for heard in calls if heard is not None])
        await self._try_parallel()
        await self._try_replay(calls[-1])
        await self._try_counting()
        await self._try_image()

    async def _measure_window(self) -> None:
        """After the first reply: until then Ollama may not have loaded the model."""
        served = await self._facts.served_window(self._suggested or self._settings.profile, self._model.name)
        self._model = replace(self._model, window=served or self._model.window)
        self._found.add(window_found(self._model.window, self._settings.profile, self._smallest))

    def _judge_plain(self, heard: _Heard) -> None:
        if heard.reading.reply.message.reasoning:
            self._found.add(thinks_unasked())
        if heard.reading.reply.kind is ReplyClass.EMPTY:
            self._found.warn("plain call", "the reply was empty; check the model and the server's log")
        else:
            self._found.ok("plain call", "answered")

    def _judge_calls(self, heard: list[_Heard]) -> None:
        if not heard:
            return
        if any(one.reading.leaked for one in heard):
            self._found.add(tool_parser_missing(self._settings.profile))
        elif not any(one.reading.reply.kind is ReplyClass.CALLS for one in heard):
            self._found.add(no_call(self._settings.profile))
        elif any(one.reading.reply.problems for one in heard):
            self._found.warn("arguments", "the arguments of calls are no JSON objects; check the server's tool parser")
        else:
            self._found.ok("tool calls", "work")
        if any(marker in one.raw.text for one in heard for marker in _MARKERS):
            self._found.add(reasoning_in_text(self._settings.profile))
        elif not heard[-1].reading.reply.message.reasoning:
            self._found.add(effort_ignored(self._settings.profile))
        else:
            self._found.ok("effort", "high brings thinking, apart from the text")

    async def _try_parallel(self) -> None:
        heard = await self._ask(probe_request(ReasoningEffort.NONE, times=_PARALLEL), "parallel calls")
        if heard is None:
            return
        reply = heard.reading.reply
        if len(reply.message.tool_calls) >= _PARALLEL and not reply.problems:
            self._found.ok("parallel calls", "work")
        elif reply.problems:
            self._found.warn("parallel calls", "they arrive damaged, runs ask again; update the server")
        else:
            text = (
                "only one of two arrived, so runs take more steps; update the server if the model does better elsewhere"
            )
            self._found.warn("parallel calls", text)

    async def _try_replay(self, called: _Heard | None) -> None:
        if called is None or not called.reading.reply.message.tool_calls:
            return
        request = probe_request(ReasoningEffort.HIGH)
        request = replace(request, messages=request.messages + results_for(called.reading.reply.message))
        if await self._ask(request, "a second turn with the first one's reasoning") is not None:
            self._found.ok("second turn", "takes the first one's calls and reasoning")

    async def _try_counting(self) -> None:
        counter = ServerCounter(self._facts.client, self._settings, model=self._model.name)
        if not counter.offered:
            self._found.ok("counting", "this kind of server does not count; tokens are estimated")
        elif await counter.count(probe_request(ReasoningEffort.HIGH)) is None:
            self._found.warn("counting", "the server does not count tokens, they are estimated; let /tokenize through")
        else:
            self._found.ok("counting", "exact")

    async def _try_image(self) -> None:
        request = plain_request()
        picture = UserMessage(content="Which colour is this?", images=(PROBE_IMAGE,))
        try:
            await self._attempt(replace(request, messages=(request.messages[0], picture)))
        except AttemptFailed as refused:
            if refused.failure.kind not in _REFUSALS:
                return
            advice = "load the vision part of the model (llama-server: --mmproj, vLLM: no --language-model-only)"
            self._found.warn("images", f"refused ({refused.failure.detail}), runs go on without; {advice}")
        else:
            self._found.ok("images", "taken")

    async def _ask(self, request: ModelRequest, what: str) -> _Heard | None:
        """Get one reply; None where that failed, which is then a finding."""
        heard = None
        async with self._noting(what):
            try:
                heard = await self._attempt(request)
            except AttemptFailed as first:
                if first.failure.kind not in _AGAIN:
                    raise
                heard = await self._attempt(request)
                said = f" ({first.failure.detail})" if first.failure.detail else ""
                self._found.warn("replies", f"{what} failed once{said}, then worked; look at the server's log")
        return heard

    @asynccontextmanager
    async def _noting(self, what: str, lasting: Set[FailureKind] | None = None) -> AsyncIterator[None]:
        """Turn a failure into a finding; stop where nothing else would work either."""
        try:
            yield
        except AttemptFailed as exc:
            place = Place(url=self._settings.shown_url, model=self._model.name)
            if exc.failure.kind is FailureKind.UNREACHABLE:
                raise to_error(exc.failure, place) from exc
            self._found.add(failed(exc.failure, place, what))
            if exc.failure.kind in (_LASTING if lasting is None else lasting):
                raise _Stop from exc

    async def _attempt(self, request: ModelRequest) -> _Heard:
        limit = min(request.max_tokens, self._model.window // 2 or request.max_tokens)
        options = request_options(request, self._profile, self._settings, model=self._model.name, max_tokens=limit)
        body = self._bodies.encode(request, options)
        headers = {"Content-Type": "application/json"}
        collector = ReplyCollector()

        def take(chunk: object) -> None:
            collector.add(chunk)

        if streams(self._profile, self._settings):
            await self._connection.stream(body, headers, take, first_byte=self._settings.timeouts.total)
        else:
            await self._connection.whole(body, headers, take)
        raw = collector.reply()
        if not raw.finish_reason:
            raise AttemptFailed(Failure(kind=FailureKind.INTERRUPTED, detail="the reply has no finish reason"))
        context = ReadingContext(
            tool_names=frozenset(tool.name for tool in request.tools),
            messages=request.messages,
            output_limit=limit,
            reasoning_may_be_answer=self._profile.thinks_from_start and request.effort is ReasoningEffort.HIGH,
        )
        return _Heard(raw, read_reply(raw, context))
