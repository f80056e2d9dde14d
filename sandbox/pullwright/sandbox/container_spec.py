"""What every container of ours is started with, as the engine's own JSON. Pure, no I/O.

The flags are those that were measured to hold: no capabilities, no new privileges, no network, no root, nothing
writable but two tmpfs folders and the workspace, and a limit on everything that can be used up.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

AGENT_UID = 10001
WORKSPACE = "/workspace"
PRISTINE = "/pristine"
HOME = "/home/agent"
SCRATCH = "/tmp"  # a tmpfs inside the container, not a folder of the host
LAYER = "/opt/pullwright/layer"

MIB = 1 << 20

LABEL_INSTANCE = "pullwright.instance"
LABEL_TASK = "pullwright.task"
LABEL_KIND = "pullwright.kind"
LABEL_CREATED = "pullwright.created"
LABEL_BASE = "pullwright.base"
LABEL_REPOSITORY = "pullwright.repository"

LIFETIME = 24 * 3600
"""Seconds after which a container ends by itself, whatever became of the process that started it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerLimits:
    """What one container may use up."""

    memory_mib: int = 4096
    """Memory and swap together; both tmpfs folders count."""
    cpus: float = 2.0
    pids: int = 512
    tmp_mib: int = 1024
    home_mib: int = 512
    open_files: int = 8192
    file_mib: int = 4096
    """Largest single file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """A volume in a container."""

    volume: str
    target: str
    read_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerSpec:
    """One container to start."""

    image: str
    kind: str
    """``agent``, ``seed``, ``extract``, ``apply``, ``layer`` or ``copy``."""
    mounts: tuple[Mount, ...]
    labels: dict[str, str]
    limits: ContainerLimits = field(default_factory=ContainerLimits)

    def config(self) -> dict[str, object]:
        """Return the body of the engine's create call."""
        return {
            "Image": self.image,
            "Entrypoint": [],
            "Cmd": ["sleep", str(LIFETIME)],
            "User": f"{AGENT_UID}:{AGENT_UID}",
            "Hostname": "sandbox",
            "WorkingDir": "/",
            "NetworkDisabled": True,
            "Healthcheck": {"Test": ["NONE"]},
            "Labels": self.labels,
            "HostConfig": self._host_config(),
        }

    def _host_config(self) -> dict[str, object]:
        limits = self.limits
        owner = f"uid={AGENT_UID},gid={AGENT_UID}"
        return {
            "NetworkMode": "none",
            "CapDrop": ["ALL"],
            "SecurityOpt": ["no-new-privileges"],
            "Privileged": False,
            "ReadonlyRootfs": True,
            "Init": True,
            "IpcMode": "private",
            "LogConfig": {"Type": "none"},
            "RestartPolicy": {"Name": "no"},
            "Tmpfs": {
                SCRATCH: f"rw,exec,nosuid,nodev,mode=1777,size={limits.tmp_mib}m,nr_inodes=200k",
                HOME: f"rw,exec,nosuid,nodev,mode=0700,{owner},size={limits.home_mib}m,nr_inodes=200k",
            },
            "Memory": limits.memory_mib * MIB,
            "MemorySwap": limits.memory_mib * MIB,
            "NanoCpus": int(limits.cpus * 1_000_000_000),
            "PidsLimit": limits.pids,
            "Ulimits": [
                {"Name": "core", "Soft": 0, "Hard": 0},
                {"Name": "nofile", "Soft": limits.open_files, "Hard": limits.open_files},
                {"Name": "fsize", "Soft": limits.file_mib * MIB, "Hard": limits.file_mib * MIB},
            ],
            "Mounts": [
                {"Type": "volume", "Source": mount.volume, "Target": mount.target, "ReadOnly": mount.read_only}
                for mount in self.mounts
            ],
        }


def labels(*, instance: str, kind: str, task: str = "", **more: str) -> dict[str, str]:
    """Return the labels by which an object is known as ours."""
    own = {LABEL_INSTANCE: instance, LABEL_KIND: kind, LABEL_TASK: task, LABEL_CREATED: str(int(time.time()))}
    return {**own, **more}


def overlay_options(lower: str, layer: str) -> dict[str, str] | None:
    """Return the ``local`` driver's options for an overlay, or None when these paths can not be written as options."""
    if any(char in path for path in (lower, layer) for char in ",:\\"):
        return None
    folders = f"lowerdir={lower},upperdir={layer}/upper,workdir={layer}/work"
    return {"type": "overlay", "device": "overlay", "o": f"{folders},nodev,nosuid"}
