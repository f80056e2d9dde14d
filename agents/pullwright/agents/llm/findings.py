"""What can be wrong with an endpoint, in words for its operator: cause, then what to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from pullwright.agents.llm.failure import Failure, FailureKind, Place, to_error

SMALLEST_WINDOW = 32_768
"""Tokens that a run needs at least: instructions, tools, one file, thinking."""
GOOD_WINDOW = 131_072


class Mark(StrEnum):
    """How good something is."""

    OK = "ok"
    WARN = "warn"
    """Runs work, with less than there could be."""
    MISSING = "missing"
    """Runs would fail."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line about an endpoint."""

    name: str
    mark: Mark
    text: str


_NAMES: Mapping[FailureKind, tuple[str, Mark]] = MappingProxyType(
    {
        FailureKind.AUTH: ("key", Mark.MISSING),
        FailureKind.GONE: ("model name", Mark.MISSING),
        FailureKind.LOADING: ("loading", Mark.MISSING),
        FailureKind.SERVER_MISCONFIGURED: ("launch settings", Mark.MISSING),
        FailureKind.BAD_HISTORY: ("chat template", Mark.MISSING),
        FailureKind.SCHEMA_REJECTED: ("fields", Mark.MISSING),
        FailureKind.CONTEXT_OVERFLOW: ("window", Mark.MISSING),
        FailureKind.OUTPUT_CAP: ("window", Mark.MISSING),
        FailureKind.OVERLOADED: ("load", Mark.WARN),
        FailureKind.RATE_LIMITED: ("load", Mark.WARN),
        FailureKind.ENGINE_DEAD: ("engine", Mark.MISSING),
        FailureKind.TIMED_OUT: ("time", Mark.MISSING),
        FailureKind.INTERRUPTED: ("replies", Mark.MISSING),
        FailureKind.OUTPUT_UNPARSABLE: ("replies", Mark.MISSING),
    }
)
_TOOL_PARSER: Mapping[str, str] = MappingProxyType(
    {
        "vllm": "start vLLM with --enable-auto-tool-choice --tool-call-parser mistral",
        "sglang": "start SGLang with --tool-call-parser mistral",
        "llamacpp": "start llama-server with --jinja and a GGUF that carries the model's own template",
        "ollama": "use a tag whose template knows tools (`ollama show` lists the capability)",
        "mistral": "check that AGENT_ENDPOINT_URL is Mistral's own API",
    }
)
_REASONING_PARSER: Mapping[str, str] = MappingProxyType(
    {
        "vllm": "start vLLM with --reasoning-parser mistral",
        "sglang": "start SGLang with --reasoning-parser mistral",
        "llamacpp": "do not start llama-server with --reasoning-format none",
        "ollama": "use a tag whose template knows thinking (`ollama show` lists the capability)",
        "mistral": "check AGENT_MODEL: not every model thinks",
    }
)
_WIDER: Mapping[str, str] = MappingProxyType(
    {
        "vllm": "raise --max-model-len",
        "sglang": "raise --context-length",
        "llamacpp": "raise -c (a slot gets it divided by -np)",
        "ollama": "set OLLAMA_CONTEXT_LENGTH, or bake num_ctx into the model",
        "mistral": "choose a model with a larger window",
    }
)


def engine_of(profile: str) -> str:
    """The server whose flags apply to a profile."""
    return profile.removeprefix("nim-")


def failed(failure: Failure, place: Place, what: str) -> Finding:
    """Name the defect behind a request that failed."""
    words = failure.detail.lower()
    if "force_tool_names" in words or "missing 1 required positional argument" in words:
        return Finding(
            name="mistral-common",
            mark=Mark.MISSING,
            text="its version does not fit to this vLLM, every request with tools fails; "
            'install "mistral_common>=1.11.6,<1.13" on the server and restart it',
        )
    if "image input" in words or "multimodal" in words:
        return Finding(
            name="images",
            mark=Mark.WARN,
            text="the server refuses images, runs go on without; load the vision part (llama-server: --mmproj)",
        )
    name, mark = _NAMES.get(failure.kind, ("requests", Mark.MISSING))
    return Finding(name=name, mark=mark, text=f"{what}: {to_error(failure, place)}")


def tool_parser_missing(profile: str) -> Finding:
    """Calls come as text."""
    advice = _TOOL_PARSER[engine_of(profile)]
    text = f"tool calls do not arrive as calls: they come as text with markers; {advice}"
    return Finding(name="tool parser", mark=Mark.MISSING, text=text)


def no_call(profile: str) -> Finding:
    """No call came at all, with either effort."""
    advice = _TOOL_PARSER[engine_of(profile)]
    return Finding(
        name="tool calls",
        mark=Mark.MISSING,
        text=f"tool calls do not arrive, the reply was something else; check the model, and {advice}",
    )


def reasoning_in_text(profile: str) -> Finding:
    """Thinking comes as text."""
    text = f"thinking comes as text with markers; {_REASONING_PARSER[engine_of(profile)]}"
    return Finding(name="reasoning parser", mark=Mark.WARN, text=text)


def effort_ignored(profile: str) -> Finding:
    """Effort high brought no thinking."""
    text = f"effort high brought no thinking; {_REASONING_PARSER[engine_of(profile)]}"
    return Finding(name="effort", mark=Mark.WARN, text=text)


def thinks_unasked() -> Finding:
    """Effort none brought thinking."""
    text = "the model thinks although the effort is none; check that the model knows reasoning_effort"
    return Finding(name="effort", mark=Mark.WARN, text=text)


def window_found(window: int, profile: str, smallest: int) -> Finding:
    """Judge the window."""
    if not window:
        text = "the server does not tell; runs learn it from errors, compaction may come late"
        return Finding(name="window", mark=Mark.WARN, text=text)
    if window >= GOOD_WINDOW:
        return Finding(name="window", mark=Mark.OK, text=f"{window} tokens")
    mark = Mark.MISSING if window < smallest else Mark.WARN
    text = f"{window} tokens for a request is little, {smallest} are needed and {GOOD_WINDOW} good"
    return Finding(name="window", mark=mark, text=f"{text}; {_WIDER[engine_of(profile)]}")


def profile_found(suggested: str, configured: str) -> Finding:
    """Judge the configured profile by what the server shows."""
    if suggested and engine_of(suggested) != engine_of(configured):
        text = f"the server looks like {suggested}, not {configured}; set AGENT_ENDPOINT_PROFILE={suggested}"
        return Finding(name="profile", mark=Mark.MISSING, text=text)
    sign = "as the server shows" if suggested else "the server gives no sign of its kind"
    return Finding(name="profile", mark=Mark.OK, text=f"{configured}, {sign}")
