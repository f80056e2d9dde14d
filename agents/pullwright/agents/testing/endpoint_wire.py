"""How servers put a reply on the wire, whole or in pieces; used by ``ScriptedEndpoint``."""

from __future__ import annotations

import secrets
import string
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import cycle
from types import MappingProxyType

from pullwright.agents.testing.endpoint_quirks import Quirk
from pullwright.agents.testing.scripted_model import Reply, arguments_text

JsonObject = dict[str, object]
JsonMapping = Mapping[str, object]

_ALPHABET = string.ascii_letters + string.digits


@dataclass(frozen=True, slots=True, kw_only=True)
class WireStyle:
    """The habits of one server."""

    reasoning_field: str
    """Empty where reasoning comes as a list in ``content``."""
    first_content: str | None = ""
    id_length: int = 9
    id_prefix: str = ""
    pieces: bool = True
    """Whether arguments come in pieces, or each call in one."""
    only_known_fields: bool = False

    def new_id(self) -> str:
        """Make a call id as this server would."""
        return self.id_prefix + "".join(secrets.choice(_ALPHABET) for _ in range(self.id_length))


STYLES: Mapping[str, WireStyle] = MappingProxyType(
    {
        "vllm": WireStyle(reasoning_field="reasoning"),
        "sglang": WireStyle(reasoning_field="reasoning_content", id_prefix="call_", id_length=24, pieces=False),
        "llamacpp": WireStyle(reasoning_field="reasoning_content", first_content=None, id_length=32),
        "ollama": WireStyle(reasoning_field="reasoning", id_prefix="call_", id_length=8, pieces=False),
        "mistral": WireStyle(reasoning_field="", pieces=False, only_known_fields=True),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class WireReply:
    """A reply together with what the server adds to it."""

    reply: Reply
    style: WireStyle
    model: str
    usage: JsonMapping
    piece: int
    """Characters in a piece of text."""
    quirks: frozenset[Quirk] = frozenset()
    """Those that strike this reply."""

    def whole(self) -> JsonObject:
        """The body of an answer that is not streamed."""
        reply = self.reply
        message: JsonObject = {"role": "assistant", **self._spoken(reply.reasoning, reply.text)}
        if reply.calls:
            message["tool_calls"] = [
                {"id": self.style.new_id(), "type": "function", "function": {"name": name, "arguments": text}}
                for name, text in self._calls()
            ]
        choice = {"index": 0, "message": message, "finish_reason": reply.finish}
        return {**self._envelope("chat.completion"), "choices": [choice], "usage": dict(self.usage)}

    def chunks(self, *, with_usage: bool) -> Iterator[JsonObject]:
        """The chunks of a stream: role, reasoning, text, calls, finish reason, usage."""
        yield self._chunk({"role": "assistant", "content": self.style.first_content})
        for piece in self._cut(self.reply.reasoning):
            yield self._chunk(self._spoken(piece, ""))
        for piece in self._cut(self.reply.text):
            yield self._chunk({"content": piece})
        for index, (name, text) in enumerate(self._calls()):
            for fragment in self._fragments(name, text):
                yield self._chunk({"tool_calls": [{"index": index, **fragment}]})
        yield self._chunk({}, self.reply.finish)
        if with_usage:
            yield {**self._envelope("chat.completion.chunk"), "choices": [], "usage": dict(self.usage)}

    def _calls(self) -> list[tuple[str, str]]:
        return [(name, arguments_text(arguments)) for name, arguments in self.reply.calls]

    def _fragments(self, name: str, text: str) -> Iterator[JsonObject]:
        pieces = self._cut(text) if self.style.pieces else [text]
        for position, piece in enumerate(pieces or [""]):
            if position:
                yield {"function": {"arguments": piece}}
            else:
                function = {"name": name, "arguments": piece}
                yield {"id": self.style.new_id(), "type": "function", "function": function}

    def _spoken(self, reasoning: str, text: str) -> JsonObject:
        if self.style.reasoning_field:
            return {"content": text, **({self.style.reasoning_field: reasoning} if reasoning else {})}
        if not reasoning:
            return {"content": text}
        items: list[JsonObject] = [{"type": "thinking", "thinking": [{"type": "text", "text": reasoning}]}]
        return {"content": items + ([{"type": "text", "text": text}] if text else [])}

    def _chunk(self, delta: JsonObject, finish: str | None = None) -> JsonObject:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return {**self._envelope("chat.completion.chunk"), "choices": [choice]}

    def _envelope(self, kind: str) -> JsonObject:
        return {"id": "chatcmpl-scripted", "object": kind, "created": 0, "model": self.model}

    def _cut(self, text: str) -> list[str]:
        sizes = cycle((1, 4, 2, 5, 3)) if Quirk.F1_SMALL_PIECES in self.quirks else cycle((self.piece,))
        pieces: list[str] = []
        start = 0
        while start < len(text):
            size = next(sizes)
            pieces.append(text[start : start + size])
            start += size
        return pieces


def unparsed(reply: Reply) -> Reply:
    """What a server without its tool parser makes of a reply: markers in the text."""
    markers = "".join(f"[TOOL_CALLS]{name}[ARGS]{arguments_text(arguments)}" for name, arguments in reply.calls)
    return Reply(text=reply.text + markers, reasoning=reply.reasoning)
