from __future__ import annotations

from collections.abc import Iterator

import httpcore2
import pytest
from blockbuster import blockbuster_ctx

assert httpcore2  # imported before the loop runs: its import reads a file


@pytest.fixture(autouse=True)
def _no_blocking_call_in_the_event_loop() -> Iterator[None]:
    with blockbuster_ctx("pullwright", excluded_modules=["pullwright.agents.testing"]):
        yield
