from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from pullwright.agents.pool.endpoint import Endpoint
from pullwright.agents.pool.health import HttpProber
from pullwright.agents.pool.load import Load
from pullwright.agents.pool.pool import EndpointPool
from tests.unit.agents.pool.scene import replica

pytestmark = [pytest.mark.anyio]


class Server(ThreadingHTTPServer):
    """Answers paths as it was told, and notes who asked for what."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: dict[str, tuple[int, bytes]] = {}
        self.seen: list[tuple[str, str]] = []
        """Path and authorization of each request."""

    def endpoint(self, profile: str, key: str = "") -> Endpoint:
        return Endpoint(name="a", url=f"http://127.0.0.1:{self.server_port}/v1/", profile=profile, key=key)


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.seen.append((self.path, self.headers.get("Authorization", "")))
        status, body = self.server.answers.get(self.path, (404, b"nothing here"))
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "/health")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
async def prober() -> AsyncIterator[HttpProber]:
    async with HttpProber.open(secure=False) as opened:
        yield opened


@pytest.mark.parametrize(
    ("profile", "path"),
    [
        ("vllm", "/health"),
        ("sglang", "/health"),
        ("llamacpp", "/health"),
        ("ollama", "/api/version"),
        ("nim-vllm", "/v1/health/ready"),
        ("nim-sglang", "/v1/health/ready"),
        ("mistral", "/v1/models"),
    ],
)
async def test_r27_each_server_is_asked_where_it_answers(
    profile: str, path: str, server: Server, prober: HttpProber
) -> None:
    server.answers[path] = (200, b"")
    assert await prober.healthy(server.endpoint(profile))
    server.answers[path] = (503, b'{"error": "Loading model"}')
    assert not await prober.healthy(server.endpoint(profile))
    assert [seen for seen, _ in server.seen] == [path, path]


async def test_r32_the_key_goes_only_where_the_server_checks_it(server: Server, prober: HttpProber) -> None:
    await prober.healthy(server.endpoint("vllm", key="secret"))
    await prober.healthy(server.endpoint("mistral", key="secret"))
    assert server.seen == [("/health", ""), ("/v1/models", "Bearer secret")]


async def test_a_redirect_is_not_followed(server: Server, prober: HttpProber) -> None:
    server.answers |= {"/api/version": (302, b""), "/health": (200, b"")}
    assert not await prober.healthy(server.endpoint("ollama"))
    assert len(server.seen) == 1


async def test_metrics_are_read_and_endless_ones_are_cut(server: Server, prober: HttpProber) -> None:
    text = b"vllm:num_requests_waiting 4\n"
    server.answers["/metrics"] = (200, text + b"x" * 5 * 1024 * 1024)
    server.answers["/v1/metrics"] = (200, b"\xff\xfe" + text + text)
    assert await prober.load(server.endpoint("vllm")) == Load(waiting=4)
    assert await prober.load(server.endpoint("nim-vllm")) == Load(waiting=4)
    assert await prober.load(server.endpoint("llamacpp")) == Load(waiting=4)


async def test_no_metrics_are_no_load(server: Server, prober: HttpProber) -> None:
    assert await prober.load(server.endpoint("vllm")) is None


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/v1", "http://no host/v1"])
async def test_a_server_that_can_not_be_reached_is_not_healthy(url: str, prober: HttpProber) -> None:
    endpoint = Endpoint(name="a", url=url)
    assert not await prober.healthy(endpoint)
    assert await prober.load(endpoint) is None


async def test_a_pool_makes_its_own_prober() -> None:
    async with EndpointPool.open([replica("a")]) as pool:
        assert pool.name == "a"
