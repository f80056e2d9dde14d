"""A task with everything real but the model and the sites: people are told of its beginning, question and end."""

from __future__ import annotations

import time
from pathlib import Path

import httpx2
import pytest

from pullwright.agents.testing.scripted_model import Reply
from pullwright.integrations.testing.notice_sinks import NoticeSink
from pullwright.integrations.testing.sample_repositories import SAMPLES
from tests.e2e.stage import OpenStage, fixing
from tests.e2e.tracker_life import TrackerLife, listed, tracker_life

pytestmark = pytest.mark.docker

TOKEN = "Zq8rT0kenInThePath"
API_TOKEN = "t" * 32
CHECK = "grep -q morning greeting.txt"
QUESTION = f"@everyone <!channel> shall I greet with {API_TOKEN}, with {TOKEN} or with ghp_{'a1B2' * 9}?"
REPLIES = [
    Reply(calls=(("ask", {"question": QUESTION}),)),
    Reply(calls=(("write", {"path": "greeting.txt", "content": "Good morning.\n"}),)),
    Reply(calls=(("finish", {"title": "Greet people", "summary": "As asked.", "checks": [CHECK]}),)),
]


def ask(life: TrackerLife, method: str, path: str, **body: object) -> httpx2.Response:
    response = httpx2.request(
        method, f"{life.server.url}{path}", json=body, headers={"Authorization": f"Bearer {API_TOKEN}"}, timeout=30
    )
    assert response.is_success, response.text
    return response


def test_people_are_told_of_a_life(tmp_path: Path) -> None:
    (tmp_path / "sinks").mkdir()
    (tmp_path / "others").mkdir()
    sink, others = NoticeSink(tmp_path / "sinks", path=f"/{TOKEN}"), NoticeSink(tmp_path / "others")
    settings = {
        "AGENT_NOTIFY": listed(sink.url),
        "AGENT_NOTIFICATIONS": listed(
            {"url": others.url, "repositories": ["acme/s*"], "about": ["pull_request", "done"]},
            {"url": others.url, "repositories": ["other/*"]},
        ),
        "AGENT_CHECKS": listed(CHECK),
    }
    files = {"hello.txt": "Hello.\n"}
    try:
        with tracker_life(tmp_path, files, {"Greet": REPLIES}, settings, sink.ca_file, others.ca_file) as life:
            repository = life.rehearsal.forge.clone_url("acme", "shop")
            task = ask(life, "POST", "/api/tasks", instruction="Greet people", repository=repository).json()["task"]
            life.wait(lambda: len(sink.titles) >= 2, "people are told of the question")
            ask(life, "POST", f"/api/tasks/{task}/answer", text="Good morning")
            life.wait(lambda: len(sink.titles) >= 3 and others.titles, "people are told of the pull request")
            url = f"{life.rehearsal.forge.web_url}/acme/shop/pull/{life.pull.number}"
        assert sink.titles == ["Started: Greet people", "Question: Greet people", "Pull request: Greet people"]
        assert others.titles == ["Pull request: Greet people"]
        assert f"acme/shop, task {task}" in sink.notices[0]["message"]
        assert "@\u200beveryone" in sink.notices[1]["message"]
        assert "<!channel>" not in sink.notices[1]["message"]
        assert sink.notices[2]["message"].endswith(url)
        secrets = [API_TOKEN, TOKEN, "a1B2a1B2"]
        assert [secret for secret in secrets if secret.encode() in sink.received + others.received] == []
        assert [secret for secret in secrets if secret in life.server.said] == []
        assert "Traceback" not in life.server.said
    finally:
        sink.close()
        others.close()


def test_a_process_for_one_detached_task_tells_all_of_it(tmp_path: Path) -> None:
    invoice = SAMPLES["invoice"]()
    (tmp_path / "sink").mkdir()
    sink = NoticeSink(tmp_path / "sink")
    try:
        with OpenStage(tmp_path, fixing(invoice)) as stage:
            stage.forge.create_sample("acme", invoice)
            trusted = tmp_path / "trusted.pem"
            trusted.write_text(stage.forge.ca_file.read_text() + sink.ca_file.read_text())
            stage.extra = {"REQUESTS_CA_BUNDLE": str(trusted), "AGENT_NOTIFY": listed(sink.url)}
            filed = stage.agent("run", "fix issue #42", "--detach", cwd=stage.clone(invoice))
            assert stage.agent("watch", filed.out.strip(), cwd=tmp_path).code == 0
            end = time.monotonic() + 30
            while len(sink.titles) < 2 and time.monotonic() < end:
                time.sleep(0.05)
            [opened] = stage.forge.pull_requests("acme", "invoice")
        assert [title.partition(":")[0] for title in sink.titles] == ["Started", "Pull request"]
        assert sink.notices[0]["message"].endswith("/acme/invoice/issues/42")
        assert sink.notices[1]["message"].endswith(f"/pull/{opened.number}")
    finally:
        sink.close()
