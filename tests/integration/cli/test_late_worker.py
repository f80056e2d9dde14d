"""Whole processes, and a model's endpoint that is not always there."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from pullwright.agents.testing.endpoint_script import by_turn
from pullwright.agents.testing.scripted_endpoint import ScriptedEndpoint
from pullwright.agents.testing.scripted_model import Reply
from pullwright.sandbox.engine_dial import EngineAddress
from tests.e2e.stage import OpenStage, Stage, fixing, prune
from tests.e2e.test_trouble import INVOICE
from tests.integration.sandbox.repositories import git

pytestmark = pytest.mark.docker

TOKEN = "0123456789abcdef"


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def started(stage: Stage, home: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Start a command with a home of its own."""
    stage.extra["AGENT_HOME"] = str(stage.folder / home)
    process = stage.start(*arguments, cwd=stage.folder)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()
        prune(stage.folder / home)


def line_with(process: subprocess.Popen[str], words: str) -> str:
    assert process.stderr is not None
    said = next((line for line in process.stderr if words in line), "")
    assert said, f"it ended without saying {words!r}"
    return said


def test_two_hosts_start_without_the_endpoint_and_work_when_it_is_there(
    tmp_path: Path, postgres_url: str, port: int
) -> None:
    with OpenStage(tmp_path, []) as stage:
        stage.forge.create_sample("acme", INVOICE)
        endpoint = f"http://127.0.0.1:{port}/v1"
        stage.extra |= {
            "AGENT_DATABASE_URL": postgres_url,
            "AGENT_ENDPOINT_URL": endpoint,
            "AGENT_API_TOKEN": TOKEN,
        }
        with (
            started(stage, "one", "worker", "--slots", "1") as worker,
            started(stage, "two", "serve", "--port", "0", "--slots", "1") as server,
            httpx2.Client(headers={"Authorization": f"Bearer {TOKEN}"}, timeout=60) as client,
        ):
            line_with(worker, "work begins when the endpoint answers")
            url = re.findall(r"http://127\S+", line_with(server, "serving on"))[0]
            assert client.get(f"{url}/healthz").json()["workers"] >= 1
            wanted = {"instruction": "fix issue #42", "repository": stage.forge.clone_url("acme", "invoice")}
            task = client.post(f"{url}/api/tasks", json=wanted).json()["task"]
            time.sleep(1.5)  # longer than a worker with a free slot rests
            assert client.get(f"{url}/api/tasks/{task}").json()["status"] == "queued"
            with ScriptedEndpoint(by_turn({"": fixing(INVOICE)}), port=port):
                with client.stream("GET", f"{url}/api/tasks/{task}/events") as answer:
                    types = [line[7:] for line in answer.iter_lines() if line.startswith("event: ")]
                assert types[-1] == "run.finished"
                shown = client.get(f"{url}/api/tasks/{task}").json()
                assert shown["status"] == "succeeded", shown
                assert b"diff --git" in client.get(f"{url}/api/tasks/{task}/patch").content
            for process in (worker, server):
                process.send_signal(signal.SIGTERM)
                assert process.wait(30) == 0
        assert len(stage.forge.pull_requests("acme", "invoice")) == 1


def test_a_worker_that_waits_for_the_endpoint_ends_when_it_is_told_to(tmp_path: Path, port: int) -> None:
    with OpenStage(tmp_path, []) as stage:
        stage.extra["AGENT_ENDPOINT_URL"] = f"http://127.0.0.1:{port}/v1"
        with started(stage, "one", "worker") as worker:
            line_with(worker, "work begins when the endpoint answers")
            worker.send_signal(signal.SIGTERM)
            assert worker.wait(20) == 0
        drained = stage.agent("worker", "--drain", cwd=tmp_path)
        assert drained.code == 1
        assert len(drained.said) == 1


def test_a_person_sees_one_line_when_the_endpoint_is_away_and_the_run_goes_on(tmp_path: Path, port: int) -> None:
    turns = iter([Reply(calls=(("bash", {"command": "echo one > a.txt; sleep 3"}),))])
    rest = by_turn({"": fixing(INVOICE)})
    with OpenStage(tmp_path, []) as stage:
        stage.forge.create_sample("acme", INVOICE)
        checkout = stage.clone(INVOICE)
        git(checkout, "reset", "-q", "--hard", "origin/main")
        stage.extra["AGENT_ENDPOINT_URL"] = f"http://127.0.0.1:{port}/v1"
        command = ("run", "fix issue #42", "--check", INVOICE.check)
        with ScriptedEndpoint(lambda request: next(turns, None) or rest(request), port=port):
            process = stage.start(*command, cwd=checkout)
            assert process.stdout is not None
            next(line for line in process.stdout if "▸ bash" in line)
        told = next(line for line in process.stdout if "tried again" in line)
        assert re.match(r"● tried again in 15 s: the endpoint at .* \(Ctrl-C cancels\)$", told.strip()), told
        with ScriptedEndpoint(rest, port=port):
            out, err = process.communicate(timeout=90)
        assert process.returncode == 0, err
        assert "tried again" not in out
        assert "goes on after step" in out


def test_a_worker_that_starts_without_the_container_engine_works_when_it_is_there(tmp_path: Path) -> None:
    with OpenStage(tmp_path, by_turn({"": fixing(INVOICE)})) as stage:
        stage.forge.create_sample("acme", INVOICE)
        checkout = stage.clone(INVOICE)
        engine = EngineAddress.parse("", {}).url.removeprefix("unix://")
        away = tmp_path / "engine.sock"
        stage.extra["DOCKER_HOST"] = f"unix://{away}"
        with started(stage, "one", "worker", "--slots", "1") as worker:
            line_with(worker, "work begins when the container engine answers")
            filed = stage.agent("run", "fix issue #42", "--detach", cwd=checkout)
            assert filed.code == 0, filed.said
            away.symlink_to(engine)
            line_with(worker, "the container engine answers")
            watched = stage.agent("watch", filed.out.split()[-1], cwd=checkout)
            assert watched.code == 0, watched.said
        assert len(stage.forge.pull_requests("acme", "invoice")) == 1
