"""Reading and writing files by chunks."""

# ruff: noqa: PTH103, PTH120 - must run on Python 3.8, and pathlib is slow to import
from __future__ import annotations

import errno
import os
import stat

from pullwright.sandbox.runner.reactor import Job
from pullwright.sandbox.runner.wire import DATA, DONE, Wire, frame

PIECE = 1 << 18


def _open_regular(path: str, flags: int) -> int:
    """Open a regular file and nothing else; a FIFO must not hang the runner."""
    fd = os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC, 0o666)
    mode = os.fstat(fd).st_mode
    if stat.S_ISREG(mode):
        return fd
    os.close(fd)
    raise OSError(errno.EISDIR if stat.S_ISDIR(mode) else errno.EINVAL, "not a regular file")


class Download(Job):
    """Sends a part of a file, no faster than the host takes it."""

    def __init__(self, wire: Wire, path: str, request: int, spec: dict[str, object]) -> None:
        self.wire, self.request = wire, request
        self.left = int(str(spec["limit"]))
        self.fd = _open_regular(path, os.O_RDONLY)
        try:
            os.lseek(self.fd, int(str(spec["offset"])), os.SEEK_SET)
        except OSError:
            os.close(self.fd)
            raise

    def cancel(self) -> None:
        self.left = 0

    def advance(self) -> bool:
        while self.left and not self.wire.full:
            try:
                piece = os.read(self.fd, min(self.left, PIECE))
            except OSError:
                os.close(self.fd)
                raise
            self.left -= len(piece)
            if not piece:
                self.left = 0
            else:
                self.wire.send(frame(DATA, self.request, piece))
        if self.left:
            return False
        os.close(self.fd)
        self.wire.send(frame(DONE, self.request))
        return True


class Upload:
    """Writes the chunks that come; they are taken to the end even when the file can not be written."""

    def __init__(self, path: str) -> None:
        self.problem: OSError | None = None
        self.fd = -1
        try:
            os.makedirs(os.path.dirname(path) or "/", exist_ok=True)
            self.fd = _open_regular(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        except (OSError, ValueError) as exc:
            self.problem = exc if isinstance(exc, OSError) else OSError(errno.EINVAL, str(exc))

    def add(self, chunk: bytes) -> None:
        try:
            while chunk and self.problem is None:
                chunk = chunk[os.write(self.fd, chunk) :]
        except OSError as exc:
            self.problem = exc

    def finish(self) -> None:
        """Close the file.

        Raises:
            OSError: What went wrong first.
        """
        if self.fd >= 0:
            os.close(self.fd)
        if self.problem is not None:
            raise self.problem
