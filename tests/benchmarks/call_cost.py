"""What one streamed call costs in CPU, with a short and a long history, next to the ``openai`` package's own way.

usage: python tests/benchmarks/call_cost.py [CALLS]

Both sides send the same growing history (two more messages per call) to the same loopback server and read the same
stream. The server is a process of its own, so that the CPU counted is the client's alone.
"""

from __future__ import annotations

import json
import socketserver
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Awaitable, Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import anyio
import openai

from pullwright.agents.llm.openai_model import OpenAIModel
from pullwright.agents.llm.profile import profile
from pullwright.agents.llm.render import render_messages, render_tools
from pullwright.agents.llm.settings import EndpointSettings
from pullwright.agents.message import AssistantMessage, Message, SystemMessage, ToolCall, ToolResult, UserMessage
from pullwright.agents.ports.model import ModelRequest, ReplyClass
from pullwright.agents.testing.contracts_model import BASH

GOAL_MS = 4.0
LENGTHS = (10, 500)
ARGUMENTS = json.dumps({"command": "grep -rn 'def render' src | head -20"})
OUTPUT = "src/module.py:17:    return [render(item) for item in items]  # a line of output\n" * 25
THOUGHT = "I look for the place where the messages are rendered, and whether it is one place. " * 2


def events() -> Iterator[bytes]:
    """A reply as vLLM streams it: reasoning, then a call in pieces, the usage, the end."""
    deltas: list[dict[str, object]] = [{"role": "assistant", "content": ""}]
    deltas += [{"reasoning": THOUGHT[start : start + 8]} for start in range(0, len(THOUGHT), 8)]
    head = {"index": 0, "id": "aB3dE6gH9", "type": "function", "function": {"name": "bash", "arguments": ""}}
    deltas.append({"tool_calls": [head]})
    for start in range(0, len(ARGUMENTS), 4):
        deltas.append({"tool_calls": [{"index": 0, "function": {"arguments": ARGUMENTS[start : start + 4]}}]})
    envelope = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    choices: list[dict[str, object]] = [{"index": 0, "delta": delta, "finish_reason": None} for delta in deltas]
    choices.append({"index": 0, "delta": {}, "finish_reason": "tool_calls"})
    usage = {"prompt_tokens": 9000, "completion_tokens": 60, "total_tokens": 9060}
    chunks = [*({**envelope, "choices": [choice]} for choice in choices), {**envelope, "choices": [], "usage": usage}]
    yield from (b"data: %b\n\n" % json.dumps(chunk).encode() for chunk in chunks)
    yield b"data: [DONE]\n\n"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    reply = tuple(events())
    connections = 0

    def setup(self) -> None:
        Handler.connections += 1
        super().setup()

    def log_message(self, format: str, *args: object) -> None: ...

    def do_GET(self) -> None:
        listed = {"object": "list", "data": [{"id": "m"}], "connections": Handler.connections}
        self._head({"Content-Type": "application/json", "Content-Length": str(len(json.dumps(listed)))})
        self.wfile.write(json.dumps(listed).encode())

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self._head({"Content-Type": "text/event-stream", "Transfer-Encoding": "chunked"})
        for event in self.reply:
            self.wfile.write(b"%x\r\n%b\r\n" % (len(event), event))
        self.wfile.write(b"0\r\n\r\n")

    def _head(self, headers: dict[str, str]) -> None:
        self.send_response(200)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()


def serve() -> None:
    socketserver.ThreadingMixIn.daemon_threads = True
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        print(server.server_address[1], flush=True)
        server.serve_forever()


def history(length: int) -> list[Message]:
    messages: list[Message] = [SystemMessage(content="Act."), UserMessage(content="Fix the bug.")]
    while len(messages) < length:
        messages += turn(len(messages))
    return messages


def turn(number: int) -> list[Message]:
    call = ToolCall(id=f"{number:09d}", name="bash", arguments=ARGUMENTS)
    asked = AssistantMessage(reasoning=THOUGHT, tool_calls=(call,))
    return [asked, ToolResult(call_id=call.id, name="bash", content=OUTPUT)]


async def measured(length: int, calls: int, ask: Callable[[list[Message]], Awaitable[None]]) -> tuple[float, float]:
    """Return the medians of CPU and wall time of a call, in milliseconds; the first calls warm up and do not count."""
    messages = history(length)
    cpu: list[float] = []
    wall: list[float] = []
    for _ in range(calls + 3):
        cpu_before, before = time.process_time(), time.perf_counter()
        await ask(messages)
        cpu.append(1000 * (time.process_time() - cpu_before))
        wall.append(1000 * (time.perf_counter() - before))
        messages += turn(len(messages))
    return statistics.median(cpu[3:]), statistics.median(wall[3:])


async def ours(url: str, length: int, calls: int) -> tuple[float, float]:
    async with OpenAIModel.open(EndpointSettings(url=url, profile="vllm")) as model:

        async def ask(messages: list[Message]) -> None:
            asked = ModelRequest(conversation_id="c", messages=tuple(messages), tools=(BASH,))
            assert (await model.complete(asked)).kind is ReplyClass.CALLS

        return await measured(length, calls, ask)


async def package(url: str, length: int, calls: int) -> tuple[float, float]:
    vllm = profile("vllm")
    tools = render_tools((BASH,), vllm)
    async with openai.AsyncOpenAI(base_url=url, api_key="none", max_retries=0) as client:
        rendered: list[dict[str, object]] = []

        async def ask(messages: list[Message]) -> None:
            rendered.extend(render_messages(messages[len(rendered) :], vllm))
            options = {"stream": True, "stream_options": {"include_usage": True}, "max_tokens": 16_384}
            stream = await client.chat.completions.create(model="m", messages=rendered, tools=tools, **options)  # type: ignore[call-overload]
            pieces = [
                piece.function.arguments
                async for chunk in stream
                for choice in chunk.choices
                for piece in choice.delta.tool_calls or ()
            ]
            assert "".join(pieces) == ARGUMENTS

        return await measured(length, calls, ask)


def connections(url: str) -> int:
    with urllib.request.urlopen(f"{url}/models") as answer:
        return int(json.load(answer)["connections"])


def main() -> None:
    calls = int(sys.argv[1]) if len(sys.argv) > 1 else 40
    server = subprocess.Popen([sys.executable, __file__, "--serve"], stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    try:
        url = f"http://127.0.0.1:{int(server.stdout.readline())}/v1"
        print(f"{calls} streamed calls of {len(Handler.reply)} events each, medians; goal {GOAL_MS:g} ms CPU per call")
        print(f"{'messages':>10}{'pullwright CPU ms':>20}{'wall ms':>10}{'openai create CPU ms':>24}{'wall ms':>10}")
        for length in LENGTHS:
            before = connections(url)
            mine = anyio.run(ours, url, length, calls)
            opened = connections(url) - before - 1  # the question itself opens one
            theirs = anyio.run(package, url, length, calls)
            print(f"{length:>10}{mine[0]:>20.2f}{mine[1]:>10.2f}{theirs[0]:>24.2f}{theirs[1]:>10.2f}", end="")
            print(f"   connections: {opened}")
    finally:
        server.terminate()
        server.wait(10)
        server.stdout.close()


if __name__ == "__main__":
    serve() if sys.argv[1:] == ["--serve"] else main()
