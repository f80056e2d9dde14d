"""Takes what a set-up has added to a workspace, and nothing that it changed there: packages, builds, generated files.

Runs inside a throwaway container, as a script with the standard library only; the host only reads the list.
"""

from __future__ import annotations

import base64
import os
import shutil
import stat
import sys
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

MAX_PATHS = 10_000
MAX_LIST = 1 << 20
"""Most bytes that the list of paths may have."""


def take(source: Path, base: Path, target: Path) -> list[str]:
    """Put everything of ``source`` that ``base`` does not have into the new folder ``target`` and return the top of it.

    Files are linked where that is possible, else copied; folders are made anew, so that they carry nothing of an
    overlay's own marks. What ``base`` has stays away, with whatever was done to it, and so does ``.git``.

    Returns:
        The added paths, those below an added folder left out; a folder's path ends in ``/``.
    """
    target.mkdir()
    added = list(_shared_folder(source, base, target, ""))
    _like(base, target)
    return added


def _shared_folder(source: Path, base: Path, target: Path, path: str) -> Iterator[str]:
    for entry in sorted(os.scandir(source), key=lambda entry: entry.name):
        if (entry.name == ".git" and not path) or not entry.name.isprintable():
            continue  # a name that git's exclude files can not hold is not worth keeping
        here, there, inner = Path(entry.path), base / entry.name, target / entry.name
        if not os.path.lexists(there):
            if _added(here, inner):
                yield f"{path}{entry.name}/" if inner.is_dir() and not inner.is_symlink() else f"{path}{entry.name}"
        elif entry.is_dir(follow_symlinks=False) and there.is_dir() and not there.is_symlink():
            inner.mkdir()
            yield from _shared_folder(here, there, inner, f"{path}{entry.name}/")
            _like(there, inner)
            with suppress(OSError):  # not empty
                inner.rmdir()


def _added(source: Path, target: Path) -> bool:
    mode = source.lstat().st_mode
    if stat.S_ISLNK(mode):
        target.symlink_to(source.readlink())
    elif stat.S_ISREG(mode):
        try:
            target.hardlink_to(source)
        except OSError:
            shutil.copy2(source, target, follow_symlinks=False)
    elif stat.S_ISDIR(mode):
        source.chmod(stat.S_IMODE(mode) | stat.S_IRWXU)
        target.mkdir()
        for entry in os.scandir(source):
            _added(Path(entry.path), target / entry.name)
        target.chmod(stat.S_IMODE(mode))
    else:
        return False  # a device is an overlay's mark of something that was removed
    return True


def _like(source: Path, target: Path) -> None:
    found = source.stat()
    target.chmod(stat.S_IMODE(found.st_mode))
    os.utime(target, ns=(found.st_atime_ns, found.st_mtime_ns))


def encode_paths(paths: list[str]) -> str:
    """Return paths as short text.

    Raises:
        ValueError: They are too many.
    """
    joined = "\0".join(paths).encode("utf-8", "surrogateescape")
    if len(paths) > MAX_PATHS or len(joined) > MAX_LIST:
        raise ValueError(f"{len(paths)} paths")
    return base64.b64encode(zlib.compress(joined)).decode("ascii")


def decode_paths(text: str) -> tuple[str, ...]:
    """Return the paths that ``encode_paths`` was given.

    Raises:
        ValueError: They are too many, or it is no such text.
    """
    try:
        inflater = zlib.decompressobj()
        joined = inflater.decompress(base64.b64decode(text, validate=True), MAX_LIST)
    except zlib.error as exc:
        raise ValueError("not compressed") from exc
    paths = joined.decode("utf-8", "surrogateescape").split("\0") if joined else []
    if inflater.unconsumed_tail or not inflater.eof or len(paths) > MAX_PATHS:
        raise ValueError("too long")
    return tuple(paths)


def collides(prepared: tuple[str, ...], tracked: dict[bytes, bytes]) -> bool:
    """Whether a commit has a file where something was prepared, or the other way round."""
    tops = {path.rstrip("/").encode("utf-8", "surrogateescape") for path in prepared}
    # A prepared path is in the way of a tracked one that is the same, below it, or (as a file) above it.
    above = {top[:end] for top in tops for end in range(len(top)) if top[end : end + 1] == b"/"}
    return any(path in above or not tops.isdisjoint(_with_parents(path)) for path in tracked)


def _with_parents(path: bytes) -> list[bytes]:
    parts = path.split(b"/")
    return [b"/".join(parts[:end]) for end in range(1, len(parts) + 1)]


if __name__ == "__main__":
    os.umask(0)
    sys.stdout.write(encode_paths(take(*(Path(argument) for argument in sys.argv[1:4]))))
