from __future__ import annotations

import os
from collections.abc import Iterator

import httpcore2
import pytest
from blockbuster import blockbuster_ctx
from hypothesis import settings

assert httpcore2  # imported before the loop runs: its import reads a file

# Enough to find what breaks while the suite stays quick; AGENT_EXAMPLES=1000 looks longer.
settings.register_profile("pullwright", max_examples=int(os.environ.get("AGENT_EXAMPLES", "40")))
settings.load_profile("pullwright")


@pytest.fixture(autouse=True)
def _no_blocking_call_in_the_event_loop() -> Iterator[None]:
    with blockbuster_ctx("pullwright", excluded_modules=["pullwright.agents.testing"]):
        yield
