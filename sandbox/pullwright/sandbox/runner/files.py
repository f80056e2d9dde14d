"""Reading and writing files by chunks."""

# ruff: noqa: PTH103, PTH105, PTH108, PTH116, PTH118, PTH120, SIM105 - must run on Python 3.8, and pathlib is slow to import
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


def _staging(path: str) -> str:
    """Return where to write a file of a repository first; empty where it can only be written in place.

    The container may end at any moment, and a file that is emptied and not filled again is lost work. Within ``.git``
    nothing that stays behind becomes a part of the change.
    """
    folder = os.path.dirname(path)
    while folder != os.path.dirname(folder):
        git = os.path.join(folder, ".git")
        try:
            if stat.S_ISDIR(os.lstat(git).st_mode) and os.lstat(git).st_dev == os.stat(os.path.dirname(path)).st_dev:
                return os.path.join(git, "agent-upload") if os.access(git, os.W_OK) else ""
        except OSError:
            pass
        folder = os.path.dirname(folder)
    return ""


def _replaceable(path: str) -> bool:
    """Say whether another file can take the place of this one, so that nobody sees a difference but in its content."""
    try:
        there = os.lstat(path)
    except FileNotFoundError:
        return True
    mine = stat.S_ISREG(there.st_mode) and there.st_uid == os.geteuid() and there.st_nlink == 1
    return mine and os.access(path, os.W_OK) and os.access(os.path.dirname(path), os.W_OK)


class Upload:
    """Writes the chunks that come; they are taken to the end even when the file can not be written.

    A file of a repository has its old or its new content at any moment.
    """

    def __init__(self, path: str) -> None:
        self.problem: OSError | None = None
        self.fd, self.staged = -1, ""
        try:
            os.makedirs(os.path.dirname(path) or "/", exist_ok=True)
            self.path = os.path.realpath(path)
            self.staged = _staging(self.path) if _replaceable(self.path) else ""
            if self.staged and os.path.lexists(self.staged):  # of an upload that was cut short
                os.unlink(self.staged)
            self.fd = _open_regular(self.staged or path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
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
            try:
                if self.staged and self.problem is None:
                    self._replace()
            finally:
                os.close(self.fd)
        if self.problem is not None:
            raise self.problem

    def _replace(self) -> None:
        try:
            os.fchmod(self.fd, stat.S_IMODE(os.stat(self.path).st_mode))
        except FileNotFoundError:
            pass
        os.replace(self.staged, self.path)
