"""What differs between the servers that can run the model. Facts only; rendering and reading use them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType

from pullwright.agents.errors import ConfigError
from pullwright.agents.llm.images import MOST_IMAGES


class ReasoningReplay(StrEnum):
    """Where a server wants the model's earlier reasoning in an assistant message."""

    REASONING = "reasoning"
    REASONING_CONTENT = "reasoning_content"
    CONTENT_LIST = "content_list"
    """Mistral's own API: ``content`` is a list with a ``thinking`` item first."""
    NONE = ""
    """Nowhere: the server refused the field."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """The dialect of one server."""

    name: str
    reasoning_replay: ReasoningReplay
    streams: bool = True
    """Ask for a stream unless the endpoint's settings say otherwise."""
    strict_tools: bool = False
    """Mark every tool ``strict``: pins the tool names and arguments in the server's grammar."""
    include_usage: bool = True
    """Send ``stream_options.include_usage``; a server that refuses unknown fields reports usage anyway."""
    max_tokens_field: str = "max_tokens"
    names_tool_results: bool = False
    """Send ``name`` with a tool result."""
    thinks_from_start: bool = False
    """The server's reasoning parser files a reply without any thinking as reasoning."""
    affinity_header: str = ""
    """Header that carries the conversation id, so that a router keeps it on one replica."""
    affinity_field: str = ""
    """The same as a field of the body."""
    strict_template: bool = False
    """The chat template may demand strict alternation: what a person says while a tool round is open, or after other
    words of a person, becomes part of the message before."""
    escapes_markers: bool = False
    """The server renders text before it tokenises it, so that control tokens in a file would become real ones."""
    truncates_silently: bool = False
    """A prompt over the window loses its oldest messages without an error."""
    most_images: int = MOST_IMAGES
    refused_fields: frozenset[str] = frozenset()
    """Optional fields of the body that this endpoint turned out to refuse."""


_VLLM = Profile(
    name="vllm",
    reasoning_replay=ReasoningReplay.REASONING,
    strict_tools=True,
    affinity_header="X-Session-ID",
    affinity_field="session_id",
)
_SGLANG = Profile(
    name="sglang",
    reasoning_replay=ReasoningReplay.REASONING_CONTENT,
    # Its streaming tool parser deletes brackets and loses parallel calls.
    streams=False,
    thinks_from_start=True,
    affinity_header="X-SMG-Routing-Key",
    strict_template=True,
    escapes_markers=True,
)

PROFILES: Mapping[str, Profile] = MappingProxyType(
    {
        known.name: known
        for known in (
            _VLLM,
            _SGLANG,
            Profile(
                name="llamacpp",
                reasoning_replay=ReasoningReplay.REASONING_CONTENT,
                strict_template=True,
                escapes_markers=True,
            ),
            Profile(
                name="ollama",
                reasoning_replay=ReasoningReplay.REASONING,
                names_tool_results=True,
                strict_template=True,
                escapes_markers=True,
                truncates_silently=True,
            ),
            replace(_VLLM, name="nim-vllm"),
            replace(_SGLANG, name="nim-sglang"),
            Profile(
                name="mistral",
                reasoning_replay=ReasoningReplay.CONTENT_LIST,
                include_usage=False,
                names_tool_results=True,
                affinity_header="x-affinity",
            ),
        )
    }
)


def profile(name: str) -> Profile:
    """Return the profile with this name.

    Raises:
        ConfigError: There is none.
    """
    try:
        return PROFILES[name]
    except KeyError:
        raise ConfigError(
            f"there is no server profile {name!r}; set AGENT_ENDPOINT_PROFILE to one of {', '.join(PROFILES)}"
        ) from None
