"""What a sender may ask for, checked to the last field: a typing error is told, and never passed over. Pure.

The words are those of the HTTP API. A sender that can only fire requests never sees a task's id, so it names pieces of
work itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from pullwright.agents.clock import in_utc
from pullwright.integrations.meaning_codec import MeaningCodec

CONTEXT_LIMIT: Final = 400_000
"""Characters of context that are taken; the model sees as much of it as of any text of others."""

_TOLD: Final = 3
"""Mistakes that are told at once."""
_ODD: Final = re.compile(r"[^A-Za-z0-9_.-]")


Words = Annotated[
    str,
    StringConstraints(
        min_length=1, max_length=100_000, strip_whitespace=True, pattern=r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$"
    ),
]
"""What a person would type: no control characters but tabs and line ends."""
Line = Annotated[str, StringConstraints(max_length=200, strip_whitespace=True, pattern=r"^[^\x00-\x1f\x7f]*$")]
Command = Annotated[str, StringConstraints(min_length=1, max_length=4096, pattern=r"^[^\x00]*$")]
Base = Annotated[str, StringConstraints(max_length=250, pattern=r"^([^\s\x00-\x1f\x7f-][^\s\x00-\x1f\x7f]*)?$")]
WorkKey = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[!-~]+$")]
Moment = Annotated[AwareDatetime, Field(strict=False), AfterValidator(in_utc)]


class Request(BaseModel):
    """What all of them have."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class FileRequest(Request):
    """It wants a task."""

    action: Literal["file"] = "file"
    instruction: Words
    repository: Annotated[str, StringConstraints(min_length=1, max_length=500)]
    """``owner/name``, or the address of a repository on the code host."""
    title: Line = ""
    """Empty for the beginning of the instruction."""
    context: Annotated[str, StringConstraints(max_length=CONTEXT_LIMIT)] = ""
    """Texts of others: a log, a report. They are data, and instruct nobody."""
    base: Base = ""
    checks: Annotated[list[Command], Field(max_length=20)] = []
    pull_request: bool = True
    plan: bool = False
    may_ask: bool = False
    work_key: WorkKey | Literal[""] = ""
    """The sender's name for the piece of work: two live tasks of a connection never share one."""
    if_live: Literal["tell", "ignore"] = "tell"
    """What becomes of this when a task is on that piece of work: it is told, or nothing happens."""
    priority: Annotated[int, Field(ge=-1000, le=1000)] = 0
    not_before: Moment | None = None
    max_steps: Annotated[int | None, Field(ge=1)] = None
    max_minutes: Annotated[float | None, Field(gt=0, allow_inf_nan=False)] = None
    max_tokens: Annotated[int | None, Field(ge=1)] = None
    max_fresh_tokens: Annotated[int | None, Field(ge=1)] = None
    max_cost: Annotated[float | None, Field(gt=0, allow_inf_nan=False)] = None
    """Dollars."""


class MessageRequest(Request):
    """It has something to say to the live task of a piece of work."""

    action: Literal["message"]
    work_key: WorkKey
    text: Words
    author: Line = ""


class AnswerRequest(Request):
    """It has what the live task of a piece of work waits for."""

    action: Literal["answer"]
    work_key: WorkKey
    text: Words
    author: Line = ""


class CancelRequest(Request):
    """It does not want the live task of a piece of work any more."""

    action: Literal["cancel"]
    work_key: WorkKey
    reason: Line = ""


class PingRequest(Request):
    """It wants to know whether it gets in."""

    action: Literal["ping"]


ACTIONS: Final[Mapping[str, type[Request]]] = {
    "file": FileRequest,
    "message": MessageRequest,
    "answer": AnswerRequest,
    "cancel": CancelRequest,
    "ping": PingRequest,
}

_CODEC: MeaningCodec[Request] = MeaningCodec([*ACTIONS.values()])

kind_of = _CODEC.kind_of
request_to_json = _CODEC.to_json
request_from_json = _CODEC.from_json


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """Why a body is no request."""

    says: str
    """For the sender, in one line; nothing of the body's values is in it."""


def parse_request(document: Mapping[str, object]) -> Request | Mistake:
    """Return what a body asks for."""
    action = document.get("action", "file")
    kind = ACTIONS.get(action) if isinstance(action, str) else None
    if kind is None:
        return Mistake(says=f"action: use one of {', '.join(ACTIONS)}, or leave it out to file a task")
    try:
        return kind.model_validate(document)
    except ValidationError as exc:
        errors = exc.errors(include_url=False, include_input=False, include_context=False)
    says = [f"{_place(error['loc'])}: {error['msg'][:150]}" for error in errors[:_TOLD]]
    more = [f"and {len(errors) - _TOLD} more"] if len(errors) > _TOLD else []
    return Mistake(says="; ".join([*says, *more]))


def _place(path: tuple[int | str, ...]) -> str:
    """Return where it is; names of fields that do not exist are the sender's."""
    return ".".join(_ODD.sub("?", str(part))[:60] for part in path)
