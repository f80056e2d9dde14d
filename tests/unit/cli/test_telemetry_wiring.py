"""Whether our own errors are sent is said by one variable."""

from __future__ import annotations

import pytest

from pullwright.agents.clock import SystemClock
from pullwright.agents.errors import ConfigError
from pullwright.agents.ports.engine import Segment
from pullwright.agents.queue.memory import MemoryStore
from pullwright.cli.telemetry_wiring import followed, telemetry


@pytest.mark.parametrize("dsn", [None, "", " "])
def test_without_a_dsn_nothing_is_sent(monkeypatch: pytest.MonkeyPatch, dsn: str | None) -> None:
    monkeypatch.delenv("SENTRY_DSN", raising=False)
    if dsn is not None:
        monkeypatch.setenv("SENTRY_DSN", dsn)
    with telemetry(["secret"]) as sending:
        assert sending is None


def test_what_is_no_dsn_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENTRY_DSN", "nonsense")
    with pytest.raises(ConfigError, match="SENTRY_DSN"), telemetry([]):
        pass


def test_where_nothing_is_sent_nothing_is_followed() -> None:
    async def advance(segment: Segment) -> None:
        raise NotImplementedError

    assert followed(advance, MemoryStore(SystemClock()), None) is advance
