"""The same engine by every way there is: a unix socket, plain TCP on loopback, TLS, and ssh."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path

import anyio
import pytest
from anyio.abc import ByteStream
from anyio.streams.tls import TLSListener

from pullwright.agents.errors import SandboxUnavailable
from pullwright.sandbox.docker_engine import LOST, DockerEngine, ObjectMissing
from pullwright.sandbox.engine_dial import EngineAddress
from tests.integration.sandbox.certificates import make_certificates, server_context
from tests.integration.sandbox.containers import plain_spec, running, said
from tests.means import missing

pytestmark = [pytest.mark.anyio, pytest.mark.docker]

FAKE_SSH = """#!/bin/sh
echo "$@" >> {log}
while [ "$1" != -- ]; do shift; done
shift 2
exec "$@"
"""
"""Runs the remote command here; everything else is as with ssh."""


async def pump(source: ByteStream, target: ByteStream) -> None:
    with suppress(*LOST):
        async for chunk in source:
            await target.send(chunk)


async def pump_in(outside: ByteStream, inside: ByteStream) -> None:
    await pump(outside, inside)
    with suppress(*LOST):
        await inside.send_eof()


@asynccontextmanager
async def forwarded(certificates: Path | None = None) -> AsyncIterator[str]:
    """Offer the local engine on a TCP port."""
    path = EngineAddress.parse("", {}).path

    async def serve(outside: ByteStream) -> None:
        async with outside, await anyio.connect_unix(path) as inside, anyio.create_task_group() as tasks:
            tasks.start_soon(pump_in, outside, inside)
            await pump(inside, outside)
            tasks.cancel_scope.cancel()

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.listeners[0].extra(anyio.abc.SocketAttribute.local_port)
    secured = (
        TLSListener(listener, server_context(certificates), standard_compatible=False) if certificates else listener
    )
    async with secured, anyio.create_task_group() as tasks:
        tasks.start_soon(secured.serve, serve)
        yield f"tcp://127.0.0.1:{port}"
        tasks.cancel_scope.cancel()


@asynccontextmanager
async def by_unix(folder: Path, patch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    yield ""


@asynccontextmanager
async def by_tcp(folder: Path, patch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    async with forwarded() as url:
        yield url


@asynccontextmanager
async def by_tls(folder: Path, patch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    certificates = folder / "certificates"
    make_certificates(certificates)
    patch.setenv("DOCKER_TLS_VERIFY", "1")
    patch.setenv("DOCKER_CERT_PATH", str(certificates))
    # What the environment wants for the web must not come between us and the engine.
    patch.setenv("REQUESTS_CA_BUNDLE", "/nonexistent/bundle.pem")
    patch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    async with forwarded(certificates) as url:
        yield url


@asynccontextmanager
async def by_ssh(folder: Path, patch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    if shutil.which("docker") is None:
        missing("no docker command, which ssh would start on the other side")
    programs = folder / "programs"
    programs.mkdir()
    (programs / "ssh").write_text(FAKE_SSH.format(log=folder / "ssh.log"))
    (programs / "ssh").chmod(0o755)
    patch.setenv("PATH", str(programs), prepend=":")
    yield "ssh://agent@engine.example:2222"
    used = set((folder / "ssh.log").read_text().splitlines())
    assert used == {
        "-T -o BatchMode=yes -o ConnectTimeout=30 -p 2222 -l agent -- engine.example docker system dial-stdio"
    }


Way = Callable[[Path, pytest.MonkeyPatch], AbstractAsyncContextManager[str]]


@pytest.fixture(params=[by_unix, by_tcp, by_tls, by_ssh])
async def engine(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[DockerEngine]:
    way: Way = request.param
    async with way(tmp_path, monkeypatch) as url, DockerEngine(url or None) as made:
        yield made


async def test_calls_and_streams_go(engine: DockerEngine) -> None:
    facts = await engine.facts()
    assert facts.version
    assert facts.has("seccomp")
    async with running(engine, await plain_spec(engine)) as container:
        assert (
            await said(engine, container, ("sh", "-c", "echo $A; exec 2>&1; echo two >&2"), {"A": "one"})
            == "one\ntwo\n"
        )
        await echoes(engine, container)
        await ends_its_input(engine, container)
        await tells_what_is_wrong(engine, container)
    with pytest.raises(ObjectMissing):
        await engine.exec_stream(container, ("true",), {})


async def echoes(engine: DockerEngine, container: str) -> None:
    """A megabyte goes in and comes out, both at once, and neither side waits for the other's end."""
    content = bytes(range(256)) * 4096
    async with await engine.exec_stream(container, ("cat",), {}) as stream, anyio.create_task_group() as tasks:
        tasks.start_soon(stream.send, content)
        received = b""
        while len(received) < len(content):
            received += await stream.receive()
        assert received == content


async def ends_its_input(engine: DockerEngine, container: str) -> None:
    async with await engine.exec_stream(container, ("wc", "-c"), {}) as stream:
        await stream.send(b"x" * 1000)
        try:
            await stream.send_eof()
        except NotImplementedError:
            assert engine.url.startswith("tcp:")
            return
        assert await stream.receive() == b"1000\n"
        with pytest.raises(anyio.EndOfStream):
            await stream.receive()
        assert await engine.exec_code(stream.exec_id) == 0


async def tells_what_is_wrong(engine: DockerEngine, container: str) -> None:
    async with await engine.exec_stream(container, ("sh", "-c", "echo why >&2; exit 3"), {}, stdin=False) as stream:
        with pytest.raises(anyio.EndOfStream):
            await stream.receive()
        assert stream.stderr == "why"
    assert await engine.exec_code(stream.exec_id) == 3


async def test_a_certificate_of_somebody_else_is_not_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with by_tls(tmp_path, monkeypatch) as url:
        make_certificates(tmp_path / "other")
        monkeypatch.setenv("DOCKER_CERT_PATH", str(tmp_path / "other"))
        async with DockerEngine(url) as engine:
            with pytest.raises(SandboxUnavailable, match="do not trust each other"):
                await engine.facts()


async def test_a_host_that_does_not_answer_by_ssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ssh").write_text("#!/bin/sh\nexit 255\n")
    (tmp_path / "ssh").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    async with DockerEngine("ssh://engine.example") as engine:
        with pytest.raises(SandboxUnavailable, match="docker -H ssh"):
            await engine.facts()
