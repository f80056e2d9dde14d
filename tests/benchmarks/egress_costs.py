"""How fast bytes get from the host into a sandbox that has no network."""

from __future__ import annotations

import statistics
import threading
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from anyio.abc import ByteStream

from pullwright.agents.egress import EgressPolicy
from pullwright.sandbox.bootstrap import RUNNER_ARGV
from pullwright.sandbox.channels import ConnectionHandler
from pullwright.sandbox.container_spec import HOME, SCRATCH, ContainerSpec, labels
from pullwright.sandbox.egress import EgressGateway, Upstreams
from pullwright.sandbox.egress.gateway import PYPI_PORT
from pullwright.sandbox.runner_client import RunnerClient
from tests.benchmarks.bench import MIB, Bench, Stopwatch, say, succeed
from tests.benchmarks.cost_table import Row
from tests.integration.sandbox.containers import running

PORT: Final = 40_000
PIECE: Final = bytes(256 * 1024)
FILE: Final = "speed-1.0.tar.gz"
READ_SOCKET: Final = f"""python3 -c '
import socket
inside = socket.create_connection(("127.0.0.1", {PORT}))
print(sum(iter(lambda: len(inside.recv(1 << 20)), 0)))'"""
READ_PACKAGE: Final = f"""python3 -c '
import urllib.request
answer = urllib.request.urlopen("http://127.0.0.1:{PYPI_PORT}/files/speed/{FILE}")
print(sum(iter(lambda: len(answer.read(1 << 20)), 0)))'"""


async def egress(bench: Bench) -> list[Row]:
    size = bench.sizes.egress_mib
    say(f"{size} MiB into a container")

    async def source(stream: ByteStream) -> None:
        for _ in range(size * MIB // len(PIECE)):
            await stream.send(PIECE)

    async with runner(bench, {PORT: source}) as client:
        stream_rate = await _rate(bench, client, READ_SOCKET)
    gateway_rate = await _gateway_rate(bench)
    plain_rate = await _plain_rate(bench)
    what = f"{size} MiB into the container"
    n = bench.sizes.copies
    return [
        Row(
            what=f"{what}, by a loopback port (docker: `exec -i`)",
            unit="MiB/s",
            measured=stream_rate,
            n=n,
            goal=40,
            plain=plain_rate,
            better="more",
        ),
        Row(
            what=f"{what}, a package from the gateway's cache", unit="MiB/s", measured=gateway_rate, n=n, better="more"
        ),
    ]


async def _gateway_rate(bench: Bench) -> float:
    with TemporaryDirectory(prefix="pullwright-bench-") as name:
        folder = Path(name)
        with package_index(folder, bench.sizes.egress_mib) as url:
            async with (
                EgressGateway(Upstreams(pypi=(url,)), cache=folder / "cache") as gateway,
                runner(bench, gateway.session(EgressPolicy()).ports) as client,
            ):
                await succeed(client, READ_PACKAGE)  # now it is in the cache
                return await _rate(bench, client, READ_PACKAGE)


async def _plain_rate(bench: Bench) -> float:
    content = bytes(bench.sizes.egress_mib * MIB)
    rates: list[float] = []
    async with bench.plain.container() as name:
        for _ in range(bench.sizes.copies):
            watch = Stopwatch()
            await bench.plain.run("exec", "--interactive", name, "sh", "-c", "cat > /dev/null", stdin=content)
            rates.append(bench.sizes.egress_mib / watch.seconds)
    return statistics.median(rates)


async def _rate(bench: Bench, client: RunnerClient, command: str) -> float:
    """Return MiB per second, the start of the reading program included."""
    rates: list[float] = []
    for _ in range(bench.sizes.copies):
        watch = Stopwatch()
        result = await succeed(client, command)
        rates.append(bench.sizes.egress_mib / watch.seconds)
        if int(result.stdout.text) != bench.sizes.egress_mib * MIB:
            raise RuntimeError(f"{result.stdout.text.strip()} bytes came in, not {bench.sizes.egress_mib} MiB")
    return statistics.median(rates)


@asynccontextmanager
async def runner(bench: Bench, ports: Mapping[int, ConnectionHandler]) -> AsyncIterator[RunnerClient]:
    """Start a container without files, with the flags of every sandbox, and a runner that serves ports."""
    marks = labels(instance=bench.instance, kind="bench")
    spec = ContainerSpec(image=bench.image, kind="bench", mounts=(), labels=marks)
    async with (
        running(bench.engine, spec) as name,
        await bench.engine.exec_stream(name, RUNNER_ARGV, {"HOME": HOME}) as stream,
        RunnerClient.open(stream, workspace=SCRATCH, home=HOME, ports=ports) as client,
    ):
        yield client


@contextmanager
def package_index(folder: Path, size_mib: int) -> Iterator[str]:
    """Serve an index of one package on this host's loopback, for the length of a block."""
    page = folder / "simple" / "speed" / "index.html"
    page.parent.mkdir(parents=True)
    page.write_text(f'<!DOCTYPE html><a href="../../{FILE}">{FILE}</a>')
    with (folder / FILE).open("wb") as file:
        file.truncate(size_mib * MIB)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/simple"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *arguments: Any) -> None:
        return
