"""Sends hooks as Linear does, signed, with the time inside; from a thread of its own, and one after another."""

from __future__ import annotations

import json
import queue
import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import requests

from pullwright.integrations.signatures import LINEAR, sign

SECONDS: Final = 5.0
"""Linear's own limit for an answer."""


@dataclass(frozen=True, slots=True)
class SentHook:
    """One delivery, and the status that it was answered with; 0 when it did not arrive."""

    kind: str
    body: bytes
    headers: Mapping[str, str]
    status: int


class LinearHooks:
    """One webhook; ``close`` ends its thread. Only 200 counts as delivered, as with Linear."""

    def __init__(self) -> None:
        self.url = ""
        self.secret = ""
        self.sent: list[SentHook] = []
        self._waiting: queue.Queue[tuple[str, bytes, Mapping[str, str]] | None] = queue.Queue()
        self._thread = threading.Thread(target=self._run, name="rehearsal-linear-hooks", daemon=True)
        self._thread.start()

    def send(self, document: Mapping[str, Any], *, age: float = 0.0) -> None:
        """Tell what happened; ``age`` is how many seconds ago it is said to have been sent."""
        if not self.url:
            return
        stamped = {**document, "webhookTimestamp": int((time.time() - age) * 1000), "webhookId": "hook-1"}
        body = json.dumps(stamped).encode()
        kind = str(document["type"])
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "Linear-Delivery": str(uuid.uuid4()),
            "Linear-Event": kind,
            "User-Agent": "Linear-Webhook",
            **dict(sign(LINEAR, self.secret, body)),
        }
        self._waiting.put((kind, body, headers))

    def repeat(self, sent: SentHook) -> None:
        """Deliver a hook once more."""
        self._waiting.put((sent.kind, sent.body, sent.headers))

    def settle(self) -> None:
        """Return when everything was sent."""
        self._waiting.join()

    def close(self) -> None:
        """Send what waits, and end."""
        self._waiting.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (found := self._waiting.get()) is not None:
            kind, body, headers = found
            try:
                status = requests.post(self.url, data=body, headers=dict(headers), timeout=SECONDS).status_code
            except requests.RequestException:
                status = 0
            self.sent.append(SentHook(kind, body, headers, status))
            self._waiting.task_done()
