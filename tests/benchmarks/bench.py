"""What the measurements of the sandbox share: how much of each, where, and a large repository."""

from __future__ import annotations

import base64
import random
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pullwright.agents.ports.sandbox import Base, ExecResult, Sandbox, SandboxProvider
from pullwright.sandbox.docker_engine import DockerEngine
from pullwright.sandbox.runner_client import RunnerClient
from tests.benchmarks.plain_docker import PlainDocker
from tests.integration.sandbox.repositories import make_checkout, mirrored

MIB: Final = 1 << 20
PATIENCE: Final = 300.0
"""Seconds after which a command of a measurement counts as stuck."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How much of everything is done."""

    files: int = 5000
    """Files of the repository; with its history, 5,000 of them are 159 MB."""
    opens: int = 20
    copies: int = 3
    """Repetitions of what moves the whole repository."""
    commands: int = 500
    plain_commands: int = 30
    at_once: int = 20
    commands_each: int = 50
    plain_commands_each: int = 2
    output_mib: int = 5120
    plain_output_mib: int = 512
    egress_mib: int = 200


QUICK: Final = Sizes(
    files=500,
    opens=3,
    copies=1,
    commands=50,
    plain_commands=5,
    at_once=4,
    commands_each=10,
    plain_commands_each=1,
    output_mib=256,
    plain_output_mib=64,
    egress_mib=32,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """Where everything is measured."""

    engine: DockerEngine
    image: str
    instance: str
    provider: SandboxProvider
    plain: PlainDocker
    checkout: Path
    base: Base
    sizes: Sizes

    @asynccontextmanager
    async def sandbox(self, task: str) -> AsyncIterator[Sandbox]:
        async with self.provider.open(self.base, task_id=task) as workspace, workspace.open_sandbox() as sandbox:
            yield sandbox


class Stopwatch:
    """Seconds since it was made."""

    def __init__(self) -> None:
        self._begun = time.monotonic()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._begun


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


async def succeed(sandbox: Sandbox | RunnerClient, command: str) -> ExecResult:
    """Run a command that has to end well; a figure for anything else would mean nothing.

    Raises:
        RuntimeError: It did not.
    """
    result = await sandbox.exec(command, timeout=PATIENCE)
    if result.exit_code != 0:
        raise RuntimeError(f"{command[:80]!r} ended with {result.exit_code}: {result.stderr.text.strip()[:300]}")
    return result


def file_name(number: int) -> str:
    return f"src/package{number // 100:02}/module{number % 100:02}.txt"


def change_three(turn: int) -> str:
    """Return a command that changes three files of the repository, differently every turn."""
    return "; ".join(f"echo changed {turn} >> {file_name(number)}" for number in (7, 142, 318))


def large_repository(folder: Path, files: int) -> tuple[Path, Base]:
    """Make a checkout of text that hardly compresses, 18 KB a file, and its bare copy."""
    noise = random.Random(files)
    checkout = folder / "checkout"
    for number in range(files):
        path = checkout / file_name(number)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.encodebytes(noise.randbytes(13_140)))
    make_checkout(checkout, {})
    return checkout, mirrored(checkout, folder / "mirror.git")


def megabytes(folder: Path) -> float:
    return sum(path.lstat().st_size for path in folder.rglob("*")) / 1e6
