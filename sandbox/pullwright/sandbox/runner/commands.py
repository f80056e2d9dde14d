"""A command line that is waited for: its time limit, its output, and an end to everything it started."""

# ruff: noqa: B905 - must run on Python 3.8
from __future__ import annotations

import os
import time

from pullwright.sandbox.runner.capture import Capture
from pullwright.sandbox.runner.processes import SWEEP_SECONDS, descendants, table
from pullwright.sandbox.runner.reactor import Job
from pullwright.sandbox.runner.services import Services
from pullwright.sandbox.runner.shell import CWD_FD, Shell, close
from pullwright.sandbox.runner.wire import ERR_HEAD, ERR_TAIL, EXIT, OUT_HEAD, OUT_TAIL, Wire, frames, meta

SWEEP_AGAIN = 0.02
"""Seconds after which one looks again whether what was killed is gone."""


class Command(Job):
    """One running command and everything it prints."""

    def __init__(self, wire: Wire, shell: Shell, services: Services, request: int, spec: dict[str, object]) -> None:
        self.wire, self.shell, self.services, self.request = wire, shell, services, request
        self.reactor, self.processes = services.reactor, services.processes
        self.started = time.monotonic()
        self.deadline = self.started + float(str(spec["timeout"]))
        self.limit = int(str(spec["limit"]))
        self.out, self.err, self.report = Capture(self.limit), Capture(self.limit), Capture(16384)
        self.timed_out = self.canceled = False
        self.give_up = 0.0
        self.cwd = shell.folder(spec.get("cwd"))
        self.captures: dict[int, Capture] = {}
        self.pid = self._start(str(spec["command"]))

    def _start(self, command: str) -> int:
        # The question for the last folder stands on the first line of the command, so that line numbers hold.
        ask = f"trap 'command pwd -P >/proc/self/fd/{CWD_FD} 2>/dev/null || :' EXIT; "
        readers, writers = zip(*(os.pipe() for _ in range(3)))
        try:
            pid = self.shell.spawn(ask + command, self.cwd, dict(zip((1, 2, CWD_FD), writers)), {})
        except OSError:
            close(readers)
            raise
        finally:
            close(writers)
        self.processes.expect(pid)
        for fd, capture in zip(readers, (self.out, self.err, self.report)):
            self.captures[fd] = capture
            capture.follow(self.reactor, fd)
        return pid

    def wait(self) -> float:
        return SWEEP_AGAIN if self.give_up else max(self.deadline - time.monotonic(), 0.0)

    def cancel(self) -> None:
        self.canceled = True

    def advance(self) -> bool:
        now = time.monotonic()
        if not self.give_up:
            ended = self.processes.status(self.pid) is not None
            self.timed_out = not ended and now >= self.deadline
            if not (ended or self.timed_out or self.canceled):
                return False
            self.give_up = now + SWEEP_SECONDS
        if not self.processes.sweep(self._left) and now < self.give_up:
            return False
        self._finish()
        return True

    def _left(self) -> set[int]:
        processes = table()
        return descendants(processes) - self.services.members(processes)

    def _finish(self) -> None:
        for fd, capture in self.captures.items():
            capture.drain(fd)
            self.reactor.forget(fd)
            os.close(fd)
        self.shell.follow(bytes(self.report.head), self.cwd)
        status = self.processes.forget(self.pid)
        stopped = self.timed_out or status is None or os.WIFSIGNALED(status)
        number = 9 if status is None else os.WTERMSIG(status) if os.WIFSIGNALED(status) else None
        out, err = self.out.kept(self.limit), self.err.kept(self.limit)
        report = {
            "code": None if stopped or status is None else os.WEXITSTATUS(status),
            "signal": number,
            "timed_out": self.timed_out,
            "seconds": time.monotonic() - self.started,
            "cwd": self.shell.cwd,
            "dropped_out": out[2],
            "dropped_err": err[2],
        }
        kept = {OUT_HEAD: out[0], OUT_TAIL: out[1], ERR_HEAD: err[0], ERR_TAIL: err[1]}
        parts = [frames(kind, self.request, content) for kind, content in kept.items()]
        self.wire.send(*parts, meta(EXIT, self.request, report))
