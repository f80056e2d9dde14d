"""Sends deliveries as GitHub does: signed, from a thread of its own, once, with a log of what came back."""

from __future__ import annotations

import hashlib
import hmac
import queue
import threading
import time
from pathlib import Path
from urllib.parse import quote_plus

import requests

from pullwright.integrations.testing.forge_state import ForgeState
from pullwright.integrations.testing.hook_records import Delivery, Hook
from pullwright.integrations.testing.hook_trouble import HookTrouble
from pullwright.integrations.testing.open_work import OpenWork

AGENT = "GitHub-Hookshot/5e0f3a1"
_LOGGED = 10_000
_OUTCOMES = {True: "OK", False: "Invalid HTTP Response"}


class HookSender:
    """Puts deliveries on the wire, one after another; ``close`` ends its thread."""

    def __init__(self, state: ForgeState, work: OpenWork, *, host: str, ca_file: Path, timeout: float = 10.0) -> None:
        self._trouble: HookTrouble[Delivery] = HookTrouble()
        self._state = state
        self._work = work
        self._host = host
        self._ca_file = ca_file
        self._timeout = timeout
        self._lock = threading.Lock()
        self._waiting: queue.SimpleQueue[Delivery | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._closing = threading.Event()

    def send(self, delivery: Delivery) -> None:
        """Log a delivery and put it on its way."""
        delivery.request_headers = self._headers(delivery)
        with self._lock:
            self._state.deliveries.append(delivery)
            for due in self._trouble.put(delivery, _lose):
                self._start(due)

    def set_trouble(self, trouble: HookTrouble[Delivery]) -> None:
        """Let this go wrong from now on; what was held back until now is sent."""
        self.release()
        with self._lock:
            self._trouble = trouble

    @property
    def holds(self) -> bool:
        """Whether something is held back."""
        with self._lock:
            return self._trouble.holds

    def release(self) -> None:
        """Put what was held back on its way."""
        with self._lock:
            for held in self._trouble.release():
                self._start(held)

    def close(self) -> None:
        """End after the delivery that is under way; the others are not sent any more."""
        self._closing.set()
        with self._lock:
            thread, self._thread = self._thread, None
        if thread is not None:
            self._waiting.put(None)
            thread.join()

    def _start(self, delivery: Delivery) -> None:
        self._work.begin()
        self._waiting.put(delivery)
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="rehearsal-hooks", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while (delivery := self._waiting.get()) is not None:
            try:
                if not self._closing.is_set():
                    self._post(delivery)
            finally:
                self._work.end()

    def _post(self, delivery: Delivery) -> None:
        begun = time.monotonic()
        hook = delivery.hook
        # A server of the receiver's side has the same throwaway authority as the forge itself.
        verify: bool | str = False if hook.insecure_ssl else str(self._ca_file)
        try:
            answer = requests.post(
                hook.url,
                data=_form(hook, delivery.body),
                headers=dict(delivery.request_headers),
                timeout=self._timeout,
                verify=verify,
                allow_redirects=False,
            )
        except requests.Timeout:
            _outcome(delivery, 0, "timed out")
        except requests.RequestException:
            _outcome(delivery, 0, "failed to connect to host")
        else:
            delivery.response_headers = dict(answer.headers)
            delivery.response_body = answer.text[:_LOGGED]
            _outcome(delivery, answer.status_code, _OUTCOMES[answer.ok])
        delivery.seconds = round(time.monotonic() - begun, 2)

    def _headers(self, delivery: Delivery) -> dict[str, str]:
        hook = delivery.hook
        kind = "application/json" if hook.content_type == "json" else "application/x-www-form-urlencoded"
        headers = {
            "Accept": "*/*",
            "Content-Type": kind,
            "User-Agent": AGENT,
            "X-GitHub-Delivery": delivery.guid,
            "X-GitHub-Event": delivery.event,
            "X-GitHub-Hook-ID": str(hook.id),
            "X-GitHub-Hook-Installation-Target-ID": str(hook.target_id),
            "X-GitHub-Hook-Installation-Target-Type": hook.target_type,
            "X-GitHub-Enterprise-Host": self._host,
            "X-GitHub-Enterprise-Version": "3.17.0",
        }
        return headers | signatures(hook.secret, _form(hook, delivery.body)) if hook.secret else headers


def signatures(secret: str, body: bytes) -> dict[str, str]:
    """Return both signature headers of a body."""
    key = secret.encode()
    return {
        "X-Hub-Signature": f"sha1={hmac.new(key, body, hashlib.sha1).hexdigest()}",
        "X-Hub-Signature-256": f"sha256={hmac.new(key, body, hashlib.sha256).hexdigest()}",
    }


def _form(hook: Hook, body: bytes) -> bytes:
    return body if hook.content_type == "json" else b"payload=" + quote_plus(body).encode()


def _lose(delivery: Delivery) -> None:
    _outcome(delivery, 0, "failed to connect to host")


def _outcome(delivery: Delivery, code: int, status: str) -> None:
    delivery.status_code, delivery.status = code, status
