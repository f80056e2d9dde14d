"""What a change may not hold, judged on the tree that was committed, not on the patch's text. Pure, no I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from posixpath import dirname, join, normpath

SYMLINK = "120000"
GITLINK = "160000"
MOST_FILES = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeChange:
    """One line of ``git diff-tree --raw``."""

    old_mode: str
    new_mode: str
    new_blob: str
    status: str
    path: bytes


def parse_raw(output: bytes) -> tuple[TreeChange, ...]:
    """Read the output of ``git diff-tree -r --raw -z --no-renames --full-index``."""
    fields = output.split(b"\0")
    changes: list[TreeChange] = []
    for head, path in zip(fields[::2], fields[1::2], strict=False):
        old_mode, new_mode, _, new_blob, status = head.decode("ascii").lstrip(":").split(" ")
        changes.append(TreeChange(old_mode=old_mode, new_mode=new_mode, new_blob=new_blob, status=status, path=path))
    return tuple(changes)


def links(changes: Sequence[TreeChange]) -> tuple[TreeChange, ...]:
    """Return the symbolic links that are new or point elsewhere now."""
    return tuple(change for change in changes if change.new_mode == SYMLINK)


def refusal(changes: Sequence[TreeChange], targets: Mapping[bytes, bytes]) -> str | None:
    """Return why a change is refused, or None.

    Args:
        changes: Everything that differs from the base.
        targets: Where each link of ``links(changes)`` points, by path.
    """
    if len(changes) > MOST_FILES:
        return f"it changes {len(changes)} files, more than {MOST_FILES}: ignore generated files"
    for change in changes:
        reason = _refuse_one(change, targets)
        if reason:
            return reason
    return None


def _refuse_one(change: TreeChange, targets: Mapping[bytes, bytes]) -> str | None:
    shown = change.path.decode("utf-8", "backslashreplace")
    if change.new_mode == GITLINK and change.old_mode != GITLINK:
        return f"{shown!r} is a git repository inside the repository: remove its .git folder"
    if GITLINK in (change.old_mode, change.new_mode):
        return f"{shown!r} is a submodule: submodules can not be changed"
    if change.path.rpartition(b"/")[2].lower() == b".gitmodules":
        return f"{shown!r} says where submodules come from: it can not be changed"
    if change.new_mode == SYMLINK and escapes(change.path, targets.get(change.path, b"/")):
        return f"{shown!r} is a link that leaves the repository: make it relative and inside"
    return None


def escapes(path: bytes, target: bytes) -> bool:
    """Whether a link at ``path`` is absolute, or leads out of the tree or into ``.git``."""
    if not target or target.startswith(b"/") or b"\0" in target:
        return True
    place = normpath(join(dirname(path), target))
    first = place.split(b"/", 1)[0].lower()
    return first in (b"..", b".git")
