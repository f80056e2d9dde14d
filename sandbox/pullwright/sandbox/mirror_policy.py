"""Reads from a mirror what the policy has to know about a tree, and nothing that it does not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from anyio import to_thread

from pullwright.agents.errors import ChangeRefused
from pullwright.agents.ports.sandbox import Base
from pullwright.sandbox.git_env import git_environment
from pullwright.sandbox.mirror_git import GitRunner
from pullwright.sandbox.policy import (
    LINK_BYTES,
    ChangedTree,
    Policy,
    notices,
    refuse_contents,
    refuse_paths,
    refuse_sizes,
    touches_links,
)
from pullwright.sandbox.policy_tree import SYMLINK, TreeChange, TreeEntry, parse_tree


async def judge(
    git: GitRunner, base: Base, tree: str, changes: Sequence[TreeChange], policy: Policy
) -> tuple[str, ...]:
    """Return the notices for a change that policy lets out.

    Args:
        git: Runs git.
        base: What the change was made on.
        tree: The tree that would be committed, in the same mirror.
        changes: What differs between the two.
        policy: What is refused.

    Raises:
        ChangeRefused: Policy does not let it out.
    """
    _refuse(refuse_paths(policy, changes))
    environment = git_environment(git_dir=base.mirror)
    blobs = {blob for change in changes for blob in change.blobs}
    sizes = await _sizes(git, environment, blobs)
    _refuse(refuse_sizes(policy, changes, sizes))
    listed = await git.done(["ls-tree", "-r", "-z", "--full-tree", tree], environment)
    entries = await to_thread.run_sync(parse_tree, listed.stdout)
    if touches_links(changes):
        blobs |= await _links(git, environment, entries)
    contents = await _contents(git, environment, blobs)
    whole = ChangedTree(changes=changes, entries=entries, blobs=contents)

    def look() -> tuple[str, ...]:
        _refuse(refuse_contents(policy, whole))
        return notices(whole)

    return await to_thread.run_sync(look)


def _refuse(reason: str | None) -> None:
    if reason:
        raise ChangeRefused(f"change is refused: {reason}")


async def _links(git: GitRunner, environment: Mapping[str, str], entries: Iterable[TreeEntry]) -> set[str]:
    """Return the blobs of all links that some system could follow."""
    links = {entry.blob for entry in entries if entry.mode == SYMLINK}
    sizes = await _sizes(git, environment, links)
    return {blob for blob in links if sizes.get(blob, 0) <= LINK_BYTES}


async def _sizes(git: GitRunner, environment: Mapping[str, str], blobs: Iterable[str]) -> Mapping[str, int]:
    asked = "\n".join(sorted(blobs)).encode()
    listed = await git.done(["cat-file", "--batch-check=%(objectname) %(objectsize)"], environment, stdin=asked)
    pairs = (line.split(" ") for line in listed.text.splitlines())
    return {name: int(size) for name, size in pairs if size.isdecimal()}


async def _contents(git: GitRunner, environment: Mapping[str, str], blobs: Iterable[str]) -> Mapping[str, bytes]:
    asked = "\n".join(sorted(blobs)).encode()
    listed = await git.done(["cat-file", "--batch=%(objectname) %(objectsize)"], environment, stdin=asked)
    return await to_thread.run_sync(parse_batch, listed.stdout)


def parse_batch(output: bytes) -> Mapping[str, bytes]:
    """Read the output of ``git cat-file '--batch=%(objectname) %(objectsize)'``; what is missing is left out."""
    found: dict[str, bytes] = {}
    place = 0
    while place < len(output):
        end = output.index(b"\n", place)
        name, _, size = output[place:end].decode("ascii").partition(" ")
        place = end + 1
        if size.isdecimal():
            found[name] = output[place : place + int(size)]
            place += int(size) + 1
    return found
