"""Shakes hands, then hands each frame to whom it concerns."""

# ruff: noqa: PTH118 - must run on Python 3.8, and pathlib is slow to import
from __future__ import annotations

import errno
import json
import os
import select
import signal
import sys
from collections.abc import Callable
from contextlib import suppress

from pullwright.sandbox.runner.channels import Channels
from pullwright.sandbox.runner.commands import Command
from pullwright.sandbox.runner.files import Download, Upload
from pullwright.sandbox.runner.processes import Processes, alone, guard
from pullwright.sandbox.runner.reactor import Job, Reactor
from pullwright.sandbox.runner.services import Services, Stop
from pullwright.sandbox.runner.shell import Shell, furnish
from pullwright.sandbox.runner.wire import (
    CANCEL,
    CHUNK,
    DONE,
    END,
    EXEC,
    FAIL,
    NET_OPEN,
    PING,
    PONG,
    READ,
    READY,
    SERVICE_READ,
    SERVICE_START,
    SERVICE_STOP,
    WRITE,
    Wire,
    frame,
    meta,
)


class Runner:
    """Everything that one stream carries."""

    def __init__(self, wire: Wire, reactor: Reactor, processes: Processes, shell: Shell, ports: list[int]) -> None:
        self.wire, self.reactor, self.shell = wire, reactor, shell
        self.services = Services(shell, reactor, processes)
        self.channels = Channels(wire, reactor, ports)
        self.job: Job | None = None
        self.upload: Upload | None = None
        self.end_all = False
        reactor.watch(processes.wake, select.POLLIN, processes.on_wake)
        reactor.watch(0, select.POLLIN, self.on_input)

    def serve(self) -> None:
        """Go on until the stream ends, which raises."""
        while True:
            was_full = self.wire.full
            self.reactor.turn(self.job.wait() if self.job else 3600.0)
            if was_full and not self.wire.full:
                self.channels.refresh()
            if self.job is not None:
                self.attempt(self.advance, self.job.request)

    def advance(self) -> None:
        job = self.job
        if job is not None:
            self.job = None
            self.job = None if job.advance() else job

    def on_input(self, _: int) -> None:
        self.wire.fill()
        while True:
            message = self.wire.take()
            if message is None:
                return
            self.on_frame(*message)

    def on_frame(self, kind: int, request: int, payload: bytes) -> None:
        if kind >= NET_OPEN:
            self.channels.on_frame(kind, request, payload)
        elif kind == CANCEL:
            if self.job is not None and self.job.request == request:
                self.job.cancel()
        elif kind == CHUNK and self.upload is not None:
            self.upload.add(payload)
        else:
            self.attempt(lambda: self.begin(kind, request, payload), request)

    def attempt(self, work: Callable[[], None], request: int) -> None:
        """Do it, or tell the host what the system said."""
        try:
            work()
        except BrokenPipeError:  # the stream to the host, nothing else here writes to a pipe
            raise
        except (OSError, ValueError) as exc:
            number = getattr(exc, "errno", None) or errno.EINVAL
            self.wire.send(meta(FAIL, request, {"errno": number, "message": str(exc)[:1000]}))

    def begin(self, kind: int, request: int, payload: bytes) -> None:
        if kind == PING:
            self.wire.send(meta(PONG, request, self.room()))
        elif kind == END and self.upload is not None:
            upload, self.upload = self.upload, None
            upload.finish()
            self.wire.send(frame(DONE, request))
        elif self.job is not None:
            raise OSError(errno.EBUSY, "another request is under way")
        else:
            self.begin_job(kind, request, json.loads(payload))

    def begin_job(self, kind: int, request: int, spec: dict[str, object]) -> None:
        if kind == EXEC:
            self.job = Command(self.wire, self.shell, self.services, request, spec)
        elif kind == READ:
            self.job = Download(self.wire, self.path(spec), request, spec)
            self.advance()
        elif kind == WRITE:
            self.upload = Upload(self.path(spec))
        elif kind == SERVICE_START:
            self.services.start(spec)
            self.wire.send(frame(DONE, request))
        elif kind == SERVICE_READ:
            self.wire.send(self.services.find(spec).report(request, int(str(spec["limit"]))))
        elif kind == SERVICE_STOP:
            self.job = Stop(self.wire, self.services, request, spec)

    def path(self, spec: dict[str, object]) -> str:
        return os.path.join(self.shell.workspace, str(spec["path"]))

    def room(self) -> dict[str, object]:
        found = os.statvfs(self.shell.workspace)
        return {"free_bytes": found.f_bavail * found.f_frsize, "free_inodes": found.f_favail}


def may_end_all(spec: dict[str, object]) -> bool:
    """Whether every process that can be reached may be killed at the end.

    Only if the host said so, not as root, and only if our parent is outside of what we can see: that is so for what a
    container engine starts inside a container, and for nothing else, so never for a runner on a developer's machine.
    """
    return spec.get("end_all") is True and os.getuid() != 0 and alone()


def greet(wire: Wire, reactor: Reactor, processes: Processes) -> Runner:
    """Set everything up as the host wants it, and say how that went."""
    _, request, payload = wire.wait()
    spec = json.loads(payload)
    shell = Shell(spec["workspace"], spec["home"], spec["variables"])
    try:
        runner = Runner(wire, reactor, processes, shell, spec["ports"])
    except OSError as exc:
        wire.send(meta(FAIL, request, {"errno": exc.errno or errno.EINVAL, "message": str(exc)[:1000]}))
        raise EOFError from exc
    runner.end_all = may_end_all(spec)
    notices = [notice[:300] for notice in furnish(spec["home"])[:20]]
    version = sys.version.split()[0]
    wire.send(meta(READY, request, {"python": version, "shell": shell.argv[0], "notices": notices}))
    return runner


def main() -> None:
    """Shake hands and serve; the end of the stream is the end of everything."""
    guard()
    reactor = Reactor()
    wire = Wire(reactor)
    processes = Processes()
    runner: Runner | None = None
    try:
        runner = greet(wire, reactor, processes)
        runner.serve()
    except (EOFError, BrokenPipeError):
        pass
    finally:
        processes.end_all()
        if runner is not None and runner.end_all:
            with suppress(OSError):
                os.kill(-1, signal.SIGKILL)
