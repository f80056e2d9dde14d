"""Many scripted runs in one process: as a worker does it, and as bare loops around ``openai``. And their endpoint."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import anyio
import openai
from anyio import create_task_group

from pullwright.agents.clock import SystemClock
from pullwright.agents.llm.openai_model import OpenAIModel
from pullwright.agents.llm.settings import EndpointSettings
from pullwright.agents.ports.engine import Segment
from pullwright.agents.ports.lease import Worker
from pullwright.agents.ports.sandbox import ExecResult
from pullwright.agents.queue.sql_store import SqlStore
from pullwright.agents.testing.endpoint_http import Server
from pullwright.agents.testing.fake_environments import FakeEnvironments
from pullwright.agents.testing.fake_mirror import FakeMirror
from pullwright.agents.testing.fake_sandbox import FakeProvider, FakeSandbox, output
from pullwright.agents.testing.scripted_endpoint import ScriptedEndpoint
from pullwright.agents.testing.scripted_model import Reply
from pullwright.agents.worker.advance import Advancer
from pullwright.agents.worker.parts import Parts
from pullwright.agents.worker.queue_engine import QueueEngine
from pullwright.integrations.wording import ChangeWording
from pullwright.sandbox.verifier import FreshVerifier
from tests.benchmarks.bare_loop import TOOLS
from tests.benchmarks.queue_places import opened

THINK_SECONDS: Final = 1.0
"""How long the endpoint thinks, so that all runs are in flight at once."""

OUTPUT: Final = "src/module.py:17:    return [render(item) for item in items]\n" * 30
FILES: Final = {"a": b"old\n"}


async def endpoint(steps: str) -> None:
    """Be a model that has one command run at each step, changes a file first and hands in at last."""

    def answer(request: Mapping[str, Any]) -> Reply:
        turn = [message["role"] for message in request["messages"]].count("assistant")
        if turn == 0:
            return Reply(calls=(("write", {"path": "a", "content": "new\n"}),))
        if turn < int(steps):
            return Reply(calls=(("bash", {"command": f"grep -n {turn} src"}),))
        return Reply(calls=(("finish", {"title": "Change a", "summary": "Because.", "checks": []}),))

    Server.request_queue_size = 1024  # all of them connect in the same moment
    with ScriptedEndpoint(answer, latency=THINK_SECONDS) as served:
        print("ready", flush=True)
        print(served.url, flush=True)
        await anyio.sleep_forever()


async def runs(url: str, served: str, count: str) -> None:
    """Be a worker for so many runs at once; the first task warms up and does not count."""
    async with opened(url) as store, _advancer(store, served) as advance:
        print("ready", flush=True)
        first = QueueEngine(store, Worker(id="", name="warm", slots=1))

        async def only_one(segment: Segment) -> None:
            first.stop()
            await advance(segment)

        await first.serve(only_one)
        crowd = _Crowd()

        async def counted(segment: Segment) -> None:
            with crowd:
                await advance(segment)

        engine = QueueEngine(store, Worker(id="", name="bench", slots=int(count)), until_empty=True)
        before = _Use()
        await engine.serve(counted)
        before.tell(crowd.most)


async def loops(served: str, count: str) -> None:
    """Be so many loops around one client of the ``openai`` package, with the same replies and outputs."""
    async with openai.AsyncOpenAI(base_url=served, api_key="none", max_retries=0) as client:
        print("ready", flush=True)
        await _loop(client)
        crowd = _Crowd()

        async def counted() -> None:
            with crowd:
                await _loop(client)

        before = _Use()
        async with create_task_group() as group:
            for _ in range(int(count)):
                group.start_soon(counted)
        before.tell(crowd.most)


async def _loop(client: openai.AsyncOpenAI) -> None:
    messages: list[dict[str, object]] = [
        {"role": "system", "content": "Act."},
        {"role": "user", "content": "Change a."},
    ]
    options: dict[str, Any] = {
        "stream": True,
        "stream_options": {"include_usage": True},
        "reasoning_effort": "high",
        "max_tokens": 1000,
    }
    while True:
        call = {"id": "", "name": "", "arguments": ""}
        asked: Any = {"model": "scripted-mistral", "messages": messages, "tools": TOOLS, "max_tokens": 1000, **options}
        async for chunk in await client.chat.completions.create(**asked):
            for piece in (piece for choice in chunk.choices for piece in choice.delta.tool_calls or ()):
                call["id"] = call["id"] or piece.id or ""
                call["name"] += piece.function.name or ""
                call["arguments"] += piece.function.arguments or ""
        if call["name"] == "finish":
            return
        json.loads(call["arguments"])
        function = {"name": call["name"], "arguments": call["arguments"]}
        calls = [{"id": call["id"], "type": "function", "function": function}]
        messages.append({"role": "assistant", "content": "", "tool_calls": calls})
        messages.append({"role": "tool", "tool_call_id": call["id"], "content": OUTPUT})


@asynccontextmanager
async def _advancer(store: SqlStore, served: str) -> AsyncIterator[Advancer]:
    provider = FakeProvider(FILES, _answered)
    with tempfile.TemporaryDirectory(prefix="pullwright-bench-") as folder:
        async with OpenAIModel.open(EndpointSettings(url=served, profile="vllm")) as model:
            yield Advancer(
                Parts(
                    store=store,
                    model=model,
                    sandboxes=provider,
                    verifier=FreshVerifier(provider),
                    environments=FakeEnvironments(),
                    mirror=FakeMirror(dict(FILES)),
                    code_host=lambda _: None,
                    wording=ChangeWording(),
                    clock=SystemClock(),
                    patches=Path(folder),
                )
            )


async def _answered(command: str, sandbox: FakeSandbox) -> ExecResult:
    del sandbox
    return output(OUTPUT if "grep" in command else "")


class _Crowd:
    """How many were at it at once."""

    def __init__(self) -> None:
        self.now = self.most = 0

    def __enter__(self) -> None:
        self.now += 1
        self.most = max(self.most, self.now)

    def __exit__(self, *error: object) -> None:
        self.now -= 1


class _Use:
    """The CPU and memory of this process from now on."""

    def __init__(self) -> None:
        Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here; proc(5)
        self._cpu = time.process_time()
        self._resident = _status("VmRSS")

    def tell(self, most: int) -> None:
        """Print CPU seconds, KiB of memory above what there was, and how many were at it at once."""
        print(time.process_time() - self._cpu, _status("VmHWM") - self._resident, most, flush=True)


def _status(name: str) -> int:
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(fields[name].split()[0])
