"""What a container engine says about itself, and what that means for a sandbox, in words for a person. Pure, no I/O."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from pullwright.agents.errors import SandboxUnavailable
from pullwright.agents.finding import Finding, Mark

RUNC_FIXED = {(1, 2): 8, (1, 3): 3}
"""Lowest patch release by line with the repairs of CVE-2025-31133, CVE-2025-52565 and CVE-2025-52881."""
STRONG_RUNTIMES = ("runsc", "kata", "kata-runtime", "io.containerd.runsc.v1", "io.containerd.kata.v2")
"""Names that gVisor and Kata Containers are registered by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineFacts:
    """What an engine says about itself. Unknown texts are empty."""

    version: str
    storage_driver: str
    cgroup_version: str
    security: tuple[str, ...]
    """Its security options as it names them: ``name=seccomp,profile=default``."""
    api_version: str = ""
    backing_filesystem: str = ""
    cgroup_driver: str = ""
    """``none`` when a rootless engine can not limit anything."""
    memory_limit: bool = False
    swap_limit: bool = False
    cpu_limit: bool = False
    pids_limit: bool = False
    default_runtime: str = ""
    runtimes: tuple[str, ...] = ()
    runc: str = ""
    """Its version, with the distribution's suffix if there is one."""
    kernel: str = ""
    system: str = ""
    live_restore: bool = False
    warnings: tuple[str, ...] = ()

    def has(self, option: str) -> bool:
        """Whether a security option (``seccomp``, ``apparmor``, ``selinux``, ``userns``, ``rootless``) is on."""
        return any(part in (option, f"name={option}") for text in self.security for part in text.split(","))


def _nothing_is_empty(value: object) -> object:
    return () if value is None else value


_Texts = Annotated[tuple[str, ...], BeforeValidator(_nothing_is_empty)]


class _Component(BaseModel):
    name: str = Field(default="", alias="Name")
    version: str = Field(default="", alias="Version")
    details: dict[str, object] | None = Field(default=None, alias="Details")


class _Info(BaseModel):
    """The engine's ``/version`` and ``/info`` together (Docker Engine API); what is left out was left out there too."""

    model_config = ConfigDict(frozen=True)

    version: str = Field(default="", alias="ServerVersion")
    api_version: str = Field(default="", alias="ApiVersion")
    storage_driver: str = Field(default="", alias="Driver")
    driver_status: Annotated[tuple[tuple[str, str], ...], BeforeValidator(_nothing_is_empty)] = Field(
        default=(), alias="DriverStatus"
    )
    cgroup_version: str = Field(default="", alias="CgroupVersion")
    cgroup_driver: str = Field(default="", alias="CgroupDriver")
    security: _Texts = Field(default=(), alias="SecurityOptions")
    memory_limit: bool = Field(default=False, alias="MemoryLimit")
    swap_limit: bool = Field(default=False, alias="SwapLimit")
    cpu_limit: bool = Field(default=False, alias="CpuCfsQuota")
    pids_limit: bool = Field(default=False, alias="PidsLimit")
    default_runtime: str = Field(default="", alias="DefaultRuntime")
    runtimes: Annotated[dict[str, object], BeforeValidator(lambda value: value or {})] = Field(
        default_factory=dict, alias="Runtimes"
    )
    components: Annotated[tuple[_Component, ...], BeforeValidator(_nothing_is_empty)] = Field(
        default=(), alias="Components"
    )
    kernel: str = Field(default="", alias="KernelVersion")
    system: str = Field(default="", alias="OperatingSystem")
    live_restore: bool = Field(default=False, alias="LiveRestoreEnabled")
    warnings: _Texts = Field(default=(), alias="Warnings")


def read_facts(told: Mapping[str, object]) -> EngineFacts:
    """Read an engine's ``/version`` and ``/info``, laid over each other.

    Raises:
        SandboxUnavailable: They are not what an engine says.
    """
    try:
        info = _Info.model_validate(told)
    except ValidationError as exc:
        raise SandboxUnavailable(
            f"container engine describes itself in an unknown form: {exc.errors()[0]['loc']}"
        ) from exc
    plain = info.model_dump(exclude={"driver_status", "components", "runtimes"})
    filesystem = dict(info.driver_status).get("Backing Filesystem", "")
    return EngineFacts(
        **plain, backing_filesystem=filesystem, runtimes=tuple(sorted(info.runtimes)), runc=_runc(info.components)
    )


def _runc(components: tuple[_Component, ...]) -> str:
    for component in components:
        if component.name == "runc":
            commit = str((component.details or {}).get("GitCommit") or "")
            # Distributions put the package's version, which says more, where upstream has a commit.
            return commit if re.match(r"\d+\.\d+\.\d+[+~-]", commit) else component.version
    return ""


def gives(facts: EngineFacts) -> tuple[Finding, ...]:
    """Return what a sandbox on this engine can rely on, each with a mark."""
    return (*_limits(facts), *_walls(facts), _runc_state(facts), _disk(facts))


def _limits(facts: EngineFacts) -> Iterator[Finding]:
    remedy = "use an engine on cgroup v2"
    if facts.has("rootless"):
        remedy += ", and let systemd delegate the controllers to its user"
    wanted = (("memory", facts.memory_limit), ("processes", facts.pids_limit), ("cpu", facts.cpu_limit))
    for name, limited in wanted:
        if not limited or facts.cgroup_driver == "none":
            text = f"limits on {name} are not enforced by this engine: {remedy}"
            yield Finding(name=name, mark=Mark.MISSING, text=text)
        elif name == "memory" and not facts.swap_limit:
            text = "limited, but swap is not: boot with swapaccount=1, or use cgroup v2"
            yield Finding(name=name, mark=Mark.WARN, text=text)
        else:
            yield Finding(name=name, mark=Mark.OK, text=f"limited (cgroup v{facts.cgroup_version or '1'})")


def _walls(facts: EngineFacts) -> Iterator[Finding]:
    if facts.has("seccomp"):
        yield Finding(name="system calls", mark=Mark.OK, text="filtered by our own seccomp profile")
    else:
        text = "this engine has no seccomp, so no sandbox starts: use a kernel and an engine that are built with it"
        yield Finding(name="system calls", mark=Mark.MISSING, text=text)
    found = [title for name, title in (("apparmor", "AppArmor"), ("selinux", "SELinux")) if facts.has(name)]
    if found:
        yield Finding(name="access control", mark=Mark.OK, text=f"{' and '.join(found)} on top of it")
    else:
        text = "neither AppArmor nor SELinux is on: one wall less around a container"
        yield Finding(name="access control", mark=Mark.WARN, text=text)
    yield _isolation(facts)


def _isolation(facts: EngineFacts) -> Finding:
    strong = [name for name in facts.runtimes if name in STRONG_RUNTIMES]
    if facts.default_runtime in STRONG_RUNTIMES:
        return Finding(
            name="isolation", mark=Mark.OK, text=f"containers get no kernel of the host ({facts.default_runtime})"
        )
    also = f"; AGENT_SANDBOX_RUNTIME={strong[0]} would be stronger" if strong else ""
    if facts.has("rootless"):
        return Finding(name="isolation", mark=Mark.OK, text=f"rootless: the engine itself is an ordinary user{also}")
    if facts.has("userns"):
        text = f"user namespace: root in a container is nobody outside{also}"
        return Finding(name="isolation", mark=Mark.OK, text=text)
    if strong:
        return Finding(name="isolation", mark=Mark.OK, text=f"shared kernel by default{also}")
    text = (
        "containers share the host's kernel and users: turn on userns-remap, use a rootless engine, install gVisor"
        " (runsc), or give this machine no other work"
    )
    return Finding(name="isolation", mark=Mark.WARN, text=text)


def _runc_state(facts: EngineFacts) -> Finding:
    match = re.match(r"v?(\d+)\.(\d+)\.(\d+)", facts.runc)
    if not match:
        text = "version unknown: it should be 1.2.8, 1.3.3 or newer (container escapes of 2025)"
        return Finding(name="runc", mark=Mark.WARN, text=text)
    major, minor, patch = (int(part) for part in match.groups())
    lowest = RUNC_FIXED.get((major, minor))
    if (lowest is not None and patch >= lowest) or (major, minor) > max(RUNC_FIXED):
        return Finding(name="runc", mark=Mark.OK, text=f"{facts.runc}, with the repairs of 2025")
    text = (
        f"{facts.runc} is older than 1.2.8 and 1.3.3, which close the container escapes of 2025"
        " (CVE-2025-31133, -52565, -52881)"
    )
    packaged = re.search(r"deb|ubuntu|el\d|fc\d|ds\d|amzn", facts.runc[match.end() :])
    remedy = "your distribution may have carried them back, look at its change log" if packaged else "update it"
    return Finding(name="runc", mark=Mark.WARN, text=f"{text}: {remedy}")


def _disk(facts: EngineFacts) -> Finding:
    driver, below = facts.storage_driver, facts.backing_filesystem
    if driver in ("btrfs", "zfs"):
        return Finding(name="disk", mark=Mark.OK, text=f"{driver} can limit it")
    if driver == "overlay2" and below == "xfs":
        return Finding(name="disk", mark=Mark.OK, text="overlay2 on xfs can limit it when mounted with pquota")
    if driver == "vfs":
        text = "vfs copies every image for every container: set storage-driver to overlay2"
        return Finding(name="disk", mark=Mark.WARN, text=text)
    where = f"{driver} on {below}" if below else driver
    text = f"{where} has no hard limit: sandboxes are watched instead; xfs with pquota, btrfs or zfs would have one"
    return Finding(name="disk", mark=Mark.WARN, text=text)
