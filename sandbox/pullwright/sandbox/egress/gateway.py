"""One gateway per process, one session per sandbox: handlers for the ports that the container finds on its loopback."""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Final

import anyio
import httpx2
from anyio.abc import ByteStream

from pullwright.agents.egress import EgressDecision, EgressMode, EgressPolicy
from pullwright.sandbox.egress.apt import AptGateway
from pullwright.sandbox.egress.cache import CACHE_BYTES, ArtefactCache
from pullwright.sandbox.egress.decisions import Ledger
from pullwright.sandbox.egress.http_server import HttpPort
from pullwright.sandbox.egress.npm import NpmGateway
from pullwright.sandbox.egress.page_cache import PageCache
from pullwright.sandbox.egress.pypi import PypiGateway
from pullwright.sandbox.egress.tunnel import Connector, ConnectPort, Resolver, connect, resolve
from pullwright.sandbox.egress.upstream_client import TIMEOUT, UpstreamClient
from pullwright.sandbox.egress.upstreams import Upstreams

ConnectionHandler = Callable[[ByteStream], Awaitable[None]]
"""Serves one connection that a program in the container made, and closes it."""

PYPI_PORT: Final = 39701
NPM_PORT: Final = 39702
APT_PORT: Final = 39703
CONNECT_PORT: Final = 39704
"""Ports on the container's loopback. They are fixed, so that what clients write into files stays the same."""

_PACKAGES: Final = {
    "PIP_INDEX_URL": f"http://127.0.0.1:{PYPI_PORT}/simple/",
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    "UV_DEFAULT_INDEX": f"http://127.0.0.1:{PYPI_PORT}/simple/",
    "UV_INDEX_URL": f"http://127.0.0.1:{PYPI_PORT}/simple/",
    "UV_PYTHON_DOWNLOADS": "never",
    "PDM_PYPI_URL": f"http://127.0.0.1:{PYPI_PORT}/simple/",
    "npm_config_registry": f"http://127.0.0.1:{NPM_PORT}/",
    "npm_config_replace_registry_host": "always",
    "npm_config_audit": "false",
    "npm_config_fund": "false",
    "npm_config_update_notifier": "false",
    "COREPACK_NPM_REGISTRY": f"http://127.0.0.1:{NPM_PORT}",
    "YARN_REGISTRY": f"http://127.0.0.1:{NPM_PORT}",
    "YARN_NPM_REGISTRY_SERVER": f"http://127.0.0.1:{NPM_PORT}",
    "YARN_UNSAFE_HTTP_WHITELIST": "127.0.0.1",
    "YARN_ENABLE_TELEMETRY": "0",
}
_LOCAL: Final = "127.0.0.1,localhost,::1"
_PROXY: Final = {
    "HTTPS_PROXY": f"http://127.0.0.1:{CONNECT_PORT}",
    "https_proxy": f"http://127.0.0.1:{CONNECT_PORT}",
    "NO_PROXY": _LOCAL,
    "no_proxy": _LOCAL,
}


class EgressSession:
    """What one sandbox may reach: handlers, what to tell its programs about them, and what was decided."""

    def __init__(self, ports: Mapping[int, ConnectionHandler], ledger: Ledger) -> None:
        self.ports = MappingProxyType(dict(ports))
        """Handler of each loopback port; empty when nothing may be reached."""
        self._ledger = ledger

    @property
    def variables(self) -> Mapping[str, str]:
        """Environment that makes package clients use the ports."""
        packages = _PACKAGES if PYPI_PORT in self.ports else {}
        proxy = _PROXY if CONNECT_PORT in self.ports else {}
        return MappingProxyType({**packages, **proxy})

    @property
    def apt_conf(self) -> str:
        """Content of a file for ``/etc/apt/apt.conf.d``; empty when apt has no port."""
        if APT_PORT not in self.ports:
            return ""
        https = f"http://127.0.0.1:{CONNECT_PORT}" if CONNECT_PORT in self.ports else "DIRECT"
        return (
            f'Acquire::http::Proxy "http://127.0.0.1:{APT_PORT}";\n'
            f'Acquire::https::Proxy "{https}";\n'
            'Acquire::Retries "1";\n'
        )

    def drain(self) -> tuple[EgressDecision, ...]:
        """Return the decisions since the last call, oldest first."""
        return self._ledger.drain()


class EgressGateway:
    """Connections to registries and the cache of a process. Enter and leave it in the same task."""

    def __init__(
        self,
        upstreams: Upstreams,
        *,
        cache: Path,
        cache_bytes: int = CACHE_BYTES,
        min_age: timedelta | None = None,
        resolver: Resolver = resolve,
        connector: Connector = connect,
    ) -> None:
        """Prepare a gateway.

        Args:
            upstreams: Where packages come from.
            cache: A folder of its own, on a disk with room; made when it is not there.
            cache_bytes: Bytes that the folder may hold.
            min_age: Time since its release that a Python or npm package must have; None for no such rule.
            resolver: Gives the addresses of host names that a tunnel is asked for.
            connector: Connects to such an address.
        """
        self._upstreams = upstreams
        self._cache = cache
        self._cache_bytes = cache_bytes
        self._min_age = min_age
        self._resolver = resolver
        self._connector = connector
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> EgressGateway:
        """Open the cache.

        Raises:
            OSError: The folder can not be made, or a CA file can not be read.
        """
        async with AsyncExitStack() as stack:
            context = await anyio.to_thread.run_sync(_trust, self._upstreams.ca_files)
            client = UpstreamClient(await stack.enter_async_context(_http_client(context)), self._upstreams)
            proxy = self._upstreams.apt_proxy
            apt = (
                UpstreamClient(await stack.enter_async_context(_http_client(context, proxy)), self._upstreams)
                if proxy
                else client
            )
            tasks = await stack.enter_async_context(anyio.create_task_group())
            stack.callback(tasks.cancel_scope.cancel)
            files = ArtefactCache(self._cache, client, tasks, max_bytes=self._cache_bytes)
            await files.open_folder()
            pages = PageCache(client)
            self._pypi = PypiGateway(self._upstreams.pypi, pages, files, self._min_age)
            self._npm = NpmGateway(self._upstreams, pages, files, self._min_age)
            self._apt = AptGateway(self._upstreams.apt, PageCache(apt), files, apt)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        """Give up what is still being downloaded, and close the connections."""
        await self._stack.aclose()  # without the exception of the body, which would come back in a group

    def session(self, policy: EgressPolicy, *, root: bool = False) -> EgressSession:
        """Return what a sandbox gets.

        Args:
            policy: What it may reach.
            root: Whether its commands run as root, so that apt is of use to it.
        """
        ledger = Ledger(policy.max_bytes)
        ports: dict[int, ConnectionHandler] = {}
        if policy.mode is not EgressMode.NONE:
            ports[PYPI_PORT] = HttpPort("pypi", self._pypi.respond, ledger)
            ports[NPM_PORT] = HttpPort("npm", self._npm.respond, ledger)
            if root:
                ports[APT_PORT] = HttpPort("apt", self._apt.respond, ledger)
        if policy.mode in (EgressMode.ALLOWLIST, EgressMode.OPEN):
            ports[CONNECT_PORT] = ConnectPort(policy, ledger, self._resolver, self._connector)
        return EgressSession(ports, ledger)


def _trust(ca_files: tuple[str, ...]) -> ssl.SSLContext:
    context = ssl.create_default_context()
    for path in ca_files:
        context.load_verify_locations(path)
    return context


def _http_client(context: ssl.SSLContext, proxy: str | None = None) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(verify=context, proxy=proxy, timeout=TIMEOUT)
