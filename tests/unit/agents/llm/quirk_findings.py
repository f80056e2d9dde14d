"""What ``agent doctor`` says of each habit of a server: the table that the tests hold it to, and the documents show."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pullwright.agents.finding import Mark
from pullwright.agents.llm.self_test import SelfTest, self_test
from pullwright.agents.llm.settings import EndpointSettings
from pullwright.agents.testing.endpoint_script import Answer
from pullwright.agents.testing.scripted_endpoint import Quirk, ScriptedEndpoint
from pullwright.agents.testing.scripted_model import Reply
from tests.unit.agents.llm.healthy_model import healthy


@dataclass(frozen=True, kw_only=True)
class Case:
    """One quirk under one profile."""

    quirk: Quirk
    profile: str = "vllm"
    style: str = ""
    """Which server it is, where that is not what the profile says."""
    name: str = ""
    """The finding that names the habit; empty where the client absorbs it and nothing is wrong for an operator."""
    mark: Mark = Mark.OK
    words: str = ""
    """What the finding says among others; without a finding, why there is none."""
    streaming: bool | None = None
    script: Answer = healthy
    patience: float = 5.0
    slow: float = 5.0
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """For the list of tests."""
        forced = "" if self.streaming is None else "-streamed"
        return f"{self.quirk.value}-{self.profile}{forced}-{self.name or 'tolerated'}"

    async def examined(self) -> SelfTest:
        """Run the self-test against a server with this quirk."""
        style = self.style or self.profile.removeprefix("nim-")
        quirks = {self.quirk, Quirk.F23_NIM} if self.profile.startswith("nim-") else {self.quirk}
        with ScriptedEndpoint(self.script, style=style, quirks=quirks, **self.options) as endpoint:
            settings = EndpointSettings(url=endpoint.url, profile=self.profile, streaming=self.streaming)
            return await self_test(settings, patience=self.patience, slow=self.slow)


def thoughtless(request: Mapping[str, Any]) -> Reply:
    """A model that never thinks."""
    return replace(healthy(request), reasoning="")


def sloppy(request: Mapping[str, Any]) -> Reply:
    """A model that forgets the end of its arguments when it thinks."""
    reply = healthy(request)
    if not reply.reasoning:
        return reply
    return replace(reply, calls=[(name, json.dumps(arguments)[:-1]) for name, arguments in reply.calls])


def tolerated(quirk: Quirk, why: str, profile: str = "vllm", **more: Any) -> Case:
    return Case(quirk=quirk, profile=profile, words=why, **more)


def warned(quirk: Quirk, profile: str, name: str, words: str, **more: Any) -> Case:
    return Case(quirk=quirk, profile=profile, name=name, mark=Mark.WARN, words=words, **more)


def missing(quirk: Quirk, profile: str, name: str, words: str, **more: Any) -> Case:
    return Case(quirk=quirk, profile=profile, name=name, mark=Mark.MISSING, words=words, **more)


def fine(quirk: Quirk, profile: str, name: str, words: str, **more: Any) -> Case:
    return Case(quirk=quirk, profile=profile, name=name, words=words, **more)


_TINY = {"seconds": 0.3}
_PACKETS = "packets may end anywhere"
_SPELLING = "another spelling of the same arguments"

CASES = (
    tolerated(Quirk.F1_SMALL_PIECES, "pieces add up"),
    tolerated(Quirk.F2_STRICT_FIELDS, "nothing is sent that it refuses"),
    tolerated(Quirk.F3_CUT_IDS, "ids are ours, nine characters long"),
    missing(Quirk.F4_NO_PARSER, "vllm", "tool parser", "--tool-call-parser mistral"),
    missing(Quirk.F4_NO_PARSER, "sglang", "tool parser", "--tool-call-parser mistral"),
    missing(Quirk.F5_SKEW, "vllm", "mistral-common", "<1.13"),
    tolerated(Quirk.F6_KEEP_ALIVES, "comments only keep the connection alive", options={"seconds": 0.03}),
    warned(Quirk.F7_ERROR_CHUNK, "vllm", "replies", "failed once"),
    missing(Quirk.F7_ENGINE_DEAD, "vllm", "engine", "EngineCore"),
    warned(Quirk.F8_ADMISSION, "vllm", "load", "overloaded"),
    tolerated(Quirk.F8_PRIORITY, "no priority is sent"),
    warned(Quirk.F9_GLUED_CALLS, "vllm", "parallel calls", "damaged"),
    fine(Quirk.F10_BRACKETS, "sglang", "streaming", "every ] of a text"),
    missing(Quirk.F10_BRACKETS, "sglang", "streaming", "do not force streaming", streaming=True),
    fine(Quirk.F11_SECOND_CALL, "sglang", "streaming", "the second of two calls"),
    missing(Quirk.F11_SECOND_CALL, "nim-sglang", "streaming", "the second of two calls", streaming=True),
    warned(Quirk.F12_ALL_REASONING, "sglang", "reasoning", "a reply without thinking", script=thoughtless),
    warned(Quirk.F13_DROPPED_CALL, "sglang", "dropped calls", "came empty", script=sloppy),
    tolerated(Quirk.F14_FLAT_ERRORS, "errors are read in either form", "sglang"),
    tolerated(Quirk.F14_CAP_OVER_WINDOW, "prompt and reply are kept within the window", "sglang"),
    warned(Quirk.F14_OVERLOAD_CHUNK, "sglang", "load", "overloaded"),
    warned(Quirk.F15_SLOW_HEALTH, "sglang", "health", "/health takes longer than 0.1 s", slow=0.1, options=_TINY),
    fine(Quirk.F16_TEMPLATE_500, "llamacpp", "chat template", "runs send history in that form"),
    warned(Quirk.F16_TEMPLATE_500, "vllm", "chat template", "with its own template"),
    missing(Quirk.F17_SLOT_WINDOW, "llamacpp", "window", "-np"),
    missing(Quirk.F18_LOADING, "llamacpp", "loading", "loading"),
    warned(Quirk.F18_NO_DONE, "llamacpp", "replies", "failed once"),
    warned(Quirk.F18_UNPARSABLE, "llamacpp", "replies", "failed once"),
    warned(Quirk.F18_NO_IMAGES, "llamacpp", "images", "--mmproj"),
    missing(Quirk.F19_TRUNCATES, "ollama", "window", "OLLAMA_CONTEXT_LENGTH"),
    tolerated(Quirk.F19_THINKS_UNASKED, "the effort is always sent", "ollama"),
    warned(Quirk.F20_STOPS, "ollama", "replies", "failed once"),
    tolerated(Quirk.F21_STRICT_HISTORY, "history is sent as it wants it", "ollama"),
    warned(Quirk.F21_BUSY, "ollama", "load", "server busy"),
    missing(Quirk.F21_NOT_FOUND, "ollama", "model name", "try pulling it"),
    warned(Quirk.F22_SLOW_LOAD, "ollama", "loading", "OLLAMA_KEEP_ALIVE", slow=0.1, options=_TINY),
    tolerated(Quirk.F23_NIM, "it speaks as its engine does", "nim-vllm"),
    missing(Quirk.F23_RETIRED, "nim-vllm", "model name", "410"),
    tolerated(Quirk.F24_STRICT_FIELDS, "only known fields are sent", "mistral"),
    missing(Quirk.F24_STRICT_FIELDS, "vllm", "fields", "extra_forbidden"),
    tolerated(Quirk.F24_OBJECT_ARGUMENTS, _SPELLING, "mistral"),
    tolerated(Quirk.F24_NULL_ID, "ids are ours", "mistral"),
    warned(Quirk.F24_RATE_LIMIT, "mistral", "load", "slow down"),
    missing(Quirk.F24_MODEL_LENGTH, "mistral", "reply length", "'model_length'"),
    missing(Quirk.F25_BAD_GATEWAY, "vllm", "engine", "does not answer"),
    warned(Quirk.F25_PAGE, "vllm", "replies", "failed once"),
    warned(Quirk.F25_RESET_BEFORE, "vllm", "replies", "failed once"),
    warned(Quirk.F25_RESET_AFTER, "vllm", "replies", "failed once"),
    tolerated(Quirk.F25_SPLIT_CHARACTER, _PACKETS),
    tolerated(Quirk.F25_TWO_EVENTS, _PACKETS),
    tolerated(Quirk.F25_CRLF, "lines may end with CR LF"),
    tolerated(Quirk.F25_ONE_BYTE, _PACKETS),
    missing(Quirk.F26_CUT_ARGUMENTS, "vllm", "reply length", "'length'"),
    warned(Quirk.F26_EMPTY, "vllm", "plain call", "empty"),
    warned(Quirk.F26_BLANK, "vllm", "plain call", "empty"),
    missing(Quirk.F26_REPEATS, "vllm", "reply length", "stops by itself", options={"piece": 200}),
    missing(Quirk.F27_SLOW_START, "vllm", "time", "took too long", patience=0.2),
    missing(Quirk.F27_TRICKLE, "vllm", "time", "took too long", patience=0.1, options={"seconds": 0.05}),
    missing(Quirk.F27_ENDLESS, "vllm", "time", "took too long", patience=0.2),
    tolerated(Quirk.F28_SAME_IDS, "ids are ours"),
    tolerated(Quirk.F28_REUSED_ID, "ids are ours"),
    tolerated(Quirk.F29_ESCAPES, _SPELLING),
    tolerated(Quirk.F29_NEWLINES, _SPELLING),
    warned(Quirk.F29_NAN, "vllm", "arguments", "no JSON"),
    warned(Quirk.F29_COMMA, "vllm", "arguments", "no JSON"),
    tolerated(Quirk.F29_FENCE, _SPELLING),
    tolerated(Quirk.F29_DOUBLE, _SPELLING),
    tolerated(Quirk.F30_DROPS_HEADERS, "what keeps a run on a replica stands in the body too"),
    warned(Quirk.F30_SWITCHES, "vllm", "prefix cache", "keep a run on one replica"),
    warned(Quirk.F30_UNAVAILABLE, "vllm", "load", "no healthy upstream"),
)


def said() -> dict[Quirk, list[str]]:
    """Quirk → what the doctor says, in short."""
    signs = {Mark.OK: "✔", Mark.WARN: "!", Mark.MISSING: "✘"}
    told: dict[Quirk, list[str]] = {}
    for case in CASES:
        line = f"{signs[case.mark]} {case.name}" if case.name else f"tolerated: {case.words}"
        if case.name and case.streaming:
            line += " (stream forced)"
        lines = told.setdefault(case.quirk, [])
        if line not in lines:
            lines.append(line)
    return told
