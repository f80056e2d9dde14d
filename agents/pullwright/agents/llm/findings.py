"""What can be wrong with an endpoint, in words for its operator: cause, then what to do."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from pullwright.agents.finding import Finding, Mark
from pullwright.agents.llm.failure import Failure, FailureKind, Place, to_error

SMALLEST_WINDOW = 32_768
"""Tokens that a run needs at least: instructions, tools, one file, thinking."""
GOOD_WINDOW = 131_072
_BADNESS = (Mark.OK, Mark.WARN, Mark.MISSING)


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
_TELLS_CACHED: Mapping[str, str] = MappingProxyType(
    {
        "vllm": "start vLLM with --enable-prompt-tokens-details, so that it tells",
        "sglang": "start SGLang with --enable-cache-report, so that it tells",
        "llamacpp": "do not start llama-server with --no-cache-prompt",
    }
)
_WARM_UP = "send it a request after each start of the server"


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


def filed_as_reasoning() -> Finding:
    """With effort high a reply without thinking comes as reasoning altogether."""
    text = (
        "with effort high, a reply without thinking comes as reasoning, its calls as text in it; runs take them out "
        "again (a habit of SGLang's --reasoning-parser mistral)"
    )
    return Finding(name="reasoning", mark=Mark.WARN, text=text)


def dropped_calls(profile: str, *, all_of_them: bool) -> Finding:
    """A reply that had to be a call was nothing at all."""
    text = (
        "a reply that had to be a call came empty: the server's tool parser drops calls that it can not read; "
        f"runs ask again; {_TOOL_PARSER[engine_of(profile)]}, and update the server"
    )
    return Finding(name="dropped calls", mark=Mark.MISSING if all_of_them else Mark.WARN, text=text)


def cut_short(finish_reason: str, tokens: int, *, usable: bool) -> Finding:
    """A reply was cut although it had room."""
    text = (
        f"a short reply was cut after {tokens} tokens (finish reason {finish_reason!r}); raise the server's own limit "
        "of a reply (Ollama: num_predict, llama-server: -n), and check that the model stops by itself"
    )
    return Finding(name="reply length", mark=Mark.WARN if usable else Mark.MISSING, text=text)


def loaded_late(seconds: float, profile: str) -> Finding:
    """The first call waited for the model."""
    keep = "set OLLAMA_KEEP_ALIVE=-1 (or send keep_alive) so that it stays" if profile == "ollama" else _WARM_UP
    text = f"the first call took {seconds:.3g} s because the model was being loaded; {keep}"
    return Finding(name="loading", mark=Mark.WARN, text=text)


def template_found(*, strict: bool, prepared: bool, detail: str = "") -> Finding:
    """Judge what the chat template does with two messages of a person in a row."""
    if not strict:
        return Finding(name="chat template", mark=Mark.OK, text="takes words of a person in any place")
    text = f"demands that roles alternate ({detail}); runs send history in that form"
    if prepared:
        return Finding(name="chat template", mark=Mark.OK, text=text)
    text += " after the first refusal, which costs the cache; serve the model with its own template"
    return Finding(name="chat template", mark=Mark.WARN, text=text)


def cache_found(tokens: int, profile: str) -> Finding | None:
    """Judge what a second turn found of the first in the cache; None where the server never tells."""
    if tokens:
        return Finding(name="prefix cache", mark=Mark.OK, text=f"a second turn finds {tokens} tokens of the first")
    advice = _TELLS_CACHED.get(engine_of(profile))
    if advice is None:
        return None
    text = f"a second turn found nothing of the first; {advice}, and let a router keep a run on one replica"
    return Finding(name="prefix cache", mark=Mark.WARN, text=text)


def streaming_found(lost: str, *, forced: bool) -> Finding:
    """Judge the streamed way of a server that is asked for whole replies."""
    if not lost:
        return Finding(name="streaming", mark=Mark.OK, text="streamed replies arrive undamaged too")
    if forced:
        text = f"streamed replies lose data: {lost}; do not force streaming for this endpoint"
        return Finding(name="streaming", mark=Mark.MISSING, text=text)
    return Finding(name="streaming", mark=Mark.OK, text=f"streamed replies lose data ({lost}), so none are asked for")


def health_found(path: str, profile: str, *, well: bool, slow: bool, limit: float) -> Finding:
    """Judge the health request."""
    if slow:
        text = f"{path} takes longer than {limit:g} s, so that an endpoint that failed comes back late"
        cause = "SGLang has its engine write a token for it" if engine_of(profile) == "sglang" else "the engine is busy"
        return Finding(name="health", mark=Mark.WARN, text=f"{text}; {cause}, look at its queue")
    if not well:
        text = f"{path} does not say that the server is well; let it through, or look at the server's log"
        return Finding(name="health", mark=Mark.WARN, text=text)
    return Finding(name="health", mark=Mark.OK, text=f"{path} answers")


class Findings:
    """What was found so far, one for each name."""

    def __init__(self) -> None:
        self._all: list[Finding] = []

    def add(self, finding: Finding) -> None:
        """Keep the worst of each name, and the first of those that are equally bad."""
        for index, known in enumerate(self._all):
            if known.name == finding.name:
                if _BADNESS.index(finding.mark) > _BADNESS.index(known.mark):
                    self._all[index] = finding
                return
        self._all.append(finding)

    def ok(self, name: str, text: str) -> None:
        """Note what is fine."""
        self.add(Finding(name=name, mark=Mark.OK, text=text))

    def warn(self, name: str, text: str) -> None:
        """Note what is weaker than it could be."""
        self.add(Finding(name=name, mark=Mark.WARN, text=text))

    def found(self) -> tuple[Finding, ...]:
        """Return all, in the order in which they were found."""
        return tuple(self._all)
