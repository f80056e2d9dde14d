"""What is tried at the ports of each mode, with what it is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tests.integration.attacks.knocking import get
from tests.integration.attacks.outside import PUBLIC, REBINDING
from tests.unit.sandbox.egress.test_client_hello import extension, hello, with_extensions

PYPI, NPM, APT, TUNNEL = 39701, 39702, 39703, 39704
HELLO = hello("listed.example")


@dataclass(frozen=True)
class Attempt:
    """Bytes to a port; the refusal's rule, and what of the target is shown."""

    port: int
    pieces: tuple[bytes, ...]
    rule: str
    target: str = ""


def _get(target: str, rule: str, shown: str = "", *, port: int = PYPI, method: str = "GET", more: str = "") -> Attempt:
    return Attempt(port, (get(target, method=method, more=more),), rule, shown or target)


_SEND = "nothing can be sent"
_READ_TWICE = "the address has"
_NOT_HTTP = "a request may not have a body"

PACKAGES: Mapping[str, Attempt] = {
    "posts-a-file": _get(
        "/simple/good/", _SEND, "POST /simple/good/", method="POST", more="Content-Length: 4\r\n\r\nleak"
    ),
    "publishes-a-package": _get("/stolen", _SEND, "PUT /stolen", port=NPM, method="PUT", more="Content-Length: 0\r\n"),
    "deletes-a-package": _get("/left", _SEND, "DELETE /left", port=NPM, method="DELETE"),
    "opens-a-tunnel": _get("evil.example:443", _SEND, "CONNECT evil.example:443", method="CONNECT"),
    "asks-for-another-host": _get("http://evil.example/simple/good/", _READ_TWICE),
    "asks-for-the-metadata-service": _get("http://169.254.169.254/latest/", _READ_TWICE),
    "leaks-in-a-query": _get("/simple/good/?secret=hunter2", "query"),
    "leaks-in-a-query-of-a-file": _get("/files/good/good-1.0.tar.gz?secret=hunter2", "query"),
    "climbs-out-of-the-index": _get("/simple/../admin/", _READ_TWICE),
    "climbs-out-by-escapes": _get("/simple/%2e%2e/admin/", _READ_TWICE),
    "climbs-out-by-double-escapes": _get("/simple/%252e%252e/admin/", _READ_TWICE),
    "climbs-out-by-a-backslash": _get("/simple/..\\admin/", _READ_TWICE),
    "injects-a-header": _get("/simple/good/%0d%0aX-Evil:%20yes", _READ_TWICE),
    "lists-all-packages": _get("/simple/", "the list of all packages is not served"),
    "asks-for-another-path": _get("/admin/secrets", "nothing here but /simple/"),
    "asks-for-a-file-that-no-index-names": _get("/files/good/other-1.0.tar.gz", "no index names", "other 1.0"),
    "asks-for-a-tarball-elsewhere": _get("/%2fevil.example/x.tgz", "", port=NPM),
    "smuggles-a-second-request-by-its-length": _get(
        "/simple/good/", _NOT_HTTP, "malformed", more="Content-Length: 40\r\n\r\nGET /admin/ HTTP/1.1\r\nHost: x\r\n"
    ),
    "smuggles-a-second-request-by-chunks": _get(
        "/simple/good/",
        _NOT_HTTP,
        "malformed",
        more="Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /admin/ HTTP/1.1\r\n",
    ),
    "smuggles-with-bare-line-feeds": Attempt(
        PYPI, (b"GET /simple/good/ HTTP/1.1\nHost: x\n\nGET /admin/ HTTP/1.1\n\n",), "control character", "malformed"
    ),
    "upgrades-to-another-protocol": _get("/simple/good/", _NOT_HTTP, "malformed", more="Upgrade: h2c\r\n"),
    "speaks-tls": Attempt(PYPI, (HELLO,), "", "malformed"),
    "follows-a-file-to-the-metadata-service": _get("/files/moved/moved-1.0.tar.gz", "redirects to a host", "moved 1.0"),
    "follows-an-index-to-another-server": _get("/simple/lured/", "redirects to a host", "index of lured"),
    "follows-an-index-in-circles": _get("/simple/circling/", "redirects in circles", "index of circling"),
    "gets-a-poisoned-file": _get("/files/poisoned/poisoned-1.0.tar.gz", "SHA-256", "poisoned 1.0"),
    "gets-the-credential-from-an-index": _get("/simple/echoing/", "repeats a credential", "index of echoing"),
    "gets-the-password-from-an-index": _get("/simple/decoding/", "repeats a credential", "index of decoding"),
    "gets-the-credential-from-a-file": _get("/files/leaking/leaking-1.0.tar.gz", "repeats a credential", "leaking 1.0"),
}


def _tunnel(target: str, rule: str, *then: bytes, shown: str = "") -> Attempt:
    request = f"CONNECT {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    return Attempt(TUNNEL, (request, *then), rule, shown or target)


def _unlisted(host: str) -> Attempt:
    return _tunnel(f"{host}:443", f"{host} is not on the allow list")


_NAMES_ONLY = "addresses are not allowed"
_PUBLIC_ONLY = "not a public one"
_LISTED = "listed.example:443"

ALLOWLIST: Mapping[str, Attempt] = {
    "host-that-is-not-listed": _unlisted("other.example"),
    "sub-domain-of-a-listed-host": _unlisted("sub.listed.example"),
    "listed-host-as-a-prefix": _unlisted("listed.example.evil.example"),
    "address": _tunnel(f"{PUBLIC}:443", _NAMES_ONLY),
    "decimal-address": _tunnel("1572394766:443", _NAMES_ONLY),
    "hexadecimal-address": _tunnel("0x5db8d70e:443", _NAMES_ONLY),
    "short-address": _tunnel("127.1:443", _NAMES_ONLY),
    "address-of-version-six": _tunnel("[::1]:443", _NAMES_ONLY),
    "another-port": _tunnel("listed.example:22", "only port 443"),
    "user-before-the-host": _tunnel("listed.example:443@other.example:443", "not a plain host:port"),
    "zero-byte-in-the-host": _tunnel("listed.example%00.other.example:443", "not a plain"),
    "listed-host-fronting-another": _tunnel(_LISTED, "asks for other.example", hello("other.example")),
    "listed-host-without-a-name": _tunnel(_LISTED, "asks for no name", hello(None)),
    "plain-text-in-a-tunnel": _tunnel(_LISTED, "not TLS", b"GET / HTTP/1.1\r\n\r\n"),
    "ssh-in-a-tunnel": _tunnel(_LISTED, "not TLS", b"SSH-2.0-OpenSSH_9.9\r\n"),
    "hidden-name": _tunnel(_LISTED, "encrypted client hello", with_extensions(extension(0xFE0D, bytes(40)))),
    "plain-http": Attempt(
        TUNNEL, (get("http://listed.example/"),), "plain HTTP is never forwarded", "GET http://listed"
    ),
    "posted-over-plain-http": Attempt(
        TUNNEL, (get("http://listed.example/", method="POST"),), "plain HTTP is never forwarded", "POST http://listed"
    ),
    "socks": Attempt(TUNNEL, (b"\x05\x01\x00\x05\x01\x00\x03\x0elisted.example\x01\xbb",), "", "malformed"),
    **{
        f"name-that-is-rebound-to-{name}": _tunnel(f"{name}.example:443", _PUBLIC_ONLY, hello(f"{name}.example"))
        for name in REBINDING
    },
}

OPEN: Mapping[str, Attempt] = {
    f"open-mode-to-{what}": _tunnel(target, rule)
    for what, target, rule in (
        ("the-hosts-loopback", "127.0.0.1:22", _PUBLIC_ONLY),
        ("the-metadata-service", "169.254.169.254:80", _PUBLIC_ONLY),
        ("a-private-address", "10.0.0.1:443", _PUBLIC_ONLY),
        ("a-mapped-address", "[::ffff:169.254.169.254]:80", _PUBLIC_ONLY),
        ("a-decimal-loopback", "2130706433:80", "plain notation"),
        ("a-name-on-the-loopback", "loopback.example:6379", _PUBLIC_ONLY),
    )
}

DIRECT: Mapping[str, str] = {
    "to-a-public-address": f"socket.create_connection(('{PUBLIC}', 443), 3)",
    "to-the-metadata-service": "socket.create_connection(('169.254.169.254', 80), 3)",
    "to-the-engines-bridge": "socket.create_connection(('172.17.0.1', 22), 3)",
    "by-datagram": f"socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('{PUBLIC}', 53))",
    "by-a-look-up": "socket.getaddrinfo('leak.listed.example', 443)",
    "by-version-six": "socket.create_connection(('2606:2800:21f::1', 443), 3)",
    "to-the-hosts-loopback": "socket.create_connection(('127.0.0.1', REGISTRY), 3)",
    "by-a-raw-socket": "socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)",
}
