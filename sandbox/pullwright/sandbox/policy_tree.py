"""Trees of git as the policy sees them: what differs, and what is there. Pure, no I/O."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final

REGULAR: Final = "100644"
EXECUTABLE: Final = "100755"
SYMLINK: Final = "120000"
GITLINK: Final = "160000"
NOTHING: Final = "000000"


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeChange:
    """One line of ``git diff-tree --raw``."""

    old_mode: str
    new_mode: str
    old_blob: str
    new_blob: str
    status: str
    path: bytes

    @property
    def is_new(self) -> bool:
        """Whether the base has nothing of this name."""
        return self.old_mode == NOTHING

    @property
    def blobs(self) -> tuple[str, ...]:
        """The contents before and after, as far as they are in the repository."""
        sides = ((self.old_mode, self.old_blob), (self.new_mode, self.new_blob))
        return tuple(blob for mode, blob in sides if mode not in (NOTHING, GITLINK))


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeEntry:
    """One line of ``git ls-tree``."""

    mode: str
    blob: str
    path: bytes


def parse_raw(output: bytes) -> tuple[TreeChange, ...]:
    """Read the output of ``git diff-tree -r --raw -z --no-renames --full-index``."""
    fields = output.split(b"\0")
    changes: list[TreeChange] = []
    for head, path in zip(fields[::2], fields[1::2], strict=False):
        old_mode, new_mode, old_blob, new_blob, status = head.decode("ascii").lstrip(":").split(" ")
        changes.append(
            TreeChange(
                old_mode=old_mode, new_mode=new_mode, old_blob=old_blob, new_blob=new_blob, status=status, path=path
            )
        )
    return tuple(changes)


def parse_tree(output: bytes) -> tuple[TreeEntry, ...]:
    """Read the output of ``git ls-tree -r -z``."""
    entries: list[TreeEntry] = []
    for line in output.split(b"\0"):
        head, _, path = line.partition(b"\t")
        if path:
            mode, _, blob = head.decode("ascii").split(" ")
            entries.append(TreeEntry(mode=mode, blob=blob, path=path))
    return tuple(entries)


def before(entries: Iterable[TreeEntry], changes: Collection[TreeChange]) -> tuple[TreeEntry, ...]:
    """Return the entries of the base, out of those of the new tree and of what differs."""
    touched = {change.path for change in changes}
    kept = [entry for entry in entries if entry.path not in touched]
    gone = [TreeEntry(mode=one.old_mode, blob=one.old_blob, path=one.path) for one in changes if not one.is_new]
    return (*kept, *gone)


def shown(path: bytes) -> str:
    """Return a path for people, quoted, on one line."""
    return repr(path.decode("utf-8", "backslashreplace"))
