"""How a container engine is reached: its address, and a byte stream to it. Any kind of ``DOCKER_HOST`` will do."""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

import anyio
from anyio import to_thread
from anyio.abc import ByteStream, SocketStream
from anyio.streams.tls import TLSStream

from pullwright.agents.errors import ConfigError
from pullwright.sandbox.ssh_pipe import SshPipe, SshStream

DEFAULT_SOCKET = "/var/run/docker.sock"
PLAIN_PORT, TLS_PORT = 2375, 2376
CERTIFICATES = ("ca.pem", "cert.pem", "key.pem")


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineAddress:
    """Where an engine listens."""

    url: str
    scheme: str
    """``unix``, ``tcp`` or ``ssh``."""
    path: str = ""
    """Of a unix socket."""
    host: str = ""
    port: int | None = None
    user: str = ""
    certificates: Path | None = None
    """A folder with ``ca.pem``, ``cert.pem`` and ``key.pem``: TLS, both ends proving who they are."""

    @classmethod
    def parse(cls, url: str, environment: Mapping[str, str]) -> EngineAddress:
        """Read an address the way the ``docker`` command does.

        Args:
            url: ``unix:///path``, ``tcp://host:port`` or ``ssh://user@host:port``; empty means the usual sockets.
            environment: ``DOCKER_TLS_VERIFY`` and ``DOCKER_CERT_PATH`` are looked at.

        Raises:
            ConfigError: It is none of these, or an engine that anybody on the way could take over.
        """
        url = url or f"unix://{_usual_socket(environment)}"
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as exc:
            raise ConfigError(f"container engine {url!r} is not an address: {exc}") from exc
        if parts.scheme == "unix" and (path := url.removeprefix("unix://")).startswith("/"):
            return cls(url=url, scheme="unix", path=path)
        if parts.scheme == "tcp" and parts.hostname:
            return _tcp(url, parts.hostname, port, environment)
        if parts.scheme == "ssh" and parts.hostname and parts.path in ("", "/"):
            return _ssh(url, parts, port)
        raise ConfigError(
            f"container engine {url!r} can not be used: set DOCKER_HOST to unix:///PATH, ssh://USER@HOST or tcp://HOST:PORT"
        )

    def ssh_pipe(self) -> SshPipe:
        """Return the command that reaches an engine behind ``ssh``."""
        return SshPipe(host=self.host, port=self.port, user=self.user)


async def dial(address: EngineAddress) -> ByteStream:
    """Open a byte stream to the engine.

    Half-closing works on unix sockets, plain TCP and ssh; a TLS stream raises ``NotImplementedError`` there.

    Raises:
        OSError: Nobody answers, or the certificates do not fit.
    """
    if address.scheme == "unix":
        return await anyio.connect_unix(address.path)
    if address.scheme == "ssh":
        return await SshStream.open(address.ssh_pipe())
    port = address.port or (TLS_PORT if address.certificates else PLAIN_PORT)
    stream = await anyio.connect_tcp(address.host, port)
    return stream if address.certificates is None else await _secured(stream, address.host, address.certificates)


async def _secured(stream: SocketStream, host: str, certificates: Path) -> ByteStream:
    try:
        context = await to_thread.run_sync(tls_context, certificates)
        return await TLSStream.wrap(stream, hostname=host, ssl_context=context, standard_compatible=False)
    except (anyio.EndOfStream, anyio.BrokenResourceError) as exc:
        await anyio.aclose_forcefully(stream)
        raise ConnectionResetError("the engine ended the TLS handshake") from exc
    except BaseException:
        await anyio.aclose_forcefully(stream)
        raise


def tls_context(certificates: Path) -> ssl.SSLContext:
    """Return a context that believes only the folder's authority and shows the folder's certificate."""
    authority, certificate, key = (str(certificates / name) for name in CERTIFICATES)
    context = ssl.create_default_context(cafile=authority)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate, key)
    return context


def _tcp(url: str, host: str, port: int | None, environment: Mapping[str, str]) -> EngineAddress:
    if environment.get("DOCKER_TLS_VERIFY"):
        folder = Path(environment.get("DOCKER_CERT_PATH") or Path(environment.get("HOME", "/"), ".docker"))
        missing = [name for name in CERTIFICATES if not (folder / name).is_file()]
        if missing:
            raise ConfigError(f"container engine {url!r} needs {missing[0]!r} in {str(folder)!r}: set DOCKER_CERT_PATH")
        return EngineAddress(url=url, scheme="tcp", host=host, port=port, certificates=folder)
    if not _is_loopback(host):
        raise ConfigError(
            f"container engine {url!r} is plain TCP, by which anybody on the way becomes root there: use ssh://USER@{host},"
            " or TLS (DOCKER_TLS_VERIFY=1 and DOCKER_CERT_PATH)"
        )
    return EngineAddress(url=url, scheme="tcp", host=host, port=port)


def _ssh(url: str, parts: SplitResult, port: int | None) -> EngineAddress:
    if parts.password is not None:
        raise ConfigError("container engine's ssh address holds a password: remove it and use a key")
    return EngineAddress(url=url, scheme="ssh", host=parts.hostname or "", port=port, user=parts.username or "")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _usual_socket(environment: Mapping[str, str]) -> str:
    rootless = Path(environment.get("XDG_RUNTIME_DIR", "/nonexistent"), "docker.sock")
    return DEFAULT_SOCKET if Path(DEFAULT_SOCKET).exists() or not rootless.exists() else str(rootless)
