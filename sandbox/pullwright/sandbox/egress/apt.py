"""The port that apt uses as its proxy: indexes and packages of the distributions that the host knows, nothing else.

apt verifies what it gets by the signature of the release file, so mirrors need not be trusted.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote

from pullwright.sandbox.egress.cache import Artefact, ArtefactCache
from pullwright.sandbox.egress.decisions import Refusal
from pullwright.sandbox.egress.http_server import Exchange, plain_path
from pullwright.sandbox.egress.page_cache import PageCache
from pullwright.sandbox.egress.upstream_client import UpstreamClient

_PROXIED = re.compile(r"http://([a-z0-9.-]{1,253})(?::80)?(/.*)", re.DOTALL)
_BY_HASH = re.compile(r"/dists/.*/by-hash/SHA256/([0-9a-f]{64})")
_DEB: Final = re.compile(r"([a-z0-9][a-z0-9+.-]+)_([^_/]+)_[a-z0-9-]+\.u?deb")


class AptGateway:
    """Answers for package archives, which are asked for in a proxy's form (``GET http://host/path``)."""

    def __init__(
        self, archives: Mapping[str, str], pages: PageCache, files: ArtefactCache, client: UpstreamClient
    ) -> None:
        self._archives = archives
        self._pages = pages
        self._files = files
        self._client = client

    async def respond(self, exchange: Exchange) -> None:
        """Serve files below ``dists/`` and ``pool/`` of a known archive.

        Raises:
            Refusal: Anything else, or what the archive does not have.
        """
        match = _PROXIED.fullmatch(exchange.request.target)
        if match is None:
            raise Refusal(403, "only apt's own requests for http archives are served here")
        path = plain_path(match[2])
        archive = next((name for name in self._archives if f"http://{match[1]}{path}".startswith(f"{name}/")), None)
        inside = f"http://{match[1]}{path}".removeprefix(archive or "")
        exchange.target = _describe(inside) if archive else f"{match[1]}{path}"
        if archive is None:
            raise Refusal(403, f"{match[1]} is not a package archive of this host's distribution")
        if not inside.startswith(("/dists/", "/pool/")) or inside.endswith("/"):
            raise Refusal(403, "an archive has nothing for apt outside of dists/ and pool/")
        await self._serve(exchange, self._archives[archive] + quote(inside, safe="/+~:@!$&'()*,;="), inside)

    async def _serve(self, exchange: Exchange, url: str, inside: str) -> None:
        by_hash = _BY_HASH.fullmatch(inside)
        if by_hash is None and inside.startswith("/dists/"):
            page = await self._pages.get(url, accept="*/*")
            await exchange.answer(page.body, "application/octet-stream")
            return
        artefact = Artefact(url=url, sha256=by_hash[1] if by_hash else "")
        await exchange.serve_file(self._files, artefact, self._client)


def _describe(inside: str) -> str:
    deb = _DEB.fullmatch(inside.rpartition("/")[2])
    if deb:
        return f"{deb[1]} {deb[2].replace('%3a', ':')}"
    parts = inside.split("/")
    return f"index of {parts[2]}" if parts[1] == "dists" and len(parts) > 3 else inside[1:]
