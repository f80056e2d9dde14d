"""The ``Mirror`` port: bare repositories under one folder, without work trees, without hooks, without secrets."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from secrets import token_hex
from urllib.parse import quote

import anyio

from pullwright.agents.change import Change, FileStat, RepositoryRef
from pullwright.agents.errors import ChangeError, ConfigError, EmptyChange, NotFound, RemoteUnavailable
from pullwright.agents.file_lock import file_lock
from pullwright.agents.ports.mirror import Checkpoint, CommitMeta, Credential
from pullwright.agents.ports.sandbox import Base
from pullwright.sandbox.git_env import git_environment
from pullwright.sandbox.git_errors import first_reason, redact, remote_error
from pullwright.sandbox.mirror_checkpoints import MirrorCheckpoints, patched_tree
from pullwright.sandbox.mirror_compare import MirrorComparisons, parse_numstat
from pullwright.sandbox.mirror_git import Completed, GitRunner
from pullwright.sandbox.mirror_place import ASKPASS, checked_ref, full_sha, mirror_path, protocols, signed_in_at_once
from pullwright.sandbox.mirror_policy import judge
from pullwright.sandbox.policy import Policy, PolicyLimits
from pullwright.sandbox.policy_paths import AllowedPaths
from pullwright.sandbox.policy_tree import parse_raw
from pullwright.sandbox.secret_scan import SecretScanner
from pullwright.sandbox.seed import RAW_ATTRIBUTES

NETWORK_LIMIT = 1800.0
"""Seconds that a fetch or push may take; one that stands still ends much earlier."""


class GitMirror:
    """Bare mirrors under ``root``.

    Args:
        root: The folder that holds them; made if missing.
        network_limit: Seconds that a fetch or push may take.
        secrets: Values that no change may hold, like the tokens of this installation.
        limits: How much a change may hold.
    """

    def __init__(
        self,
        root: Path,
        *,
        network_limit: float = NETWORK_LIMIT,
        secrets: Iterable[str] = (),
        limits: PolicyLimits | None = None,
    ) -> None:
        self._root = root
        self._network_limit = network_limit
        self._scanner = SecretScanner(secrets)
        self._limits = limits or PolicyLimits()
        self._git = GitRunner()
        self._checkpoints = MirrorCheckpoints(self._git)
        self._comparisons = MirrorComparisons(self._git)

    async def sync(self, repository: RepositoryRef, ref: str, credential: Credential | None) -> Base:
        """Fetch the repository and resolve ``ref``; see the port."""
        path = await self._prepare(repository)
        async with file_lock(path / "pullwright-fetch.lock"):
            if full_sha(ref) and await self._resolve(path, ref):
                return Base(mirror=path, ref=ref, sha=ref)
            name = checked_ref(ref) if ref else await self._default_ref(repository, credential)
            local = f"refs/pullwright/base/{quote(name, safe='')}"
            await self._fetch(path, repository, name, local, credential)
            sha = await self._resolve(path, local)
        if sha is None:
            raise NotFound(f"{name!r} of {repository.url!r} is no commit: name a branch, a tag or a full commit id")
        return Base(mirror=path, ref=name, sha=sha)

    async def read_file(self, base: Base, path: str, *, limit: int) -> bytes | None:
        """Return the start of a regular file of the base; see the port."""
        environment = git_environment(git_dir=base.mirror)
        listed = await self._git.run(["ls-tree", "-z", "--full-tree", base.sha, "--", path], environment)
        entry, _, name = listed.stdout.rstrip(b"\0").partition(b"\t")
        fields = entry.decode("ascii", "replace").split(" ")
        if listed.code or fields[0] not in ("100644", "100755") or name != path.encode("utf-8", "surrogateescape"):
            return None
        blob = await self._git.run(["cat-file", "blob", fields[2]], environment, output_limit=limit)
        return blob.stdout

    async def commit(
        self,
        repository: RepositoryRef,
        base: Base,
        patch: bytes,
        meta: CommitMeta,
        *,
        allow_paths: tuple[str, ...] = (),
    ) -> Change:
        """Commit a patch on the base by an index only; see the port."""
        branch = checked_ref(meta.branch)
        policy = Policy(allowed=AllowedPaths(allow_paths), limits=self._limits, scanner=self._scanner)
        if not patch.strip():
            raise EmptyChange(f"patch for {repository.slug!r} is empty: the agent changed nothing")
        async with file_lock(base.mirror / "pullwright-commit.lock"):
            tree = await patched_tree(self._git, base, patch)
            raw = await self._diff(base, tree, "--raw", "--full-index")
            if not raw:
                raise EmptyChange(f"patch for {repository.slug!r} changes nothing")
            notices = await judge(self._git, base, tree, parse_raw(raw), policy)
            files = parse_numstat(await self._diff(base, tree, "--numstat"))
            head = await self._commit_tree(base, tree, meta)
            await self._point(base.mirror, branch, head)
        return Change(
            repository=repository,
            base_ref=base.ref,
            base_sha=base.sha,
            head_sha=head,
            branch=branch,
            title=one_line(meta.title),
            files=files,
            notices=notices,
        )

    async def checkpoint(
        self, base: Base, patch: bytes, *, task_id: str, number: int, parent: Checkpoint | None
    ) -> Checkpoint:
        """Keep the files that a patch makes of ``parent``; see the port."""
        return await self._checkpoints.make(base, patch, task_id=task_id, number=number, parent=parent)

    async def checkpoints(self, base: Base, *, task_id: str) -> tuple[Checkpoint, ...]:
        """Return the checkpoints of a task, in order."""
        return await self._checkpoints.listed(base, task_id=task_id)

    async def difference(
        self, base: Base, old: str, new: str, *, limit: int, paths: Collection[str] | None = None
    ) -> bytes:
        """Return the binary git patch between two commits; see the port."""
        if paths is not None:
            new = await self._comparisons.part(base, old, new, paths)
        return await self._comparisons.difference(base, old, new, limit=limit)

    async def carried(self, base: Base, old: str, new: str, *, limit: int) -> bytes:
        """Return the patch that brings what lies between two commits onto the base; see the port."""
        return await self._comparisons.carried(base, old, new, limit=limit)

    async def fork_point(self, base: Base, other: str) -> str:
        """Return the newest commit that the base and another one both come from; see the port."""
        return await self._comparisons.fork_point(base, other)

    async def authors(self, base: Base, old: str, new: str) -> frozenset[str]:
        """Return who wrote the commits between two; see the port."""
        return await self._comparisons.authors(base, old, new)

    async def stat(self, base: Base, old: str, new: str) -> tuple[FileStat, ...]:
        """Return how many lines of each file differ between two commits; see the port."""
        return await self._comparisons.stat(base, old, new)

    async def forget(self, base: Base, *, task_id: str) -> None:
        """Let go of the checkpoints of a task."""
        await self._checkpoints.forget(base, task_id=task_id)

    async def push(self, change: Change, credential: Credential | None, *, replaces: str = "") -> None:
        """Push the branch to where the repository came from; see the port."""
        repository = change.repository
        path = await self._prepare(repository)
        ref = f"refs/heads/{checked_ref(change.branch)}"
        expected = replaces if full_sha(replaces) else ""
        # Nothing else is replaced; a branch that holds this very commit counts as up to date before that.
        options = ["--porcelain", "--no-follow-tags", "--no-recurse-submodules", f"--force-with-lease={ref}:{expected}"]
        await self._remote(
            ["push", *options, "--", repository.url, f"{change.head_sha}:{ref}"], repository, credential, git_dir=path
        )

    async def deliver(self, change: Change, checkout: Path) -> None:
        """Create the branch in a person's own checkout; see the port."""
        path = mirror_path(self._root, change.repository)
        ref = f"refs/heads/{checked_ref(change.branch)}"
        environment = git_environment(git_dir=None, protocols=("file",))
        arguments = ["fetch", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules", "--", str(path)]
        done = await self._git.run([*arguments, f"{ref}:{ref}"], environment, cwd=checkout)
        if done.code:
            raise ChangeError(
                f"checkout {str(checkout)!r} did not take the branch {change.branch!r} ({first_reason(done.stderr)}):"
                f" fetch it yourself with: git fetch {path} {change.branch}"
            )

    async def _prepare(self, repository: RepositoryRef) -> Path:
        path = mirror_path(self._root, repository)
        if not await anyio.Path(path, "info", "attributes").exists():
            async with file_lock(self._root / "pullwright-make.lock"):
                environment = git_environment(git_dir=None)
                await self._git.done(["init", "--quiet", "--bare", "--template=", "--", str(path)], environment)
                await anyio.Path(path, "info").mkdir(exist_ok=True)
                await anyio.Path(path, "info", "attributes").write_text(RAW_ATTRIBUTES + "\n")
        return path

    async def _default_ref(self, repository: RepositoryRef, credential: Credential | None) -> str:
        listed = await self._remote(["ls-remote", "--symref", "--", repository.url, "HEAD"], repository, credential)
        if not listed.text:
            raise ConfigError(f"repository {repository.url!r} has no commit on its default branch yet: push one first")
        found = re.match(r"ref: refs/heads/(\S+)\tHEAD", listed.text)
        return checked_ref(found[1]) if found else "HEAD"

    async def _fetch(
        self, path: Path, repository: RepositoryRef, name: str, local: str, credential: Credential | None
    ) -> None:
        options = ["--no-tags", "--no-write-fetch-head", "--no-recurse-submodules", "--no-auto-maintenance", "--quiet"]
        if not repository.host:
            options.append("--update-shallow")
        sources = [name] if full_sha(name) or name == "HEAD" else [f"refs/heads/{name}", f"refs/tags/{name}"]
        missing: NotFound | None = None
        for source in sources:
            try:
                await self._remote(
                    ["fetch", *options, "--", repository.url, f"+{source}:{local}"],
                    repository,
                    credential,
                    git_dir=path,
                )
                return
            except NotFound as exc:
                missing = exc
                if "no such branch" not in str(exc):
                    raise
        await self._default_ref(repository, credential)
        raise NotFound(f"repository {repository.url!r} has no branch or tag {name!r}: check the name") from missing

    async def _remote(
        self,
        arguments: list[str],
        repository: RepositoryRef,
        credential: Credential | None,
        *,
        git_dir: Path | None = None,
    ) -> Completed:
        async with self._environment(repository, credential, git_dir) as environment:
            try:
                done = await self._git.run(arguments, environment, network=True, deadline=self._network_limit)
            except TimeoutError as exc:
                limit = f"{self._network_limit:g} s"
                raise RemoteUnavailable(f"{repository.url!r} did not finish within {limit}: try again") from exc
        if done.code:
            said = redact(f"{done.text}\n{done.stderr}", credential.token if credential else "")
            raise remote_error(said, url=repository.url, pushing=arguments[0] == "push")
        return done

    @asynccontextmanager
    async def _environment(
        self, repository: RepositoryRef, credential: Credential | None, git_dir: Path | None
    ) -> AsyncIterator[Mapping[str, str]]:
        secret: Mapping[str, str] = {}
        settings: Mapping[str, str] = {}
        if credential is not None and repository.host:
            settings = signed_in_at_once(repository, credential)
            askpass = await self._askpass()
            secret = {
                "GIT_ASKPASS": str(askpass),
                "AGENT_GIT_HOST": repository.host,
                "AGENT_GIT_USER": credential.user,
                "AGENT_GIT_TOKEN": credential.token,
            }
        yield git_environment(git_dir=git_dir, protocols=protocols(repository), more=secret, more_settings=settings)

    async def _askpass(self) -> Path:
        file = anyio.Path(self._root, "askpass")
        if not await file.exists():
            fresh = anyio.Path(self._root, f"askpass.{token_hex(4)}")
            await fresh.write_text(ASKPASS)
            await fresh.chmod(0o700)
            await fresh.rename(file)
        return Path(file)

    async def _diff(self, base: Base, tree: str, *options: str) -> bytes:
        arguments = ["diff-tree", "-r", "-z", "--no-renames", *options, base.sha, tree]
        return (await self._git.done(arguments, git_environment(git_dir=base.mirror))).stdout

    async def _commit_tree(self, base: Base, tree: str, meta: CommitMeta) -> str:
        name, email = one_line(meta.author_name) or "Pullwright", one_line(meta.author_email) or "pullwright@localhost"
        date = (("DATE", f"{int(meta.at.timestamp())} +0000"),) if meta.at else ()
        people = {f"GIT_{role}_{what}": value for role in ("AUTHOR", "COMMITTER") for what, value in
                  (("NAME", name), ("EMAIL", email), *date)}  # fmt: skip
        message = f"{one_line(meta.title)}\n\n{meta.body}".replace("\0", "").strip() + "\n"
        environment = git_environment(git_dir=base.mirror, more=people)
        arguments = ["commit-tree", tree, "-p", base.sha, "-F", "-"]
        return (await self._git.done(arguments, environment, stdin=message.encode("utf-8", "replace"))).text

    async def _point(self, path: Path, branch: str, head: str) -> None:
        await self._git.done(["update-ref", f"refs/heads/{branch}", head], git_environment(git_dir=path))

    async def _resolve(self, path: Path, name: str) -> str | None:
        arguments = ["rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}"]
        done = await self._git.run(arguments, git_environment(git_dir=path))
        return done.text if done.code == 0 and full_sha(done.text) else None


def one_line(text: str) -> str:
    """Return a text as one line without control characters."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())
