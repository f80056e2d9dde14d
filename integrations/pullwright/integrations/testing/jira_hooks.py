"""Sends hooks as Jira does: signed, or with a token, or to an address that holds a secret; from a thread of its own."""

from __future__ import annotations

import json
import queue
import threading
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt
import requests

from pullwright.integrations.signatures import JIRA, sign
from pullwright.integrations.testing.jira_state import JiraHook, JiraState


@dataclass(frozen=True, slots=True)
class SentHook:
    """One delivery, and the status that it was answered with; 0 when it did not arrive."""

    body: bytes
    headers: dict[str, str]
    status: int


class JiraHooks:
    """Puts deliveries on the wire, one after another; ``close`` ends its thread."""

    def __init__(self, state: JiraState, *, ca_file: Path | None = None, timeout: float = 10.0) -> None:
        self._state = state
        self._ca_file = ca_file
        self._timeout = timeout
        self.sent: list[SentHook] = []
        self._waiting: queue.Queue[tuple[JiraHook, bytes, dict[str, str]] | None] = queue.Queue()
        self._thread = threading.Thread(target=self._run, name="rehearsal-jira-hooks", daemon=True)
        self._thread.start()

    def send(self, document: dict[str, Any]) -> None:
        """Tell every hook."""
        body = json.dumps(document).encode()
        for hook in self._state.hooks:
            self._waiting.put((hook, body, self._headers(hook, body)))

    def send_again(self, sent: SentHook) -> None:
        """Repeat a delivery as Cloud does: with the identifier that it had."""
        headers = {**sent.headers, "X-Atlassian-Webhook-Retry": "1"}
        for hook in self._state.hooks:
            self._waiting.put((hook, sent.body, headers))

    def settle(self) -> None:
        """Return when everything was sent."""
        self._waiting.join()

    def close(self) -> None:
        """Send what waits, and end."""
        self._waiting.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (found := self._waiting.get()) is not None:
            hook, body, headers = found
            try:
                status = requests.post(hook.url, data=body, headers=headers, timeout=self._timeout).status_code
            except requests.RequestException:
                status = 0
            self.sent.append(SentHook(body, headers, status))
            self._waiting.task_done()

    def _headers(self, hook: JiraHook, body: bytes) -> dict[str, str]:
        headers = {"Content-Type": "application/json", "User-Agent": "Atlassian Webhook HTTP Client"}
        if self._state.cloud:
            flow = {"X-Atlassian-Webhook-Identifier": str(uuid.uuid4()), "X-Atlassian-Webhook-Flow": "Primary"}
            headers |= flow
        if hook.secret:
            headers |= dict(sign(JIRA, hook.secret, body))
        if hook.token_secret:
            now = int(time.time())
            token = jwt.encode({"iss": "jira", "iat": now, "exp": now + 180}, hook.token_secret, algorithm="HS256")
            headers["Authorization"] = f"Bearer {token}"
        return headers
