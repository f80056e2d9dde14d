"""Secrets planted in every way by which something leaves for our own Sentry; and the proof that they would be seen.

Each way has a secret of its own. With the scrubbing none of them arrives; without it every single one does, so that
a way which plants nothing any more is noticed.
"""

from __future__ import annotations

import http.client
import logging
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import sentry_sdk
from sentry_sdk.integrations.stdlib import StdlibIntegration
from sentry_sdk.scrubber import EventScrubber

from pullwright.integrations.sentry import telemetry as module
from pullwright.integrations.sentry.outgoing import Outgoing
from pullwright.integrations.sentry.telemetry import Telemetry, TelemetrySettings
from pullwright.integrations.testing.sentry_sink import SentrySink

OURS = "our own endpoint key/with=odd+signs"
"""Nothing gives it away but that we know it."""


def token(way: str) -> str:
    """Return something that looks like a token, of this way only."""
    return f"ghp_{way.encode().hex():A<36}"


WAYS = {
    "message of an exception": token("raised"),
    "our own key in a message": OURS,
    "arguments of a log line": token("logged"),
    "extra of a log line": "extra-correct-horse",
    "password in an address": "address-correct-horse",
    "query of an address": "query-correct-horse",
    "local variable": "local-correct-horse",
    "line of source": "source-correct-horse",
    "context by its name": "context-correct-horse",
    "context by its form": token("context"),
    "tag": "tag-correct-horse",
    "user": "ann@customer.example",
    "address of a user": "203.0.113.7",
    "breadcrumb": token("crumb"),
    "data of a breadcrumb": "crumb-correct-horse",
    "arguments of a program, as a breadcrumb": token("program"),
    "arguments of a program, as a span": token("child"),
    "name of a transaction": token("transaction"),
    "data of a transaction": "cookie-correct-horse",
    "name of a span": token("span"),
    "words of a model in a span": token("model"),
    "data of a span": "span-correct-horse",
}

logger = logging.getLogger("pullwright.leaks")


def fail(message: str) -> None:
    held = WAYS["local variable"]
    raise RuntimeError(message if held != "source-correct-horse" else "")


def plant_in_an_error() -> None:
    logger.warning("asked %s", WAYS["breadcrumb"])
    sentry_sdk.add_breadcrumb(category="query", message="x", data={"password": WAYS["data of a breadcrumb"]})
    subprocess.run([sys.executable, "-c", "", WAYS["arguments of a program, as a breadcrumb"]], check=True)
    sentry_sdk.set_user({"email": WAYS["user"], "ip_address": WAYS["address of a user"]})
    sentry_sdk.set_tag("token", WAYS["tag"])
    deep = [{"api_key": WAYS["context by its name"], "text": f"x {WAYS['context by its form']} y"}]
    sentry_sdk.set_context("anything", {"deep": deep, "raw": b"k" * 3})
    address = f"https://ann:{WAYS['password in an address']}@host.example/path?who={WAYS['query of an address']}"
    try:
        fail(f"401 for {WAYS['our own key in a message']} and {WAYS['message of an exception']} at {address}")
    except RuntimeError:
        headers = {"Authorization": WAYS["extra of a log line"]}
        logger.exception("it failed with %s", WAYS["arguments of a log line"], extra={"headers": headers})


def plant_in_a_trace() -> None:
    with sentry_sdk.start_transaction(op="task", name=f"task {WAYS['name of a transaction']}") as transaction:
        transaction.set_data("headers", {"Cookie": WAYS["data of a transaction"]})
        subprocess.run([sys.executable, "-c", "", WAYS["arguments of a program, as a span"]], check=True)
        with sentry_sdk.start_span(op="gen_ai.chat", name=f"chat {WAYS['name of a span']}") as span:
            span.set_data("gen_ai.input.messages", f"my key is {WAYS['words of a model in a span']}")
            span.set_data("password", WAYS["data of a span"])


def leaked(sink: SentrySink) -> list[str]:
    """Return the ways by which a secret has arrived."""
    plant_in_an_error()
    plant_in_a_trace()
    sentry_sdk.flush(timeout=5)
    assert sink.items("event")
    assert sink.items("transaction")
    received = sink.received.decode("utf-8", "replace")
    return [way for way, secret in WAYS.items() if secret in received]


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[SentrySink]:
    made = SentrySink(tmp_path)
    yield made
    made.close()


def settings(sink: SentrySink) -> TelemetrySettings:
    return TelemetrySettings(dsn=sink.dsn, release="pullwright@1", environment="test", ca_file=sink.ca_file)


def test_nothing_leaks(sink: SentrySink) -> None:
    with Telemetry.opened(settings(sink), [OURS]):
        assert leaked(sink) == []


class Open(Outgoing):
    """Lets everything through."""

    def event(self, event: Mapping[str, object]) -> dict[str, object]:
        return dict(event)

    def transaction(self, event: Mapping[str, object]) -> dict[str, object]:
        return dict(event)

    def breadcrumb(self, crumb: Mapping[str, object]) -> dict[str, object]:
        return dict(crumb)


def test_without_the_scrubbing_all_of_it_would(sink: SentrySink, monkeypatch: pytest.MonkeyPatch) -> None:
    begin = sentry_sdk.init
    # What the SDK's own integration replaces is put back in the end.
    for owner, name in ((subprocess.Popen, "__init__"), (subprocess.Popen, "wait"), (subprocess.Popen, "communicate")):
        monkeypatch.setattr(owner, name, getattr(owner, name))
    for name in ("putrequest", "getresponse"):
        monkeypatch.setattr(http.client.HTTPConnection, name, getattr(http.client.HTTPConnection, name))

    def unguarded(**options: Any) -> None:
        own = [*options["integrations"], StdlibIntegration()]
        more = {"include_local_variables": True, "include_source_context": True, "integrations": own}
        begin(**{**options, **more, "event_scrubber": EventScrubber(denylist=[], pii_denylist=[])})

    monkeypatch.setattr(module, "Outgoing", Open)
    monkeypatch.setattr(sentry_sdk, "init", unguarded)
    with Telemetry.opened(settings(sink), [OURS]):
        assert set(WAYS) - set(leaked(sink)) == set()
