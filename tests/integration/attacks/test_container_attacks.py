"""From inside a container to the host, to the orchestrator and to other runs: each attempt is stopped."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pullwright.agents.errors import EmptyChange, ProtocolViolation, SandboxError, SandboxGone
from pullwright.agents.ports.sandbox import Base, Sandbox, Workspace
from pullwright.sandbox.docker_provider import DockerProvider
from tests.integration.attacks.conftest import CANARY, FILES
from tests.integration.attacks.inside import said

pytestmark = [pytest.mark.anyio, pytest.mark.docker]

REFUSED = {
    "mounts a file system": "mount -t tmpfs none /mnt",
    "binds the root elsewhere": "mount --bind / /mnt",
    "becomes root in a user namespace": "unshare -Ur true",
    "makes a network namespace": "unshare -n true",
    "enters the first process's namespaces": "nsenter -t 1 -m -n true",
    "changes the root": "chroot / id",
    "makes a block device": "mknod /tmp/disk b 8 0",
    "makes a character device": "mknod /tmp/kmsg c 1 11",
    "gives a file to root": "touch /tmp/mine; chown 0 /tmp/mine",
    "becomes root by su": "su -c id </dev/null",
    "becomes root by a password": "echo root | su - root -c id",
    "loads a kernel module": "python3 -c 'import ctypes as c; l=c.CDLL(None); exit(l.syscall(175,0,0,0) != 0)'",
    "triggers sysrq": "echo b > /proc/sysrq-trigger",
    "allows sysrq": "echo 1 > /proc/sys/kernel/sysrq",
    "sets the host's core pattern": "echo '|/tmp/x' > /proc/sys/kernel/core_pattern",
    "sets the host's module loader": "echo /tmp/x > /proc/sys/kernel/modprobe",
    "reads the host's memory": "head -c 1 /proc/kcore | grep -q .",
    "reads the kernel's log": "dmesg | grep -q . || head -c 1 /dev/kmsg | grep -q .",
    "reads the kernel's keys": "grep -q . /proc/keys",
    "reads the firmware": "ls /sys/firmware | grep -q .",
    "reads the disk": "ls /dev/sd* /dev/vd* /dev/nvme* /dev/xvd* /dev/dm-* 2>/dev/null | grep -q .",
    "writes in the cgroups": "find /sys/fs/cgroup -name cgroup.procs -exec sh -c 'echo $$ > $1' _ {} \\; 2>&1 | grep -vq -e denied -e Read-only",
    "sets a release agent": "find /sys/fs/cgroup -name release_agent -exec sh -c 'echo /tmp/x > $1' _ {} \\; 2>&1 | grep -vq -e denied -e Read-only",
    "raises its own limits": "ulimit -Hf unlimited || ulimit -Hc 1",
    "shields itself from the memory killer": "echo -1000 > /proc/self/oom_score_adj",
    "leaves the root by the first process": "ls /proc/1/root/etc",
    "reads the engine's socket": "ls /var/run/docker.sock /run/docker.sock /run/containerd 2>/dev/null | grep -q .",
    "writes in the system": "touch /etc/x || touch /usr/bin/x || touch /var/x || touch /x || touch /run/x",
    "writes in the pristine base": "touch /pristine/x || rm /pristine/README.md || touch /pristine/.git/x",
    "makes the pristine base writable": "mount -o remount,rw /pristine",
    "lists host paths behind the workspace": "ls /var/lib/docker /proc/1/cwd/var/lib/docker 2>/dev/null | grep -q .",
}

RUNNER = {
    "reads its environment": "cat /proc/$PPID/environ",
    "reads its memory": "head -c 1 /proc/$PPID/mem",
    "reads its memory map": "cat /proc/$PPID/maps",
    "lists its descriptors": "ls /proc/$PPID/fd/",
    "forges frames on its output": "echo forged > /proc/$PPID/fd/1",
    "reads what it is sent": "timeout 2 head -c 1 /proc/$PPID/fd/0",
    "follows its folder": "ls /proc/$PPID/cwd/",
    "follows its root": "ls /proc/$PPID/root/",
    "traces it": "python3 -c 'import ctypes, os; exit(ctypes.CDLL(None).ptrace(16, os.getppid(), 0, 0) != 0)'",
}


@pytest.mark.parametrize("attack", REFUSED)
async def test_refused_when_a_command(shared: Sandbox, attack: str) -> None:
    """Container escapes by what the engine's defaults leave to root: capabilities, devices, /proc, /sys, cgroups."""
    result = await shared.exec(REFUSED[attack], timeout=20)
    assert result.exit_code not in (0, None), result.stdout.text
