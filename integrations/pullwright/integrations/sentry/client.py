"""Speaks to Sentry's API: one request at a time, nothing repeated, every refusal an error that says what to do.

Whoever calls is put off by such an error and comes again; a request that writes is looked up before it is repeated.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from ssl import PROTOCOL_TLS_CLIENT, SSLContext, create_default_context
from typing import Final

import httpx2
from anyio import Lock, fail_after, to_thread

from pullwright.agents.errors import ConfigError, RemoteRejected, RemoteUnavailable
from pullwright.integrations.sentry.failures import Refusal, to_error
from pullwright.integrations.sentry.settings import SentrySettings

SECONDS: Final = 20.0
"""How long one answer may take, all of it."""

BODY_BYTES: Final = 16 << 20
"""Largest answer that is read; an event may have 2 MB, and its JSON more."""

PAGES: Final = 10

_LINK: Final = re.compile(r'<[^<>]{1,4000}>((?:;\s{0,3}[a-z]{1,20}="[^"]{0,500}"){1,9})', re.ASCII)
_ATTRIBUTE: Final = re.compile(r'([a-z]{1,20})="([^"]{0,500})"', re.ASCII)

Query = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What Sentry answered, when it is what was asked for."""

    document: object
    headers: Mapping[str, str]


class SentryClient:
    """One Sentry, spoken to with one token."""

    def __init__(self, settings: SentrySettings, *, now: Callable[[], float] = time.time) -> None:
        """Take the settings; ``now`` gives seconds since 1970."""
        self._settings = settings
        self._now = now
        self._trusted: SSLContext | None = None
        self._lock = Lock()

    async def get(self, path: str, *, action: str, query: Query | None = None) -> object:
        """Return the JSON document at a path.

        Raises:
            AuthFailed, NotFound, RemoteUnavailable, RemoteRejected.
        """
        return (await self._send("GET", path, action, query=query)).document

    async def send(self, method: str, path: str, content: Mapping[str, object], *, action: str) -> object:
        """Write something; return what Sentry says of it.

        Raises:
            AuthFailed, NotFound, RemoteUnavailable, RemoteRejected.
        """
        return (await self._send(method, path, action, content=content)).document

    async def pages(self, path: str, *, action: str, query: Query | None = None) -> AsyncIterator[object]:
        """Yield the members of a list, page after page, up to ``PAGES``.

        Of the link to the next page only the cursor is used, so that no answer sends the token elsewhere.

        Raises:
            AuthFailed, NotFound, RemoteUnavailable, RemoteRejected.
        """
        cursor: str | None = ""
        for _ in range(PAGES):
            asked = {**(query or {}), **({"cursor": cursor} if cursor else {})}
            answer = await self._send("GET", path, action, query=asked)
            if not isinstance(answer.document, list):
                raise RemoteRejected(f"Sentry at {self._settings.host!r} failed {action}: it gave no list; try again")
            for one in answer.document:
                yield one
            cursor = next_cursor(answer.headers.get("link", ""))
            if not cursor:
                return

    async def _send(
        self,
        method: str,
        path: str,
        action: str,
        *,
        query: Query | None = None,
        content: Mapping[str, object] | None = None,
    ) -> Answer:
        headers = {"Authorization": f"Bearer {self._settings.token}", "Accept": "application/json"}
        url = self._settings.url + path
        try:
            with fail_after(SECONDS):
                async with (
                    httpx2.AsyncClient(verify=await self._trust(), follow_redirects=False, timeout=SECONDS) as client,
                    client.stream(method, url, params=query or None, json=content, headers=headers) as response,
                ):
                    return await self._answer(response, action)
        except (httpx2.HTTPError, httpx2.StreamError, TimeoutError) as exc:
            late = isinstance(exc, TimeoutError | httpx2.TimeoutException)
            how = "it did not answer in time" if late else "it could not be reached"
            name = self._settings.host
            raise RemoteUnavailable(f"Sentry at {name!r} failed {action}: {how}; try again later") from exc

    async def _answer(self, response: httpx2.Response, action: str) -> Answer:
        body = bytearray()
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) > BODY_BYTES:
                name = self._settings.host
                raise RemoteRejected(f"Sentry at {name!r} failed {action}: more than {BODY_BYTES} bytes; look there")
        headers = {name.lower(): value for name, value in response.headers.items()}
        text = bytes(body).decode("utf-8", "replace")
        refusal = Refusal(
            status=response.status_code,
            headers=headers,
            body=text[:20_000],
            host=self._settings.host,
            action=action,
        )
        if not response.is_success or refusal.is_page:
            raise to_error(refusal, self._now())
        return Answer(document=self._document(text, action), headers=headers)

    def _document(self, text: str, action: str) -> object:
        if not text:
            return None
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            name = self._settings.host
            raise RemoteUnavailable(f"Sentry at {name!r} failed {action}: it gave no JSON; try again later") from None

    async def _trust(self) -> SSLContext:
        """Load the trusted certificates once; without TLS there is nothing to verify."""
        async with self._lock:
            if self._trusted is None:
                self._trusted = await to_thread.run_sync(self._load) if self._settings.secure else _nobody()
            return self._trusted

    def _load(self) -> SSLContext:
        file = self._settings.ca_file
        try:
            return create_default_context(cafile=str(file) if file else None)
        except OSError as exc:
            raise ConfigError(f"the CA file {str(file)!r} can not be read: {exc}; correct it") from exc


def next_cursor(link: str) -> str | None:
    """Return the cursor of the next page from a ``Link`` header; None when there is none with results."""
    for found in _LINK.finditer(link):
        attributes = dict(_ATTRIBUTE.findall(found[1]))
        if attributes.get("rel") == "next":
            return attributes.get("cursor") if attributes.get("results") == "true" else None
    return None


def _nobody() -> SSLContext:
    return SSLContext(PROTOCOL_TLS_CLIENT)
