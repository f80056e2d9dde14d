"""A repository that says what its sandbox is to be: set-up, checks, network; and what people see of it."""

from __future__ import annotations

import base64
from dataclasses import replace
from pathlib import Path

import pytest

from pullwright.agents.testing.scripted_model import Reply
from pullwright.integrations.testing.bare_repository import TreeFile
from pullwright.integrations.testing.sample_repositories import SAMPLES
from tests.e2e.stage import OpenStage, apply_command
from tests.integration.attacks.local_registry import serving

pytestmark = pytest.mark.docker

ENVIRONMENT = """
setup = "echo ready > /opt/ready; mkdir built; echo 1 > built/output"
egress = "allowlist"
allow = ["allowed.example"]
checks = ["test -e /opt/ready && test -e built/output && python3 -m unittest"]
"""

REACH = """
import json, socket, urllib.parse, urllib.request as u
index = "http://127.0.0.1:39701/simple/demo/"
page = json.load(u.urlopen(u.Request(index, headers={"Accept": "application/vnd.pypi.simple.v1+json"})))
file = u.urlopen(urllib.parse.urljoin(index, page["files"][0]["url"]))
print(file.read())
tunnel = socket.create_connection(("127.0.0.1", 39704))
tunnel.sendall(b"CONNECT evil.example:443 HTTP/1.1\\r\\nHost: evil.example:443\\r\\n\\r\\n")
print(tunnel.recv(1000))
"""


def test_set_up_checks_and_network_are_the_repositorys_and_the_pull_request_says_what_was_reached(
    tmp_path: Path,
) -> None:
    made = SAMPLES["invoice"]()
    sample = replace(made, files=(*made.files, TreeFile(b".agent/environment.toml", ENVIRONMENT.encode())))
    reach = f"echo {base64.b64encode(REACH.encode()).decode()} | base64 -d | python3 -"
    script = [
        Reply(calls=(("bash", {"command": reach}),)),
        Reply(calls=(("bash", {"command": apply_command(sample.edits)}),)),
        Reply(calls=(("finish", {"title": "Round", "summary": "Done.", "checks": []}),)),
    ]
    with serving() as registry, OpenStage(tmp_path, script) as stage:
        registry.project("demo", b"a package")
        stage.extra["PIP_INDEX_URL"] = f"{registry.url}/simple/"
        stage.forge.create_sample("acme", sample)
        checkout = stage.clone(sample)
        ran = stage.agent("run", "fix issue #42", "--json", cwd=checkout)
        assert ran.code == 0, ran.err + ran.out
        events = {event["type"]: event["data"] for event in ran.events}
        decisions = [(item["allowed"], item["target"]) for item in events["egress.decided"]["decisions"]]
        assert (True, "demo 1.0") in decisions
        assert (False, "evil.example:443") in decisions
        results = [event["data"]["result"]["content"] for event in ran.events if event["type"] == "tool.finished"]
        assert "a package" in results[0]
        assert "[blocked by the egress policy: evil.example:443 (" in results[0]
        assert events["change.verified"]["evidence"]["chosen_by"] == "owner"
        assert [result["exit_code"] for result in events["change.verified"]["evidence"]["after"]] == [0]
        (pull,) = stage.forge.pull_requests("acme", sample.name)
        body = pull.issue.body or ""
        assert "## Network" in body
        assert "`demo 1.0`" in body
        assert "**Blocked:** connect `evil.example:443`" in body
        assert "built/output" not in stage.forge.pull_request_diff("acme", sample.name, pull.number).decode()
        task = ran.events[0]["task"]
        listed = stage.agent("checkpoints", task, cwd=checkout)
        assert listed.code == 0, listed.err
        assert "invoice/money.py" in stage.agent("diff", task, "--from", "0", cwd=checkout).out
        restored = stage.agent("restore", task, "--at", "2", cwd=checkout)
        assert restored.code == 0, restored.err
        assert "at-2" in restored.out + restored.err


def test_an_environment_that_can_not_be_understood_ends_in_one_line(tmp_path: Path) -> None:
    made = SAMPLES["invoice"]()
    sample = replace(made, files=(*made.files, TreeFile(b".agent/environment.toml", b'egress = "everything"\n')))
    with OpenStage(tmp_path, []) as stage:
        stage.forge.create_sample("acme", sample)
        ran = stage.agent("run", "fix issue #42", cwd=stage.clone(sample))
    assert ran.code == 1
    assert ".agent/environment.toml" in ran.out
    assert "egress" in ran.out
