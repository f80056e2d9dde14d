"""Speaks GraphQL with Linear: one request at a time, nothing repeated, every refusal an error that says what to do.

Whoever calls is put off by such an error and comes again; a request that writes is looked up before it is repeated.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ssl import PROTOCOL_TLS_CLIENT, SSLContext, create_default_context
from typing import Final, TypeVar
from urllib.parse import urlsplit

import httpx2
from anyio import Lock, fail_after, to_thread
from pydantic import BaseModel, ValidationError

from pullwright.agents.errors import ConfigError, RemoteRejected, RemoteUnavailable
from pullwright.integrations.linear.failures import Refusal, to_error
from pullwright.integrations.linear.settings import LinearSettings

SECONDS: Final = 20.0
"""How long one answer may take, all of it."""

BODY_BYTES: Final = 16 << 20
"""Largest answer that is read."""

P = TypeVar("P", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes


class LinearClient:
    """One workspace, spoken to with one token."""

    def __init__(self, settings: LinearSettings, *, now: Callable[[], float] = time.time) -> None:
        """Take the settings; ``now`` gives seconds since 1970."""
        self.settings = settings
        self._now = now
        self._trusted: SSLContext | None = None
        self._lock = Lock()

    async def ask(self, form: type[P], query: str, *, action: str, **variables: object) -> P:
        """Return the answer to a query or mutation in the form of a model.

        Args:
            form: The model of ``data``.
            query: Its text.
            action: What is tried, as the end of a sentence, for errors.
            variables: Of the query.

        Raises:
            AuthFailed, NotFound, RemoteUnavailable, RemoteRejected.
        """
        answer = await self._send("POST", self.settings.api_url, action, {"query": query, "variables": variables})
        try:
            return form.model_validate(self._data(answer, action))
        except ValidationError as exc:
            place = ".".join(str(part) for part in exc.errors()[0]["loc"])[:100]
            raise RemoteRejected(
                f"Linear at {self.settings.host!r} failed {action}: it has no usable {place!r}; report this"
            ) from exc

    async def picture(self, url: str, *, limit: int) -> bytes:
        """Return the bytes of a file that somebody put into an issue.

        Raises:
            RemoteRejected: It is elsewhere, or larger than ``limit`` bytes.
            AuthFailed, NotFound, RemoteUnavailable: It could not be had.
        """
        parts = urlsplit(url)
        if parts.scheme != "https" or parts.netloc.lower() not in self.settings.upload_hosts:
            raise RemoteRejected("it is on another host")
        answer = await self._send("GET", url, "fetching a picture", limit=limit)
        if answer.status != 200:
            raise to_error(self._refusal(answer, (), "fetching a picture"), self._now())
        return answer.body

    async def _send(
        self, method: str, url: str, action: str, content: Mapping[str, object] | None = None, limit: int = BODY_BYTES
    ) -> _Answer:
        headers = {"Authorization": self.settings.authorization}
        try:
            with fail_after(SECONDS):
                async with (
                    httpx2.AsyncClient(verify=await self._trust(), follow_redirects=False, timeout=SECONDS) as client,
                    client.stream(method, url, json=content, headers=headers) as response,
                ):
                    return await self._read(response, action, limit)
        except (httpx2.HTTPError, httpx2.StreamError, httpx2.InvalidURL, TimeoutError) as exc:
            late = isinstance(exc, TimeoutError | httpx2.TimeoutException)
            how = "it did not answer in time" if late else "it could not be reached"
            name = self.settings.host
            raise RemoteUnavailable(f"Linear at {name!r} failed {action}: {how}; try again later") from exc

    async def _read(self, response: httpx2.Response, action: str, limit: int) -> _Answer:
        body = bytearray()
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) > limit:
                name = self.settings.host
                raise RemoteRejected(f"Linear at {name!r} failed {action}: more than {limit} bytes; look there")
        headers = {name.lower(): value for name, value in response.headers.items()}
        return _Answer(response.status_code, headers, bytes(body))

    def _data(self, answer: _Answer, action: str) -> object:
        document = _object(answer.body)
        found = document.get("errors") if document else None
        errors = tuple(one for one in found if isinstance(one, Mapping)) if isinstance(found, list) else ()
        # With errors there may be half an answer; half of what was asked for is nothing to act on.
        if errors or answer.status != 200 or document is None:
            refusal = self._refusal(answer, errors, action)
            if answer.status == 200 and not errors and not refusal.page:
                name = self.settings.host
                raise RemoteUnavailable(f"Linear at {name!r} failed {action}: it gave no JSON; try again later")
            raise to_error(refusal, self._now())
        return document.get("data")

    def _refusal(self, answer: _Answer, errors: tuple[Mapping[str, object], ...], action: str) -> Refusal:
        start = answer.body.lstrip()[:200].lower()
        kind = answer.headers.get("content-type", "").lower()
        return Refusal(
            status=answer.status,
            headers=answer.headers,
            errors=errors,
            page="html" in kind or start.startswith((b"<!doctype", b"<html")),
            host=self.settings.host,
            action=action,
        )

    async def _trust(self) -> SSLContext:
        """Load the trusted certificates once; without TLS there is nothing to verify."""
        async with self._lock:
            if self._trusted is None:
                secure = self.settings.secure
                self._trusted = await to_thread.run_sync(self._load) if secure else SSLContext(PROTOCOL_TLS_CLIENT)
            return self._trusted

    def _load(self) -> SSLContext:
        file = self.settings.ca_file
        try:
            return create_default_context(cafile=str(file) if file else None)
        except OSError as exc:
            raise ConfigError(f"the CA file {str(file)!r} can not be read: {exc}; correct it") from exc


def _object(body: bytes) -> Mapping[str, object] | None:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None
