"""What engines of several kinds say, and what a person is told."""

from __future__ import annotations

from typing import Any

import pytest

from pullwright.agents.errors import SandboxUnavailable
from pullwright.agents.finding import Mark
from pullwright.sandbox.engine_facts import gives, read_facts

DEBIAN: dict[str, Any] = {
    "ServerVersion": "20.10.24+dfsg1",
    "ApiVersion": "1.41",
    "Driver": "overlay2",
    "DriverStatus": [["Backing Filesystem", "extfs"], ["Supports d_type", "true"]],
    "MemoryLimit": True,
    "SwapLimit": True,
    "CpuCfsQuota": True,
    "PidsLimit": True,
    "CgroupDriver": "cgroupfs",
    "CgroupVersion": "1",
    "KernelVersion": "6.1.0",
    "OperatingSystem": "Debian GNU/Linux 12 (bookworm)",
    "Runtimes": {"runc": {"path": "runc"}, "io.containerd.runc.v2": {"path": "runc"}},
    "DefaultRuntime": "runc",
    "LiveRestoreEnabled": False,
    "SecurityOptions": ["name=seccomp,profile=default"],
    "Warnings": None,
    "Components": [
        {"Name": "Engine", "Version": "20.10.24+dfsg1", "Details": {"ApiVersion": "1.41"}},
        {"Name": "runc", "Version": "1.1.5+ds1", "Details": {"GitCommit": "1.1.5+ds1-1+deb12u1"}},
    ],
}
UPSTREAM = DEBIAN | {
    "ServerVersion": "29.1.0",
    "DriverStatus": [["Backing Filesystem", "xfs"]],
    "CgroupDriver": "systemd",
    "CgroupVersion": "2",
    "SecurityOptions": ["name=apparmor", "name=seccomp,profile=builtin", "name=cgroupns"],
    "Components": [{"Name": "runc", "Version": "1.3.3", "Details": {"GitCommit": "v1.3.3-0-gd842d771"}}],
}
ROOTLESS = UPSTREAM | {"SecurityOptions": ["name=seccomp,profile=builtin", "name=rootless", "name=cgroupns"]}
ROOTLESS_V1 = ROOTLESS | {
    "CgroupDriver": "none",
    "CgroupVersion": "1",
    "MemoryLimit": False,
    "PidsLimit": False,
    "CpuCfsQuota": False,
}
USERNS = UPSTREAM | {"SecurityOptions": ["name=seccomp,profile=builtin", "name=userns"]}
GVISOR = UPSTREAM | {"Runtimes": {"runc": {"path": "runc"}, "runsc": {"path": "/usr/bin/runsc"}}}


def marks(told: dict[str, Any]) -> dict[str, Mark]:
    return {guarantee.name: guarantee.mark for guarantee in gives(read_facts(told))}


def text(told: dict[str, Any], name: str) -> str:
    return next(guarantee.text for guarantee in gives(read_facts(told)) if guarantee.name == name)


def test_facts_of_a_distributions_engine() -> None:
    facts = read_facts(DEBIAN)
    assert (facts.version, facts.api_version, facts.storage_driver) == ("20.10.24+dfsg1", "1.41", "overlay2")
    assert (facts.backing_filesystem, facts.cgroup_version, facts.cgroup_driver) == ("extfs", "1", "cgroupfs")
    assert (facts.runc, facts.runtimes, facts.warnings) == (
        "1.1.5+ds1-1+deb12u1",
        ("io.containerd.runc.v2", "runc"),
        (),
    )
    assert facts.has("seccomp")
    assert not facts.has("apparmor")


def test_a_stock_engine_works_and_could_be_stronger() -> None:
    found = marks(DEBIAN)
    assert Mark.MISSING not in found.values()
    assert {name for name, mark in found.items() if mark is Mark.WARN} == {
        "access control",
        "isolation",
        "runc",
        "disk",
    }
    assert "change log" in text(DEBIAN, "runc")
    assert "userns-remap" in text(DEBIAN, "isolation")


def test_an_engine_of_today() -> None:
    assert {name for name, mark in marks(UPSTREAM).items() if mark is not Mark.OK} == {"isolation"}


@pytest.mark.parametrize("told", [ROOTLESS, USERNS, GVISOR, UPSTREAM | {"DefaultRuntime": "runsc"}])
def test_stronger_tiers(told: dict[str, Any]) -> None:
    assert marks(told)["isolation"] is Mark.OK


def test_a_stronger_runtime_is_named_with_the_setting_that_takes_it() -> None:
    assert "AGENT_SANDBOX_RUNTIME=runsc" in text(GVISOR, "isolation")


def test_limits_that_are_not_enforced_are_missing() -> None:
    found = marks(ROOTLESS_V1)
    assert {name for name, mark in found.items() if mark is Mark.MISSING} == {"memory", "processes", "cpu"}
    assert "cgroup v2" in text(ROOTLESS_V1, "memory")
    assert "delegate" in text(ROOTLESS_V1, "memory")
    assert marks(DEBIAN | {"SwapLimit": False})["memory"] is Mark.WARN


def test_without_seccomp_nothing_starts() -> None:
    assert marks(DEBIAN | {"SecurityOptions": None})["system calls"] is Mark.MISSING


@pytest.mark.parametrize(
    ("version", "good"),
    [
        ("1.2.8", True),
        ("1.2.7", False),
        ("1.3.3", True),
        ("1.3.2", False),
        ("1.4.0", True),
        ("2.0.0", True),
        ("1.1.15", False),
        ("", False),
        ("abcdef", False),
    ],
)
def test_which_runc_is_repaired(version: str, good: bool) -> None:
    told = UPSTREAM | {"Components": [{"Name": "runc", "Version": version, "Details": {"GitCommit": "v"}}]}
    assert (marks(told)["runc"] is Mark.OK) is good


@pytest.mark.parametrize("driver", ["btrfs", "zfs", "vfs", "fuse-overlayfs"])
def test_every_storage_driver_has_a_word(driver: str) -> None:
    assert text(DEBIAN | {"Driver": driver}, "disk")


def test_an_unknown_engine_is_read_as_one_that_gives_nothing() -> None:
    assert marks({})["system calls"] is Mark.MISSING
    with pytest.raises(SandboxUnavailable):
        read_facts({"DriverStatus": "no list"})
