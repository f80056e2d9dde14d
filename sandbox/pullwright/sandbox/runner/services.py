"""Background services: command lines that go on when commands end."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Mapping

from pullwright.sandbox.runner.capture import Capture
from pullwright.sandbox.runner.processes import MARK, SWEEP_SECONDS, Processes, Tree, table
from pullwright.sandbox.runner.reactor import Job, Reactor
from pullwright.sandbox.runner.shell import Shell, close
from pullwright.sandbox.runner.wire import OUT_HEAD, OUT_TAIL, SERVICE, Wire, frames, meta

MOST_SERVICES = 8
LOG_BYTES = 65536
"""Bytes of a service's log that are kept, half at each end."""
SWEEP_AGAIN = 0.02


class Service:
    """One service and what it has printed."""

    def __init__(self, shell: Shell, reactor: Reactor, processes: Processes, spec: Mapping[str, object]) -> None:
        name = str(spec["name"])
        self.reactor, self.processes = reactor, processes
        self.log = Capture(LOG_BYTES)
        self.reader, writer = os.pipe()
        cwd = shell.folder(spec.get("cwd"))
        try:
            self.pid = shell.spawn(str(spec["command"]), cwd, {1: writer, 2: writer}, {MARK: name})
        except OSError:
            os.close(self.reader)
            raise
        finally:
            os.close(writer)
        processes.expect(self.pid)
        self.tree = Tree(self.pid, name)
        self.log.follow(reactor, self.reader)

    def members(self, processes: dict[int, tuple[int, int]]) -> set[int]:
        self.tree.alive = self.processes.status(self.pid) is None
        return self.tree.members(processes)

    def report(self, request: int, limit: int) -> bytes:
        """Return the answer that says how it is."""
        self.processes.reap()
        self.log.drain(self.reader)
        status = self.processes.status(self.pid)
        ended = status is not None and os.WIFEXITED(status)
        head, tail, dropped = self.log.kept(limit)
        state = {
            "running": status is None,
            "code": os.WEXITSTATUS(status) if ended and status is not None else None,
            "dropped": dropped,
        }
        parts = frames(OUT_HEAD, request, head) + frames(OUT_TAIL, request, tail)
        return parts + meta(SERVICE, request, state)

    def close(self) -> None:
        self.reactor.forget(self.reader)
        close([self.reader])
        self.processes.forget(self.pid)


class Services:
    """The services by name."""

    def __init__(self, shell: Shell, reactor: Reactor, processes: Processes) -> None:
        self.shell, self.reactor, self.processes = shell, reactor, processes
        self.by_name: dict[str, Service] = {}

    def start(self, spec: Mapping[str, object]) -> None:
        """Start one.

        Raises:
            OSError: The name is taken (EEXIST), there are too many (EUSERS), or no process could be made.
        """
        if spec["name"] in self.by_name:
            raise OSError(errno.EEXIST, "the name is taken")
        if len(self.by_name) >= MOST_SERVICES:
            raise OSError(errno.EUSERS, "too many services")
        self.by_name[str(spec["name"])] = Service(self.shell, self.reactor, self.processes, spec)

    def find(self, spec: Mapping[str, object]) -> Service:
        service = self.by_name.get(str(spec["name"]))
        if service is None:
            raise OSError(errno.ENOENT, "no such service")
        return service

    def members(self, processes: dict[int, tuple[int, int]]) -> set[int]:
        """Return the processes of all services; what is not among them is a command's."""
        return {pid for service in self.by_name.values() for pid in service.members(processes)}


class Stop(Job):
    """Kills one service with everything it started."""

    def __init__(self, wire: Wire, services: Services, request: int, spec: Mapping[str, object]) -> None:
        self.wire, self.services, self.request = wire, services, request
        self.name, self.limit = str(spec["name"]), int(str(spec["limit"]))
        self.service = services.find(spec)
        self.give_up = time.monotonic() + SWEEP_SECONDS

    def wait(self) -> float:
        return SWEEP_AGAIN

    def cancel(self) -> None:
        pass  # it has a limit of its own, and half a stop would leave processes behind

    def advance(self) -> bool:
        processes = self.services.processes
        gone = processes.sweep(lambda: self.service.members(table()))
        if not gone and time.monotonic() < self.give_up:
            return False
        self.wire.send(self.service.report(self.request, self.limit))
        self.service.close()
        del self.services.by_name[self.name]
        return True
