from __future__ import annotations

import os
from collections.abc import AsyncIterator

import pytest

from tests.unit.sandbox.egress.harness import Upstream, upstream


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(autouse=True)
def _no_authorities(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every gateway reads those of the machine, which takes 20 ms; nothing here speaks TLS with a real server."""
    monkeypatch.setenv("SSL_CERT_FILE", os.devnull)


@pytest.fixture
async def registry(anyio_backend: str) -> AsyncIterator[Upstream]:
    async with upstream() as found:
        yield found
