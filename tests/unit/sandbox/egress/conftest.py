from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.unit.sandbox.egress.harness import Upstream, upstream


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def registry(anyio_backend: str) -> AsyncIterator[Upstream]:
    async with upstream() as found:
        yield found
