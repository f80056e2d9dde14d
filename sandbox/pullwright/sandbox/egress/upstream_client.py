"""Fetches from registries: GET only, redirects followed by hand and only to known hosts, credentials added here.

Redirects. A container can not choose where the gateway goes: it names a package, the registry names the file. What a
registry's answer says is followed to the hosts of the configured registries, to hosts that the index itself named for
files of this package, and to ``Upstreams.redirect_hosts``, never from https to http. So a registry (or whoever
speaks in its place) can not make the host knock at an address inside its own network.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final
from urllib.parse import urljoin, urlsplit

import httpx2

from pullwright.sandbox.egress.decisions import Refusal
from pullwright.sandbox.egress.upstreams import Upstreams, host_of

TIMEOUT: Final = httpx2.Timeout(60, connect=15)
MAX_REDIRECTS: Final = 5


class UpstreamClient:
    """GET requests to upstreams; every failure is a ``Refusal`` without URL, header or text of the other side."""

    def __init__(self, client: httpx2.AsyncClient, upstreams: Upstreams) -> None:
        self._client = client
        self.upstreams = upstreams

    @asynccontextmanager
    async def get(
        self, url: str, *, headers: Mapping[str, str] | None = None, hosts: frozenset[str] = frozenset()
    ) -> AsyncIterator[httpx2.Response]:
        """Open an answer of status 200 or 304, its body unread and not compressed.

        Args:
            url: An http(s) URL without credentials.
            headers: Request headers beside those that are always sent.
            hosts: Hosts that may be redirected to, beside those of the registries.

        Raises:
            Refusal: 404 when the upstream does not have it, 502 for everything else.
        """
        allowed = hosts | self.upstreams.hosts | {host_of(url)}
        try:
            response = await self._follow(url, dict(headers or {}), allowed)
        except (httpx2.HTTPError, httpx2.InvalidURL) as exc:
            raise _unreachable(url, exc) from None
        try:
            _check(response, url)
            yield response
        except httpx2.HTTPError as exc:
            raise _unreachable(url, exc) from None
        finally:
            await response.aclose()

    async def _follow(self, url: str, headers: dict[str, str], allowed: frozenset[str]) -> httpx2.Response:
        for _ in range(MAX_REDIRECTS + 1):
            response = await self._send(url, headers)
            location = response.headers.get("location")
            if response.status_code not in (301, 302, 303, 307, 308) or not location:
                return response
            await response.aclose()
            target = _follow_to(url, location, allowed)
            if target is None:
                raise Refusal(502, f"{host_of(url)} redirects to a host that is not one of the registry's")
            url = target
        raise Refusal(502, f"{host_of(url)} redirects in circles")

    async def _send(self, url: str, headers: dict[str, str]) -> httpx2.Response:
        authorization = self.upstreams.authorization(url)
        extra = {"Authorization": authorization} if authorization else {}
        request = self._client.build_request(
            "GET", url, headers={"User-Agent": "pullwright", "Accept-Encoding": "identity", **headers, **extra}
        )
        return await self._client.send(request, stream=True, auth=None, follow_redirects=False)


def may_fetch(url: str, named_by: str) -> bool:
    """Whether a file's URL, named by an index, is one to fetch.

    On the index's own origin always; elsewhere only by https and by name, so that no index can point inside.
    """
    try:
        parts, index = urlsplit(url), urlsplit(named_by)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return False
    if not host or parts.username is not None or any(char <= " " or char == "\\" for char in url):
        return False
    if (parts.scheme, parts.netloc) == (index.scheme, index.netloc):
        return True
    return parts.scheme == "https" and any(char.isalpha() for char in host.rpartition(".")[2]) and ":" not in host


def _follow_to(url: str, location: str, allowed: frozenset[str]) -> str | None:
    """Return where a redirect goes, or None when it may not be followed."""
    try:
        target = urljoin(url, location)
        parts = urlsplit(target)
    except ValueError:
        return None
    schemes = ("https",) if urlsplit(url).scheme == "https" else ("http", "https")
    plain = parts.scheme in schemes and parts.username is None
    return target if plain and (parts.hostname or "") in allowed else None


def _check(response: httpx2.Response, url: str) -> None:
    status, host = response.status_code, host_of(url)
    if status in (404, 410):
        raise Refusal(404, f"{host} does not have it", quiet=True)
    if status in (401, 403):
        raise Refusal(502, f"{host} refuses this host (status {status}): check its credentials")
    if status not in (200, 304):
        raise Refusal(502, f"{host} answered with status {status}")
    if response.headers.get("content-encoding", "identity") != "identity":
        raise Refusal(502, f"{host} compresses although it was asked not to")


def _unreachable(url: str, exc: Exception) -> Refusal:
    return Refusal(502, f"{host_of(url)} could not be reached ({type(exc).__name__})")
