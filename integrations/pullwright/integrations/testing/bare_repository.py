"""Bare repositories made and read by git plumbing alone.

No file of a repository ever touches a file system here, so any name, byte and mode can be had.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pullwright.agents.errors import ConfigError

ZERO_DATE = 1_700_000_000
"""Commit times count up from here, so that the same sample has the same ids everywhere."""

REGULAR = "100644"
EXECUTABLE = "100755"
SYMLINK = "120000"
GITLINK = "160000"


@dataclass(frozen=True, slots=True)
class TreeFile:
    """One entry of a commit; ``content`` is the target of a link, and the commit id of a gitlink."""

    path: bytes
    content: bytes
    mode: str = REGULAR


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedFile:
    """One file between two commits, as the code host reports it."""

    path: str
    status: str
    additions: int
    deletions: int
    patch: str
    sha: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitInfo:
    """What a commit says of itself."""

    tree: str
    parents: tuple[str, ...]
    author: dict[str, str]
    """``name``, ``email`` and ``date``."""
    committer: dict[str, str]
    message: str


def git_environment(home: Path) -> dict[str, str]:
    """Return an environment in which git sees no configuration but the repository's own."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(home),
        "LC_ALL": "C",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_TERMINAL_PROMPT": "0",
    }


class BareRepository:
    """One bare repository on disk."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def git(self, *arguments: str, stdin: bytes = b"", index: Path | None = None) -> bytes:
        """Run git here and return what it printed.

        Raises:
            ConfigError: git is missing or refused.
        """
        environment = git_environment(self.path.parent)
        if index is not None:
            environment["GIT_INDEX_FILE"] = str(index)
        command = ["git", f"--git-dir={self.path}", *arguments]
        try:
            done = subprocess.run(command, input=stdin, capture_output=True, env=environment, check=False)
        except FileNotFoundError as exc:
            raise ConfigError("the rehearsal needs the 'git' program; install the git package") from exc
        if done.returncode != 0:
            reason = " ".join(done.stderr.decode("utf-8", "replace").split())[-300:]
            raise ConfigError(f"git {arguments[0]!r} failed in the rehearsal's {self.path.name!r}: {reason}")
        return done.stdout

    @classmethod
    def create(cls, path: Path, *, default_branch: str = "main") -> BareRepository:
        """Make an empty bare repository that serves partial clones and takes pushes over HTTP."""
        path.mkdir(parents=True)
        repository = cls(path)
        # An empty template: the sample hooks that a distribution ships are noise.
        repository.git("init", "--quiet", "--bare", "--template=", f"--initial-branch={default_branch}")
        for key in ("http.receivepack", "uploadpack.allowFilter", "uploadpack.allowAnySHA1InWant"):
            repository.git("config", key, "true")
        return repository

    def commit(self, branch: str, message: str, files: Iterable[TreeFile], *, date: int = ZERO_DATE) -> str:
        """Add a commit that holds exactly these files on top of a branch, and return its id."""
        stamp = f"Rehearsal <rehearsal@localhost> {date} +0000".encode()
        ref = f"refs/heads/{branch}"
        parent = self.resolve(ref)
        text = message.encode()
        stream = [b"commit %s\nauthor %s\ncommitter %s\n" % (ref.encode(), stamp, stamp)]
        stream.append(b"data %d\n%s\n" % (len(text), text))
        if parent:
            stream.append(b"from %s\n" % parent.encode())
        stream.append(b"deleteall\n")
        stream += [_entry(file) for file in files]
        self.git("fast-import", "--quiet", "--done", "--force", stdin=b"".join(stream) + b"done\n")
        return self.require(ref)

    def commit_onto(self, base: str, files: Sequence[TreeFile], message: str, author: str) -> str:
        """Make a commit that puts files into another one's tree, and return its id; no ref points at it."""
        return self._commit_tree(self.tree_with(base, files), [base], message, author)

    def _commit_tree(self, tree: str, parents: Sequence[str], message: str, author: str) -> str:
        """Make a commit a minute after its first parent, so that the same history has the same ids everywhere."""
        date = int(self.git("log", "-1", "--format=%ct", parents[0])) + 60
        who = f"{author} <{author}@users.noreply.localhost> {date} +0000"
        lines = [f"tree {tree}", *(f"parent {parent}" for parent in parents), f"author {who}", f"committer {who}"]
        text = "\n".join([*lines, "", message]) + "\n"
        return self.git("hash-object", "-t", "commit", "-w", "--stdin", stdin=text.encode()).decode().strip()

    def merge(self, branch: str, other: str, message: str, author: str) -> str:
        """Merge a commit into a branch with a merge commit, and return its id.

        Raises:
            ConfigError: They conflict, or this git can not merge without a work tree.
        """
        base = self.require(f"refs/heads/{branch}")
        tree = self.git("merge-tree", "--write-tree", base, other).decode().split()[0]
        made = self._commit_tree(tree, [base, other], message, author)
        self.git("update-ref", f"refs/heads/{branch}", made, base)
        return made

    def resolve(self, revision: str) -> str:
        """Return the commit that a revision names, or an empty string."""
        command = ["git", f"--git-dir={self.path}", "rev-parse", "--quiet", "--verify", "--end-of-options"]
        command.append(f"{revision}^{{commit}}")
        environment = git_environment(self.path.parent)
        done = subprocess.run(command, capture_output=True, env=environment, check=False)
        return done.stdout.decode().strip() if done.returncode == 0 else ""

    def require(self, revision: str) -> str:
        """Return the commit that a revision names.

        Raises:
            ConfigError: There is none.
        """
        found = self.resolve(revision)
        if not found:
            raise ConfigError(f"the rehearsal's {self.path.name!r} has no {revision!r}; create it first")
        return found

    def branches(self) -> dict[str, str]:
        """Return every branch with its commit."""
        lines = self.git("for-each-ref", "--format=%(refname:lstrip=2) %(objectname)", "refs/heads").decode()
        return dict(line.rsplit(" ", 1) for line in lines.splitlines())

    def merge_base(self, one: str, other: str) -> str:
        """Return the newest commit that both have, or the first one when they share nothing."""
        try:
            return self.git("merge-base", one, other).decode().strip()
        except ConfigError:
            return one

    def commits(self, base: str, head: str) -> list[tuple[str, str]]:
        """Return (id, message) of the commits that ``head`` has and ``base`` has not, oldest first."""
        out = self.git("log", "--reverse", "--format=%H%x00%B%x00%x00", f"{base}..{head}").decode("utf-8", "replace")
        pairs = [entry.strip("\n").partition("\0") for entry in out.split("\0\0") if entry.strip("\n")]
        return [(sha, message.strip("\n")) for sha, _, message in pairs]

    def commit_info(self, sha: str) -> CommitInfo:
        """Return what a commit says of itself."""
        form = "--format=%T%x00%P%x00%an%x00%ae%x00%aI%x00%cn%x00%ce%x00%cI%x00%B"
        fields = self.git("log", "-1", form, sha).decode("utf-8", "replace").split("\0", 8)
        return CommitInfo(
            tree=fields[0],
            parents=tuple(fields[1].split()),
            author=dict(zip(("name", "email", "date"), fields[2:5], strict=True)),
            committer=dict(zip(("name", "email", "date"), fields[5:8], strict=True)),
            message=fields[8].strip("\n"),
        )

    def empty_tree(self) -> str:
        """Return the id of the tree without files."""
        return self.git("hash-object", "-t", "tree", "-w", "--stdin").decode().strip()

    def is_ancestor(self, one: str, other: str) -> bool:
        """Whether a commit is part of another one's history."""
        try:
            self.git("merge-base", "--is-ancestor", one, other)
        except ConfigError:
            return False
        return True

    def diff(self, base: str, head: str, *paths: str) -> bytes:
        """Return the patch between two commits or trees, with binary files whole."""
        options = ("--no-ext-diff", "--no-textconv", "--no-renames", "--binary", "--full-index")
        return self.git("diff-tree", "-r", "-p", *options, base, head, "--", *paths)

    def changed_files(self, base: str, head: str) -> list[ChangedFile]:
        """Return what changed between two commits, file by file."""
        options = ("-r", "--no-renames", "-z")
        raw = self.git("diff-tree", "--raw", "--abbrev=40", *options, base, head).split(b"\0")
        numbers = self.git("diff-tree", "--numstat", *options, base, head).split(b"\0")
        counts = {path: (added, removed) for added, removed, path in (n.split(b"\t", 2) for n in numbers if n)}
        return [self._changed_file(base, head, meta, path, counts) for meta, path in _pairs(raw)]

    def _changed_file(
        self, base: str, head: str, meta: bytes, path: bytes, counts: dict[bytes, tuple[bytes, bytes]]
    ) -> ChangedFile:
        fields = meta.decode().split()
        added, removed = counts.get(path, (b"-", b"-"))
        binary = added == b"-"
        name = os.fsdecode(path)
        patch = "" if binary else self.diff(base, head, f":(literal){name}").decode("utf-8", "replace")
        return ChangedFile(
            path=path.decode("utf-8", "replace"),
            status={"A": "added", "D": "removed"}.get(fields[4], "modified"),
            additions=0 if binary else int(added),
            deletions=0 if binary else int(removed),
            patch=patch[patch.find("@@") :] if "@@" in patch else "",
            sha=fields[3] if fields[4] != "D" else fields[2],
        )

    def read(self, revision: str, path: bytes) -> bytes:
        """Return the content of a file of a commit."""
        return self.git("cat-file", "blob", f"{revision}:{os.fsdecode(path)}")

    def tree_with(self, base: str, files: Sequence[TreeFile]) -> str:
        """Return a tree like the base commit's with these files put in; no ref points at it."""
        with tempfile.TemporaryDirectory() as folder:
            index = Path(folder) / "index"
            self.git("read-tree", base, index=index)
            lines = b"".join(self._index_line(file) for file in files)
            self.git("update-index", "-z", "--index-info", stdin=lines, index=index)
            return self.git("write-tree", index=index).decode().strip()

    def _index_line(self, file: TreeFile) -> bytes:
        blob = self.git("hash-object", "-w", "--stdin", stdin=file.content).strip()
        return b"%s %s\t%s\0" % (file.mode.encode(), blob, file.path)


def _pairs(fields: Sequence[bytes]) -> Iterable[tuple[bytes, bytes]]:
    return zip(fields[0:-1:2], fields[1::2], strict=False)


def _entry(file: TreeFile) -> bytes:
    path = _quoted(file.path)
    if file.mode == GITLINK:
        return b"M 160000 %s %s\n" % (file.content, path)
    return b"M %s inline %s\ndata %d\n%s\n" % (file.mode.encode(), path, len(file.content), file.content)


def _quoted(path: bytes) -> bytes:
    escaped = path.replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"\n", b"\\n")
    return b'"%s"' % escaped
