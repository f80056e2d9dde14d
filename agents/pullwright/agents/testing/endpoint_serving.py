"""What a scripted endpoint answers, apart from sockets; ``endpoint_http`` puts it on the wire."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence, Set

from pullwright.agents.testing.endpoint_about import About
from pullwright.agents.testing.endpoint_changes import change_reply, cut_last_call
from pullwright.agents.testing.endpoint_fault import Fault, FaultKind
from pullwright.agents.testing.endpoint_quirks import Quirk, Strikes
from pullwright.agents.testing.endpoint_refusals import error_body, refuse
from pullwright.agents.testing.endpoint_rules import JsonMapping, Refusal, Rules, check_request
from pullwright.agents.testing.endpoint_script import Script, first_user_text, in_order
from pullwright.agents.testing.endpoint_wire import STYLES, JsonObject, WireReply
from pullwright.agents.testing.scripted_model import Reply

_ROUTED_HEADERS = frozenset({"host", "content-type", "content-length", "authorization", "accept"})
"""What a router with a short list lets through."""
_SMALL_SLOT = 4096


class Serving:
    """A script, the rules of a server, and what has been asked so far. Safe to use from many threads."""

    def __init__(
        self,
        script: Script,
        *,
        style: str = "vllm",
        model: str = "scripted-mistral",
        window: int = 262_144,
        slot: int = 0,
        key: str = "",
        parser: bool = True,
        faults: Sequence[Fault] = (),
        quirks: Set[Quirk] = frozenset(),
        times: int = 1,
        seconds: float = 60.0,
        latency: float = 0.0,
        piece: int = 8,
    ) -> None:
        """Lay out the server.

        Args:
            script: What to answer.
            style: One of ``STYLES``: which server's wire habits to take on.
            model: The only model's name.
            window: Tokens of prompt and reply together.
            slot: Tokens that one request really has, where a quirk makes that less; 0 for 4096 with such a quirk.
            key: The key that must come with every request; empty for none.
            parser: Whether calls are returned as calls; else their markers stay in the text.
            faults: What goes wrong, one per request.
            quirks: Habits of real servers to take on as well.
            times: How many requests a quirk strikes that passes.
            seconds: How long a quirk takes that makes the server slow.
            latency: Seconds before the first byte of a reply.
            piece: Characters in a piece of a streamed reply.
        """
        self.model = model
        self.key = key
        self.latency = latency
        self.seconds = seconds
        self.quirks = frozenset(quirks) if parser else frozenset(quirks) | {Quirk.F4_NO_PARSER}
        self.requests: list[JsonObject] = []
        """The bodies of all requests for a reply, refused ones too."""
        self.headers: list[Mapping[str, str]] = []
        """The headers of the same requests, names in lower case."""
        self.asked: list[str] = []
        """The paths of all other requests."""
        self.disconnected = threading.Event()
        """Set when a client went away before its reply was complete."""
        self._style = STYLES[style]
        self._rules = Rules(
            model=model,
            window=window,
            reasoning_field=self._style.reasoning_field,
            only_known_fields=self._style.only_known_fields or Quirk.F24_STRICT_FIELDS in quirks,
            needs_effort=Quirk.F19_THINKS_UNASKED not in quirks,
            cuts_ids=Quirk.F3_CUT_IDS in quirks,
        )
        narrow = quirks & {Quirk.F17_SLOT_WINDOW, Quirk.F19_TRUNCATES}
        self._about = About(
            style=style,
            model=model,
            window=window,
            slot=min(window, slot or _SMALL_SLOT) if narrow else window,
            quirks=self.quirks,
        )
        self._flat_errors = Quirk.F14_FLAT_ERRORS in quirks
        self._answer = script if callable(script) else in_order(script)
        self._piece = piece
        self._faults = list(faults)
        self._strikes = Strikes(self.quirks, times)
        self._loading = times if Quirk.F18_LOADING in quirks else 0
        self._loaded = Quirk.F22_SLOW_LOAD not in quirks
        self._seen_prompts: dict[str, str] = {}
        self._lock = threading.Lock()

    @property
    def window(self) -> int:
        """Tokens of prompt and reply together."""
        return self._rules.window

    @property
    def reports_usage_unasked(self) -> bool:
        """Whether streams end with the token counts without being asked to."""
        return self._style.only_known_fields

    def take_fault(self) -> Fault:
        """Return the next fault; ``NONE`` when they are used up."""
        with self._lock:
            return self._faults.pop(0) if self._faults else Fault(FaultKind.NONE)

    def take_quirks(self) -> frozenset[Quirk]:
        """Return the quirks of the next request for a reply."""
        with self._lock:
            self._loading = max(0, self._loading - 1)
            self._loaded = True
            return self._strikes.next()

    def answer_about(self, path: str) -> tuple[int, object]:
        """Answer a GET."""
        self.asked.append(path)
        return self._about.answer(path, loading=self._loading > 0, loaded=self._loaded)

    def answer_count(self, path: str, request: JsonMapping) -> tuple[int, object] | None:
        """Answer a POST that is not for a reply; None for what does not exist."""
        self.asked.append(path)
        return self._about.count(path, _tokens(request))

    def error_body(self, refusal: Refusal) -> object:
        """The body of a refusal in the words of this server."""
        return error_body(refusal, flat=self._flat_errors, hosted=self._rules.only_known_fields)

    def reply_to(
        self, request: JsonObject, headers: Mapping[str, str], fault: Fault, quirks: frozenset[Quirk]
    ) -> WireReply:
        """Check a request and find its reply.

        Raises:
            Refusal: The request is wrong or the script has nothing for it.
        """
        with self._lock:
            self.requests.append(request)
            self.headers.append(_routed(headers) if Quirk.F30_DROPS_HEADERS in quirks else headers)
            refuse(request, quirks, self._rules, _tokens(request), slot=self._about.slot)
            check_request(request, self._rules, 0 if Quirk.F19_TRUNCATES in quirks else _tokens(request))
            if fault.kind is FaultKind.STATUS:
                raise Refusal(fault.message, status=fault.status, retry_after=fault.retry_after)
            spoken = self._answer(request)
            reply = change_reply(spoken, request, quirks)
            usage = self._usage(request, reply)
        if fault.kind is FaultKind.OUTPUT_LIMIT:
            reply, usage["completion_tokens"] = cut_last_call(reply, "tool_calls"), request["max_tokens"]
        return WireReply(
            reply=reply, style=self._style, model=self.model, usage=usage, piece=self._piece, quirks=quirks
        )

    def _usage(self, request: JsonMapping, reply: Reply) -> JsonObject:
        """Count tokens; what an earlier prompt of the conversation shares is cached, as a real engine does."""
        prompt = json.dumps(request.get("messages"))
        conversation = first_user_text(request)
        shared = _common_length(self._seen_prompts.get(conversation, ""), prompt)
        self._seen_prompts[conversation] = prompt[:-1]  # without the bracket that the next turn moves
        spoken = len(reply.text) + len(json.dumps(list(reply.calls)))
        cold = Quirk.F30_SWITCHES in self.quirks
        return {
            "prompt_tokens": min(len(prompt) // 4, self._about.slot),
            "prompt_tokens_details": {"cached_tokens": 0 if cold else shared // 4},
            "completion_tokens": (spoken + len(reply.reasoning)) // 4 + 1,
            "completion_tokens_details": {"reasoning_tokens": len(reply.reasoning) // 4},
        }


def _tokens(request: JsonMapping) -> int:
    return len(json.dumps(request.get("messages"))) // 4


def _routed(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name in _ROUTED_HEADERS}


def _common_length(left: str, right: str) -> int:
    if right.startswith(left):
        return len(left)
    return next((index for index, (a, b) in enumerate(zip(left, right, strict=False)) if a != b), len(right))
