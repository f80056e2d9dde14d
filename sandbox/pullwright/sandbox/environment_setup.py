"""Runs a repository's set-up: once, as root, in a container of the environment's image that no agent ever saw.

What it leaves in the image becomes an image, what it adds to the workspace becomes a read-only layer over the base.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

import anyio

from pullwright.agents.egress import EgressDecision, EgressPolicy
from pullwright.agents.environment import Environment
from pullwright.agents.errors import SandboxError, SandboxUnavailable, SetupFailed
from pullwright.agents.ports.sandbox import ExecResult
from pullwright.sandbox.base_volume import BaseVolume
from pullwright.sandbox.container_spec import AGENT_UID, HOME, LAYER, PRISTINE, SCRATCH, WORKSPACE, Mount
from pullwright.sandbox.docker_engine import DockerEngine
from pullwright.sandbox.docker_sandbox import open_runner
from pullwright.sandbox.egress import EgressGateway, EgressSession
from pullwright.sandbox.environment_store import LABEL_ENVIRONMENT
from pullwright.sandbox.prepared_files import MAX_LIST, MAX_PATHS
from pullwright.sandbox.runner_client import RunnerClient
from pullwright.sandbox.task_containers import TaskContainers
from pullwright.sandbox.workspace_volume import PREPARED, WorkspaceVolumes

SETUP_HOME: Final = "/opt/pullwright/home"
"""The set-up's home; the runner copies it into the home of every agent."""
MAX_HOME_MIB: Final = 128
"""An agent's home is memory, so what set-up leaves for it must be small."""
COMMIT_PATIENCE: Final = 1800
"""Seconds that the engine may take to make an image of the container."""
TAKE_LIMIT: Final = 900.0
"""Seconds that sorting out the added files may take."""
TOLD_LINES: Final = 40
"""Lines of a failed set-up's output that are shown."""

_TAKING = Path(__file__).with_name("prepared_files.py")
_APT_CONF = "/etc/apt/apt.conf.d/00pullwright"
_SCRIPT = f"{SCRATCH}/pullwright-setup"
_RUN = f"""
exec 2>&1
export HOME={SETUP_HOME} DEBIAN_FRONTEND=noninteractive
export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0='*'
mkdir -p {SETUP_HOME}
if command -v bash >/dev/null; then exec bash -e {_SCRIPT}; else exec sh -e {_SCRIPT}; fi
"""
_FINISH = f"""
set -eu
rm -f {_APT_CONF} {_SCRIPT}
chmod -R a+rX {SETUP_HOME}
grep -q '^[^:]*:[^:]*:{AGENT_UID}:' /etc/group || echo 'agent:x:{AGENT_UID}:' >> /etc/group
grep -q '^[^:]*:[^:]*:{AGENT_UID}:' /etc/passwd || echo 'agent:x:{AGENT_UID}:{AGENT_UID}::{HOME}:/bin/sh' >> /etc/passwd
du -sxk {SETUP_HOME}
"""
_TAKE = f"""
set -eu
python3 -I {_SCRIPT} {{source}} {PRISTINE} {LAYER}/{PREPARED} > {SCRATCH}/paths
chown -hR {AGENT_UID}:{AGENT_UID} {LAYER}/{PREPARED}
rm -rf {LAYER}/upper
"""


class EnvironmentSetup:
    """Runs set-ups on one engine.

    Args:
        engine: The engine.
        volumes: Lays out the workspace that a set-up runs in.
        gateway: What a set-up reaches the network through; without, it reaches nothing.
    """

    def __init__(self, engine: DockerEngine, *, volumes: WorkspaceVolumes, gateway: EgressGateway | None) -> None:
        self._engine = engine
        self._volumes = volumes
        self._gateway = gateway

    async def run(
        self,
        containers: TaskContainers,
        pristine: BaseVolume,
        environment: Environment,
        *,
        image: str,
        egress: EgressPolicy,
        caches: Mapping[str, str],
        volume: str,
        name: str,
        labels: dict[str, str],
    ) -> tuple[str, tuple[EgressDecision, ...]]:
        """Run the set-up on the base, keep what it made, and return the paths it added and what it reached.

        Args:
            containers: The task that needs it.
            pristine: The base.
            environment: What to run.
            image: The id of the image to start from.
            egress: What it may reach.
            caches: Volumes by the folder that they are mounted on.
            volume: A new volume for the added files.
            name: What the image is to be called.
            labels: The image's labels.

        Raises:
            SetupFailed: The script failed or took too long, or left too much; notes hold its last output.
            SandboxUnavailable: The engine refused something.
        """
        mounts = [Mount(volume=cache, target=_expanded(folder)) for folder, cache in caches.items()]
        session = self._gateway.session(egress, root=True) if self._gateway else None
        async with AsyncExitStack() as stack:
            workspace = await self._volumes.lay_out(stack, containers, pristine, volume)
            spec = containers.spec(
                "setup",
                Mount(volume=workspace, target=WORKSPACE),
                *mounts,
                image=image,
                root=True,
                more={LABEL_ENVIRONMENT: volume},
            )
            variables = dict(environment.variables)
            async with open_runner(
                self._engine, spec, task=containers.task, session=session, variables=variables
            ) as runner:
                await self._run_script(runner, environment, session)
                await self._commit(volume, name, labels)
            paths = await self._take(containers, pristine, volume, workspace if self._volumes.copies else "")
        return paths, session.drain() if session else ()

    async def _run_script(self, runner: RunnerClient, environment: Environment, session: EgressSession | None) -> None:
        if session is not None and session.apt_conf:
            there = await runner.exec("test -d /etc/apt/apt.conf.d", timeout=60)
            if there.exit_code == 0:
                await runner.write_file(_APT_CONF, session.apt_conf.encode())
        await runner.write_file(_SCRIPT, environment.setup.encode())
        result = await runner.exec(_RUN, timeout=environment.setup_seconds, cwd=WORKSPACE)
        if result.exit_code != 0:
            raise _failed(environment, result)
        finished = await runner.exec(_FINISH, timeout=TAKE_LIMIT, cwd="/")
        size = finished.stdout.text.split()
        if finished.exit_code != 0 or not size or not size[0].isdecimal():
            reason = " ".join(finished.stderr.text.split())[:300]
            raise SandboxError(f"set-up of {environment.source} could not be finished: {reason}")
        if int(size[0]) > MAX_HOME_MIB << 10:
            raise SetupFailed(
                f"set-up of {environment.source} leaves {int(size[0]) >> 10} MiB in its home and may leave"
                f" {MAX_HOME_MIB}: put them elsewhere, below /opt or in the workspace"
            )

    async def _commit(self, volume: str, name: str, labels: dict[str, str]) -> None:
        """Make an image of the set-up's container, which its label names."""
        label = f"{LABEL_ENVIRONMENT}={volume}"
        found = await self._engine.call("find the set-up", lambda client: client.containers(filters={"label": label}))
        if len(found) != 1:
            raise SandboxUnavailable("container of the set-up is gone: try again")
        container = str(found[0]["Id"])
        repository, _, tag = name.partition(":")

        def commit() -> None:
            client = self._engine.new_client(COMMIT_PATIENCE)
            try:
                client.commit(container, repository=repository, tag=tag, conf={"Labels": labels})
            finally:
                client.close()

        await self._engine.call(f"make the image {name!r}", lambda _: commit())

    async def _take(self, containers: TaskContainers, pristine: BaseVolume, volume: str, copied: str) -> str:
        """Reduce the volume to what was added, and return the list of it."""
        mounts = [
            Mount(volume=volume, target=LAYER),
            Mount(volume=pristine.volume, target=PRISTINE, read_only=True),
            *([Mount(volume=copied, target=WORKSPACE)] if copied else []),
        ]
        spec = containers.spec("take", *mounts, root=True)
        async with open_runner(self._engine, spec, task=containers.task) as runner:
            await runner.write_file(_SCRIPT, await anyio.Path(_TAKING).read_bytes())
            script = _TAKE.format(source=shlex.quote(WORKSPACE if copied else f"{LAYER}/upper"))
            result = await runner.exec(script, timeout=TAKE_LIMIT, cwd="/")
            if result.exit_code != 0:
                reason = (result.stderr.text.splitlines() or ["no reason given"])[-1][:300]
                raise SetupFailed(
                    f"what set-up added to the workspace could not be kept ({reason}): at most {MAX_PATHS} new paths"
                    " beside tracked ones, and no time limit reached"
                )
            return (await runner.read_file(f"{SCRATCH}/paths", limit=2 * MAX_LIST)).decode("ascii", "replace")


def _expanded(folder: str) -> str:
    return f"{SETUP_HOME}/{folder[2:]}" if folder.startswith("~/") else folder


def _failed(environment: Environment, result: ExecResult) -> SetupFailed:
    """Return the error: one line, and the end of the output as its note."""
    lines = [_printable(line) for line in result.stdout.text.splitlines() if line.strip()]
    if result.timed_out:
        ending = f"did not end within {environment.setup_seconds / 60:g} minutes: raise setup_minutes, or do less"
    elif result.signal is not None:
        ending = f"was killed by signal {result.signal}: it may have run out of memory"
    else:
        ending = f"failed with exit code {result.exit_code}: {(lines or ['it said nothing'])[-1].strip()[:300]}"
    error = SetupFailed(f"set-up of {environment.source} {ending}")
    if lines:
        error.add_note("\n".join(lines[-TOLD_LINES:]))
    return error


def _printable(line: str) -> str:
    return "".join(char if char.isprintable() else " " for char in line)[:500]
