"""Fills an empty folder behind a runner with a normal repository: full history, no remote, no credentials.

The host only packs from its own bare mirror; it never checks anything out.
"""

from __future__ import annotations

import re
import shlex
import tempfile
from collections.abc import AsyncIterable
from pathlib import Path

import anyio

from pullwright.agents.errors import SandboxError
from pullwright.agents.ports.sandbox import Base
from pullwright.sandbox.frames import MAX_PAYLOAD
from pullwright.sandbox.git_env import git_environment
from pullwright.sandbox.runner_client import RunnerClient

SEED_LIMIT = 900.0
"""Seconds that laying out the files may take."""

SEED_VERSION = "1"
"""Changes when the layout of a seeded folder changes, so that older ones are not used."""

RAW_ATTRIBUTES = "* -text -filter -ident -working-tree-encoding"
"""Files are the blobs byte for byte: what git would convert on the way out would come back as a change."""

_SCRIPT = """
set -eu
git init -q --template= -b {branch} .
git config core.autocrlf false
git config core.symlinks true
git config core.fileMode true
git config gc.auto 0
git config maintenance.auto false
git config user.name Pullwright
git config user.email pullwright@localhost
mkdir -p .git/info
echo {attributes} > .git/info/attributes
git update-ref refs/heads/{branch} {sha}
git reset -q --hard {sha}
git rev-parse --verify -q 'HEAD^{{tree}}'
"""


async def seed_repository(runner: RunnerClient, base: Base) -> None:
    """Lay out ``base`` in the runner's workspace, which must be empty.

    Raises:
        SandboxError: It did not work; the folder must not be used.
        SandboxGone: The container or its stream ended.
    """
    with tempfile.TemporaryDirectory(prefix="pullwright-pack-") as folder:
        for file in await _pack(base, Path(folder)):
            await runner.upload(f".git/objects/pack/{file.name}", _chunks(file))
    shallow = anyio.Path(base.mirror, "shallow")
    if await shallow.exists():
        await runner.write_file(".git/shallow", await shallow.read_bytes())
    script = _SCRIPT.format(branch=_branch(base), sha=base.sha, attributes=shlex.quote(RAW_ATTRIBUTES))
    result = await runner.exec(script, timeout=SEED_LIMIT)
    if result.exit_code != 0:
        raise SandboxError(f"workspace for {base.sha!r} could not be laid out: {_first_line(result.stderr.text)}")


async def _pack(base: Base, folder: Path) -> list[Path]:
    command = ["git", "pack-objects", "--revs", "--quiet", "--delta-base-offset", "--threads=2", str(folder / "pack")]
    environment = git_environment(git_dir=base.mirror)
    done = await anyio.run_process(command, input=f"{base.sha}\n".encode(), env=environment, check=False)
    if done.returncode:
        text = _first_line(done.stderr.decode("utf-8", "replace"))
        raise SandboxError(f"mirror {str(base.mirror)!r} could not pack {base.sha!r}: {text}")
    # pack-objects prints the hash in the names. The pack goes first: without its index nothing looks at it.
    name = done.stdout.decode("ascii").strip()
    return [folder / f"pack-{name}.pack", folder / f"pack-{name}.idx"]


async def _chunks(file: Path) -> AsyncIterable[bytes]:
    async with await anyio.open_file(file, "rb") as stream:
        while chunk := await stream.read(MAX_PAYLOAD):
            yield chunk


def _branch(base: Base) -> str:
    plain = re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.+-]*(/[A-Za-z0-9][A-Za-z0-9_.+-]*)*", base.ref)
    usable = plain and ".." not in base.ref and ".lock" not in base.ref and not base.ref.endswith(".")
    return base.ref if usable and base.ref not in ("HEAD", base.sha) else "base"


def _first_line(text: str) -> str:
    return next((line.strip() for line in text.splitlines() if line.strip()), "no reason given")
