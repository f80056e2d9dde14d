"""The patches of fakes: what became of each file, with a digest of what it was; read and put together without git."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping

from pullwright.agents.errors import ChangeRefused

MAGIC = b"pullwright fake patch\n"

FakePatch = Mapping[str, tuple[str | None, str | None]]
"""By absolute path: the digest of what was there, and in base64 what is there now; None for nothing."""


def read_patch(patch: bytes) -> FakePatch:
    """Read a patch of a fake; an empty one changes nothing.

    Raises:
        ChangeRefused: It is none.
    """
    if not patch.strip():
        return {}
    if not patch.startswith(MAGIC):
        raise ChangeRefused("patch does not apply: it was not made by a fake")
    found: dict[str, list[str | None]] = json.loads(patch[len(MAGIC) :])
    return {path: (before, after) for path, (before, after) in found.items()}


def write_patch(patch: FakePatch) -> bytes:
    """Return a patch as bytes; nothing when it changes nothing."""
    return MAGIC + json.dumps(dict(sorted(patch.items()))).encode() if patch else b""


def then(first: FakePatch, second: FakePatch) -> FakePatch:
    """Return one patch that does what two do, one after the other.

    Raises:
        ChangeRefused: The second one was not made of what the first one leaves.
    """
    both = dict(first)
    for path, (before, after) in second.items():
        origin = first[path][0] if path in first else before
        if path in first and digest_of(first[path][1]) != before:
            raise ChangeRefused(f"patch does not apply: {path!r} differs")
        both[path] = (origin, after)
    return without_same(both)


def back_from(patch: FakePatch, originals: Mapping[str, bytes]) -> FakePatch:
    """Return the patch that undoes one; ``originals`` holds what was there before, by absolute path."""
    return {path: (digest_of(after), text_of(originals.get(path))) for path, (_, after) in patch.items()}


def without_same(patch: FakePatch) -> FakePatch:
    """Return a patch without the files that it leaves as they were."""
    return {path: (before, after) for path, (before, after) in patch.items() if digest_of(after) != before}


def digest_of(text: str | None) -> str | None:
    """Return the digest of a content in base64."""
    return None if text is None else hashlib.sha256(base64.b64decode(text)).hexdigest()


def text_of(content: bytes | None) -> str | None:
    """Return a content in base64."""
    return None if content is None else base64.b64encode(content).decode("ascii")
