from __future__ import annotations

import json
from pathlib import Path

import pytest

from pullwright.integrations.testing.sample_repositories import SAMPLES
from tests.e2e.stage import OpenStage, fixing

pytestmark = pytest.mark.docker

DOWN = {"name": "down", "url": "http://127.0.0.1:9/v1"}


def test_a_run_on_what_is_left_of_several_endpoints_says_where_it_was_and_what_it_cost(tmp_path: Path) -> None:
    sample = SAMPLES["invoice"]()
    with OpenStage(tmp_path, fixing(sample)) as stage:
        stage.forge.create_sample("acme", sample)
        tables = [DOWN, {"name": "up", "url": stage.endpoint.url}]
        prices = {"AGENT_PRICE_INPUT": "1000", "AGENT_PRICE_OUTPUT": "1000", "AGENT_GPUS": "4"}
        stage.extra = {"AGENT_ENDPOINT_URL": "", "AGENT_ENDPOINTS": json.dumps(tables), **prices}
        checkout = stage.clone(sample)
        ran = stage.agent("run", "fix issue #42", "--check", sample.check, "--json", cwd=checkout)
        assert ran.code == 0, ran.err
        assert "endpoint down can not be used now" in ran.err
        places = [event["data"]["endpoint"] for event in ran.events if event["type"] == "model.replied"]
        assert places == ["up"] * 3
        (pull,) = stage.forge.pull_requests("acme", sample.name)
        assert " out), $" in (pull.issue.body or "")
        assert "GPU-seconds. Please review" in (pull.issue.body or "")
        shown = stage.agent("show", ran.events[0]["task"], cwd=checkout).out
    assert shown.count(", at up\n") == 3, "a line for each call"
    assert any("GPU-seconds, " in line for line in shown.splitlines() if line.startswith("● succeeded"))
