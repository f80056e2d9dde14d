"""The runner: the hands inside the container. Standard library only, one file, Python 3.8 or newer.

The host sends this source down the exec stream it starts (see ``runner_client``), so any image with Python will do.
It runs one command at a time, keeps head and tail of its output, and lets none of its processes live on.
"""

# ruff: noqa: B905, PTH103, PTH112, PTH118, PTH120, PTH123, PTH208 - must run on Python 3.8, and pathlib is slow to import
from __future__ import annotations

import ctypes
import errno
import json
import os
import select
import signal
import stat
import struct
import sys
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress

HELLO, PING, EXEC, CANCEL, READ, WRITE, CHUNK, END = 1, 2, 3, 4, 5, 6, 7, 8
READY, PONG, OUT_HEAD, OUT_TAIL, ERR_HEAD, ERR_TAIL, EXIT, DATA, DONE, FAIL = 64, 65, 66, 67, 68, 69, 70, 71, 72, 73
MAX_PAYLOAD = 1 << 20
HEADER = struct.Struct("!BII")
CWD_FD, SCRIPT_FD = 99, 98
LONG_SCRIPT = 100_000
PR_SET_NAME, PR_SET_CHILD_SUBREAPER = 15, 36
ENVIRONMENT = "TERM=dumb CI=1 PAGER=cat GIT_PAGER=cat EDITOR=true GIT_EDITOR=true GIT_TERMINAL_PROMPT=0"


class _Wire:
    """Frames in on file descriptor 0, frames out on 1."""

    def __init__(self) -> None:
        self.buffer = bytearray()

    def fill(self) -> None:
        chunk = os.read(0, 262144)
        if not chunk:
            raise EOFError
        self.buffer += chunk

    def take(self) -> tuple[int, int, bytes] | None:
        if len(self.buffer) < HEADER.size:
            return None
        kind, request, length = HEADER.unpack_from(self.buffer)
        end = HEADER.size + length
        if len(self.buffer) < end:
            return None
        payload = bytes(self.buffer[HEADER.size : end])
        del self.buffer[:end]
        return kind, request, payload

    def wait(self) -> tuple[int, int, bytes]:
        while (frame := self.take()) is None:
            self.fill()
        return frame

    def send(self, *frames: bytes) -> None:
        view = memoryview(b"".join(frames))
        while view:
            view = view[os.write(1, view) :]


def _frame(kind: int, request: int, payload: bytes = b"") -> bytes:
    return HEADER.pack(kind, request, len(payload)) + payload


def _frames(kind: int, request: int, content: bytes) -> bytes:
    starts = range(0, len(content), MAX_PAYLOAD)
    return b"".join(_frame(kind, request, content[start : start + MAX_PAYLOAD]) for start in starts)


def _meta(kind: int, request: int, value: Mapping[str, object]) -> bytes:
    return _frame(kind, request, json.dumps(value).encode())


class _Capture:
    """Keeps the first and the last bytes of a stream and counts the rest."""

    def __init__(self, limit: int) -> None:
        self.half = max(limit // 2, 1)
        self.head, self.tail, self.total = bytearray(), bytearray(), 0

    def add(self, chunk: bytes) -> None:
        self.total += len(chunk)
        room = self.half - len(self.head)
        if room > 0:
            self.head += chunk[:room]
            chunk = chunk[room:]
        self.tail += chunk
        if len(self.tail) > 2 * self.half:
            del self.tail[: -self.half]

    def close(self) -> int:
        """Trim to the limit and return how many bytes were dropped."""
        if len(self.tail) > self.half:
            del self.tail[: -self.half]
        return self.total - len(self.head) - len(self.tail)


class _Children:
    """The processes below this one: who ended, who is left, and an end to all of them."""

    def __init__(self) -> None:
        self.status: dict[int, int] = {}
        self.wake, write_end = os.pipe()
        os.set_blocking(self.wake, False)
        os.set_blocking(write_end, False)
        signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        # Orphans come to us instead of the container's first process; that is what makes the walk below complete.
        prctl = ctypes.CDLL(None).prctl
        prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        prctl(PR_SET_NAME, b"pw-runner", 0, 0, 0)  # a careless "pkill python3" shall not hit us

    def reap(self) -> bool:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return False
            if not pid:
                return True
            self.status[pid] = status

    def drain_wake(self) -> None:
        with suppress(BlockingIOError):
            while os.read(self.wake, 512):
                continue

    def kill_all(self) -> None:
        """Stop, then kill every descendant, whatever session it moved to; a fork bomb freezes before it dies."""
        deadline = time.monotonic() + 5
        while self.reap() and time.monotonic() < deadline:
            seen: set[int] = set()
            while (found := _descendants() - seen) and time.monotonic() < deadline:
                _send_signal(found, signal.SIGSTOP)
                seen |= found
            _send_signal(seen, signal.SIGKILL)
            self.drain_wake()
            if self.reap():
                select.select([self.wake], [], [], 0.02)


def _send_signal(pids: set[int], number: int) -> None:
    for pid in pids:
        with suppress(OSError):
            os.kill(pid, number)


def _descendants() -> set[int]:
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open("/proc/" + name + "/stat", "rb") as file:
                fields = file.read().rpartition(b")")[2].split()
        except OSError:
            continue
        if len(fields) > 1 and fields[0] not in (b"Z", b"X"):
            children.setdefault(int(fields[1]), []).append(int(name))
    found: set[int] = set()
    queue = [os.getpid()]
    while queue:
        for pid in children.get(queue.pop(), ()):
            if pid not in found:
                found.add(pid)
                queue.append(pid)
    return found


class _Shell:
    """What every command starts from: the same environment each time, and the folder the last one ended in."""

    def __init__(self, workspace: str, home: str) -> None:
        self.workspace = self.cwd = workspace
        path = os.environ.get("PATH", "/usr/local/bin:/usr/bin:/bin")
        found = [folder + "/bash" for folder in path.split(":") if os.access(folder + "/bash", os.X_OK)]
        self.argv = [found[0], "--noprofile", "--norc"] if found else ["/bin/sh"]
        fixed = dict(pair.split("=") for pair in ENVIRONMENT.split())
        self.env = {"LANG": "C.UTF-8", **os.environ, **fixed, "PATH": path, "HOME": home}

    def follow(self, reported: bytes, started: str) -> None:
        """Go where the last command ended; one that was killed could not say, and counts as not having moved."""
        self.cwd = self.usable(os.fsdecode(reported[:-1]) if reported.endswith(b"\n") else started)

    def usable(self, path: str) -> str:
        return path if path.startswith("/") and os.path.isdir(path) and os.access(path, os.X_OK) else self.workspace


def _spawn(shell: _Shell, command: str, cwd: str, writers: tuple[int, ...]) -> int:
    # The question for the last folder stands on the first line of the command, so that line numbers hold.
    ask = f"trap 'command pwd -P >/proc/self/fd/{CWD_FD} 2>/dev/null || :' EXIT; "
    script = (ask + command).encode("utf-8", "surrogatepass")
    argv = [*shell.argv, "-c", script.decode("utf-8", "surrogateescape")]
    stdin = source = os.open(os.devnull, os.O_RDONLY)
    if len(script) > LONG_SCRIPT:
        source = os.memfd_create("script")
        os.write(source, script)
        argv = [*shell.argv, f"/proc/self/fd/{SCRIPT_FD}"]
    pid = os.fork()
    if pid:
        _close({stdin, source})
        return pid
    try:
        _become(shell, argv, cwd, dict(zip((0, 1, 2, CWD_FD, SCRIPT_FD), (stdin, *writers, source))))
    except (OSError, ValueError) as exc:
        os.write(2, f"cannot start the command: {exc}\n".encode("utf-8", "replace"))
    finally:  # a forked child must never return into the loop
        os._exit(126)


def _become(shell: _Shell, argv: list[str], cwd: str, fds: dict[int, int]) -> None:
    os.setsid()
    for target, fd in fds.items():
        os.dup2(fd, target)
    for number in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGCHLD, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    # When memory runs out the kernel should take the command, not the runner.
    with open("/proc/self/oom_score_adj", "w") as file:
        file.write("500")
    os.chdir(cwd)
    os.execve(argv[0], argv, shell.env)


class _Command:
    """One running command and everything it prints."""

    def __init__(self, shell: _Shell, children: _Children, request: int, spec: dict[str, object]) -> None:
        self.shell, self.children, self.request = shell, children, request
        self.started = time.monotonic()
        self.deadline = self.started + float(str(spec["timeout"]))
        limit = int(str(spec["limit"]))
        self.out, self.err, self.report = _Capture(limit), _Capture(limit), _Capture(16384)
        self.timed_out = False
        self.cwd = os.path.join(shell.workspace, str(spec["cwd"])) if spec.get("cwd") else shell.usable(shell.cwd)
        readers, writers = zip(*(os.pipe() for _ in range(3)))
        self.captures = dict(zip(readers, (self.out, self.err, self.report)))
        try:
            self.pid = _spawn(shell, str(spec["command"]), self.cwd, writers)
        except OSError:
            _close(readers)
            raise
        finally:
            _close(writers)
        for fd in readers:
            os.set_blocking(fd, False)

    def run(self, wire: _Wire) -> None:
        """Wait for the end, the time limit or a cancel frame; then leave no process behind and answer."""
        poll = select.poll()
        for fd in (0, self.children.wake, *self.captures):
            poll.register(fd, select.POLLIN)
        try:
            while self.pid not in self.children.status and not self.timed_out and not self._canceled(wire):
                left = self.deadline - time.monotonic()
                for fd, _ in poll.poll(max(min(left, 3600) * 1000, 0) + 1):
                    self._on_ready(fd, wire, poll)
                self.timed_out = left <= 0
        finally:
            self._finish()
        self._answer(wire)

    def _canceled(self, wire: _Wire) -> bool:
        waiting = iter(wire.take, None)
        return any(message[:2] == (CANCEL, self.request) for message in waiting)

    def _on_ready(self, fd: int, wire: _Wire, poll: select.poll) -> None:
        if fd in self.captures and not self._pump(fd):
            poll.unregister(fd)
        elif fd == self.children.wake:
            self.children.drain_wake()
            self.children.reap()
        elif not fd:
            wire.fill()

    def _pump(self, fd: int) -> bool:
        try:
            chunk = os.read(fd, 65536)
        except BlockingIOError:
            return True
        self.captures[fd].add(chunk)
        return bool(chunk)

    def _finish(self) -> None:
        self.children.kill_all()
        for fd, capture in self.captures.items():
            before = -1
            while before != capture.total:
                before = capture.total
                self._pump(fd)
            os.close(fd)
        self.report.close()
        self.shell.follow(bytes(self.report.head), self.cwd)

    def _answer(self, wire: _Wire) -> None:
        status = self.children.status.pop(self.pid, 9)
        self.children.status.clear()
        stopped = self.timed_out or os.WIFSIGNALED(status)
        dropped = self.out.close(), self.err.close()
        code = None if stopped else os.WEXITSTATUS(status)
        number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else None
        seconds = time.monotonic() - self.started
        outcome = {"code": code, "signal": number, "timed_out": self.timed_out, "seconds": seconds}
        where = {"cwd": self.shell.cwd, "dropped_out": dropped[0], "dropped_err": dropped[1]}
        kept = {OUT_HEAD: self.out.head, OUT_TAIL: self.out.tail, ERR_HEAD: self.err.head, ERR_TAIL: self.err.tail}
        parts = [_frames(kind, self.request, bytes(content)) for kind, content in kept.items()]
        wire.send(*parts, _meta(EXIT, self.request, {**outcome, **where}))


def _close(fds: Iterable[int]) -> None:
    for fd in fds:
        os.close(fd)


def _open_regular(path: str, flags: int) -> int:
    """Open a regular file and nothing else; a FIFO must not hang the runner."""
    fd = os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC, 0o666)
    mode = os.fstat(fd).st_mode
    if stat.S_ISREG(mode):
        return fd
    os.close(fd)
    raise OSError(errno.EISDIR if stat.S_ISDIR(mode) else errno.EINVAL, "not a regular file")


def _read_file(wire: _Wire, shell: _Shell, request: int, spec: dict[str, object]) -> None:
    offset, left = int(str(spec["offset"])), int(str(spec["limit"]))
    with os.fdopen(_open_regular(os.path.join(shell.workspace, str(spec["path"])), os.O_RDONLY), "rb", 0) as file:
        file.seek(offset)
        while chunk := file.read(min(left, MAX_PAYLOAD)):
            wire.send(_frame(DATA, request, chunk))
            left -= len(chunk)
    wire.send(_frame(DONE, request))


def _write_file(wire: _Wire, shell: _Shell, request: int, spec: dict[str, object]) -> None:
    """Write the chunks that follow; they are read to the end even when the file can not be written."""
    problem: OSError | None = None
    fd = -1
    try:
        path = os.path.join(shell.workspace, str(spec["path"]))
        os.makedirs(os.path.dirname(path) or "/", exist_ok=True)
        fd = _open_regular(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    except OSError as exc:
        problem = exc
    while True:
        kind, _, payload = wire.wait()
        if kind != CHUNK:
            break
        try:
            while payload and problem is None:
                payload = payload[os.write(fd, payload) :]
        except OSError as exc:
            problem = exc
    if fd >= 0:
        os.close(fd)
    if problem is not None:
        raise problem
    wire.send(_frame(DONE, request))


def _serve(wire: _Wire, shell: _Shell, children: _Children) -> None:
    while True:
        kind, request, payload = wire.wait()
        spec = json.loads(payload) if kind in (EXEC, READ, WRITE) else {}
        try:
            if kind == PING:
                wire.send(_frame(PONG, request))
            elif kind == EXEC:
                _Command(shell, children, request, spec).run(wire)
            elif kind == READ:
                _read_file(wire, shell, request, spec)
            elif kind == WRITE:
                _write_file(wire, shell, request, spec)
        except (OSError, ValueError) as exc:
            number = getattr(exc, "errno", None) or errno.EINVAL
            wire.send(_meta(FAIL, request, {"errno": number, "message": str(exc)[:1000]}))


def main() -> None:
    """Shake hands and serve."""
    wire = _Wire()
    children = _Children()
    try:
        _, request, payload = wire.wait()
        spec = json.loads(payload)
        shell = _Shell(spec["workspace"], spec["home"])
        wire.send(_meta(READY, request, {"python": sys.version.split()[0], "shell": shell.argv[0]}))
        _serve(wire, shell, children)
    except (EOFError, BrokenPipeError):
        children.kill_all()


if __name__ == "__main__":
    main()
