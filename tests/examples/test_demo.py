from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pullwright.agents.testing.endpoint_script import read_script
from pullwright.agents.testing.scripted_endpoint import ScriptedEndpoint

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "examples" / "demo" / "demo.py"

pytestmark = pytest.mark.docker


def demo(**variables: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AGENT_")}
    return subprocess.run(
        [sys.executable, "-P", str(DEMO)],
        env=environment | variables,
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
    )


def test_the_demo_opens_the_pull_request_and_says_that_its_model_is_scripted() -> None:
    done = demo()
    assert done.returncode == 0, done.stderr
    first, second, *_ = done.stderr.splitlines()
    assert "scripted" in first
    assert "AGENT_ENDPOINT_URL" in second
    assert "+    return (amount * percent + 50) // 100" in done.stdout
    assert "Fixes #42" in done.stderr


def test_the_demo_uses_the_endpoint_that_is_set() -> None:
    with ScriptedEndpoint(read_script(DEMO.with_name("script.json"))) as endpoint:
        done = demo(AGENT_ENDPOINT_URL=endpoint.url)
        assert done.returncode == 0, done.stderr
        assert "scripted:" not in done.stderr
        assert len(endpoint.requests) == 4
