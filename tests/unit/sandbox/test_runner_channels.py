"""Egress channels through a real runner: real connections on loopback."""

from __future__ import annotations

import shlex
import socket
import sys
from functools import partial
from pathlib import Path

import anyio
import pytest
from anyio.abc import ByteStream, SocketStream

from pullwright.agents.errors import SandboxUnavailable
from pullwright.sandbox.frames import MOST_CHANNELS
from pullwright.sandbox.local_provider import local_runner

pytestmark = pytest.mark.anyio


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def echo(stream: ByteStream) -> None:
    async for piece in stream:
        await stream.send(piece)


async def test_a_connection_is_served_by_the_host(tmp_path: Path, port: int) -> None:
    async def upper(stream: ByteStream) -> None:
        await stream.send((await stream.receive()).upper())

    script = (
        f"import socket; s = socket.create_connection(('127.0.0.1', {port})); s.sendall(b'hello');"
        " print(s.recv(100), s.recv(100))"
    )
    async with local_runner(tmp_path, tmp_path, ports={port: upper}) as client:
        result = await client.exec(f"{sys.executable} -c {shlex.quote(script)}", timeout=20)
    assert result.stdout.text == "b'HELLO' b''\n"


async def test_much_goes_through_both_ways_while_commands_run(tmp_path: Path, port: int) -> None:
    content = bytes(range(256)) * 40_000
    async with (
        local_runner(tmp_path, tmp_path, ports={port: echo}) as client,
        await anyio.connect_tcp("127.0.0.1", port) as connection,
        anyio.create_task_group() as group,
    ):
        group.start_soon(_send_all, connection, content)
        came = bytearray()
        while len(came) < len(content):
            came += await connection.receive(1 << 20)
            if len(came) < 1 << 20:
                assert (await client.exec("echo fine", timeout=20)).stdout.text == "fine\n"
        assert came == content
        with pytest.raises(anyio.EndOfStream):
            await connection.receive()


async def _send_all(connection: SocketStream, content: bytes) -> None:
    await connection.send(content)
    await connection.send_eof()


async def test_what_was_sent_is_delivered_after_the_handler_has_returned(tmp_path: Path, port: int) -> None:
    content = b"x" * 400_000

    async def reply(stream: ByteStream) -> None:
        await stream.send(content)

    async with (
        local_runner(tmp_path, tmp_path, ports={port: reply}),
        await anyio.connect_tcp("127.0.0.1", port) as connection,
    ):
        came = bytearray()
        async for piece in connection:
            came += piece
        assert came == content


async def test_a_handler_that_gives_up_is_a_reset_not_an_end(tmp_path: Path, port: int) -> None:
    async def half(stream: ByteStream) -> None:
        await stream.send(b"half")
        await stream.receive()
        raise anyio.BrokenResourceError

    async with (
        local_runner(tmp_path, tmp_path, ports={port: half}),
        await anyio.connect_tcp("127.0.0.1", port) as connection,
    ):
        assert await connection.receive() == b"half"
        await connection.send(b"go on")
        with pytest.raises(anyio.BrokenResourceError):
            await connection.receive()


async def test_one_that_nobody_reads_stops_nothing(tmp_path: Path, port: int) -> None:
    stuck = anyio.Event()

    async def flood(stream: ByteStream) -> None:
        while True:
            with anyio.move_on_after(0.2) as scope:
                await stream.send(b"x" * (1 << 20))
            if scope.cancelled_caught:
                stuck.set()
                await anyio.sleep_forever()

    async def deaf(stream: ByteStream) -> None:
        await anyio.sleep_forever()

    async with (
        local_runner(tmp_path, tmp_path, ports={port: flood, port + 1: deaf}) as client,
        await anyio.connect_tcp("127.0.0.1", port),
        await anyio.connect_tcp("127.0.0.1", port + 1) as second,
    ):
        await stuck.wait()
        with anyio.move_on_after(0.2) as scope:
            while True:
                await second.send(b"x" * (1 << 20))
        assert scope.cancelled_caught
        assert (await client.exec("echo fine", timeout=20)).stdout.text == "fine\n"
        await client.ping()


async def test_more_connections_than_channels_wait_their_turn(tmp_path: Path, port: int) -> None:
    started = 0
    enough = anyio.Event()
    let_go = anyio.Event()

    async def hold(stream: ByteStream) -> None:
        nonlocal started
        started += 1
        if started == MOST_CHANNELS:
            enough.set()
        await let_go.wait()
        await stream.send(b"served")

    served: list[bytes] = []

    async def connect() -> None:
        async with await anyio.connect_tcp("127.0.0.1", port) as connection:
            served.append(await connection.receive())

    async with local_runner(tmp_path, tmp_path, ports={port: hold}) as client:
        async with anyio.create_task_group() as group:
            for _ in range(MOST_CHANNELS + 10):
                group.start_soon(connect)
            await enough.wait()
            await client.ping()
            assert started == MOST_CHANNELS
            let_go.set()
        assert served == [b"served"] * (MOST_CHANNELS + 10)


async def test_nothing_but_loopback_is_listened_on(tmp_path: Path, port: int) -> None:
    async with local_runner(tmp_path, tmp_path, ports={port: echo}) as client:
        listed = (await client.exec(f"grep -il ':{port:04X} ' /proc/net/tcp /proc/net/tcp6", timeout=20)).stdout.text
        where = (await client.exec(f"grep -i ':{port:04X} 00000000:0000 0A' /proc/net/tcp", timeout=20)).stdout.text
    assert listed == "/proc/net/tcp\n"
    assert where.split()[1].startswith("0100007F:")


async def test_a_port_that_is_taken_is_said_at_once(tmp_path: Path, port: int) -> None:
    async with await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=port):
        with pytest.raises(SandboxUnavailable, match="egress ports"):
            async with local_runner(tmp_path, tmp_path, ports={port: echo}):
                raise AssertionError("it serves")


async def test_a_command_that_is_canceled_while_the_stream_is_busy(tmp_path: Path, port: int) -> None:
    async with (
        local_runner(tmp_path, tmp_path, ports={port: echo}) as client,
        await anyio.connect_tcp("127.0.0.1", port) as connection,
        anyio.create_task_group() as group,
    ):
        group.start_soon(partial(_flood, connection))
        with anyio.move_on_after(0.2) as scope:
            await client.exec("sleep 8.81", timeout=60)
        assert scope.cancelled_caught
        assert (await client.exec("pgrep -f 'slee[p] 8.81'", timeout=20)).exit_code == 1
        group.cancel_scope.cancel()


async def _flood(connection: SocketStream) -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(_drop, connection)
        while True:
            await connection.send(b"x" * (1 << 16))


async def _drop(connection: SocketStream) -> None:
    while True:
        await connection.receive(1 << 20)
