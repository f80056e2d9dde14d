"""Takes the change out of a workspace, and brings a change onto one, by git inside a throwaway container.

Whatever the agent planted in its files or its ``.git`` runs there, if anywhere, with nothing to steal. The git folder
is made for the occasion; objects and index come from the pristine base, which no agent could write.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

from pullwright.agents.errors import ChangeRefused, EmptyChange, PatchTooLarge, SandboxError
from pullwright.agents.ports.sandbox import Base, ExecResult
from pullwright.sandbox.runner_client import RunnerClient
from pullwright.sandbox.seed import RAW_ATTRIBUTES

EXTRACT_LIMIT = 900.0
"""Seconds that reading all files may take."""

LARGEST_FILE_MIB = 64
"""Larger files are refused when they are new or changed, before a byte of them is read."""

LEFT_BEHIND = (
    "__pycache__/",
    "*.py[co]",
    ".pytest_cache/",
    ".mypy_cache/",
    ".ruff_cache/",
    ".tox/",
    ".nox/",
    ".venv/",
    ".coverage",
    "node_modules/",
    ".DS_Store",
)
"""What tools leave behind and nobody means to commit; files like these that the base holds are followed anyway."""

_ENVIRONMENT = """
set -eu
export GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null GIT_ATTR_NOSYSTEM=1 GIT_NO_REPLACE_OBJECTS=1 LC_ALL=C
git() {{ command git -c core.fsmonitor=false -c core.autocrlf=false -c core.symlinks=true -c core.fileMode=true \
 -c core.protectNTFS=true -c core.protectHFS=true -c core.looseCompression=0 -c advice.addEmbeddedRepo=false "$@"; }}
"""

GIT_FUNCTION = _ENVIRONMENT.format()
"""The start of every script that runs git on files which an agent wrote."""

_STAGE = (
    _ENVIRONMENT
    + """
rm -rf {scratch}
mkdir -p {scratch}
git init -q --template= {scratch}
export GIT_DIR={scratch}/.git GIT_WORK_TREE={workspace}
mkdir -p $GIT_DIR/info
echo {pristine}/.git/objects > $GIT_DIR/objects/info/alternates
echo {attributes} > $GIT_DIR/info/attributes
printf '%s\\n' {excluded} > $GIT_DIR/info/exclude
if [ -f {pristine}/.git/shallow ]; then cp {pristine}/.git/shallow $GIT_DIR/shallow; fi
# Its file times let git skip what was never touched; it lists exactly the base's tree. Its own time is kept (-p):
# by that git knows which files may have been edited in the very second that they were laid out.
cp -p {pristine}/.git/index $GIT_DIR/index
cd {workspace}
# A file that is mostly a hole costs its writer nothing and each reader all of it, so large ones are looked at first.
export GIT_LITERAL_PATHSPECS=1
find . -xdev -path ./.git -prune -o -type f -size +{largest}M -printf '%P\\0' | while IFS= read -r -d '' file; do
  if git ls-files --error-unmatch -- "$file" >/dev/null 2>&1; then
    git diff-files --quiet -- "$file" && continue
  else
    git check-ignore -q -- "$file" && continue
  fi
  echo "too large: $file" >&2
  exit 97
done
unset GIT_LITERAL_PATHSPECS
git add -A -- .
"""
)

_DIFF = (
    _ENVIRONMENT
    + """
export GIT_DIR={scratch}/.git
{{ git diff --cached --binary --full-index --no-renames --no-ext-diff --no-textconv --no-color \
 --src-prefix=a/ --dst-prefix=b/ {sha} && touch {scratch}/whole; }} | head -c {most} > {scratch}/change.patch
size=$(wc -c < {scratch}/change.patch)
[ "$size" -ge {most} ] || [ -e {scratch}/whole ]
echo "$size"
"""
)

_APPLY = (
    _ENVIRONMENT
    + """
cd {workspace}
git apply --binary --whitespace=nowarn {scratch}
"""
)


def exclude_lines(prepared: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the lines of an exclude file: what tools leave behind, and what the environment's set-up made.

    Args:
        prepared: Paths relative to the repository; one that ends in ``/`` is a folder.
    """
    escaped = (re.sub(r"([\\*?\[\]!# ])", r"\\\1", path) for path in prepared if "\n" not in path)
    return (*LEFT_BEHIND, *(f"/{path}" for path in escaped))


async def extract_patch(
    runner: RunnerClient,
    base: Base,
    *,
    workspace: str,
    pristine: str,
    scratch: str,
    limit: int,
    prepared: Sequence[str] = (),
) -> bytes:
    """Return the difference between the base and the files in ``workspace`` as a binary git patch.

    Args:
        runner: A runner in a container that sees both folders, read-only.
        base: The commit that both folders were seeded from.
        workspace: The folder that the agent wrote.
        pristine: The folder that nobody wrote since it was seeded.
        scratch: A folder that may be written.
        limit: Most bytes that the patch may have.
        prepared: Paths that the environment's set-up made; they are no part of the change.

    Raises:
        EmptyChange: Nothing differs.
        PatchTooLarge: The patch has more than ``limit`` bytes, or what changed does not fit in the scratch folder.
        ChangeRefused: git can not take in what is there (an unreadable file, a nested repository without a commit).
    """
    folder = f"{scratch}/pullwright-extract"
    names = {"workspace": workspace, "pristine": pristine, "scratch": folder}
    quoted = {name: shlex.quote(path) for name, path in names.items()}
    excluded = shlex.join(exclude_lines(prepared))
    stage = _STAGE.format(**quoted, attributes=shlex.quote(RAW_ATTRIBUTES), excluded=excluded, largest=LARGEST_FILE_MIB)
    _check_staged(await runner.exec(stage, timeout=EXTRACT_LIMIT, cwd="/"), limit)
    diff = _DIFF.format(scratch=quoted["scratch"], sha=base.sha, most=limit + 1)
    result = await runner.exec(diff, timeout=EXTRACT_LIMIT, cwd="/")
    size = result.stdout.text.strip()
    if "Killed" in result.stderr.text:
        raise PatchTooLarge("change takes more memory to read than a sandbox has: remove large files")
    if result.exit_code != 0 or not size.isdecimal():
        raise SandboxError(f"change could not be read from the workspace: {_reason(result)}")
    if int(size) == 0:
        raise EmptyChange(f"nothing differs from the base {base.sha[:12]!r}")
    if int(size) > limit:
        raise _too_large(limit)
    return await runner.read_file(f"{folder}/change.patch", limit=limit)


async def apply_patch(runner: RunnerClient, base: Base, patch: bytes, *, workspace: str, scratch: str) -> None:
    """Bring a patch onto clean files.

    Raises:
        ChangeRefused: It does not apply.
    """
    file = f"{scratch}/pullwright-change.patch"
    await runner.write_file(file, patch)
    script = _APPLY.format(workspace=shlex.quote(workspace), scratch=shlex.quote(file))
    result = await runner.exec(script, timeout=EXTRACT_LIMIT, cwd="/")
    if result.exit_code != 0:
        raise ChangeRefused(f"patch does not apply on base {base.sha[:12]!r}: {_reason(result)}")


_TOO_LARGE = 97


def _check_staged(result: ExecResult, limit: int) -> None:
    if result.exit_code == 0:
        return
    text = result.stderr.text
    if result.exit_code == _TOO_LARGE:
        name = text.strip().removeprefix("too large: ")[:300]
        raise PatchTooLarge(f"file {name!r} has more than {LARGEST_FILE_MIB} MiB: delete it or add it to .gitignore")
    if "Killed" in text:
        raise PatchTooLarge("change takes more memory to read than a sandbox has: remove large files")
    if "No space left on device" in text or "unable to write" in text:
        raise _too_large(limit)
    if result.timed_out:
        raise ChangeRefused(f"change could not be read within {EXTRACT_LIMIT:g} s: it holds too many files")
    raise ChangeRefused(f"change holds something that git can not take in: {_reason(result)}")


def _too_large(limit: int) -> PatchTooLarge:
    return PatchTooLarge(f"change is larger than {limit} bytes: remove generated files or add them to .gitignore")


def _reason(result: ExecResult) -> str:
    lines = [line.strip() for line in result.stderr.text.splitlines() if line.strip()]
    told = [line for line in lines if line.startswith(("error:", "fatal:"))]
    return " ".join((told or lines or ["no reason given"])[0].split())[:300]
