"""Says what changed in a workspace since the last time, by git inside the running sandbox.

The agent can lie here about its own files, and about nothing else: what comes back is data, and the host takes it in
through an index only. Objects and index come from the pristine base, so nothing is read twice.
"""

from __future__ import annotations

import re
import shlex
from typing import Protocol

from pullwright.agents.errors import ChangeRefused, PatchTooLarge
from pullwright.agents.ports.sandbox import Base, ExecResult
from pullwright.sandbox.extractor import GIT_FUNCTION, exclude_lines
from pullwright.sandbox.seed import RAW_ATTRIBUTES

DELTA_LIMIT = 120.0
"""Seconds that one delta may take."""

LARGEST_FILE_MIB = 16
"""Larger files are no part of checkpoints."""

_DELTA = """
set -eu
{git_function}
export GIT_DIR={folder}/git
cd {workspace}
if [ ! -e {folder}/whole ]; then
  rm -rf {folder}
  mkdir -p {folder}
  git init -q --template= --bare $GIT_DIR
  git config core.bare false
  mkdir -p $GIT_DIR/info
  echo {pristine}/.git/objects > $GIT_DIR/objects/info/alternates
  echo {attributes} > $GIT_DIR/info/attributes
  printf '%s\\n' {excluded} > $GIT_DIR/info/exclude
  if [ -f {pristine}/.git/shallow ]; then cp {pristine}/.git/shallow $GIT_DIR/shallow; fi
  cp -p {pristine}/.git/index $GIT_DIR/index
elif {incremental} && [ -z "$(find . -path ./.git -prune -o -cnewer {folder}/stamp -print -quit)" ]; then
  echo {old}
  exit
fi
export GIT_WORK_TREE={workspace}
rm -f {folder}/whole
touch {folder}/stamp
{{ printf '.\\0'; find . -xdev -path ./.git -prune -o -type f -size +{largest}M -printf ':(exclude,literal)%P\\0'; }} \\
 > {folder}/paths
git add -A --ignore-errors --pathspec-from-file={folder}/paths --pathspec-file-nul 2>/dev/null || :
new=$(git write-tree)
if [ "$new" != {old} ]; then
  {{ git diff-tree -r -p --binary --full-index --no-renames --no-ext-diff --no-textconv --no-color \\
   --src-prefix=a/ --dst-prefix=b/ {old} "$new" || :; }} | head -c {most} > {folder}/patch
fi
touch {folder}/whole
echo "$new"
"""


class Shell(Protocol):
    """What runs a script and reads a file in the sandbox."""

    async def exec(
        self, command: str, *, timeout: float, cwd: str | None = None, output_limit: int = ...
    ) -> ExecResult:
        """Run a command line; see ``Sandbox``."""
        ...

    async def read_file(self, path: str, *, offset: int = 0, limit: int = ...) -> bytes:
        """Read a file; see ``Sandbox``."""
        ...


class Checkpointer:
    """Counts the changes of one sandbox.

    Args:
        shell: The sandbox's own commands.
        base: The commit that the files started from.
        workspace: Where the files are.
        pristine: Where the untouched base is, read-only.
        scratch: A folder that may be written.
        prepared: Paths that the environment's set-up left in the workspace; they are no part of it.
    """

    def __init__(
        self,
        shell: Shell,
        base: Base,
        *,
        workspace: str,
        pristine: str,
        scratch: str,
        prepared: tuple[str, ...] = (),
    ) -> None:
        self._shell = shell
        self._base = base
        self._folder = f"{scratch}/.pullwright-checkpoint"
        names = {"workspace": workspace, "pristine": pristine, "folder": self._folder}
        self._fixed = {name: shlex.quote(path) for name, path in names.items()}
        self._fixed["excluded"] = shlex.join(exclude_lines(prepared))
        self._last = ""

    async def delta(self, *, whole: bool, limit: int) -> bytes | None:
        """Return what changed since the last call; see ``Sandbox``."""
        old = (not whole and self._last) or f"{self._base.sha}^{{tree}}"
        script = _DELTA.format(
            **self._fixed,
            git_function=GIT_FUNCTION,
            attributes=shlex.quote(RAW_ATTRIBUTES),
            largest=LARGEST_FILE_MIB,
            old=shlex.quote(old),
            incremental="false" if old.endswith("}") else "true",
            most=limit + 1,
        )
        # In a subshell: the agent's own working folder stays where it is.
        result = await self._shell.exec(f"(\n{script}\n)", timeout=DELTA_LIMIT)
        tree = result.stdout.text.strip()
        if result.exit_code != 0 or not re.fullmatch(r"[0-9a-f]{40}([0-9a-f]{24})?", tree):
            self._last = ""
            raise ChangeRefused(f"the files could not be read for a checkpoint: {result.stderr.text.strip()[:300]}")
        if tree == self._last and not whole:
            return None
        return await self._read(tree, limit)

    async def _read(self, tree: str, limit: int) -> bytes | None:
        try:
            patch = await self._shell.read_file(f"{self._folder}/patch", limit=limit + 1)
        except OSError as exc:  # whatever the agent made of its scratch folder
            self._last = ""
            raise ChangeRefused(f"the files could not be read for a checkpoint: {exc}") from exc
        if len(patch) > limit:
            self._last = ""
            raise PatchTooLarge(f"what changed since the last checkpoint has more than {limit} bytes")
        self._last = tree
        return patch or None
