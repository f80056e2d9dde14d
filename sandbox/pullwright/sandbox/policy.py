"""What a change may not hold, judged on the tree that would be committed, not on the patch's text. Pure, no I/O.

It is asked in three rounds, so that nothing large is read of a change that is refused anyway: by what ``diff-tree``
says, by sizes, and by contents. Each returns the reason for a refusal, or None.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from pullwright.sandbox.policy_links import is_gitmodules, leaves, link_map
from pullwright.sandbox.policy_paths import (
    LOCK_FILES,
    NOTABLE,
    PROTECTED,
    AllowedPaths,
    PathGroups,
    collision,
    is_awkward,
    names,
    new_names,
    steers,
)
from pullwright.sandbox.policy_tree import (
    EXECUTABLE,
    GITLINK,
    NOTHING,
    REGULAR,
    SYMLINK,
    TreeChange,
    TreeEntry,
    before,
    shown,
)
from pullwright.sandbox.secret_scan import Added, SecretScanner

MIB: Final = 1 << 20
LINK_BYTES: Final = 4096
"""Longest target of a link, as Linux has it."""
MOST_SHOWN: Final = 5

HOW_TO_ALLOW: Final = "an owner can allow it with allow_paths in .agent/environment.toml"

_PROTECTED: Final = PathGroups(PROTECTED)
_NOTABLE: Final = PathGroups(NOTABLE)
_GATEWAY: Final = re.compile(rb"https?://127\.0\.0\.1:\d+")
_MACH_O: Final = (
    b"\xfe\xed\xfa\xce",
    b"\xfe\xed\xfa\xcf",
    b"\xce\xfa\xed\xfe",
    b"\xcf\xfa\xed\xfe",
    b"\xca\xfe\xba\xbe",
)
"""The last one is also what a Java class begins with, which is a build product just as well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyLimits:
    """How much a change may hold, in bytes."""

    files: int = 5_000
    file_bytes: int = 5 * MIB
    """How much larger than in the base one file may be."""
    total_bytes: int = 32 * MIB
    """How much larger all files together may be."""
    read_bytes: int = 64 * MIB
    """What the changed files may have together, before and after: all of it is looked through."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What is refused."""

    allowed: AllowedPaths = field(default_factory=lambda: AllowedPaths(()))
    limits: PolicyLimits = PolicyLimits()
    scanner: SecretScanner = field(default_factory=SecretScanner)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedTree:
    """A change with everything that has to be known about it."""

    changes: Sequence[TreeChange]
    entries: Sequence[TreeEntry]
    """All of the new tree."""
    blobs: Mapping[str, bytes]
    """The contents of the changed files, before and after; where links changed, those of all links."""

    def old(self, change: TreeChange) -> bytes:
        """Return what a file held; nothing for a new one."""
        return self.blobs.get(change.old_blob, b"")

    def new(self, change: TreeChange) -> bytes:
        """Return what a file holds now; nothing for one that is gone."""
        return self.blobs.get(change.new_blob, b"")


def refuse_paths(policy: Policy, changes: Sequence[TreeChange]) -> str | None:
    """Judge names and modes."""
    if len(changes) > policy.limits.files:
        return f"it changes {len(changes)} files, more than {policy.limits.files}: ignore generated files"
    for change in changes:
        if policy.scanner.holds(change.path):
            return "the name of a file holds what looks like a secret: give the file another name"
        reason = _refuse_kind(change) or _refuse_place(policy, change)
        if reason:
            return f"{shown(change.path)} {reason}"
    return None


def _refuse_kind(change: TreeChange) -> str | None:
    if change.new_mode == GITLINK and change.old_mode != GITLINK:
        return "is a git repository inside the repository: remove its .git folder"
    if GITLINK in (change.old_mode, change.new_mode):
        return "is a submodule: submodules can not be changed"
    if is_gitmodules(change.path):
        return "says where submodules come from: it can not be changed"
    if change.new_mode not in (REGULAR, EXECUTABLE, SYMLINK, NOTHING):
        return f"has the mode {change.new_mode}: only files and links can be committed"
    return None


def _refuse_place(policy: Policy, change: TreeChange) -> str | None:
    group = _PROTECTED.of(change.path, link=change.new_mode == SYMLINK)
    return f"is {group}: {HOW_TO_ALLOW}" if group and change.path not in policy.allowed else None


def refuse_sizes(policy: Policy, changes: Sequence[TreeChange], sizes: Mapping[str, int]) -> str | None:
    """Judge sizes; ``sizes`` has those of every blob of the changes."""
    limits = policy.limits
    total = 0
    for change in changes:
        size = sizes.get(change.new_blob, 0)
        growth = size - sizes.get(change.old_blob, 0)
        if growth > limits.file_bytes:
            return f"{shown(change.path)} has {_mib(size)}, more than {_mib(limits.file_bytes)}: keep it out of git"
        if change.new_mode == SYMLINK and size > LINK_BYTES:
            return f"{shown(change.path)} is a link of {size} bytes: no system follows it"
        total += max(0, growth)
    if total > limits.total_bytes:
        return f"it adds {_mib(total)}, more than {_mib(limits.total_bytes)}: ignore generated files"
    if sum(sizes.get(blob, 0) for change in changes for blob in change.blobs) > limits.read_bytes:
        return f"the files that it changes have more than {_mib(limits.read_bytes)}: leave large files alone"
    return None


def refuse_contents(policy: Policy, tree: ChangedTree) -> str | None:
    """Judge what can only be told from contents, and from the tree as a whole."""
    old = before(tree.entries, tree.changes)
    return (
        _refuse_links(tree, old)
        or _refuse_repositories(tree)
        or _refuse_names(tree.changes, old, tree.entries)
        or _refuse_programs(policy, tree)
        or _refuse_gateway(tree)
        or _refuse_secrets(policy, tree)
    )


def _refuse_repositories(tree: ChangedTree) -> str | None:
    """Refuse what git takes for a repository by its files alone: its configuration runs wherever git is used in it."""
    paths = frozenset(entry.path for entry in tree.entries)
    heads = [path.removesuffix(b"HEAD") for path in paths if path.rpartition(b"/")[2] == b"HEAD"]
    for folder in heads:
        below = {path[len(folder) :].partition(b"/")[0] for path in paths if path.startswith(folder)}
        complete = {b"objects", b"refs"} <= below or b"commondir" in below
        if folder and complete and any(change.path.startswith(folder) for change in tree.changes):
            return f"{shown(folder.rstrip(b'/'))} is a git repository inside the repository: keep it out of git"
    return None


def touches_links(changes: Iterable[TreeChange]) -> bool:
    """Whether links may lead elsewhere after a change."""
    return any(SYMLINK in (change.old_mode, change.new_mode) for change in changes)


def _refuse_links(tree: ChangedTree, old: Iterable[TreeEntry]) -> str | None:
    if not touches_links(tree.changes):
        return None
    changed = {change.path for change in tree.changes if change.new_mode == SYMLINK}
    targets, earlier = (_targets(entries, tree.blobs) for entries in (tree.entries, old))
    links, former = link_map(targets), link_map(earlier)
    for path in targets:
        if leaves(path, links) and (path in changed or not leaves(path, former)):
            return f"{shown(path)} is a link that leaves the repository: make it relative and inside"
    return None


def _targets(entries: Iterable[TreeEntry], blobs: Mapping[str, bytes]) -> Mapping[bytes, bytes]:
    return {entry.path: blobs.get(entry.blob, b"") for entry in entries if entry.mode == SYMLINK}


def _refuse_names(changes: Sequence[TreeChange], old: Sequence[TreeEntry], new: Sequence[TreeEntry]) -> str | None:
    for place, name in new_names(changes, old).items():
        if steers(name):
            return f"{shown(place)} has a control character in its name: give it another one"
    pair = collision(old, new)
    if pair:
        return f"{shown(pair[0])} differs from {shown(pair[1])} only by case: some systems can not hold both"
    return None


def _refuse_programs(policy: Policy, tree: ChangedTree) -> str | None:
    for change in tree.changes:
        if is_program(tree.new(change)) and not is_program(tree.old(change)) and change.path not in policy.allowed:
            return f"{shown(change.path)} is a compiled program: build products do not belong in a change"
    return None


def _refuse_gateway(tree: ChangedTree) -> str | None:
    for change in tree.changes:
        if change.new_mode != NOTHING and _NOTABLE.of(change.path) == LOCK_FILES:
            old = tree.old(change)
            added = Added.between(old, tree.new(change))
            for line, number in zip(added.lines, added.numbers, strict=True):
                if any(address not in old for address in _GATEWAY.findall(line)):
                    return (
                        f"line {number} of {shown(change.path)} names the sandbox's own package gateway: "
                        "put the address of the public registry there"
                    )
    return None


def _refuse_secrets(policy: Policy, tree: ChangedTree) -> str | None:
    known = [content for content in map(tree.old, tree.changes) if content]
    for change in tree.changes:
        found = policy.scanner.find(Added.between(tree.old(change), tree.new(change)), known)
        if found:
            return (
                f"line {found.line} of {shown(change.path)} holds what looks like {found.kind}: take it out "
                "(in a test, make one up when it runs), and have it revoked if it is real"
            )
    return None


def notices(tree: ChangedTree) -> tuple[str, ...]:
    """Return what a reviewer of a change that is not refused should look at twice, one line each."""
    found: dict[str, list[str]] = {}
    for change in tree.changes:
        for what in _remarks(tree, change):
            found.setdefault(what, []).append(shown(change.path))
    return tuple(f"{what}: {_some(paths)}" for what, paths in sorted(found.items()))


def _remarks(tree: ChangedTree, change: TreeChange) -> Iterator[str]:
    protected, notable = _PROTECTED.of(change.path), _NOTABLE.of(change.path)
    if protected:
        yield f"changes {protected}, as an owner allowed"
    if notable:
        yield f"changes {notable}"
    if is_program(tree.new(change)):
        yield "changes compiled programs"
    if (change.old_mode, change.new_mode) == (REGULAR, EXECUTABLE):
        yield "makes executable"
    if change.is_new and any(map(is_awkward, names(change.path))):
        yield "names that some systems can not hold"


def _some(paths: Sequence[str]) -> str:
    more = f" and {len(paths) - MOST_SHOWN} more" if len(paths) > MOST_SHOWN else ""
    return f"{', '.join(paths[:MOST_SHOWN])}{more}"


def is_program(content: bytes) -> bool:
    """Whether a content is a program for Linux, Windows or macOS, or a Java class."""
    if content.startswith(b"MZ") and len(content) > 64:
        header = int.from_bytes(content[60:64], "little")
        return content[header : header + 4] == b"PE\0\0"
    return content.startswith((b"\x7fELF", *_MACH_O))


def _mib(size: int) -> str:
    return f"{size / MIB:.1f} MiB"
