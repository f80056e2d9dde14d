"""What to change after a refusal that the same bytes would only get again: once each, then the refusal stands."""

from __future__ import annotations

from dataclasses import dataclass, replace

from pullwright.agents.llm.failure import Failure, FailureKind
from pullwright.agents.llm.profile import Profile, ReasoningReplay

OPTIONAL_FIELDS = frozenset({"session_id", "stream_options", "temperature", "top_p", "tool_choice"})
"""Fields of a body without which a request still means the same, or nearly."""
_SMALLEST_OUTPUT = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What decides the bytes of a request besides the conversation."""

    profile: Profile
    max_tokens: int


def adapt(failure: Failure, shape: Shape) -> Shape | None:
    """Return the shape for one more attempt; None when nothing can be changed.

    What changes in the profile holds for all further requests to the endpoint, so that its cache stays of use.
    """
    match failure.kind:
        case FailureKind.OUTPUT_CAP:
            return replace(shape, max_tokens=shape.max_tokens // 2) if shape.max_tokens > _SMALLEST_OUTPUT else None
        case FailureKind.BAD_HISTORY:
            strict = replace(shape.profile, strict_template=True)
        case FailureKind.SCHEMA_REJECTED:
            strict = _without(shape.profile, frozenset(failure.fields))
        case _:
            return None
    return replace(shape, profile=strict) if strict != shape.profile else None


def _without(profile: Profile, fields: frozenset[str]) -> Profile:
    """The profile that sends none of the refused fields which may be left out."""
    changed = replace(profile, refused_fields=profile.refused_fields | (fields & OPTIONAL_FIELDS))
    if "strict" in fields:
        changed = replace(changed, strict_tools=False)
    if profile.reasoning_replay.value in fields:
        changed = replace(changed, reasoning_replay=ReasoningReplay.NONE)
    return changed
