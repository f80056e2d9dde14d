"""What may stand in a description of an environment: names, hosts, paths, variables. Pure, no I/O.

Each check returns the value in its one spelling, or raises ValueError with the end of a sentence about it.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import PurePosixPath
from typing import Final

MAX_PATH: Final = 1024
MAX_VALUE: Final = 4096
"""Characters of a variable's value."""

_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_HOST_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
# The grammar of github.com/distribution/reference, as far as engines accept it.
_IMAGE = re.compile(
    rf"(?P<name>(?:{_HOST_LABEL}(?:\.{_HOST_LABEL})*(?::[0-9]{{1,5}})?/)?{_COMPONENT}(?:/{_COMPONENT})*)"
    r"(?P<tag>:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?P<digest>@sha256:[0-9a-f]{64})?"
)
_DNS_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_DNS_NAME = re.compile(rf"(?:{_DNS_LABEL}\.)+[a-z](?:[a-z0-9-]{{0,61}}[a-z0-9])?")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_RESERVED = re.compile(
    r"PATH|HOME|USER|LOGNAME|SHELL|PWD|OLDPWD|TERM|TMPDIR|IFS|ENV|BASH_ENV|PYTHONHOME|PYTHONSTARTUP"
    r"|LD_.*|GIT_.*|SSH_.*|DOCKER_.*|PULLWRIGHT_.*|.*_PROXY",
    re.IGNORECASE,
)
_CACHE_ROOTS = ("/var/cache/", "/opt/", "/srv/", "~/")


def image_name(text: str) -> str:
    """Return an image's name with a tag or digest (``latest`` when it has neither)."""
    found = _IMAGE.fullmatch(text) if len(text) <= 512 else None
    if found is None:
        raise ValueError("is no image name: expected something like python:3.12-slim")
    return text if found["tag"] or found["digest"] else f"{text}:latest"


def host_name(text: str) -> str:
    """Return an exact host name in lower case."""
    host = text.lower()
    if len(host) > 253 or not _DNS_NAME.fullmatch(host):
        raise ValueError("is no exact host name: write it like files.example.com, without scheme, port, path or *")
    return host


def repository_path(text: str) -> str:
    """Return a path inside the repository, normalized; ``.`` is the repository itself."""
    odd = not text or len(text) > MAX_PATH or not text.isprintable() or "\\" in text
    path = posixpath.normpath(text) if not odd else ".."
    if path.startswith("/") or PurePosixPath(path).parts[:1] == ("..",) or ".git" in path.split("/"):
        raise ValueError("is no path inside the repository: write it relative to the repository's root, without ..")
    return path


def path_pattern(text: str) -> str:
    """Return a pattern of paths in the repository as it is."""
    repository_path(text)
    return text


def cache_folder(text: str) -> str:
    """Return the folder of a cache: absolute, or below ``~/``."""
    odd = len(text) > MAX_PATH or not text.isprintable() or any(char in text for char in "\\:,")
    path = posixpath.normpath(text) if text and not odd else ""
    inside = any(path.startswith(root) and len(path) > len(root) for root in _CACHE_ROOTS)
    if not inside or ".." in PurePosixPath(text).parts or path.startswith("/opt/pullwright"):
        raise ValueError(f"can not be a cache: name a folder below {', '.join(_CACHE_ROOTS)}")
    return path


def variable(name: str, value: str) -> tuple[str, str]:
    """Return a variable that commands may be given."""
    if not _VARIABLE.fullmatch(name):
        raise ValueError("is no name of a variable: use letters, digits and _")
    if _RESERVED.fullmatch(name):
        raise ValueError("may not be set: it decides how the sandbox itself works")
    if len(value) > MAX_VALUE or "\0" in value:
        raise ValueError(f"has a value that is too long, or holds a zero byte: at most {MAX_VALUE} characters")
    return name, value
