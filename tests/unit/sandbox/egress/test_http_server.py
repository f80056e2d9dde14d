from __future__ import annotations

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pullwright.agents.egress import EgressDecision
from pullwright.sandbox.egress.decisions import MAX_PENDING, Ledger, Refusal
from pullwright.sandbox.egress.http_server import MAX_HEAD, MAX_TARGET, Exchange, HttpPort, plain_path
from tests.unit.sandbox.egress.harness import get, parse_replies, send_raw

pytestmark = [pytest.mark.anyio]


async def echo(exchange: Exchange) -> None:
    exchange.target = "something"
    await exchange.answer(exchange.request.target.encode(), "text/plain")


def port(max_bytes: int = 10_000) -> tuple[HttpPort, Ledger]:
    ledger = Ledger(max_bytes)
    return HttpPort("pypi", echo, ledger), ledger


async def test_requests_follow_each_other_on_a_connection() -> None:
    handler, ledger = port()
    head = b"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n"
    replies = parse_replies(await send_raw(handler, head % 1 + head % 2 + (head % 3)[:9], (head % 3)[9:]))
    assert [reply.body for reply in replies] == [b"/1", b"/2", b"/3"]
    assert [decision.received for decision in ledger.drain()] == [2, 2, 2]


async def test_a_head_has_no_body_and_the_connection_goes_on() -> None:
    handler, _ = port()
    data = await send_raw(handler, b"HEAD /abc HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\n\r\n")
    assert data.count(b"HTTP/1.1 200") == 2
    assert b"Content-Length: 4\r\n\r\nHTTP/1.1" in data
    assert data.endswith(b"/2")


HOSTILE = {
    "length and chunked": b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0",
    "a body": b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 40\r\n\r\nGET /second HTTP/1.1\r\nHost: x\r\n\r\n",
    "an empty body": b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
    "chunked": b"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /2 HTTP/1.1\r\n\r\n",
    "two lengths": b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "folded header": b"GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n",
    "bare line feeds": b"GET / HTTP/1.1\nHost: x\n\n",
    "bare line feed in a header": b"GET / HTTP/1.1\r\nHost: x\nB: c\r\n\r\n",
    "bare carriage return": b"GET / HTTP/1.1\r\nHost: x\rB: c\r\n\r\n",
    "NUL": b"GET /\x00 HTTP/1.1\r\nHost: x\r\n\r\n",
    "NUL in a header": b"GET / HTTP/1.1\r\nHost: x\x00y\r\n\r\n",
    "not ASCII": b"GET /\xc3\xa4 HTTP/1.1\r\nHost: x\r\n\r\n",
    "space before the colon": b"GET / HTTP/1.1\r\nHost : x\r\n\r\n",
    "two spaces": b"GET  / HTTP/1.1\r\nHost: x\r\n\r\n",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "two hosts": b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
    "another version": b"GET / HTTP/2.0\r\nHost: x\r\n\r\n",
    "HTTP/0.9": b"GET /\r\n\r\n",
    "HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "upgrade": b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
    "expect": b"GET / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n\r\n",
    "huge header": b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"b" * MAX_HEAD + b"\r\n\r\n",
    "endless header": b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"b" * 3 * MAX_HEAD,
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_what_is_not_a_plain_request_gets_one_refusal_and_the_connection_ends(name: str) -> None:
    handler, ledger = port()
    whole = HOSTILE[name]
    step = max(7, len(whole) // 50)
    for pieces in ([whole], [whole[at : at + step] for at in range(0, len(whole), step)]):
        [reply] = parse_replies(await send_raw(handler, *pieces))
        assert reply.status == 400
        assert reply.body.startswith(b"blocked by Pullwright: ")
        assert reply.headers["connection"] == "close"
        assert [decision.allowed for decision in ledger.drain()] == [False]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND", "CONNECT"])
async def test_nothing_can_be_sent(method: str) -> None:
    handler, ledger = port()
    [reply] = parse_replies(await send_raw(handler, f"{method} /x HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1".encode()))
    assert reply.status == 405
    assert reply.headers["allow"] == "GET, HEAD"
    [decision] = ledger.drain()
    assert (decision.allowed, decision.target) == (False, f"{method} /x")


async def test_a_long_address_is_refused() -> None:
    handler, ledger = port()
    assert (await get(handler, "/" + "a" * MAX_TARGET)).status == 414
    assert len(ledger.drain()[0].target) <= 200


async def test_the_reason_is_in_the_status_line_where_pip_and_npm_show_it() -> None:
    handler, _ = port(max_bytes=3)
    data = await send_raw(handler, b"GET /long HTTP/1.1\r\nHost: x\r\n\r\n")
    assert data.startswith(b"HTTP/1.1 403 blocked by Pullwright: byte budget used up\r\n")


async def test_the_budget_is_one_for_all_connections() -> None:
    handler, ledger = port(max_bytes=10)
    assert (await get(handler, "/123456")).status == 200
    assert (await get(handler, "/123456")).status == 403
    assert [decision.rule for decision in ledger.drain()] == ["packages are allowed", "byte budget used up"]


@pytest.mark.parametrize(
    "target",
    [
        "/a/../b", "/./a", "/a/..", "//a", "/a//b", "/a\\b", "/a%2fb", "/a%5cb", "/a%00", "/a%0d%0aHost:%20y", "/a%",
        "/a%2", "/a%zz", "/%2e%2e/a", "/a%252fb", "/a;b\x7f", "/a#b", "a", "http://evil.example/a", "*", "", "/a b",
        "/a%20b", "/a%3fb", "/\u00e4", "/a%c3%a4", "/@s%2fa%2fb", "/a\n",
    ],
)  # fmt: skip
def test_addresses_that_could_be_read_in_two_ways_are_refused(target: str) -> None:
    with pytest.raises(Refusal) as caught:
        plain_path(target)
    assert caught.value.status in (400, 403)


def test_plain_addresses_are_understood() -> None:
    assert plain_path("/pool/main/g/g++_4%3a10.2%2b1~x_amd64.deb") == "/pool/main/g/g++_4:10.2+1~x_amd64.deb"
    assert plain_path("/@scope%2Fname", scoped=True) == "/@scope/name"
    assert plain_path("/%40scope%2fname", scoped=True) == "/@scope/name"
    with pytest.raises(Refusal):
        plain_path("/@scope%2f..", scoped=True)
    with pytest.raises(Refusal, match="query"):
        plain_path("/simple/x/?a=b")


@given(st.text(st.sampled_from("/.%2fFeE5cC0aA@\\:;?#-"), max_size=30), st.booleans())
def test_no_address_leaves_its_folder(target: str, scoped: bool) -> None:
    try:
        path = plain_path(target, scoped=scoped)
    except Refusal:
        return
    assert path.startswith("/")
    assert not {"", ".", ".."} & set(path.split("/")[1:-1])
    assert path.split("/")[-1] not in (".", "..")
    assert not set("%\\?#\r\n\x00") & set(path)


@given(st.binary(max_size=300))
def test_garbage_never_gets_past_the_head(garbage: bytes) -> None:
    handler, _ = port()
    data = anyio.run(send_raw, handler, garbage + b"\r\n\r\n")
    assert not data or data.startswith((b"HTTP/1.1 4", b"HTTP/1.1 200"))
    if data.startswith(b"HTTP/1.1 200"):
        assert garbage.startswith((b"GET ", b"HEAD "))


def test_decisions_are_bounded_and_the_rest_is_counted() -> None:
    ledger = Ledger(10)
    refused = EgressDecision(allowed=False, kind="npm", target="x", rule="no")
    for _ in range(MAX_PENDING):
        ledger.record(refused, 0.1)
    ledger.record(refused, 0.1)
    ledger.record(EgressDecision(allowed=True, kind="npm", target="x", rule="yes", received=5), 0.1)
    ledger.record(EgressDecision(allowed=True, kind="npm", target="y", rule="yes", received=7), 0.1)
    drained = ledger.drain()
    assert len(drained) == MAX_PENDING + 2
    assert [(more.allowed, more.target, more.received) for more in drained[-2:]] == [
        (False, "1 more", 0),
        (True, "2 more", 12),
    ]
    assert ledger.drain() == ()
