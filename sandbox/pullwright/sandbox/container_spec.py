"""What every container of ours is started with, as the engine's own JSON. Pure, no I/O.

The flags are those that were measured to hold: no capabilities, no new privileges, no network, no root, nothing
writable but two tmpfs folders and the workspace, and a limit on everything that can be used up.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from pullwright.sandbox import seccomp
from pullwright.sandbox.owner import owner

AGENT_UID = 10001
WORKSPACE = "/workspace"
PRISTINE = "/pristine"
HOME = "/home/agent"
SCRATCH = "/tmp"  # a tmpfs inside the container, not a folder of the host
LAYER = "/opt/pullwright/layer"

MIB = 1 << 20

LABEL_INSTANCE = "pullwright.instance"
LABEL_OWNER = "pullwright.owner"
LABEL_TASK = "pullwright.task"
LABEL_KIND = "pullwright.kind"
LABEL_CREATED = "pullwright.created"
LABEL_BASE = "pullwright.base"
LABEL_REPOSITORY = "pullwright.repository"

LIFETIME = 24 * 3600
"""Seconds after which a container ends by itself, whatever became of the process that started it."""

ROOT_CAPABILITIES = ("CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID")
"""What a package manager needs as root: to give files away, to become its own users, and to end what it started."""


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
    disk_mib: int = 10_240
    """What the workspace may grow by; watched, because most engines can not limit a volume."""


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
    """What it is for: ``agent``, ``setup``, ``extract``, ``apply``, ``seed``, ``layer`` and the like."""
    mounts: tuple[Mount, ...]
    labels: dict[str, str]
    limits: ContainerLimits = field(default_factory=ContainerLimits)
    root: bool = False
    """Set-up only: root inside, on a writable root file system, with the home folder on it. No network either."""
    command: tuple[str, ...] = ("sleep", str(LIFETIME))
    """The first process; the container ends with it."""
    init: bool = True
    """Whether the engine puts its own init in front of the command. Without, the command must reap orphans itself."""
    runtime: str = ""
    """An OCI runtime that the engine knows (``runsc``); by default the engine's own choice."""

    def config(self) -> dict[str, object]:
        """Return the body of the engine's create call."""
        return {
            "Image": self.image,
            "Entrypoint": [],
            "Cmd": list(self.command),
            "User": "0:0" if self.root else f"{AGENT_UID}:{AGENT_UID}",
            "Hostname": "sandbox",
            "WorkingDir": "/",
            "NetworkDisabled": True,
            "Healthcheck": {"Test": ["NONE"]},
            "Labels": self.labels,
            "HostConfig": self._host_config(),
        }

    def _host_config(self) -> dict[str, object]:
        limits = self.limits
        return {
            **self._privileges(),
            "NetworkMode": "none",
            "PublishAllPorts": False,
            "Init": self.init,
            "IpcMode": "private",
            "LogConfig": {"Type": "none"},
            "RestartPolicy": {"Name": "no"},
            "Tmpfs": self._tmpfs(),
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

    def _privileges(self) -> dict[str, object]:
        # UsernsMode is never sent: its only value would take the container out of the engine's user namespace.
        # Masked and read-only paths stay the engine's own.
        return {
            "Privileged": False,
            "CapDrop": ["ALL"],
            "CapAdd": list(ROOT_CAPABILITIES) if self.root else [],
            "SecurityOpt": ["no-new-privileges", f"seccomp={seccomp.profile_json()}"],
            "ReadonlyRootfs": not self.root,
            "Devices": [],
            **({"Runtime": self.runtime} if self.runtime else {}),
        }

    def _tmpfs(self) -> dict[str, str]:
        limits = self.limits
        scratch = f"rw,exec,nosuid,nodev,mode=1777,size={limits.tmp_mib}m,nr_inodes=200k"
        if self.root:
            return {SCRATCH: scratch}
        mine = f"mode=0700,uid={AGENT_UID},gid={AGENT_UID}"
        return {SCRATCH: scratch, HOME: f"rw,exec,nosuid,nodev,{mine},size={limits.home_mib}m,nr_inodes=200k"}


def labels(*, instance: str, kind: str, task: str = "", **more: str) -> dict[str, str]:
    """Return the labels by which an object is known as ours."""
    made = {LABEL_OWNER: owner(), LABEL_CREATED: str(int(time.time()))}
    own = {LABEL_INSTANCE: instance, LABEL_KIND: kind, LABEL_TASK: task, **made}
    return {**own, **more}
