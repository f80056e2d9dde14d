"""Sends hooks as Sentry's integration platform does: signed over the sent bytes, with a limit of one second."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import requests

from pullwright.integrations.signatures import SENTRY, sign

SECONDS: Final = 1.0
"""Sentry's own limit; hooks that are too slow too often are turned off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SentHook:
    """One delivery and what came back."""

    resource: str
    action: str
    status: int
    """0 when nobody answered in time."""
    answer: str = ""
    body: bytes = b""
    headers: Mapping[str, str] | None = None


class SentryHooks:
    """The webhook of one integration."""

    def __init__(self, url: str, secret: str, *, verify: bool | str = True, seconds: float = SECONDS) -> None:
        self._url = url
        self._secret = secret
        self._verify = verify
        self._seconds = seconds
        self.sent: list[SentHook] = []

    def send(self, resource: str, document: Mapping[str, Any]) -> SentHook:
        """Send a hook now and return what came of it."""
        body = json.dumps(document).encode()
        return self._post(resource, str(document.get("action", "")), body, self._headers(resource, body))

    def repeat(self, hook: SentHook) -> SentHook:
        """Deliver a hook once more, as Sentry does when it was not answered."""
        return self._post(hook.resource, hook.action, hook.body, hook.headers or {})

    def repeat_with(self, hook: SentHook, headers: Mapping[str, str]) -> SentHook:
        """Deliver the bytes of a hook with other headers."""
        return self._post(hook.resource, hook.action, hook.body, headers)

    def send_bytes(self, resource: str, body: bytes) -> SentHook:
        """Send bytes as they are, signed, whatever they say."""
        return self._post(resource, "", body, self._headers(resource, body))

    def _headers(self, resource: str, body: bytes) -> dict[str, str]:
        return {
            "Content-Type": "application/json",
            "Request-ID": uuid.uuid4().hex,
            "Sentry-Hook-Resource": resource,
            "Sentry-Hook-Timestamp": str(int(time.time())),
            **dict(sign(SENTRY, self._secret, body)),
        }

    def _post(self, resource: str, action: str, body: bytes, headers: Mapping[str, str]) -> SentHook:
        status, text = 0, ""
        try:
            answer = requests.post(
                self._url, data=body, headers=dict(headers), timeout=self._seconds, verify=self._verify
            )
            status, text = answer.status_code, answer.text[:1000]
        except requests.RequestException as exc:
            text = type(exc).__name__
        sent = SentHook(resource=resource, action=action, status=status, answer=text, body=body, headers=dict(headers))
        self.sent.append(sent)
        return sent
