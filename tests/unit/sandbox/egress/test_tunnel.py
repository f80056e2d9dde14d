from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

import anyio
import pytest
from anyio.abc import ByteStream

from pullwright.agents.egress import EgressDecision, EgressMode, EgressPolicy
from pullwright.sandbox.egress.decisions import Ledger
from pullwright.sandbox.egress.tunnel import ConnectPort, is_public
from tests.unit.sandbox.egress.harness import PipeEnd, pipe, send_raw
from tests.unit.sandbox.egress.test_client_hello import extension, hello, with_extensions

pytestmark = [pytest.mark.anyio]

PUBLIC = "93.184.215.14"


class Outside:
    """The internet: names with addresses, and a far end that answers everything it is sent with the same bytes."""

    def __init__(self, *addresses: str, reply: bytes = b"") -> None:
        self.addresses = addresses
        self.reply = reply
        self.asked: list[str] = []
        self.connected: list[tuple[str, int]] = []
        self.received = bytearray()
        self.ends: list[PipeEnd] = []

    async def resolve(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        if not self.addresses:
            raise OSError("no such name")
        return self.addresses

    async def connect(self, address: str, port: int) -> ByteStream:
        self.connected.append((address, port))
        ours, theirs = pipe()
        self.ends.append(theirs)
        return ours

    async def run(self) -> None:
        while not self.ends:
            await anyio.lowlevel.checkpoint()
        [end] = self.ends
        with suppress(anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
            await end.send(self.reply)
            while True:
                self.received += await end.receive()
        await end.aclose()


async def ask(
    outside: Outside,
    *pieces: bytes,
    mode: EgressMode = EgressMode.ALLOWLIST,
    hosts: str = "a.example",
    budget: int = 10**6,
) -> tuple[bytes, EgressDecision]:
    ledger = Ledger(budget)
    policy = EgressPolicy(mode=mode, hosts=tuple(hosts.split()))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(outside.run)
        data = await send_raw(ConnectPort(policy, ledger, outside.resolve, outside.connect), *pieces)
        if not outside.ends:
            tasks.cancel_scope.cancel()
    [decision] = ledger.drain()
    return data, decision


def connect(target: str) -> bytes:
    return f"CONNECT {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode("latin-1")


async def test_a_listed_host_is_reached_at_the_address_that_was_checked() -> None:
    outside = Outside(PUBLIC, reply=b"answer")
    data, decision = await ask(outside, connect("A.Example.:443"), hello("a.example")[:50], hello("a.example")[50:])
    assert data == b"HTTP/1.1 200 Connection established\r\n\r\nanswer"
    assert outside.connected == [(PUBLIC, 443)]
    assert outside.asked == ["a.example"]
    assert (decision.allowed, decision.target, decision.received) == (True, "a.example:443", 6)
    assert decision.sent == len(outside.received) > 100


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("evil.example:443", 403), ("sub.a.example:443", 403),
        ("a.example.evil.example:443", 403), ("a.example:80", 403),
        ("a.example:22", 403), ("93.184.215.14:443", 403), ("1572395022:443", 403), ("0x5db8d70e:443", 403),
        ("0135.0270.0327.016:443", 403), ("[2606:2800::1]:443", 403), ("127.1:443", 403), ("a.example", 400),
        ("a.example:", 400), ("a.example:0443", 400), ("a.example:99999", 400), ("user@a.example:443", 400),
        ("a.example:443@evil.example:443", 400), ("*.org:443", 400), ("*:443", 400), ("a.example..:443", 400),
        ("xn--pypi-.org:443", 400), ("p\u00fdpi.org:443", 400), ("a.example/:443", 400), ("a.example%00:443", 400),
        ("a.example:443/x", 400), (".a.example:443", 400), ("http://a.example:443", 400),
    ],
)  # fmt: skip
async def test_any_other_target_is_refused_without_a_look_up(target: str, status: int) -> None:
    outside = Outside(PUBLIC)
    data, decision = await ask(outside, connect(target), hello())
    assert data.startswith(b"HTTP/1.1 %d blocked by Pullwright: " % status)
    assert not outside.asked
    assert not outside.connected
    assert not decision.allowed


async def test_an_empty_list_is_nothing() -> None:
    data, _ = await ask(Outside(PUBLIC), connect("a.example:443"), hosts="")
    assert data.startswith(b"HTTP/1.1 403 ")


@pytest.mark.parametrize("method", ["GET http://a.example/simple/", "POST http://a.example/", "GET /"])
async def test_plain_http_is_never_forwarded(method: str) -> None:
    outside = Outside(PUBLIC)
    data, decision = await ask(outside, f"{method} HTTP/1.1\r\nHost: a.example\r\n\r\n".encode(), mode=EgressMode.OPEN)
    assert data.startswith(b"HTTP/1.1 405 blocked by Pullwright: plain HTTP is never forwarded")
    assert not outside.connected
    assert not decision.allowed


@pytest.mark.parametrize(
    "addresses",
    [["127.0.0.1"], [PUBLIC, "10.0.0.1"], ["169.254.169.254"], ["::ffff:127.0.0.1"], ["fd00::1", PUBLIC], []],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize("mode", [EgressMode.ALLOWLIST, EgressMode.OPEN])
async def test_a_name_with_an_inside_address_is_refused(addresses: list[str], mode: EgressMode) -> None:
    outside = Outside(*addresses)
    data, decision = await ask(outside, connect("a.example:443"), hello(), mode=mode)
    assert data.startswith((b"HTTP/1.1 403 ", b"HTTP/1.1 502 "))
    assert not outside.connected
    assert not decision.allowed


@pytest.mark.parametrize(
    ("first", "reason"),
    [
        (hello("evil.example"), "asks for evil.example"),
        (hello(None), "asks for no name"),
        (with_extensions(extension(0xFE0D, bytes(40))), "encrypted client hello"),
        (b"GET / HTTP/1.1\r\n\r\n", "not TLS"),
        (b"\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10", "not TLS"),
        (b"\x16\x03\x01\x40\x00\x01\x00\x40\x00" + bytes(16_400), "too long"),
    ],
    ids=["another name", "no name", "hidden", "http", "SSLv2", "endless"],
)
async def test_nothing_is_forwarded_but_tls_for_the_host(first: bytes, reason: str) -> None:
    outside = Outside(PUBLIC)
    data, decision = await ask(outside, connect("a.example:443"), first)
    assert data == b"HTTP/1.1 200 Connection established\r\n\r\n"
    assert not outside.received
    assert not decision.allowed
    assert reason in decision.rule


async def test_open_mode_reaches_any_public_address_and_no_other() -> None:
    outside = Outside(PUBLIC, reply=b"SSH-2.0-x")
    data, decision = await ask(outside, connect(f"{PUBLIC}:22"), b"SSH-2.0-y", mode=EgressMode.OPEN)
    assert data.endswith(b"SSH-2.0-x")
    assert decision.allowed
    assert outside.received == b"SSH-2.0-y"
    for target in (
        "127.0.0.1:80",
        "[::1]:80",
        "169.254.169.254:80",
        "[::ffff:10.0.0.1]:80",
        "2130706433:80",
        "0x7f.1:80",
    ):
        outside = Outside(PUBLIC)
        data, decision = await ask(outside, connect(target), mode=EgressMode.OPEN)
        assert data.startswith(b"HTTP/1.1 40"), target
        assert not outside.connected
        assert not decision.allowed


async def test_the_byte_budget_cuts_a_tunnel() -> None:
    outside = Outside(PUBLIC, reply=b"x" * 100)
    data, decision = await ask(outside, connect("a.example:443"), hello(), budget=99)
    assert data.endswith(b"\r\n\r\n")
    assert (decision.allowed, decision.rule) == (False, "byte budget used up")


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
        "255.255.255.255", "192.88.99.1", "198.18.0.1", "::", "::1", "fe80::1", "fc00::1", "fec0::1", "ff02::1",
        "::ffff:10.0.0.1", "::10.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "2002:7f00:1::1",
        "2002:a00:1::", "2001:db8::1", "2001::1", "100::1", "5f00::1",
    ],
)  # fmt: skip
def test_inside_addresses_are_known_in_every_form(address: str) -> None:
    assert not is_public(address)


def test_public_addresses_are_public() -> None:
    assert all(map(is_public, [PUBLIC, "2606:2800:21f::1", "64:ff9b::5db8:d70e", "::ffff:93.184.215.14"]))
