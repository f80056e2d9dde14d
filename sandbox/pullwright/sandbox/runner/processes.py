"""The processes below this one: who ended, who is left, whose they are, and an end to all of them."""

# ruff: noqa: PTH123, PTH208 - must run on Python 3.8, and pathlib is slow to import
from __future__ import annotations

import ctypes
import os
import signal
import time
from collections.abc import Callable, Iterable
from contextlib import suppress

PR_SET_DUMPABLE, PR_SET_NAME, PR_SET_CHILD_SUBREAPER = 4, 15, 36
MARK = "PULLWRIGHT_SERVICE"
MOST_ENVIRON = 1 << 17
SWEEP_SECONDS = 5.0
"""Seconds after which what can not be killed (a process that hangs in the kernel) is left behind."""

prctl = ctypes.CDLL(None).prctl


def guard() -> None:
    """Take in orphans, and keep the agent's processes, which are of the same user, out of this one.

    Orphans come to us instead of the container's first process; that is what makes a walk over the table complete.
    A process that is not dumpable can not be traced by its equals, and its files in /proc are root's.
    """
    orphans = prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
    prctl(PR_SET_NAME, b"pw-runner", 0, 0, 0)  # a careless "pkill python3" shall not hit us
    if not orphans and alone():
        _strangers.update(table())


class Processes:
    """Keeps the exit status of every process that somebody waits for."""

    def __init__(self) -> None:
        self.statuses: dict[int, int | None] = {}
        self.wake, write_end = os.pipe()
        os.set_blocking(self.wake, False)
        os.set_blocking(write_end, False)
        signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def expect(self, pid: int) -> None:
        self.statuses[pid] = None

    def status(self, pid: int) -> int | None:
        return self.statuses.get(pid)

    def forget(self, pid: int) -> int | None:
        return self.statuses.pop(pid, None)

    def on_wake(self, _: int) -> None:
        with suppress(BlockingIOError):
            while os.read(self.wake, 512):
                continue
        self.reap()

    def reap(self) -> bool:
        """Take in who ended; true when there are children left."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return False
            if not pid:
                return True
            if pid in self.statuses:
                self.statuses[pid] = status

    def sweep(self, find: Callable[[], set[int]]) -> bool:
        """Stop, then kill, all that ``find`` gives; true when there was nothing left of it.

        Stopping first is what ends a fork bomb: it freezes before it dies.
        """
        seen: set[int] = set()
        deadline = time.monotonic() + SWEEP_SECONDS
        if self.reap() or _strangers:
            while time.monotonic() < deadline:
                found = find() - seen
                if not found:
                    break
                send_signal(found, signal.SIGSTOP)
                seen |= found
            send_signal(seen, signal.SIGKILL)
            self.reap()
        return not seen

    def end_all(self) -> None:
        """Kill every descendant, and wait until all are gone."""
        deadline = time.monotonic() + SWEEP_SECONDS
        while not self.sweep(lambda: descendants(table())) and time.monotonic() < deadline:
            time.sleep(0.002)


def send_signal(pids: Iterable[int], number: int) -> None:
    """Send a signal to all that are still there."""
    for pid in pids:
        with suppress(OSError):
            os.kill(pid, number)


def table() -> dict[int, tuple[int, int]]:
    """Return parent and session of every process that lives."""
    found: dict[int, tuple[int, int]] = {}
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open("/proc/" + name + "/stat", "rb") as file:
                fields = file.read().rpartition(b")")[2].split()
        except OSError:
            continue
        if len(fields) > 3 and fields[0] not in (b"Z", b"X"):
            found[int(name)] = (int(fields[1]), int(fields[3]))
    return found


def below(roots: Iterable[int], processes: dict[int, tuple[int, int]]) -> set[int]:
    """Return everything that descends from one of the roots; not the roots."""
    children: dict[int, list[int]] = {}
    for pid, (parent, _) in processes.items():
        children.setdefault(parent, []).append(pid)
    found: set[int] = set()
    queue = list(roots)
    while queue:
        for pid in children.get(queue.pop(), ()):
            if pid not in found:
                found.add(pid)
                queue.append(pid)
    return found


def alone() -> bool:
    """Whether an engine put the runner into a process namespace: its parent is outside, where nothing is seen."""
    return os.getppid() == 0


_strangers: set[int] = set()
"""Where the kernel gives us no orphans (gVisor): what was there before the runner, and is not its own."""


def descendants(processes: dict[int, tuple[int, int]]) -> set[int]:
    """Return everything that descends from the runner; in a container without orphans, all that came after it."""
    if _strangers:
        return processes.keys() - _strangers
    return below([os.getpid()], processes)


class Tree:
    """The processes of one service, daemons that left their parent and session included.

    A process belongs to it by descent, by a session that was seen before, or by the mark in its first environment.
    Only one that lost all three looks like a command's, and is killed like one.
    """

    def __init__(self, pid: int, name: str) -> None:
        self.pid = pid
        self.alive = True
        self.sessions: set[int] = set()
        self.mark = f"\0{MARK}={name}\0".encode()

    def members(self, processes: dict[int, tuple[int, int]]) -> set[int]:
        ours = descendants(processes)
        # Every command and service starts a session of its own, whose id is its pid.
        sessions = self.sessions | ({self.pid} if self.alive else set())
        roots = {pid for pid in ours if processes[pid][1] in sessions or (self.alive and pid == self.pid)}
        roots |= below(roots, processes)
        roots |= {pid for pid in ours - roots if self.mark in _environ(pid)}
        found = roots | below(roots, processes)
        self.sessions = {processes[pid][1] for pid in found} - {os.getsid(0)}
        return found


def _environ(pid: int) -> bytes:
    try:
        with open("/proc/" + str(pid) + "/environ", "rb") as file:
            return b"\0" + file.read(MOST_ENVIRON)
    except OSError:
        return b""
