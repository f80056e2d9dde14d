"""One gateway per process, one session per sandbox: handlers for the ports that the container finds on its loopback."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from datetime import timedelta
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Final, TypedDict

import anyio
from anyio import to_thread

from pullwright.agents.egress import EgressDecision, EgressMode, EgressPolicy
from pullwright.sandbox.channels import ConnectionHandler
from pullwright.sandbox.egress.cache import CACHE_BYTES
from pullwright.sandbox.egress.decisions import Ledger, Refusal
from pullwright.sandbox.egress.http_server import Exchange, HttpPort, Responder
from pullwright.sandbox.egress.tunnel import Connector, ConnectPort, Resolver, connect, resolve
from pullwright.sandbox.egress.upstreams import Upstreams

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


class _How(TypedDict):
    cache: Path
    cache_bytes: int
    min_age: timedelta | None


class EgressGateway:
    """Connections to registries and the cache of a process. Enter and leave it in the same task."""

    def __init__(
        self,
        upstreams: Upstreams | Callable[[], Upstreams],
        *,
        cache: Path,
        cache_bytes: int = CACHE_BYTES,
        min_age: timedelta | None = None,
        resolver: Resolver = resolve,
        connector: Connector = connect,
    ) -> None:
        """Prepare a gateway.

        Args:
            upstreams: Where packages come from, or a blocking function that finds it out when a package is asked for.
            cache: A folder of its own, on a disk with room; made when it is not there.
            cache_bytes: Bytes that the folder may hold.
            min_age: Time since its release that a Python or npm package must have; None for no such rule.
            resolver: Gives the addresses of host names that a tunnel is asked for.
            connector: Connects to such an address.
        """
        self._upstreams = upstreams
        self._how: _How = {"cache": cache, "cache_bytes": cache_bytes, "min_age": min_age}
        self._resolver = resolver
        self._connector = connector
        self._stack = AsyncExitStack()
        self._opening = anyio.Lock()
        self._registries: Mapping[str, Responder] | None = None

    async def __aenter__(self) -> EgressGateway:
        """Make ready; nothing is read or opened before a sandbox asks for a package."""
        self._tasks = await self._stack.enter_async_context(anyio.create_task_group())
        self._stack.callback(self._tasks.cancel_scope.cancel)
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
            kinds = {PYPI_PORT: "pypi", NPM_PORT: "npm", **({APT_PORT: "apt"} if root else {})}
            for port, kind in kinds.items():
                ports[port] = HttpPort(kind, partial(self._respond, kind), ledger)
        if policy.mode in (EgressMode.ALLOWLIST, EgressMode.OPEN):
            ports[CONNECT_PORT] = ConnectPort(policy, ledger, self._resolver, self._connector)
        return EgressSession(ports, ledger)

    async def _respond(self, kind: str, exchange: Exchange) -> None:
        try:
            registries = await self._opened()
        except OSError as exc:
            raise Refusal(502, f"the package gateway can not be opened ({exc})") from exc
        await registries[kind](exchange)

    async def _opened(self) -> Mapping[str, Responder]:
        """Return the registries. They are opened on first use: to find out about them takes the host half a second."""
        async with self._opening:
            if self._registries is None:
                from pullwright.sandbox.egress.registries import open_registries

                upstreams = self._upstreams
                found = upstreams if isinstance(upstreams, Upstreams) else await to_thread.run_sync(upstreams)
                self._registries = await self._stack.enter_async_context(
                    open_registries(found, self._tasks, **self._how)
                )
            return self._registries
