"""What a delivery costs: from the first byte sent to the 202, at 200 deliveries a second, over real HTTP and SQLite.

    python -m tests.benchmarks.intake_cost [--rate 200] [--seconds 10]

Three servers, each a process of its own, get the same signed deliveries at the same moments, whether they keep up or
not: a bare FastAPI route that reads the body and answers, the door, and the door while deliveries are dealt with too.
A delivery's time counts from the moment it was due, so that waiting behind others is in it.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import anyio
from anyio import connect_tcp, create_memory_object_stream, create_task_group
from anyio.streams.buffered import BufferedByteReceiveStream
from fastapi import APIRouter, FastAPI, Request

from pullwright.agents.background import beside
from pullwright.agents.clock import SystemClock
from pullwright.agents.intake.decisions import Decision, Ignore, Reply
from pullwright.agents.intake.reception import Reception
from pullwright.agents.ports.inbox import Delivery
from pullwright.agents.queue.open import open_store
from pullwright.agents.task import TaskSpec
from pullwright.agents.worker.outbox import Made
from pullwright.agents.worker.queue_engine import QueueEngine
from pullwright.cli.server.app import make_app
from pullwright.cli.server.listen import listen
from pullwright.cli.server.tasks import Filing
from pullwright.cli.server.webhooks import Webhooks
from pullwright.integrations.github.door import SOURCE, GitHubDoor
from pullwright.integrations.github.meanings import BotIdentity
from pullwright.integrations.signatures import GITHUB, Secret, sign
from pullwright.integrations.testing.contract_gate import contracts_folder

SECRET = "a secret for measuring"
BOT = BotIdentity(host="github.com", login="Codertocat", user_id=1)
CONNECTIONS = 64
MODES = {"bare": "bare FastAPI route", "door": "the door", "intake": "the door, and deliveries dealt with"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=int, default=200, help="deliveries a second")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--serve", choices=sorted(MODES), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        anyio.run(serve, options.serve)
        return
    print(f"{options.rate} deliveries/s for {options.seconds:g} s, load {os.getloadavg()[0]:.1f}, milliseconds")
    print(f"{'':38}{'p50':>8}{'p99':>8}{'most':>8}{'CPU each':>10}")
    for mode, name in MODES.items():
        print(f"{name:38}{anyio.run(measured, mode, options.rate, options.seconds)}", flush=True)


async def serve(mode: str) -> None:
    """Be the server; tells its port, and at the end of its input its processor time."""
    closing = anyio.Event()
    async with serving(mode, closing) as app, create_task_group() as group:
        port = await group.start(partial(listen, app, host="127.0.0.1", port=0, closing=closing))
        begun = time.process_time()
        print(port, flush=True)
        await anyio.to_thread.run_sync(sys.stdin.read)
        print(time.process_time() - begun, flush=True)
        group.cancel_scope.cancel()


@asynccontextmanager
async def serving(mode: str, closing: anyio.Event) -> AsyncIterator[FastAPI]:
    if mode == "bare":
        yield bare()
        return

    async def specify(filing: Filing) -> TaskSpec:
        raise AssertionError("only ignored deliveries are sent here")

    clock = SystemClock()
    with TemporaryDirectory() as folder:
        async with open_store(f"sqlite:///{Path(folder) / 'inbox.db'}", clock) as store:
            hooks = Webhooks(store, [GitHubDoor("main", [Secret(name="a", value=SECRET)], BOT)], clock=clock)
            reception = Reception(store, {SOURCE: Nothing()}, clock=clock)
            async with beside(reception.serve) if mode == "intake" else nullcontext():
                yield make_app(store, QueueEngine(store), specify, token="t" * 32, closing=closing, more=hooks.routes())


def bare() -> FastAPI:
    router = APIRouter()

    @router.post("/webhooks/{source}/{connection}", status_code=202)
    async def take(request: Request) -> dict[str, Any]:
        return {"status": "accepted" if await request.body() else "ignored"}

    app = FastAPI()
    app.include_router(router)
    return app


class Nothing:
    """Does nothing about a delivery, which still has to be taken and settled."""

    async def handle(self, delivery: Delivery) -> Decision:
        return Ignore(reason="measured")

    async def reply(self, delivery: Delivery, reply: Reply) -> Made:
        raise AssertionError("only ignored deliveries are sent here")

    async def find_reply(self, delivery: Delivery, reply: Reply) -> Made | None:
        raise AssertionError("only ignored deliveries are sent here")


async def measured(mode: str, rate: int, seconds: float) -> str:
    """Return one line of the table."""
    command = [sys.executable, "-m", "tests.benchmarks.intake_cost", "--serve", mode]
    async with await anyio.open_process(command, stderr=None) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        said = BufferedByteReceiveStream(server.stdout)
        port = int(await said.receive_until(b"\n", 100))
        requests = [request(number) for number in range(int(rate * seconds))]
        times = sorted(await sent(port, requests, rate))
        await server.stdin.aclose()
        processor = float(await said.receive_until(b"\n", 100))
    p99 = times[int(len(times) * 0.99)]
    cells = [statistics.median(times), p99, times[-1]]
    return "".join(f"{1000 * cell:8.1f}" for cell in cells) + f"{1000 * processor / len(times):10.2f}"


async def sent(port: int, requests: list[bytes], rate: int) -> list[float]:
    """Send each request when it is due, and return how long after that each was answered."""
    times: list[float] = []
    due, ready = create_memory_object_stream[tuple[float, bytes]](len(requests))

    async def connection() -> None:
        async with await connect_tcp("127.0.0.1", port) as stream:
            answers = BufferedByteReceiveStream(stream)
            async for moment, content in ready:
                await stream.send(content)
                head = await answers.receive_until(b"\r\n\r\n", 4096)
                assert head.startswith(b"HTTP/1.1 202"), head
                await answers.receive_exactly(int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0]))
                times.append(time.monotonic() - moment)

    async with create_task_group() as group:
        for _ in range(CONNECTIONS):
            group.start_soon(connection)
        begun = time.monotonic() + 0.5
        for number, content in enumerate(requests):
            moment = begun + number / rate
            await anyio.sleep(max(moment - time.monotonic(), 0))
            due.send_nowait((moment, content))
        due.close()
    return times


def request(number: int) -> bytes:
    """Return one signed request: a real payload of a label, another issue each time."""
    document = json.loads((contracts_folder() / "github" / "webhooks" / PAYLOAD).read_text())
    document["issue"]["number"] = number + 1
    document["label"]["name"] = "agent"
    document["sender"]["id"] = 2
    body = json.dumps(document).encode()
    headers = {
        "Host": "127.0.0.1",
        "Content-Type": "application/json",
        "X-GitHub-Event": "issues",
        "X-GitHub-Delivery": f"{number:08d}-measure",
        "Content-Length": str(len(body)),
        **dict(sign(GITHUB, SECRET, body)),
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"POST /webhooks/github/main HTTP/1.1\r\n{head}\r\n".encode() + body


PAYLOAD = "issues.labeled.json"


if __name__ == "__main__":
    main()
