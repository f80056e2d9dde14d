"""What the runner's answers mean. Everything in them is the container's word, so it is checked and capped."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass, field
from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from pullwright.agents.errors import ProtocolViolation, SandboxUnavailable, ServiceError
from pullwright.agents.ports.sandbox import ExecResult, Output, ServiceState
from pullwright.sandbox.frames import MAX_META, Frame, FrameType


@dataclass(frozen=True, slots=True, kw_only=True)
class FreeSpace:
    """What is left on the file system of the workspace, as the container says."""

    bytes: int
    inodes: int


@dataclass(slots=True)
class Answer:
    """One answer as it came: what the frames of each type held, and the frame that ended it."""

    parts: dict[FrameType, bytearray] = field(default_factory=dict)
    last: Frame = field(default_factory=lambda: Frame(FrameType.FAIL, 0))
    """The frame that ended it."""

    def add(self, frame: Frame) -> None:
        """Take in a part; many small frames take no more room than one large one."""
        self.parts.setdefault(frame.type, bytearray()).extend(frame.payload)

    def part(self, kind: FrameType) -> bytes:
        """Return what the frames of one type held together."""
        return bytes(self.parts.get(kind, b""))


class _Report(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True)


class Ready(_Report):
    """The runner serves."""

    python: str = Field(max_length=100)
    shell: str = Field(max_length=4096)
    notices: list[Annotated[str, StringConstraints(max_length=300)]] = Field(max_length=20)
    """What could not be set up, one line each."""


class _Pong(_Report):
    free_bytes: int = Field(ge=0, lt=1 << 63)
    free_inodes: int = Field(ge=0, lt=1 << 63)


class _Exit(_Report):
    code: int | None = Field(ge=0, le=255)
    signal: int | None = Field(ge=1, le=64)
    timed_out: bool
    seconds: float = Field(ge=0, allow_inf_nan=False)
    cwd: str = Field(max_length=8192)
    dropped_out: int = Field(ge=0)
    dropped_err: int = Field(ge=0)


class _Service(_Report):
    running: bool
    code: int | None = Field(ge=0, le=255)
    dropped: int = Field(ge=0)


class _Fail(_Report):
    errno: int
    message: str


_Model = TypeVar("_Model", bound=BaseModel)


def _parse(model: type[_Model], frame: Frame) -> _Model:
    try:
        return model.model_validate_json(frame.payload[: MAX_META + 1])
    except ValidationError as exc:
        raise ProtocolViolation(f"sandbox sent a malformed {frame.type.name} frame: discard it") from exc


def ready(answer: Answer) -> Ready:
    """Read the answer to the first frame.

    Raises:
        SandboxUnavailable: The runner can not serve.
    """
    if answer.last.type is FrameType.FAIL:
        reason = os.strerror(_number(_parse(_Fail, answer.last)))
        raise SandboxUnavailable(f"sandbox can not listen on its egress ports ({reason}): something else in it does")
    return _parse(Ready, answer.last)


def free_space(answer: Answer) -> FreeSpace:
    """Read the answer to a ping."""
    pong = _parse(_Pong, answer.last)
    return FreeSpace(bytes=pong.free_bytes, inodes=pong.free_inodes)


def file_part(answer: Answer, path: str) -> bytes:
    """Return what was read, if anything was.

    Raises:
        OSError: It could not be read or written.
    """
    if answer.last.type is FrameType.FAIL:
        number = _number(_parse(_Fail, answer.last))
        raise OSError(number, os.strerror(number), path)
    return answer.part(FrameType.DATA)


def raise_service_failure(answer: Answer, name: str) -> None:
    """Turn a refused service into an error in our own words.

    Raises:
        ServiceError: It was refused.
    """
    if answer.last.type is not FrameType.FAIL:
        return
    number = _number(_parse(_Fail, answer.last))
    match number:
        case errno.EEXIST:
            text = f"service {name!r} is there already: stop it first, or take another name"
        case errno.ENOENT:
            text = f"there is no service {name!r}: start it first"
        case errno.EUSERS:
            text = f"service {name!r} is one too many: stop another first"
        case _:
            text = f"service {name!r} could not be started: {os.strerror(number)}"
    raise ServiceError(text)


def service_state(answer: Answer, name: str) -> ServiceState:
    """Put a service's state together.

    Raises:
        ServiceError: There is none of that name.
    """
    raise_service_failure(answer, name)
    report = _parse(_Service, answer.last)
    log = _output(answer.part(FrameType.OUT_HEAD), answer.part(FrameType.OUT_TAIL), report.dropped)
    return ServiceState(name=name, running=report.running, exit_code=report.code, log=log)


def exec_result(answer: Answer) -> ExecResult:
    """Put a command's result together."""
    if answer.last.type is FrameType.FAIL:
        return refused(f"the command could not be started: {_parse(_Fail, answer.last).message[:1000]}")
    report = _parse(_Exit, answer.last)
    out = answer.part(FrameType.OUT_HEAD), answer.part(FrameType.OUT_TAIL)
    err = answer.part(FrameType.ERR_HEAD), answer.part(FrameType.ERR_TAIL)
    return ExecResult(
        exit_code=report.code,
        signal=report.signal,
        timed_out=report.timed_out,
        stdout=_output(*out, report.dropped_out),
        stderr=_output(*err, report.dropped_err),
        seconds=report.seconds,
        cwd=report.cwd,
    )


def refused(reason: str) -> ExecResult:
    """Return the result of a command that never ran."""
    return ExecResult(exit_code=126, stderr=Output(head=f"pullwright: {reason}\n".encode("utf-8", "replace")))


def _number(failure: _Fail) -> int:
    return failure.errno if failure.errno in errno.errorcode else errno.EIO


def _output(head: bytes, tail: bytes, dropped: int) -> Output:
    if not dropped:
        return Output(head=head + tail)
    whole_head, whole_tail = trim_head(head), trim_tail(tail)
    lost = len(head) - len(whole_head) + len(tail) - len(whole_tail)
    return Output(head=whole_head, tail=whole_tail, dropped=dropped + lost)


def trim_head(data: bytes) -> bytes:
    """Cut an unfinished UTF-8 character from the end."""
    for back in range(1, min(4, len(data)) + 1):
        byte = data[-back]
        if byte & 0xC0 != 0x80:
            length = 4 if byte >= 0xF0 else 3 if byte >= 0xE0 else 2 if byte >= 0xC0 else 1
            return data[:-back] if length > back else data
    return data


def trim_tail(data: bytes) -> bytes:
    """Cut the rest of a UTF-8 character from the start."""
    rest = next((index for index, byte in enumerate(data[:4]) if byte & 0xC0 != 0x80), len(data[:4]))
    return data[rest:] if rest < 4 else data
