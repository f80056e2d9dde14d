from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pullwright.agents.egress import EgressPolicy
from pullwright.sandbox.egress import Credential, EgressGateway, EgressSession, Upstreams
from pullwright.sandbox.egress.gateway import PYPI_PORT
from pullwright.sandbox.egress.page_cache import MAX_PAGE
from pullwright.sandbox.egress.pypi import describe
from tests.unit.sandbox.egress.harness import Answer, Reply, Upstream, cached, get

pytestmark = [pytest.mark.anyio]

JSON = "application/vnd.pypi.simple.v1+json"
WHEEL = "demo-1.0-py3-none-any.whl"
CONTENT = b"wheel" * 1000
METADATA = b"Metadata-Version: 2.1\n"
CANARY = "canary-5f2e"


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def index_json(*files: dict[str, object]) -> Answer:
    page = {"meta": {"api-version": "1.1"}, "name": "demo", "versions": ["1.0"], "files": list(files)}
    return Answer(json.dumps(page).encode(), headers={"Content-Type": JSON, "ETag": '"1"'})


def wheel(**changes: object) -> dict[str, object]:
    return {
        "filename": WHEEL, "url": f"../../packages/{WHEEL}", "hashes": {"sha256": sha256(CONTENT)},
        "requires-python": ">=3.8", "size": len(CONTENT), "upload-time": "2024-01-02T03:04:05.678Z", "yanked": False,
        "core-metadata": {"sha256": sha256(METADATA)}, "provenance": None, **changes,
    }  # fmt: skip


class Host:
    """A gateway for one or more indexes on the loopback, and a session of it."""

    def __init__(self, session: EgressSession, cache: Path) -> None:
        self.session = session
        self.cache = cache

    async def get(self, target: str, accept: str = "*/*") -> Reply:
        return await get(self.session.ports[PYPI_PORT], target, accept)


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as found:
        yield found


async def start(
    stack: AsyncExitStack, tmp_path: Path, upstreams: Upstreams, min_age: timedelta | None = None, budget: int = 10**9
) -> Host:
    gateway = await stack.enter_async_context(EgressGateway(upstreams, cache=tmp_path / "cache", min_age=min_age))
    return Host(gateway.session(EgressPolicy(max_bytes=budget)), tmp_path / "cache")


def serve_demo(registry: Upstream, **changes: object) -> Upstreams:
    registry.answers["/simple/demo/"] = index_json(wheel(**changes))
    registry.answers[f"/packages/{WHEEL}"] = Answer(CONTENT)
    registry.answers[f"/packages/{WHEEL}.metadata"] = Answer(METADATA)
    return Upstreams(pypi=(f"{registry.url}/simple",))


async def test_the_page_keeps_what_clients_need_and_names_our_files(
    registry: Upstream, stack: AsyncExitStack, tmp_path: Path
) -> None:
    host = await start(stack, tmp_path, serve_demo(registry))
    reply = await host.get("/simple/demo/", JSON)
    page = json.loads(reply.body)
    assert page["meta"]["api-version"] == "1.1"
    assert page["versions"] == ["1.0"]
    expected = {key: value for key, value in wheel(url=f"/files/demo/{WHEEL}").items() if key != "provenance"}
    assert page["files"] == [expected]
    html = (await host.get("/simple/demo/", "text/html")).body.decode()
    assert f'href="/files/demo/{WHEEL}#sha256={sha256(CONTENT)}"' in html
    assert 'data-requires-python="&gt;=3.8"' in html
    assert f'data-core-metadata="sha256={sha256(METADATA)}"' in html
    assert registry.paths() == ["/simple/demo/"]  # fresh for the second request
    assert registry.requests[0][1]["accept-encoding"] == "identity"
    assert [item.target for item in host.session.drain()] == ["index of demo"] * 2


async def test_files_are_fetched_once_and_named_in_decisions(
    registry: Upstream, stack: AsyncExitStack, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    host = await start(stack, tmp_path, serve_demo(registry))
    with caplog.at_level(logging.INFO, "pullwright"):
        for _ in range(2):
            assert (await host.get(f"/files/demo/{WHEEL}")).body == CONTENT
            assert (await host.get(f"/files/demo/{WHEEL}.metadata")).body == METADATA
    assert registry.paths().count(f"/packages/{WHEEL}") == 1
    assert [path.stat().st_size for path in cached(host.cache)].sort() == [len(CONTENT), len(METADATA)].sort()
    decisions = host.session.drain()
    assert {(item.target, item.allowed) for item in decisions} == {("demo 1.0", True)}
    assert sum(item.received for item in decisions) == 2 * (len(CONTENT) + len(METADATA))
    assert "pypi demo 1.0 (packages are allowed), 5000 bytes in" in caplog.text


async def test_an_html_index_is_understood(registry: Upstream, stack: AsyncExitStack, tmp_path: Path) -> None:
    page = f"""<html><head><base href="{registry.url}/packages/"></head><body>
      <a href="{WHEEL}#sha256={sha256(CONTENT)}" data-requires-python="&gt;=3.8" data-yanked="bad &lt;b&gt;"
         data-dist-info-metadata="sha256={sha256(METADATA)}">x</a>
      <a href="javascript:alert(1)">x</a> <a href="http://169.254.169.254/demo-9.9.tar.gz">x</a> <a>none</a></body>"""
    upstreams = serve_demo(registry)
    registry.answers["/simple/demo/"] = Answer(page.encode(), headers={"Content-Type": "text/html; charset=utf-8"})
    host = await start(stack, tmp_path, upstreams)
    [file] = json.loads((await host.get("/simple/demo/", JSON)).body)["files"]
    assert file == {
        "filename": WHEEL, "url": f"/files/demo/{WHEEL}", "hashes": {"sha256": sha256(CONTENT)},
        "requires-python": ">=3.8", "yanked": "bad <b>", "core-metadata": {"sha256": sha256(METADATA)},
    }  # fmt: skip
    assert (await host.get(f"/files/demo/{WHEEL}")).body == CONTENT
    assert 'data-yanked="bad &lt;b&gt;"' in (await host.get("/simple/demo/")).body.decode()


async def test_the_first_index_that_knows_a_name_answers_for_it(
    registry: Upstream, stack: AsyncExitStack, tmp_path: Path
) -> None:
    registry.answers["/first/mine/"] = index_json(wheel())
    registry.answers["/second/mine/"] = index_json(wheel(), wheel(filename="mine-99.0.tar.gz"))
    registry.answers["/second/other/"] = index_json(wheel())
    host = await start(stack, tmp_path, Upstreams(pypi=(f"{registry.url}/first", f"{registry.url}/second")))
    assert b"99.0" not in (await host.get("/simple/mine/", JSON)).body
    assert (await host.get("/simple/other/", JSON)).status == 200
    assert "/second/mine/" not in registry.paths()
    missing = await host.get("/simple/none/", JSON)
    assert (missing.status, missing.body) == (404, b"not found: 127.0.0.1 does not have it\n")


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/simple/", 403), ("/simple", 403), ("/", 403), ("/pypi/demo/json", 403), ("/simple/demo/x/", 403),
        ("/files/demo/other-1.0.tar.gz", 404), ("/files/demo/..%2fx", 400), ("/simple/demo/?x=y", 403),
        ("/simple/Demo/", 404), (f"/files/demo/{WHEEL}.metadata.metadata", 404), ("http://a.example/simple/demo/", 400),
    ],
)  # fmt: skip
async def test_nothing_else_is_served(
    registry: Upstream, stack: AsyncExitStack, tmp_path: Path, target: str, status: int
) -> None:
    host = await start(stack, tmp_path, serve_demo(registry))
    assert (await host.get(target)).status == status
    assert not {"/simple/", "/simple"} & set(registry.paths())


async def test_a_wrong_hash_is_refused_and_not_kept(registry: Upstream, stack: AsyncExitStack, tmp_path: Path) -> None:
    host = await start(stack, tmp_path, serve_demo(registry, hashes={"sha256": "0" * 64}))
    reply = await host.get(f"/files/demo/{WHEEL}")
    assert reply.status == 502
    assert b"SHA-256" in reply.body
    assert not cached(host.cache)
    assert "SHA-256" in host.session.drain()[-1].rule


@pytest.mark.parametrize(
    "answer",
    [
        Answer(b"x" * 100, headers={"Content-Encoding": "gzip"}),
        Answer(b"{", headers={"Content-Type": JSON}),
        Answer(b'{"files": {}}', headers={"Content-Type": JSON}),
        index_json(wheel(url="http://[::1")),
        Answer(b'<a href="http://[::1">x</a>', headers={"Content-Type": "text/html"}),
        Answer(b"<![x[ y ]]>", headers={"Content-Type": "text/html"}),
        Answer(b"no", status=500, headers={"X-Echo": CANARY}),
        Answer(f"you sent {CANARY}".encode(), status=401),
        Answer(f'{{"meta":{{}},"files":[],"versions":["{CANARY}"]}}'.encode(), headers={"Content-Type": JSON}),
        Answer(b"", length=MAX_PAGE + 1),
        Answer(status=302, headers={"Location": "http://169.254.169.254/latest/meta-data/"}),
        Answer(status=302, headers={"Location": "http://localhost:1/simple/demo/"}),
        Answer(status=302, headers={"Location": "file:///etc/passwd"}),
        Answer(status=302, headers={"Location": "http://[::1"}),
        Answer(status=302, headers={"Location": "/simple/demo/"}),
        Answer(status=304),
    ],
    ids=["gzip", "not json", "not an index", "bad url", "bad link", "no html", "500", "401", "echo", "short",
         "metadata", "localhost", "file", "bad", "circle", "304"],
)  # fmt: skip
async def test_a_hostile_index_is_a_short_refusal(
    registry: Upstream, stack: AsyncExitStack, tmp_path: Path, answer: Answer, caplog: pytest.LogCaptureFixture
) -> None:
    upstreams = serve_demo(registry)
    registry.answers["/simple/demo/"] = answer
    credential = Credential(f"{registry.url}/", f"Bearer {CANARY}")
    host = await start(stack, tmp_path, Upstreams(pypi=upstreams.pypi, credentials=(credential,)))
    with caplog.at_level(logging.INFO):
        reply = await host.get("/simple/demo/", JSON)
    assert registry.requests[0][1]["authorization"] == f"Bearer {CANARY}"
    assert reply.status == 502
    assert reply.body.startswith(b"blocked by Pullwright: ")
    shown = f"{reply} {host.session.drain()} {credential} {upstreams}" + caplog.text
    assert CANARY not in shown
    assert "/etc/passwd" not in str(reply)


# The HTTP library leaves a generator of its own to the garbage collector here, which trio warns about.
@pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True)
async def test_a_giant_index_is_not_read_to_its_end(
    registry: Upstream, stack: AsyncExitStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pullwright.sandbox.egress.page_cache.MAX_PAGE", 1 << 20)
    host = await start(stack, tmp_path, serve_demo(registry))
    registry.answers["/simple/demo/"] = Answer(b" " * (1 << 20) + b"{}", headers={"Content-Type": JSON})
    assert b"more than 1 MiB" in (await host.get("/simple/demo/", JSON)).body


async def test_credentials_go_to_their_own_origin_only(
    registry: Upstream, stack: AsyncExitStack, tmp_path: Path
) -> None:
    upstreams = Upstreams(
        pypi=serve_demo(registry).pypi, credentials=(Credential("https://elsewhere.example/", f"Bearer {CANARY}"),)
    )
    host = await start(stack, tmp_path, upstreams)
    assert (await host.get(f"/files/demo/{WHEEL}")).status == 200
    assert all("authorization" not in headers for _, headers in registry.requests)
    assert upstreams.authorization("https://elsewhere.example/x") == f"Bearer {CANARY}"
    assert upstreams.authorization("https://elsewhere.example.evil/x") is None
    assert upstreams.authorization("http://elsewhere.example/x") is None


async def test_pages_are_asked_for_again_with_their_tag(
    registry: Upstream, stack: AsyncExitStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pullwright.sandbox.egress.page_cache.FRESH", 0.0)
    host = await start(stack, tmp_path, serve_demo(registry))
    first = await host.get("/simple/demo/", JSON)
    assert (await host.get("/simple/demo/", JSON)).body == first.body
    assert [headers.get("if-none-match") for _, headers in registry.requests] == [None, '"1"']


async def test_a_minimum_age_hides_young_files(registry: Upstream, stack: AsyncExitStack, tmp_path: Path) -> None:
    upstreams = serve_demo(registry)
    young = wheel(filename="demo-2.0.tar.gz", **{"upload-time": datetime.now(UTC).isoformat()})
    unknown = wheel(filename="demo-3.0.tar.gz", **{"upload-time": None})
    registry.answers["/simple/demo/"] = index_json(wheel(), young, unknown)
    host = await start(stack, tmp_path, upstreams, timedelta(days=7))
    files = json.loads((await host.get("/simple/demo/", JSON)).body)["files"]
    assert [file["filename"] for file in files] == [WHEEL]
    assert (await host.get("/files/demo/demo-2.0.tar.gz")).status == 404


def test_packages_are_named_as_people_name_them() -> None:
    assert describe("Jinja2-3.1.6.tar.gz") == "jinja2 3.1.6"
    assert describe("typing_extensions-4.1-py3-none-any.whl.metadata") == "typing-extensions 4.1"
    assert describe("odd.zip.exe") == "odd.zip.exe"
