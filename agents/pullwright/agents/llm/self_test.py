"""What an endpoint can and can not do, found out before a run does: ``self_test``."""

from __future__ import annotations

from collections.abc import AsyncIterator, Set
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import anyio

from pullwright.agents.finding import Finding, Mark
from pullwright.agents.llm.body import streams
from pullwright.agents.llm.connection import Connection
from pullwright.agents.llm.discovery import HEALTH, Facts
from pullwright.agents.llm.exact_counts import ServerCounter
from pullwright.agents.llm.failure import AttemptFailed, FailureKind, Place, to_error
from pullwright.agents.llm.findings import (
    SMALLEST_WINDOW,
    Findings,
    cache_found,
    cut_short,
    dropped_calls,
    effort_ignored,
    failed,
    filed_as_reasoning,
    health_found,
    loaded_late,
    no_call,
    profile_found,
    reasoning_in_text,
    streaming_found,
    template_found,
    thinks_unasked,
    tool_parser_missing,
    window_found,
)
from pullwright.agents.llm.profile import profile
from pullwright.agents.llm.questions import Heard, Questions
from pullwright.agents.llm.served import (
    BRACKETED,
    PROBE_IMAGE,
    ServedModel,
    bracket_request,
    choose_model,
    plain_request,
    probe_request,
    read_models,
    results_for,
    two_voices_request,
)
from pullwright.agents.llm.settings import EndpointSettings
from pullwright.agents.message import UserMessage
from pullwright.agents.ports.model import ModelRequest, ReasoningEffort, ReplyClass

_PATIENCE = 300.0
"""Seconds for one reply; a first one may load the model."""
_SLOW = 5.0
"""Seconds from which on a short answer took long."""
_MANY_TIMES = 3.0
"""A first call that took this many times as long as the next one waited for something."""
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
_PARALLEL_CALLS = probe_request(ReasoningEffort.NONE, times=_PARALLEL)


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


async def self_test(settings: EndpointSettings, *, patience: float = _PATIENCE, slow: float = _SLOW) -> SelfTest:
    """Try everything that a run needs: about ten short replies.

    Nothing is waited for that passes; what fails is a finding. Cancellation closes the connection.

    Args:
        settings: The endpoint.
        patience: Seconds for one reply.
        slow: Seconds from which on a first reply, or a health request, is told to be slow.

    Raises:
        ConfigError: The settings can not be right.
        ModelUnavailable: Nobody answers at the URL.
    """
    limits = replace(settings.timeouts, total=patience)
    settings = replace(settings, timeouts=limits)
    async with Connection.open(settings) as connection, Facts.open(settings) as facts:
        return await _Examination(connection, facts, settings, slow=slow).run()


class _Stop(Exception):
    """What was found makes further questions senseless."""


class _Examination:
    def __init__(self, connection: Connection, facts: Facts, settings: EndpointSettings, *, slow: float) -> None:
        self._connection = connection
        self._facts = facts
        self._settings = settings
        self._slow = slow
        self._smallest = settings.smallest_window or SMALLEST_WINDOW
        self._profile = profile(settings.profile)
        if settings.strict_tools is not None:
            self._profile = replace(self._profile, strict_tools=settings.strict_tools)
        self._questions = Questions(connection, settings, self._profile)
        self._found = Findings()
        self._suggested = ""

    async def run(self) -> SelfTest:
        try:
            await self._look_around()
            await self._talk()
        except _Stop:
            pass
        return SelfTest(model=self._questions.model, suggested_profile=self._suggested, findings=self._found.found())

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
        self._questions.model = chosen

    async def _talk(self) -> None:
        loaded = await self._facts.is_loaded(self._settings.profile, self._questions.model.name)
        plain = await self._ask(plain_request(), "a plain call")
        await self._measure_window()
        if plain is not None:
            self._judge_plain(plain)
        await self._try_health()
        calls = [await self._ask(probe_request(effort), f"a tool call, effort {effort}") for effort in ReasoningEffort]
        heard = [one for one in calls if one is not None]
        if plain is not None and heard:
            self._judge_start(plain, heard[0], loaded=loaded)
        self._judge_calls(heard)
        self._judge_effort(heard, calls[-1])
        parallel = await self._try_parallel()
        await self._try_streaming(parallel)
        await self._try_replay(calls[-1])
        await self._try_template()
        await self._try_counting()
        await self._try_image()

    async def _measure_window(self) -> None:
        """After the first reply: until then Ollama may not have loaded the model."""
        served = await self._facts.served_window(self._suggested or self._settings.profile, self._questions.model.name)
        self._questions.model = replace(self._questions.model, window=served or self._questions.model.window)
        self._found.add(window_found(self._questions.model.window, self._settings.profile, self._smallest))

    def _judge_plain(self, heard: Heard) -> None:
        if heard.reading.reply.message.reasoning:
            self._found.add(thinks_unasked())
        elif heard.kind is ReplyClass.TRUNCATED:
            self._found.add(_cut(heard, usable=True))
        if heard.kind is ReplyClass.EMPTY:
            self._found.warn("plain call", "the reply was empty; check the model and the server's log")
        else:
            self._found.ok("plain call", "answered")

    def _judge_start(self, first: Heard, next_one: Heard, *, loaded: bool) -> None:
        if first.seconds < self._slow:
            return
        if not loaded or first.seconds > next_one.seconds * _MANY_TIMES:
            self._found.add(loaded_late(first.seconds, self._settings.profile))

    async def _try_health(self) -> None:
        path = HEALTH.get(self._settings.profile)
        if path is None:
            return
        well = False
        with anyio.move_on_after(self._slow) as limited:
            well = await self._facts.is_well(path)
        slow = limited.cancelled_caught
        self._found.add(health_found(path, self._settings.profile, well=well, slow=slow, limit=self._slow))

    def _judge_calls(self, heard: list[Heard]) -> None:
        if not heard:
            return
        name = self._settings.profile
        called = [one for one in heard if one.kind is ReplyClass.CALLS]
        silent = [one for one in heard if one.silent and one.kind is not ReplyClass.TRUNCATED]
        cut = [one for one in heard if one.kind is ReplyClass.TRUNCATED]
        if any(one.filed_as_reasoning for one in heard):
            self._found.add(filed_as_reasoning())
        if silent:
            self._found.add(dropped_calls(name, all_of_them=not called))
        if cut:
            self._found.add(_cut(cut[0], usable=bool(called)))
        if any(one.reading.leaked and not one.filed_as_reasoning for one in heard):
            self._found.add(tool_parser_missing(name))
        elif any(one.reading.reply.problems for one in heard):
            self._found.warn("arguments", "the arguments of calls are no JSON objects; check the server's tool parser")
        elif called:
            self._found.ok("tool calls", "work")
        elif not silent and not cut:
            self._found.add(no_call(name))

    def _judge_effort(self, heard: list[Heard], high: Heard | None) -> None:
        if any(marker in one.raw.text for one in heard for marker in _MARKERS):
            self._found.add(reasoning_in_text(self._settings.profile))
        elif high is None:
            return
        elif high.reading.reply.message.reasoning:
            self._found.ok("effort", "high brings thinking, apart from the text")
        elif not high.raw.reasoning:  # else it is not clear whether that is thinking
            self._found.add(effort_ignored(self._settings.profile))

    async def _try_parallel(self) -> Heard | None:
        heard = await self._ask(_PARALLEL_CALLS, "parallel calls")
        if heard is None:
            return None
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
        return heard

    async def _try_streaming(self, parallel: Heard | None) -> None:
        """Look at the streamed way of a server whose streams are known to lose data, asked for or not."""
        if self._profile.streams or parallel is None:
            return
        forced = streams(self._profile, self._settings)
        try:
            text = await self._questions.ask(bracket_request(), streamed=True)
            other = await self._questions.ask(_PARALLEL_CALLS, streamed=not forced)
        except AttemptFailed:
            return  # what runs use is asked for elsewhere
        streamed, whole = (parallel, other) if forced else (other, parallel)
        lost = "every ] of a text" if BRACKETED.replace("]", "") in text.raw.text else ""
        if len(streamed.raw.calls) < len(whole.raw.calls):
            lost += " and the second of two calls" if lost else "the second of two calls"
        self._found.add(streaming_found(lost, forced=forced))

    async def _try_replay(self, called: Heard | None) -> None:
        if called is None or not called.reading.reply.message.tool_calls:
            return
        request = probe_request(ReasoningEffort.HIGH)
        request = replace(request, messages=request.messages + results_for(called.reading.reply.message))
        heard = await self._ask(request, "a second turn with the first one's reasoning")
        if heard is None:
            return
        self._found.ok("second turn", "takes the first one's calls and reasoning")
        cached = cache_found(heard.raw.usage.cached_tokens, self._settings.profile)
        if cached is not None:
            self._found.add(cached)

    async def _try_template(self) -> None:
        plain = replace(self._profile, strict_template=False)
        try:
            await self._questions.ask(two_voices_request(), profile=plain)
        except AttemptFailed as refused:
            if refused.failure.kind is FailureKind.BAD_HISTORY:
                prepared = self._profile.strict_template
                self._found.add(template_found(strict=True, prepared=prepared, detail=refused.failure.detail))
        else:
            self._found.add(template_found(strict=False, prepared=True))

    async def _try_counting(self) -> None:
        counter = ServerCounter(self._facts.client, self._settings, model=lambda: self._questions.model.name)
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
            await self._questions.ask(replace(request, messages=(request.messages[0], picture)))
        except AttemptFailed as refused:
            if refused.failure.kind not in _REFUSALS:
                return
            advice = "load the vision part of the model (llama-server: --mmproj, vLLM: no --language-model-only)"
            self._found.warn("images", f"refused ({refused.failure.detail}), runs go on without; {advice}")
        else:
            self._found.ok("images", "taken")

    async def _ask(self, request: ModelRequest, what: str) -> Heard | None:
        """Get one reply; None where that failed, which is then a finding."""
        heard = None
        async with self._noting(what):
            try:
                heard = await self._questions.ask(request)
            except AttemptFailed as first:
                if first.failure.kind not in _AGAIN:
                    raise
                heard = await self._questions.ask(request)
                said = f" ({first.failure.detail})" if first.failure.detail else ""
                self._found.warn("replies", f"{what} failed once{said}, then worked; look at the server's log")
        return heard

    @asynccontextmanager
    async def _noting(self, what: str, lasting: Set[FailureKind] | None = None) -> AsyncIterator[None]:
        """Turn a failure into a finding; stop where nothing else would work either."""
        try:
            yield
        except AttemptFailed as exc:
            place = Place(url=self._settings.shown_url, model=self._questions.model.name)
            if exc.failure.kind is FailureKind.UNREACHABLE:
                raise to_error(exc.failure, place) from exc
            self._found.add(failed(exc.failure, place, what))
            if exc.failure.kind in (_LASTING if lasting is None else lasting):
                raise _Stop from exc


def _cut(heard: Heard, *, usable: bool) -> Finding:
    return cut_short(heard.raw.finish_reason, heard.raw.usage.completion_tokens, usable=usable)
