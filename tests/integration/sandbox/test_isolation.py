"""What a command inside can reach. Each line of the README's promise is one probe here."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pullwright.agents.errors import SandboxGone
from pullwright.agents.ports.sandbox import Sandbox
from pullwright.sandbox.container_spec import ContainerLimits
from tests.integration.sandbox.engine import docker_provider
from tests.integration.sandbox.repositories import make_checkout, mirrored

pytestmark = [pytest.mark.anyio, pytest.mark.docker]

CANARY = "canary-5f2c9e"
LIMITS = ContainerLimits(memory_mib=512, pids=128, tmp_mib=32, home_mib=16, file_mib=64)


@pytest.fixture
async def sandbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Sandbox]:
    for name in ("OPENAI_API_KEY", "AGENT_GITHUB_TOKEN", "AGENT_GIT_TOKEN", "HTTPS_PROXY", "SOME_HOST_SETTING"):
        monkeypatch.setenv(name, CANARY)
    make_checkout(tmp_path / "checkout", {"a": b"1\n"})
    base = mirrored(tmp_path / "checkout", tmp_path / "mirror.git")
    async with (
        docker_provider(limits=LIMITS) as provider,
        provider.open(base, task_id="isolation") as workspace,
        workspace.open_sandbox() as opened,
    ):
        yield opened


async def run(sandbox: Sandbox, command: str) -> str:
    result = await sandbox.exec(command, timeout=60)
    return (result.stdout.text + result.stderr.text).strip()


async def test_no_secret_and_no_path_of_the_host(sandbox: Sandbox) -> None:
    where = "/proc/*/environ /proc/*/cmdline /etc /home /opt /run /tmp /var /workspace"
    assert await run(sandbox, f"env; grep -rsl {CANARY[:-1]}[{CANARY[-1]}] {where} 2>/dev/null") != ""
    assert CANARY not in await run(sandbox, "env; cat /proc/*/environ | tr '\\0' '\\n'")
    assert await run(sandbox, f"grep -rsl {CANARY[:-1]}[{CANARY[-1]}] {where} 2>/dev/null") == ""
    assert await run(sandbox, "ls /var/run/docker.sock /run/docker.sock 2>/dev/null") == ""
    assert await run(sandbox, "git remote; git config --get-regexp 'remote|credential|url|http'") == ""
    assert await run(sandbox, "cat .git/config | grep -c mirror") == "0"


async def test_no_privilege(sandbox: Sandbox) -> None:
    assert await run(sandbox, "id -u; id -g; id -G") == "10001\n10001\n10001"
    status = await run(sandbox, "grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/self/status")
    fields = dict(line.split(":\t", 1) for line in status.splitlines())
    assert {name: value for name, value in fields.items() if name.startswith("Cap")} == dict.fromkeys(
        ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"), "0" * 16
    )
    assert (fields["NoNewPrivs"], fields["Seccomp"]) == ("1", "2")
    for attempt in (
        "mount -t tmpfs none /mnt",
        "unshare -U true",
        "chown 0 a",
        "mknod /tmp/x b 8 0",
        "su -c id",
        "chroot / id",
        "echo 1 > /proc/sys/kernel/sysrq",
    ):
        assert (await sandbox.exec(attempt, timeout=20)).exit_code not in (0, None), attempt


async def test_nothing_is_writable_but_the_workspace_and_two_tmpfs(sandbox: Sandbox) -> None:
    attempts = "/etc/x /usr/x /var/x /opt/pullwright/layer/upper/x /x /run/x"
    assert await run(sandbox, f"for f in {attempts}; do touch $f 2>/dev/null && echo $f; done") == ""
    assert "Read-only file system" in await run(sandbox, "touch /opt/pullwright/layer/upper/x")
    assert await run(sandbox, "touch /tmp/x ~/x /workspace/x && echo yes") == "yes"
    assert (
        await sandbox.exec("printf '#!/bin/sh\\necho ran' > /tmp/p; chmod +x /tmp/p; /tmp/p", timeout=20)
    ).stdout.text
    assert await run(sandbox, "grep -E ' (/tmp|/home/agent|/workspace) ' /proc/mounts | grep -vc nosuid") == "0"


async def test_no_network_but_loopback(sandbox: Sandbox) -> None:
    assert await run(sandbox, "tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' '") == "lo"
    assert await run(sandbox, "tail -n +2 /proc/net/route | wc -l") == "0"
    probe = "import socket; socket.create_connection(('169.254.169.254', 80), 3)"
    assert (await sandbox.exec(f'python3 -c "{probe}"', timeout=20)).exit_code == 1
    assert (await sandbox.exec("getent hosts example.com", timeout=20)).exit_code == 2


async def test_limits_hold_and_the_sandbox_survives_them(sandbox: Sandbox) -> None:
    assert "No space left" in await run(sandbox, "head -c 40M /dev/zero > /tmp/full")
    assert "No space left" in await run(sandbox, "rm /tmp/full; head -c 20M /dev/zero > ~/full")
    await run(sandbox, "rm ~/full")
    large = await sandbox.exec("head -c 70M /dev/zero > large", timeout=60)
    assert large.exit_code not in (0, None)
    assert await run(sandbox, "rm large; ulimit -c") == "0"
    bomb = await sandbox.exec("x=$(head -c 900M /dev/zero | tr '\\0' x)", timeout=60)
    assert bomb.exit_code != 0
    assert await run(sandbox, "echo alive") == "alive"


async def test_a_fork_bomb_ends_at_its_time_limit(sandbox: Sandbox) -> None:
    result = await sandbox.exec("b() { b | b & }; b; sleep 60", timeout=2)
    assert result.exit_code is None or result.seconds < 30
    assert await run(sandbox, "ls -d /proc/[0-9]* | wc -l") in {str(number) for number in range(3, 10)}


async def test_a_command_may_kill_the_runner_but_gains_nothing(sandbox: Sandbox) -> None:
    with pytest.raises(SandboxGone):
        await sandbox.exec("kill -9 $PPID; sleep 5", timeout=20)
    with pytest.raises(SandboxGone):
        await sandbox.exec("true", timeout=20)


async def test_a_file_that_never_ends_or_never_answers_does_not_hang(sandbox: Sandbox) -> None:
    await run(sandbox, "mkfifo pipe")
    with pytest.raises(OSError, match="pipe"):
        await sandbox.read_file("pipe")
    with pytest.raises(OSError, match="zero"):
        await sandbox.read_file("/dev/zero", limit=1000)
    with pytest.raises(PermissionError):
        await sandbox.read_file("/etc/shadow")
    with pytest.raises(OSError, match="passwd"):
        await sandbox.write_file("/etc/passwd", b"x")
