"""The runner in a real container: what its equals can not do to it, and what its end takes along."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import pytest
from anyio.abc import ByteStream

from pullwright.sandbox.bootstrap import RUNNER_ARGV
from pullwright.sandbox.channels import ConnectionHandler
from pullwright.sandbox.docker_engine import DockerEngine
from pullwright.sandbox.runner_client import RunnerClient
from tests.integration.sandbox.containers import plain_spec, running

pytestmark = [pytest.mark.anyio, pytest.mark.docker]
PORT = 3128
ATTACH = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
for request in (16, 0x4206):  # PTRACE_ATTACH, PTRACE_SEIZE
    print(libc.ptrace(request, os.getppid(), 0, 0), os.strerror(ctypes.get_errno()))
"""


@pytest.fixture
async def engine() -> AsyncIterator[DockerEngine]:
    async with DockerEngine() as opened:
        yield opened


@asynccontextmanager
async def runner(
    engine: DockerEngine, container: str, *, end_all: bool = False, ports: Mapping[int, ConnectionHandler] | None = None
) -> AsyncIterator[RunnerClient]:
    async with (
        await engine.exec_stream(container, RUNNER_ARGV, {}) as stream,
        RunnerClient.open(stream, workspace="/tmp", home="/tmp", ports=ports, end_all=end_all) as client,
    ):
        yield client


async def is_running(engine: DockerEngine, container: str) -> bool:
    info = await engine.call("inspect", lambda client: client.inspect_container(container))
    return bool(info["State"]["Running"])


async def test_a_command_can_not_look_into_the_runner_or_speak_for_it(engine: DockerEngine) -> None:
    async with running(engine, await plain_spec(engine)) as container, runner(engine, container) as client:
        for attempt in (
            "cat /proc/$PPID/environ",
            "ls /proc/$PPID/fd",
            "echo forged > /proc/$PPID/fd/1",
            "cat /proc/$PPID/mem",
            "ls /proc/$PPID/cwd/",
            "cat /proc/$PPID/maps",
        ):
            result = await client.exec(attempt, timeout=20)
            assert result.exit_code != 0, attempt
            assert "ermission denied" in result.stderr.text, attempt
        await client.write_file("attach.py", ATTACH.encode())
        assert (await client.exec("exec python3 attach.py", timeout=20)).stdout.text == (
            "-1 Operation not permitted\n-1 Operation not permitted\n"
        )
        # What the agent may do with its own processes is not taken away.
        own = "sleep 5 & for i in 1 2 3; do cat /proc/$!/environ >/dev/null && exit; sleep 0.1; done; exit 1"
        assert (await client.exec(own, timeout=20)).exit_code == 0
        assert (await client.exec("cat /proc/self/oom_score_adj", timeout=20)).stdout.text == "500\n"


async def test_a_container_ends_with_the_stream(engine: DockerEngine) -> None:
    async with running(engine, await plain_spec(engine)) as container:
        async with runner(engine, container, end_all=True) as client:
            await client.start_service("s", "setsid sleep 1000")
            assert await is_running(engine, container)
        await engine.call("wait", lambda client: client.wait(container, timeout=20))
        assert not await is_running(engine, container)


async def test_without_the_word_only_what_it_started_ends(engine: DockerEngine) -> None:
    async with running(engine, await plain_spec(engine)) as container:
        async with runner(engine, container) as client:
            await client.start_service("s", "setsid sleep 1001")
        async with runner(engine, container) as client:
            assert (await client.exec("pgrep -f '^slee[p] 1001'", timeout=20)).exit_code == 1
        assert await is_running(engine, container)


async def test_as_root_it_ends_nobody_else_and_furnishes_its_home(engine: DockerEngine) -> None:
    furnish = (
        "mkdir -p /opt/pullwright/home/.config && cd /opt/pullwright/home && echo 1 > .config/x && ln -s x .config/y"
    )
    async with running(engine, await plain_spec(engine, root=True)) as container:
        async with runner(engine, container, end_all=True) as client:
            assert client.notices == ()
            assert (await client.exec(f"{furnish} && mkfifo pipe", timeout=20)).exit_code == 0
        assert await is_running(engine, container)
        async with runner(engine, container) as client:
            assert (await client.exec("cat ~/.config/x; readlink ~/.config/y", timeout=20)).stdout.text == "1\nx\n"
            assert (await client.exec("stat -c %a ~", timeout=20)).stdout.text == "1777\n"
            assert len(client.notices) == 1
            assert "pipe" in client.notices[0]


async def test_connections_leave_through_the_stream(engine: DockerEngine) -> None:
    async def upper(stream: ByteStream) -> None:
        async for piece in stream:
            await stream.send(piece.upper())

    script = "exec 3<>/dev/tcp/127.0.0.1/3128; echo hello >&3; head -n 1 <&3"
    async with (
        running(engine, await plain_spec(engine)) as container,
        runner(engine, container, ports={PORT: upper}) as client,
    ):
        assert (await client.exec(script, timeout=20)).stdout.text == "HELLO\n"
        assert (await client.exec("grep -c ' 0A ' /proc/net/tcp", timeout=20)).stdout.text == "1\n"
