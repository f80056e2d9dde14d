"""What the kernel says from inside a real container: what an engine promises is one thing, what holds another."""

from __future__ import annotations

from collections.abc import Iterator

import anyio

from pullwright.agents.errors import SandboxUnavailable
from pullwright.agents.finding import Finding, Mark
from pullwright.sandbox.container_spec import AGENT_UID, MIB, ContainerLimits, ContainerSpec, labels
from pullwright.sandbox.docker_engine import LOST, DockerEngine, ExecStream
from pullwright.sandbox.docker_sandbox import created_container

PROBE_LIMIT = 60.0
"""Seconds that the whole probe may take."""
MOST_BYTES = 16_384

# Only what every image has. "key value" lines; a file that is not there says nothing.
_SCRIPT = """
say() { [ -r "$2" ] && read -r value rest < "$2" && echo "$1 $value"; }
while read -r key value rest; do
    case $key in Uid:|CapEff:|CapBnd:|NoNewPrivs:|Seccomp:) echo "${key%:} $value";; esac
done < /proc/self/status
while read -r line; do case $line in *:*) echo "interface ${line%%:*}";; esac; done < /proc/net/dev
for folder in /sys/fs/cgroup /sys/fs/cgroup/memory; do
    say memory $folder/memory.max; say memory $folder/memory.limit_in_bytes
done
say pids /sys/fs/cgroup/pids.max; say pids /sys/fs/cgroup/pids/pids.max
(: > /etc/probe) 2>/dev/null && echo "root writable"
exit 0
"""


async def probe_container(
    engine: DockerEngine, image: str, *, instance: str, limits: ContainerLimits | None = None, runtime: str = ""
) -> tuple[Finding, ...]:
    """Start one container the way sandboxes are started, and return what holds in it.

    Args:
        engine: The engine to look at.
        image: An image that is on it.
        instance: Whose the container is, should it be left behind.
        limits: What sandboxes may use up.
        runtime: The OCI runtime that sandboxes use; by default the engine's own choice.

    Raises:
        SandboxUnavailable: The container did not start, or did not answer.
    """
    limits = limits or ContainerLimits()
    spec = ContainerSpec(
        image=image,
        kind="probe",
        mounts=(),
        labels=labels(instance=instance, kind="probe"),
        limits=limits,
        runtime=runtime,
    )
    try:
        with anyio.fail_after(PROBE_LIMIT):
            async with created_container(engine, spec) as name:
                await engine.call(f"start container {name!r}", lambda client: client.start(name))
                async with await engine.exec_stream(name, ("sh", "-c", _SCRIPT), {}, stdin=False) as stream:
                    said = await _read(stream)
    except TimeoutError as exc:
        raise SandboxUnavailable(f"a probe container did not answer within {PROBE_LIMIT:g} s: try again") from exc
    return tuple(judge(said, limits))


async def _read(stream: ExecStream) -> str:
    output = b""
    try:
        while len(output) < MOST_BYTES:
            output += await stream.receive()
    except anyio.EndOfStream:
        return output.decode("utf-8", "replace")
    except LOST as exc:
        raise SandboxUnavailable("the connection to a probe container was lost: look at the engine's log") from exc
    return output[:MOST_BYTES].decode("utf-8", "replace")


def judge(said: str, limits: ContainerLimits) -> Iterator[Finding]:
    """Compare what a probe printed with what a sandbox needs. Pure.

    Args:
        said: ``key value`` lines.
        limits: What the container was started with.
    """
    pairs = [line.split(" ", 1) for line in said.splitlines() if " " in line]
    found = {key: value for key, value in pairs if key != "interface"}
    interfaces = [value for key, value in pairs if key == "interface"]
    yield _expect("user", found.get("Uid"), str(AGENT_UID), "an ordinary user, and no way to become another")
    yield _expect("capabilities", found.get("CapBnd"), "0" * 16, "none, now or later")
    yield _expect("new privileges", found.get("NoNewPrivs"), "1", "none by set-uid programs")
    yield _expect("seccomp", found.get("Seccomp"), "2", "a filter is in force")
    yield _expect("network", " ".join(interfaces), "lo", "nothing but the container's own loopback")
    yield _expect("root file system", found.get("root", "read-only"), "read-only", "read-only")
    yield _limit("memory limit", found.get("memory"), limits.memory_mib * MIB, f"{limits.memory_mib} MiB")
    yield _limit("process limit", found.get("pids"), limits.pids, str(limits.pids))


def _expect(name: str, value: str | None, wanted: str, meaning: str) -> Finding:
    if value == wanted:
        return Finding(name=name, mark=Mark.OK, text=meaning)
    if not value:
        return Finding(name=name, mark=Mark.WARN, text="the kernel does not say (gVisor says less than Linux)")
    text = (
        f"a container has {value[:80]!r} instead of {wanted!r}: this engine does not do what it is told, do not use it"
    )
    return Finding(name=name, mark=Mark.MISSING, text=text)


def _limit(name: str, value: str | None, wanted: int, meaning: str) -> Finding:
    if value is None:
        return Finding(name=name, mark=Mark.WARN, text="the kernel does not say (gVisor says less than Linux)")
    if value.isdecimal() and len(value) <= 20 and int(value) <= wanted:
        return Finding(name=name, mark=Mark.OK, text=meaning)
    text = f"a container has {value[:80]!r} instead of {wanted}: use an engine on cgroup v2 that limits it"
    return Finding(name=name, mark=Mark.MISSING, text=text)
