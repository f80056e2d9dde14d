from __future__ import annotations

import itertools
import ssl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pullwright.sandbox.egress.client_hello import MAX_HELLO, BadHello, ClientHello, parse_client_hello


def hello(name: str | None = "a.example", *, maximum: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> bytes:
    """The first bytes of a real client."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # knows no authorities, which take 20 ms to read
    context.maximum_version = maximum
    context.check_hostname = False
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(incoming, outgoing, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()


REAL = hello()
HANDSHAKE = REAL[5:]


def records(message: bytes, size: int) -> bytes:
    parts = [message[start : start + size] for start in range(0, len(message), size)]
    return b"".join(b"\x16\x03\x01" + len(part).to_bytes(2, "big") + part for part in parts)


def with_extensions(*more: bytes, keep: bool = True) -> bytes:
    """The real ClientHello with extensions added, its lengths put right."""
    body = HANDSHAKE[4:]
    at = 2 + 32
    at += 1 + body[at]
    at += 2 + int.from_bytes(body[at : at + 2], "big")
    at += 1 + body[at]
    extensions = (body[at + 2 :] if keep else b"") + b"".join(more)
    body = body[:at] + len(extensions).to_bytes(2, "big") + extensions
    return records(b"\x01" + len(body).to_bytes(3, "big") + body, 16_000)


def extension(kind: int, content: bytes) -> bytes:
    return kind.to_bytes(2, "big") + len(content).to_bytes(2, "big") + content


def server_names(*names: tuple[int, bytes]) -> bytes:
    entries = b"".join(bytes([kind]) + len(name).to_bytes(2, "big") + name for kind, name in names)
    return extension(0, len(entries).to_bytes(2, "big") + entries)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_real_clients_are_understood(version: ssl.TLSVersion) -> None:
    assert parse_client_hello(hello("files.A.Example", maximum=version)) == ClientHello("files.a.example", hidden=False)
    assert parse_client_hello(hello(None, maximum=version)) == ClientHello(None, hidden=False)
    assert parse_client_hello(hello("127.0.0.1", maximum=version)) == ClientHello(None, hidden=False)


def test_every_beginning_asks_for_more() -> None:
    assert all(parse_client_hello(REAL[:end]) is None for end in range(len(REAL)))


@given(st.integers(1, len(HANDSHAKE)))
def test_a_hello_in_many_records_is_the_same(size: int) -> None:
    assert parse_client_hello(records(HANDSHAKE, size)) == ClientHello("a.example", hidden=False)


@pytest.mark.parametrize("kind", [0xFE0D, 0xFFCE])
def test_hidden_names_are_seen(kind: int) -> None:
    found = parse_client_hello(with_extensions(extension(kind, b"\x00" * 40)))
    assert found == ClientHello("a.example", hidden=True)


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n",
        b"SSH-2.0-OpenSSH\r\n",
        b"\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10" + bytes(40),
        b"\x17" + REAL[1:],
        b"\x16\x02" + REAL[2:],
        b"\x16\x03\x01\x00\x00",
        b"\x16\x03\x01\xff\xff",
        records(b"\x02" + HANDSHAKE[1:], 16_000),
        records(b"\x01\xff\xff\xff" + HANDSHAKE[4:], 16_000),
        records(HANDSHAKE + b"\x01", 16_000),
        b"\x16\x03\x01\x40\x00" + b"\x01\x00\x40\x00" + bytes(MAX_HELLO),
        with_extensions(server_names((0, b"evil.example"))),
        with_extensions(server_names((0, b"a.example"), (0, b"b.example")), keep=False),
        with_extensions(server_names((1, b"a.example")), keep=False),
        with_extensions(server_names((0, b"")), keep=False),
        with_extensions(server_names((0, b"a.example\x00.evil.example")), keep=False),
        with_extensions(server_names((0, "pypi.\u00f6rg".encode())), keep=False),
        with_extensions(extension(0, b""), keep=False),
        with_extensions(b"\x00"),
    ],
    ids=itertools.count(),
)
def test_anything_else_is_refused(data: bytes) -> None:
    with pytest.raises(BadHello):
        parse_client_hello(data)


@given(st.binary(max_size=600))
def test_garbage_is_refused_or_waited_for(garbage: bytes) -> None:
    check(garbage)
    check(b"\x16\x03\x01" + garbage)
    check(records(b"\x01" + len(garbage).to_bytes(3, "big") + garbage, 16_000))


@given(st.lists(st.tuples(st.integers(0, len(REAL) - 1), st.integers(0, 255)), max_size=4), st.integers(0, len(REAL)))
def test_a_damaged_hello_never_names_another_host(changes: list[tuple[int, int]], end: int) -> None:
    damaged = bytearray(REAL)
    for at, value in changes:
        damaged[at] = value
    check(bytes(damaged))
    check(bytes(damaged[:end]))


def check(data: bytes) -> None:
    try:
        found = parse_client_hello(data)
    except BadHello as exc:
        assert "\n" not in str(exc)
        return
    if found is not None and found.server_name is not None:
        # Whatever is found stands in the bytes as it is; a record's header may be in the middle of it.
        assert found.server_name.isascii()
        assert found.server_name == found.server_name.lower()
        assert data[:2] == b"\x16\x03"
