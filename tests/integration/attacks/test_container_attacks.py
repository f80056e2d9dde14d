"""From inside a container to the host, to the orchestrator and to other runs: each attempt is stopped."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import anyio
import pytest
from anyio.abc import SocketStream

from pullwright.agents.errors import SandboxGone
from pullwright.agents.ports.sandbox import Base, Sandbox, Workspace
from pullwright.sandbox.docker_engine import DockerEngine
from tests.integration.attacks.inside import FILES, said
from tests.integration.sandbox.repositories import git

pytestmark = [pytest.mark.anyio, pytest.mark.docker]

CANARY = "canary-5f2c9e"
SECRETS = ("OPENAI_API_KEY", "AGENT_MODEL_KEY", "AGENT_GITHUB_TOKEN", "AGENT_GIT_TOKEN", "GH_TOKEN", "JIRA_API_TOKEN",
           "SENTRY_AUTH_TOKEN", "AWS_SECRET_ACCESS_KEY", "HTTPS_PROXY", "SOME_HOST_SETTING")  # fmt: skip

CGROUPS = "for f in $(find /sys/fs/cgroup -name {file}); do echo {text} 2>/dev/null > $f && exit 0; done; exit 1"
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
    "writes in the cgroups": CGROUPS.format(file="cgroup.procs", text="$$"),
    "sets a release agent": CGROUPS.format(file="release_agent", text="/tmp/x"),
    "raises its own limits": "ulimit -Hf unlimited || ulimit -Hc 1",
    "shields itself from the memory killer": "echo -1000 > /proc/self/oom_score_adj",
    "finds the engine's socket": "find / -xdev -type s 2>/dev/null | grep -q . || test -e /run/docker.sock",
    "writes in the system": "touch /etc/x || touch /usr/bin/x || touch /var/x || touch /x || touch /run/x",
    "writes in the pristine base": "touch /pristine/x || rm /pristine/README.md || touch /pristine/.git/x",
    "makes the pristine base writable": "mount -o remount,rw /pristine",
    "lists the engine's folders": "test -e /var/lib/docker || test -e /proc/1/root/var/lib/docker",
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
    "traces it": "python3 -c 'import ctypes, sys; exit(ctypes.CDLL(None).ptrace(16, int(sys.argv[1])) != 0)' $PPID",
}


SET_UID = """
from subprocess import PIPE, Popen
with Popen(['su'], stdin=PIPE, stdout=PIPE, stderr=PIPE) as su:
    su.stderr.read(1)  # it asks for the password now
    print(*open(f'/proc/{su.pid}/status').read().partition('Uid:')[2].split()[:4])
    su.kill()
"""
EVERYWHERE = "/proc/*/environ /proc/*/cmdline /etc /home /opt /root /run /tmp /var /workspace /pristine"

CWD_TRICKS = [*(f"/proc/self/fd/{number}" for number in range(3, 12)), "/proc/1/cwd", "/proc/1/root", "/proc/self/cwd"]


@pytest.fixture(scope="module", autouse=True)
def canaries(base: Base) -> Iterator[None]:
    """Secrets of the host, in its environment and in the mirror that the files come from, before anything starts."""
    git(base.mirror, "config", "remote.origin.url", f"https://x-access-token:{CANARY}@example.com/owner/name.git")
    git(base.mirror, "config", "http.extraHeader", f"Authorization: {CANARY}")
    with pytest.MonkeyPatch.context() as patch:
        for name in SECRETS:
            patch.setenv(name, CANARY)
        yield


@pytest.fixture
async def host_service() -> AsyncIterator[tuple[int, list[object]]]:
    """A service of the host on all of its addresses, and who has reached it."""
    reached: list[object] = []

    async def answer(stream: SocketStream) -> None:
        async with stream:
            reached.append(stream)

    async with await anyio.create_tcp_listener(local_host="0.0.0.0") as listener, anyio.create_task_group() as group:
        group.start_soon(partial(listener.serve, answer))
        yield listener.extra(anyio.abc.SocketAttribute.local_port), reached
        group.cancel_scope.cancel()


async def still_works(workspace: Workspace) -> bool:
    """Whether a new sandbox comes up on the files that an ended one has left."""
    async with workspace.open_sandbox() as sandbox:
        return await sandbox.read_file("kept") == b"1" and await sandbox.read_file("README.md") == FILES["README.md"]


@pytest.mark.parametrize("attack", REFUSED)
async def test_refused_when_a_command(shared: Sandbox, attack: str) -> None:
    """Container escapes by what the engine's defaults leave open: capabilities, devices, /proc, /sys, cgroups."""
    result = await shared.exec(REFUSED[attack], timeout=20)
    assert result.exit_code not in (0, None), result.stdout.text


async def test_a_set_uid_program_gives_no_privilege(shared: Sandbox) -> None:
    """Privilege escalation inside as the first half of an escape."""
    assert await said(shared, "id -u; id -g; id -G") == "10001\n10001\n10001"
    assert await said(shared, "stat -c '%A %u' $(which su)") == "-rwsr-xr-x 0", "there is nothing here to try it with"
    await shared.write_file("/tmp/su.py", SET_UID.encode())
    assert await said(shared, "python3 /tmp/su.py") == "10001 10001 10001 10001"
    status = await said(shared, "grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/self/status")
    fields = dict(line.split(":\t", 1) for line in status.splitlines())
    assert {value for name, value in fields.items() if name.startswith("Cap")} == {"0" * 16}
    assert (fields["NoNewPrivs"], fields["Seccomp"]) == ("1", "2")


async def test_nothing_is_writable_but_the_workspace_and_memory(shared: Sandbox) -> None:
    """Whatever else could be written would outlive the run, or reach the next one."""
    places = {"/tmp", "/home/agent", "/workspace"}
    assert set((await said(shared, "find / -xdev ! -type l -writable 2>/dev/null")).splitlines()) == places
    mounts = [line.split(" ") for line in (await said(shared, "cat /proc/mounts")).splitlines()]
    writable = {where: options for _, where, _, options, *_ in mounts if options.startswith("rw")}
    kernel = {where for where in writable if where.startswith(("/proc", "/dev", "/sys"))}
    assert writable.keys() - kernel == places
    assert all("nosuid" in writable[where] and "nodev" in writable[where] for where in places)


@pytest.mark.parametrize("attack", RUNNER)
async def test_the_runner_is_out_of_reach_when_a_command(shared: Sandbox, attack: str) -> None:
    """Frameworks whose in-container server shares its user, its token and its pipes with the agent."""
    result = await shared.exec(RUNNER[attack], timeout=20)
    assert result.exit_code not in (0, None)
    assert "ermission denied" in result.stderr.text or "traces" in attack


@pytest.mark.parametrize(
    "attack",
    ["kill -9 $PPID; sleep 9", "kill -9 -1", "kill -9 1; kill -9 $PPID; sleep 9", "kill -SEGV $PPID; sleep 9"],
    ids=["killing the runner", "killing everything", "killing the first process", "crashing the runner"],
)
async def test_only_its_own_sandbox_ends_by(workspace: Workspace, shared: Sandbox, attack: str) -> None:
    """An agent that kills its supervisor: a clear error of this run, its files kept, its neighbours untouched."""
    async with workspace.open_sandbox() as sandbox:
        await sandbox.write_file("kept", b"1")
        for command in (attack, "true"):
            with pytest.raises(SandboxGone) as caught:
                await sandbox.exec(command, timeout=20)
            assert "open a new one" in str(caught.value)
            assert "\n" not in str(caught.value)
    assert await said(shared, "echo alive") == "alive"
    assert await still_works(workspace)


async def test_freezing_the_runner_ends_the_sandbox_and_hangs_nobody(workspace: Workspace) -> None:
    """An agent that stops its supervisor, so that whoever waits for it waits for ever."""
    async with workspace.open_sandbox() as sandbox:
        await sandbox.write_file("kept", b"1")
        with anyio.fail_after(30), pytest.raises(SandboxGone, match="did not answer within"):
            await sandbox.exec("kill -STOP $PPID", timeout=1)
    assert await still_works(workspace)


@pytest.mark.parametrize("where", CWD_TRICKS)
async def test_no_working_folder_leads_out_of_the_container(shared: Sandbox, where: str) -> None:
    """CVE-2024-21626: a leaked descriptor as working folder; here forged in the report that the runner follows."""
    root = await said(shared, "stat -c %d:%i /")
    look = (
        "stat -c %d:%i $(pwd -P | sed 's|/.*|/|'); ls -d ../../../../../var/lib/docker ../../../../../run/docker.sock"
    )
    try:
        await shared.exec(f"printf '{where}\\n' >&99; exec true", timeout=20)
        followed = await shared.exec(look, timeout=20)
        asked = await shared.exec(look, timeout=20, cwd=where)
    finally:
        await shared.exec("true", timeout=20, cwd="/workspace")
    assert followed.stdout.text == f"{root}\n"
    assert asked.stdout.text in (f"{root}\n", "")


@pytest.mark.parametrize("way", ["{path}", "../../../../../../..{path}", "/proc/1/root{path}", "link", "folder/{name}"])
async def test_no_path_given_to_a_file_tool_reaches_the_host(shared: Sandbox, tmp_path: Path, way: str) -> None:
    """File tools of several frameworks followed links and dots out of the workspace, on the host."""
    secret = tmp_path / "host-secret"
    secret.write_text(CANARY)
    await said(shared, f"ln -sfn {secret} link; ln -sfn {tmp_path} folder")
    path = way.format(path=secret, name=secret.name)
    with pytest.raises(OSError, match=path):
        await shared.read_file(path)
    with suppress(OSError):  # the container may have a folder of that name by now
        await shared.write_file(path, b"overwritten")
    assert secret.read_text() == CANARY


async def test_a_link_to_the_root_shows_the_container_only(shared: Sandbox) -> None:
    """The same with the names that every system has."""
    await said(shared, "ln -sfn / root; ln -sfn /etc/passwd passwd")
    assert await shared.read_file("root/etc/hostname") == b"sandbox\n"
    with pytest.raises(PermissionError):
        await shared.read_file("root/etc/shadow")
    for path in ("passwd", "root/etc/passwd", "/proc/sys/kernel/core_pattern"):
        with pytest.raises(OSError, match=path):
            await shared.write_file(path, b"evil::0:0::/:/bin/sh\n")


async def test_a_pipe_or_device_instead_of_a_file_hangs_nobody(shared: Sandbox) -> None:
    """A planted FIFO or endless device that a file view waits for."""
    await said(shared, "rm -f pipe; mkfifo pipe; ln -sf /dev/zero zero")
    for path in ("pipe", "zero", "/dev/zero"):
        with anyio.fail_after(10), pytest.raises(OSError, match=path):
            await shared.read_file(path, limit=1000)


@pytest.mark.parametrize(
    "place", ["env", "cat /proc/*/environ | tr '\\0' '\\n'", "cat /proc/*/cmdline | tr '\\0' '\\n'"]
)
async def test_no_secret_of_the_host_is_in_a_process(shared: Sandbox, place: str) -> None:
    """Tokens inside the sandbox: what most hosted agents still have there."""
    told = await said(shared, f"{place} 2>/dev/null")
    assert "PATH=" in told or "sleep" in told
    assert CANARY not in told


async def test_no_secret_of_the_host_is_in_a_file(shared: Sandbox) -> None:
    """A remote's URL with a token in .git/config, a credential file, a mounted settings folder."""
    pattern = f"{CANARY[:-1]}[{CANARY[-1]}]"
    await said(shared, f"echo {CANARY[:-1]}'{CANARY[-1]}' > /tmp/planted")
    assert await said(shared, f"grep -rsl --devices=skip {pattern} {EVERYWHERE} 2>/dev/null") == "/tmp/planted"
    assert (
        await said(shared, "rm /tmp/planted; git remote; git config --list | grep -E 'remote|credential|url|http'")
        == ""
    )


async def test_there_is_no_network_but_loopback(shared: Sandbox) -> None:
    """Firewalls that cover only some processes; here there is nothing to filter."""
    assert await said(shared, "tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' '") == "lo"
    assert await said(shared, "tail -n +2 /proc/net/route | wc -l") == "0"


async def test_services_of_the_host_are_unreachable(shared: Sandbox, host_service: tuple[int, list[object]]) -> None:
    """Whatever the host has on 0.0.0.0 is reachable from the engine's bridges, internal ones too."""
    port, reached = host_service
    async with DockerEngine() as engine:
        bridge = await engine.call("inspect bridge", lambda client: client.inspect_network("bridge"))
    gateways = {entry.get("Gateway", "172.17.0.1") for entry in bridge["IPAM"]["Config"]}
    own = {str(entry[4][0]) for entry in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)}
    for address in {"127.0.0.1", "0.0.0.0", "host.docker.internal", "gateway.docker.internal"} | gateways | own:
        assert (await shared.exec(f"timeout 3 bash -c '</dev/tcp/{address}/{port}'", timeout=20)).exit_code != 0
    assert reached == []


@pytest.mark.parametrize("address", ["169.254.169.254/80", "169.254.170.2/80", "100.100.100.200/80", "1.1.1.1/443"])
async def test_no_packet_leaves_to(shared: Sandbox, address: str) -> None:
    """Credentials of the host's cloud role by the metadata address; data straight to an attacker."""
    result = await shared.exec(f"timeout 5 bash -c '</dev/tcp/{address}'", timeout=20)
    assert "Network is unreachable" in result.stderr.text


@pytest.mark.parametrize(
    "query",
    [
        "getent hosts example.com",
        "exec 3<>/dev/udp/1.1.1.1/53",
        "exec 3<>/dev/udp/127.0.0.11/53 && echo x >&3 && head -c 1 <&3",
    ],
)
async def test_no_name_is_asked_outside(shared: Sandbox, query: str) -> None:
    """Data in DNS names (CVE-2025-55284); engines whose resolver serves closed networks (CVE-2024-29018)."""
    assert (await shared.exec(f"timeout 5 bash -c '{query}'", timeout=20)).exit_code not in (0, 124, None)
