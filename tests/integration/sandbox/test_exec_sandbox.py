"""A sandbox without Python in it: the contract, and what a container that means harm can do to it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from pullwright.agents.errors import ProtocolViolation, SandboxGone, SandboxUnavailable
from pullwright.agents.ports.sandbox import Base
from pullwright.agents.testing.contracts_sandbox import (
    FilesContract,
    ProcessContract,
    ServiceContract,
    ServiceProcessContract,
)
from pullwright.sandbox.docker_engine import DockerEngine
from pullwright.sandbox.exec_sandbox import ExecSandbox, open_exec_sandbox
from tests.integration.sandbox.bare_image import bare_image, busybox_image
from tests.integration.sandbox.bare_provider import BASE, BareProvider
from tests.integration.sandbox.containers import plain_spec, running, said
from tests.means import missing

pytestmark = [pytest.mark.anyio, pytest.mark.docker]


@pytest.fixture(params=["dash", "busybox"])
async def provider(request: pytest.FixtureRequest) -> AsyncIterator[BareProvider]:
    async with DockerEngine() as engine:
        image = await (bare_image if request.param == "dash" else busybox_image)(engine)
        if image is None:
            missing("no static busybox here (Debian's package busybox-static)")
        yield BareProvider(engine, image)


@pytest.fixture
def base() -> Base:
    return BASE


class TestFiles(FilesContract):
    pass


class TestProcesses(ProcessContract):
    # It is about taking changes out, which is not done here.
    test_deletions_modes_and_ignored_files = None  # type: ignore[assignment]


class TestServices(ServiceContract):
    pass


class TestServiceProcesses(ServiceProcessContract):
    pass


@pytest.fixture
async def sandbox(provider: BareProvider) -> AsyncIterator[ExecSandbox]:
    async with provider.open(BASE, task_id="t") as workspace, workspace.open_sandbox() as opened:
        yield opened


async def run(sandbox: ExecSandbox, command: str) -> str:
    result = await sandbox.exec(command, timeout=30)
    return (result.stdout.text + result.stderr.text).strip()


async def test_there_is_no_python_and_every_command_starts_the_same(sandbox: ExecSandbox) -> None:
    assert await run(sandbox, "command -v python3 || echo none") == "none"
    assert (
        await run(sandbox, "echo $GREETING $HOME $TERM $CI $LANG; id -u") == "hello /home/agent dumb 1 C.UTF-8\n10001"
    )
    assert await run(sandbox, "ls -A /tmp") == ""


async def test_names_and_contents_of_every_kind(sandbox: ExecSandbox) -> None:
    for name in (
        "with space",
        'quo"te',
        "new\nline",
        "-dash",
        "*",
        "$(id)",
        "`id`",
        "ümläut",
        "a;b",
        "\\n",
        "deep/er/x",
    ):
        await sandbox.write_file(name, name.encode() + b"\0\xff\n")
        assert await sandbox.read_file(name) == name.encode() + b"\0\xff\n", name
    for name in ("nul\0", "\udcff", "x" * 5000):
        with pytest.raises(OSError):
            await sandbox.read_file(name)


async def test_the_mode_of_a_file_is_kept_and_links_are_followed(sandbox: ExecSandbox) -> None:
    await run(sandbox, "chmod 751 src/app.py; ln -s src/app.py link; ln -s nowhere dangling; ln -s loop loop")
    await sandbox.write_file("link", b"new")
    assert await run(sandbox, "stat -c %a src/app.py; cat src/app.py") == "751\nnew"
    with pytest.raises(FileNotFoundError):
        await sandbox.read_file("dangling")
    with pytest.raises(OSError, match="loop"):
        await sandbox.read_file("loop")


async def test_what_can_not_be_read_or_written_does_not_hang(sandbox: ExecSandbox) -> None:
    await run(sandbox, "mkfifo pipe; : > closed; chmod 0 closed; mkdir shut; chmod 0 shut")
    for path in ("pipe", "/dev/zero", "/dev/null"):
        with pytest.raises(OSError, match=path):
            await sandbox.read_file(path, limit=10)
        with pytest.raises(OSError, match=path):
            await sandbox.write_file(path, b"x")
    for path in ("closed", "shut/x", "/etc/new"):
        with pytest.raises(PermissionError):
            await sandbox.write_file(path, b"x")
    for path in ("closed", "shut/x"):
        with pytest.raises(PermissionError):
            await sandbox.read_file(path)
    with pytest.raises(NotADirectoryError):
        await sandbox.read_file("README.md/x")
    with pytest.raises(OSError, match="long"):
        await sandbox.write_file("x" * 300, b"x")
    with pytest.raises(OSError, match=r"No space left|Input/output"):
        await sandbox.write_file("/tmp/large", b"x" * (40 << 20))
    with pytest.raises(OSError, match="File too large"):
        await sandbox.write_file("large", b"x" * (70 << 20))
    await run(sandbox, "rm large")


async def test_a_long_command_runs_from_a_file_that_goes_again(sandbox: ExecSandbox) -> None:
    assert (
        await run(sandbox, "echo start\n" + ": 0123456789\n" * 20_000 + "ls -A /tmp | wc -l; cd /; exit 3")
        == "start\n1"
    )
    assert await run(sandbox, "pwd; ls -A /tmp") == "/"
    assert (await sandbox.exec("echo \0", timeout=20)).exit_code == 126


async def test_an_exit_code_is_not_taken_for_a_signal(sandbox: ExecSandbox) -> None:
    for code in (0, 1, 127, 128, 137, 255):
        result = await sandbox.exec(f"exit {code}", timeout=20)
        assert (result.exit_code, result.signal) == (code, None)
    for number in (1, 2, 9, 15):
        result = await sandbox.exec(f"kill -{number} $$", timeout=20)
        assert (result.exit_code, result.signal, result.stderr.text) == (None, number, "")


async def test_a_command_may_kill_everything_but_the_container(sandbox: ExecSandbox) -> None:
    result = await sandbox.exec("kill -9 $PPID; echo said", timeout=20)
    assert (result.exit_code, result.signal, result.stdout.text) == (None, 9, "said\n")
    await sandbox.exec("kill -9 -1", timeout=20)
    assert await run(sandbox, "echo alive") == "alive"


async def test_a_fork_bomb_ends_at_its_time_limit_and_no_zombie_is_left(sandbox: ExecSandbox) -> None:
    await sandbox.start_service("web", "sleep 3600")
    result = await sandbox.exec("b() { b | b & }; b 2>/dev/null; sleep 60", timeout=2)
    assert result.timed_out or result.exit_code == 2  # dash gives up by itself when it can not fork
    assert await run(sandbox, "grep -l '^State:.[ZX]' /proc/[0-9]*/status") == ""
    assert (await sandbox.read_service("web")).running


async def test_what_a_command_says_about_itself_changes_nothing_else(sandbox: ExecSandbox) -> None:
    forged = "tr '\\0' '\\n' < /proc/$PPID/cmdline | grep -E '^[0-9a-f]{32}$'"
    script = f"token=$({forged}); kill -9 $PPID; printf '\\n%s nonsense\\n/etc\\n%s\\n' $token $token >&2"
    with pytest.raises(ProtocolViolation):
        await sandbox.exec(script, timeout=20)
    assert await run(sandbox, "trap 'cd /nowhere 2>&-' EXIT; echo fine") == "fine"
    assert (
        await run(sandbox, "rm -rf /tmp/.pullwright*; mkfifo $(echo /tmp/.pullwright-0); pwd; rm /tmp/.p*")
        == "/workspace"
    )


async def test_a_service_that_changes_its_mark_is_known_by_its_parent(sandbox: ExecSandbox) -> None:
    await sandbox.start_service("web", "(echo 700 > /proc/self/oom_score_adj; exec sleep 6.51) & wait")
    assert await run(sandbox, "echo $(pgrep -fc '^slee[p] 6.51')") == "1"
    assert await run(sandbox, "echo $(pgrep -fc '^slee[p] 6.51')") == "1"
    await sandbox.stop_service("web")
    assert await run(sandbox, "echo $(pgrep -fc '^slee[p] 6.51')") == "0"


async def test_a_container_that_ended_is_gone() -> None:
    async with DockerEngine() as engine:
        spec = replace(await plain_spec(engine), command=("sleep", "600"), init=False)
        async with (
            running(engine, spec) as name,
            open_exec_sandbox(engine, name, workspace="/", home="/tmp") as sandbox,
        ):
            assert await run(sandbox, "echo up") == "up"
            await engine.call("kill", lambda client: client.kill(name))
            for attempt in (
                sandbox.exec("true", timeout=5),
                sandbox.read_file("x"),
                sandbox.start_service("x", "true"),
            ):
                with pytest.raises(SandboxGone):
                    await attempt


async def test_an_image_that_lacks_what_is_needed_says_what() -> None:
    async with DockerEngine() as engine, running(engine, await plain_spec(engine)) as name:
        await said(engine, name, ("sh", "-c", "mkdir /tmp/p; ln -s /bin/sh /tmp/p"))
        for path, missing in (("/nowhere", "'sh'"), ("/tmp/p", "'cat'")):
            with pytest.raises(SandboxUnavailable, match=missing):
                async with open_exec_sandbox(engine, name, workspace="/", home="/tmp", variables={"PATH": path}):
                    raise AssertionError
