"""What real servers were seen to do, by number; ``ScriptedEndpoint`` switches each one.

A number that stands for several habits has several members. Passing quirks strike the first requests and are over
then (``ScriptedEndpoint(times=…)`` says after how many); the others last.
"""

from __future__ import annotations

from collections.abc import Set
from enum import StrEnum


class Quirk(StrEnum):
    """One habit of one server."""

    F1_SMALL_PIECES = "f1"
    """vLLM: role chunk with empty content first, pieces of one to five characters, usage in a chunk without choices."""
    F2_STRICT_FIELDS = "f2"
    """vLLM: 400 for ``chat_template_kwargs``, other efforts, empty tools, ``stream_options`` without a stream.

    Always on: what the strictest server refuses must never be sent to any.
    """
    F3_CUT_IDS = "f3"
    """vLLM: history is checked (always), after call ids were cut to their last nine characters (switched)."""
    F4_NO_PARSER = "f4"
    """vLLM without its parser flags: the raw markers in the text, finish reason ``stop``."""
    F5_SKEW = "f5"
    """vLLM with a mistral-common that does not fit: 400 with a ``TypeError`` for every request with tools."""
    F6_KEEP_ALIVES = "f6"
    """vLLM: comments for a while, then the reply."""
    F7_ERROR_CHUNK = "f7-error-chunk"
    """vLLM: an error object in the middle of the stream, then ``[DONE]``. Passes."""
    F7_ENGINE_DEAD = "f7-engine-dead"
    """vLLM: the engine died: 500 for everything, 503 for ``/health``."""
    F8_ADMISSION = "f8-admission"
    """vLLM: 503, the queue is limited. Passes."""
    F8_PRIORITY = "f8-priority"
    """vLLM: a ``priority`` other than 0 is refused."""
    F9_GLUED_CALLS = "f9"
    """Old vLLM, streamed: the arguments of the second parallel call are glued to those of the first."""
    F10_BRACKETS = "f10"
    """SGLang, streamed with tools: every ``]`` of the text is deleted."""
    F11_SECOND_CALL = "f11"
    """SGLang, streamed: the second of two calls is lost."""
    F12_ALL_REASONING = "f12"
    """SGLang, effort high: a reply without thinking comes as reasoning altogether, its calls as raw markers."""
    F13_DROPPED_CALL = "f13"
    """SGLang: a malformed or unknown call vanishes (whole reply) or comes as text (streamed, unknown tool)."""
    F14_FLAT_ERRORS = "f14-flat"
    """SGLang: the error's fields stand at the top of the body."""
    F14_CAP_OVER_WINDOW = "f14-cap"
    """SGLang: 400 when prompt and ``max_tokens`` together pass the window."""
    F14_OVERLOAD_CHUNK = "f14-overload"
    """SGLang, streamed: overload is an error chunk in a 200. Passes."""
    F15_SLOW_HEALTH = "f15"
    """SGLang: ``/health`` takes a while."""
    F16_TEMPLATE_500 = "f16"
    """llama-server: strict alternation and efforts are checked by the template: 500 with Jinja's words."""
    F17_SLOT_WINDOW = "f17"
    """llama-server: a slot has less than the listed window: 400 ``exceed_context_size_error``, numbers, extra keys."""
    F18_LOADING = "f18-loading"
    """llama-server: 503 "Loading model". Passes."""
    F18_NO_DONE = "f18-no-done"
    """llama-server: an error chunk in the middle of the stream and no ``[DONE]``. Passes."""
    F18_UNPARSABLE = "f18-unparsable"
    """llama-server: 500, its own output does not parse. Passes."""
    F18_NO_IMAGES = "f18-no-images"
    """llama-server without its projector file: images are refused with 500."""
    F19_TRUNCATES = "f19-truncates"
    """Ollama: what does not fit is dropped silently, ``prompt_tokens`` is small."""
    F19_THINKS_UNASKED = "f19-thinks"
    """Ollama: thinks when no effort is sent."""
    F20_STOPS = "f20"
    """Ollama: one empty chunk mid-stream, then the end, without finish reason or ``[DONE]``. Passes."""
    F21_STRICT_HISTORY = "f21-history"
    """Ollama: 400 for replayed arguments that are no JSON, null content without calls, the URL of an image."""
    F21_BUSY = "f21-busy"
    """Ollama: 503 "server busy". Passes."""
    F21_NOT_FOUND = "f21-not-found"
    """Ollama: 404, the model was never pulled."""
    F22_SLOW_LOAD = "f22"
    """Ollama: the first call waits until the model is loaded. Passes."""
    F23_NIM = "f23"
    """NIM: the engine's behaviour, and ``/v1/health/live``, ``/v1/health/ready``, ``/v1/metrics``."""
    F23_RETIRED = "f23-retired"
    """NIM: 410 for a retired model."""
    F24_STRICT_FIELDS = "f24-fields"
    """Mistral: 422 for any unknown key, inside messages too. On with the style ``mistral``."""
    F24_OBJECT_ARGUMENTS = "f24-arguments"
    """Mistral: a call's arguments are an object, not text."""
    F24_NULL_ID = "f24-id"
    """Mistral: a call's id is ``null`` and its index is missing."""
    F24_RATE_LIMIT = "f24-rate"
    """Mistral: 429 with ``Retry-After``. Passes."""
    F24_MODEL_LENGTH = "f24-length"
    """Mistral: finish reason ``model_length``."""
    F25_BAD_GATEWAY = "f25-502"
    """A proxy's 502 with HTML. Passes."""
    F25_PAGE = "f25-page"
    """A proxy's 200 with HTML. Passes."""
    F25_RESET_BEFORE = "f25-reset-before"
    """The connection is reset before the headers. Passes."""
    F25_RESET_AFTER = "f25-reset-after"
    """The connection is reset after the headers. Passes."""
    F25_SPLIT_CHARACTER = "f25-split"
    """Packets end in the middle of UTF-8 characters."""
    F25_TWO_EVENTS = "f25-two"
    """Two events in one packet."""
    F25_CRLF = "f25-crlf"
    """Lines end with CR LF."""
    F25_ONE_BYTE = "f25-bytes"
    """One byte per packet."""
    F26_CUT_ARGUMENTS = "f26-cut"
    """Finish reason ``length`` in the middle of a call's arguments."""
    F26_EMPTY = "f26-empty"
    """An empty reply. Passes."""
    F26_BLANK = "f26-blank"
    """A reply of white space. Passes."""
    F26_REPEATS = "f26-repeats"
    """A reply of 20,000 tokens that repeats itself, to its limit."""
    F27_SLOW_START = "f27-start"
    """A very slow first byte. Passes."""
    F27_TRICKLE = "f27-trickle"
    """A pause before every piece."""
    F27_ENDLESS = "f27-endless"
    """A stream that never ends."""
    F28_SAME_IDS = "f28-same"
    """Two parallel calls with one id."""
    F28_REUSED_ID = "f28-reused"
    """The same ids in every turn."""
    F29_ESCAPES = "f29-escapes"
    """Arguments with unicode escapes."""
    F29_NEWLINES = "f29-newlines"
    """Arguments with raw line breaks inside strings."""
    F29_NAN = "f29-nan"
    """Arguments with ``NaN``."""
    F29_COMMA = "f29-comma"
    """Arguments with a trailing comma."""
    F29_FENCE = "f29-fence"
    """Arguments in a code fence."""
    F29_DOUBLE = "f29-double"
    """Arguments encoded twice, as a JSON string."""
    F30_DROPS_HEADERS = "f30-headers"
    """A router: headers that it does not know do not reach the server."""
    F30_SWITCHES = "f30-switches"
    """A router: every request reaches another back end, whose cache is cold."""
    F30_UNAVAILABLE = "f30-503"
    """A router: its own 503. Passes."""

    @property
    def number(self) -> int:
        """The number in the list of servers' habits."""
        return int(self.value[1:].partition("-")[0])


PASSING: Set[Quirk] = frozenset(
    {
        Quirk.F7_ERROR_CHUNK,
        Quirk.F8_ADMISSION,
        Quirk.F14_OVERLOAD_CHUNK,
        Quirk.F18_LOADING,
        Quirk.F18_NO_DONE,
        Quirk.F18_UNPARSABLE,
        Quirk.F20_STOPS,
        Quirk.F21_BUSY,
        Quirk.F22_SLOW_LOAD,
        Quirk.F24_RATE_LIMIT,
        Quirk.F25_BAD_GATEWAY,
        Quirk.F25_PAGE,
        Quirk.F25_RESET_BEFORE,
        Quirk.F25_RESET_AFTER,
        Quirk.F26_EMPTY,
        Quirk.F26_BLANK,
        Quirk.F27_SLOW_START,
        Quirk.F30_UNAVAILABLE,
    }
)
"""Those that end by themselves."""


class Strikes:
    """Says which quirks strike a request: all that last, and one that passes for as long as it has strikes left."""

    def __init__(self, quirks: Set[Quirk], times: int) -> None:
        self._lasting = frozenset(quirks - PASSING)
        self._left = dict.fromkeys(sorted(quirks & PASSING), times)

    def next(self) -> frozenset[Quirk]:
        """The quirks of the next request."""
        for quirk, left in self._left.items():
            if left:
                self._left[quirk] -= 1
                return self._lasting | {quirk}
        return self._lasting
