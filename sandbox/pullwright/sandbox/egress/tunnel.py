"""The port that is the container's HTTPS proxy in the wider modes: CONNECT, to checked addresses.

A name is resolved here, every address of it must be public, and the connection goes to the address that was checked.
In the mode ``allowlist`` the bytes must then be TLS that names the same host in the open: else a listed name could
stand in front of any other host of the same provider. There is no SOCKS, no wildcard and no plain HTTP.

A host that reaches the internet only through a company proxy can not offer this mode; packages work through one.
"""

from __future__ import annotations

import ipaddress
import re
import socket
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import anyio
import h11
from anyio.abc import ByteStream

from pullwright.agents.egress import EgressDecision, EgressMode, EgressPolicy
from pullwright.sandbox.egress.client_hello import BadHello, parse_client_hello
from pullwright.sandbox.egress.decisions import Ledger, Refusal, printable
from pullwright.sandbox.egress.http_server import IDLE, HeadReader, read_request

Resolver = Callable[[str, int], Awaitable[Sequence[str]]]
"""Returns the addresses of a host name; raises OSError when there are none."""
Connector = Callable[[str, int], Awaitable[ByteStream]]
"""Connects to an address, never to a name; raises OSError."""

HELLO_SECONDS: Final = 10.0
CONNECT_SECONDS: Final = 20.0

_LABEL = r"(?!-)[a-z0-9_-]{1,63}(?<!-)"
_NAME = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})*")
_TARGET = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^\[\]@:/?#\\%]+):(?P<port>[1-9][0-9]{0,4})")
_NUMBER = re.compile(r"0x[0-9a-f]*|[0-9]+")
_UNICAST = ipaddress.IPv6Network("2000::/3")
"""All IPv6 that is given out (RFC 4291 2.4, IANA's registry)."""
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_OLD_RELAYS = ipaddress.IPv4Network("192.88.99.0/24")


@dataclass(slots=True)
class _Passage:
    """What went through one tunnel."""

    target: str
    received: int = 0
    sent: int = 0


class ConnectPort:
    """Serves CONNECT for one sandbox."""

    def __init__(self, policy: EgressPolicy, ledger: Ledger, resolver: Resolver, connector: Connector) -> None:
        self._named_only = policy.mode is not EgressMode.OPEN
        self._hosts = frozenset(policy.hosts)
        self._ledger = ledger
        self._resolve = resolver
        self._connect = connector

    async def __call__(self, stream: ByteStream) -> None:
        """Serve one connection to its end; every one of them is one decision."""
        start = time.monotonic()
        passage = _Passage("")
        rule = "on the allow list" if self._named_only else "every public address is allowed"
        allowed = True
        async with stream:
            try:
                await self._serve(stream, passage)
            except Refusal as refusal:
                allowed, rule = False, refusal.reason
            except (anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.EndOfStream, TimeoutError):
                allowed = bool(passage.received)
                rule = rule if allowed else "the connection ended before anything was exchanged"
        if passage.target:
            decision = EgressDecision(
                allowed=allowed,
                kind="connect",
                target=printable(passage.target),
                rule=rule,
                received=passage.received,
                sent=passage.sent,
            )
            self._ledger.record(decision, time.monotonic() - start)

    async def _serve(self, stream: ByteStream, passage: _Passage) -> None:
        connection = h11.Connection(h11.SERVER)
        reader = HeadReader(stream)
        try:
            request = read_request(await reader.head(), connection)
            passage.target = request.target if request.method == "CONNECT" else f"{request.method} {request.target}"
            host, port = self._admit(request.method, request.target)
            passage.target = f"{host}:{port}"
            self._ledger.check(0)
            remote = await self._open(host, port)
        except Refusal as refusal:
            passage.target = passage.target or "a malformed request"
            await _refuse(stream, refusal)
            raise
        async with remote:
            with anyio.fail_after(IDLE):
                await stream.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
            first = await self._first_bytes(stream, reader.rest, host)
            await _Carrier(stream, remote, self._ledger, passage).run(first)

    def _admit(self, method: str, target: str) -> tuple[str, int]:
        """Return host and port that a request may have.

        Raises:
            Refusal: The policy does not allow it, or it can be read in two ways.
        """
        if method != "CONNECT":
            raise Refusal(405, "plain HTTP is never forwarded: use https, and package clients their own registry")
        match = _TARGET.fullmatch(target)
        port = int(match["port"]) if match else 0
        if match is None or port > 65_535:
            raise Refusal(400, "the address is not a plain host:port")
        host = match["host"].lower().removesuffix(".")
        if host.startswith("[") or _NUMBER.fullmatch(host.rpartition(".")[2]):
            if self._named_only:
                raise Refusal(403, "addresses are not allowed, only host names on the allow list")
            return _public_address(host.strip("[]")), port
        if not _NAME.fullmatch(host):
            raise Refusal(400, "the host is not a plain ASCII name")
        if self._named_only and host not in self._hosts:
            raise Refusal(403, f"{host} is not on the allow list")
        if self._named_only and port != 443:
            raise Refusal(403, "only port 443 is allowed")
        return host, port

    async def _open(self, host: str, port: int) -> ByteStream:
        """Connect to an address of the host that was checked to be public.

        Raises:
            Refusal: There is none, or one of them is not public.
        """
        try:
            with anyio.fail_after(CONNECT_SECONDS):
                addresses = [host] if _is_address(host) else await self._resolve(host, port)
                if not addresses:
                    raise Refusal(502, f"{host} has no address")
                return await self._connect_first([_public_address(address) for address in addresses], port)
        except OSError:  # also what a time limit raises
            text = f"{host} could not be reached (a company proxy is not used for this, only for packages)"
            raise Refusal(502, text) from None

    async def _connect_first(self, addresses: Sequence[str], port: int) -> ByteStream:
        for address in addresses[:-1]:
            with suppress(OSError):
                return await self._connect(address, port)
        return await self._connect(addresses[-1], port)

    async def _first_bytes(self, stream: ByteStream, data: bytes, host: str) -> bytes:
        """Return the first bytes of the container's side, which must be a ClientHello for the host if only names are.

        Raises:
            Refusal: They are something else, or do not come in time.
        """
        if not self._named_only:
            return data
        try:
            with anyio.fail_after(HELLO_SECONDS):
                while (hello := parse_client_hello(data)) is None:
                    data += await stream.receive(4096)
        except BadHello as exc:
            raise Refusal(403, f"only TLS to {host} is allowed: {exc}") from None
        except TimeoutError:
            raise Refusal(403, f"no ClientHello came within {HELLO_SECONDS:g} s") from None
        if hello.hidden:
            raise Refusal(403, "the ClientHello hides its server name (encrypted client hello)")
        if hello.server_name != host:
            raise Refusal(403, f"TLS asks for {printable(hello.server_name or 'no name')} instead of {host}")
        return data


class _Carrier:
    """Passes bytes on both ways until both sides have ended, nothing moves for a minute, or the budget is used up."""

    def __init__(self, inside: ByteStream, outside: ByteStream, ledger: Ledger, passage: _Passage) -> None:
        self._inside = inside
        self._outside = outside
        self._ledger = ledger
        self._passage = passage
        self._scope = anyio.CancelScope()
        self._refusal: Refusal | None = None

    async def run(self, first: bytes) -> None:
        """Carry, beginning with bytes that were read from the inside already.

        Raises:
            Refusal: The byte budget is used up.
        """
        with self._scope:
            await self._send_out(first)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._pump, self._inside, self._send_out, self._outside)
                tasks.start_soon(self._pump, self._outside, self._send_in, self._inside)
        if self._refusal is not None:
            raise self._refusal

    async def _pump(self, source: ByteStream, send: Callable[[bytes], Awaitable[None]], sink: ByteStream) -> None:
        try:
            with suppress(anyio.EndOfStream):
                while True:
                    await send(await source.receive(65_536))
            await sink.send_eof()
        except Refusal as refusal:
            self._refusal = refusal
            self._scope.cancel()
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            self._scope.cancel()

    async def _send_out(self, data: bytes) -> None:
        self._scope.deadline = anyio.current_time() + IDLE
        if data:
            await self._outside.send(data)
            self._passage.sent += len(data)

    async def _send_in(self, data: bytes) -> None:
        self._scope.deadline = anyio.current_time() + IDLE
        self._ledger.take(len(data))
        await self._inside.send(data)
        self._passage.received += len(data)


async def resolve(host: str, port: int) -> Sequence[str]:
    """Ask the host's resolver."""
    found = await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(item[4][0]) for item in found]


async def connect(address: str, port: int) -> ByteStream:
    """Connect by TCP."""
    return await anyio.connect_tcp(address, port)


def is_public(address: str) -> bool:
    """Whether an address, in whatever form it wraps another one, is on the public internet."""
    found = ipaddress.ip_address(address)
    if isinstance(found, ipaddress.IPv4Address):
        return found.is_global and not found.is_multicast and found not in _OLD_RELAYS
    wrapped = found.ipv4_mapped or found.sixtofour
    if found in _NAT64:
        wrapped = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
    if wrapped is not None:
        return is_public(str(wrapped))
    return found in _UNICAST and found.is_global


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _public_address(address: str) -> str:
    """Return an address that was checked.

    Raises:
        Refusal: It is not public, or not an address in its plain notation.
    """
    if not _is_address(address):
        raise Refusal(400, "the address is not in its plain notation")
    if not is_public(address):
        raise Refusal(403, "the host's address is not a public one")
    return address


async def _refuse(stream: ByteStream, refusal: Refusal) -> None:
    text = f"blocked by Pullwright: {refusal.reason}".encode("ascii", "replace")
    head = b"HTTP/1.1 %d %b\r\nContent-Type: text/plain\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
    with anyio.fail_after(IDLE):
        await stream.send(head % (refusal.status, text, len(text) + 1) + text + b"\n")
