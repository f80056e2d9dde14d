"""What people do wrong and what breaks around a run: one clear line, a fitting exit code, nothing lost."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import docker
import pytest

from pullwright.agents.testing.endpoint_script import by_turn
from pullwright.agents.testing.scripted_endpoint import Fault, FaultKind, ScriptedEndpoint
from pullwright.agents.testing.scripted_model import Reply
from pullwright.integrations.testing.sample_repositories import SAMPLES
from tests.e2e.stage import OpenStage, Ran, Stage, fixing, until_replied

INVOICE = SAMPLES["invoice"]()
SLEEP = Reply(calls=(("bash", {"command": "echo half done > half.txt; sleep 600"}),))


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with OpenStage(tmp_path, fixing(INVOICE)) as stage:
        stage.forge.create_sample("acme", INVOICE)
        yield stage


def one_line(ran: Ran, code: int, *words: str) -> None:
    assert ran.code == code, ran.err + ran.out
    assert len(ran.said) == 1, ran.err
    assert all(word in ran.said[0] for word in words), ran.said[0]


def failed_with(ran: Ran, *words: str) -> None:
    assert ran.code == 1, ran.err + ran.out
    reason = ran.events[-1]["data"]["reason"] if ran.out else ran.said[-1]
    assert "\n" not in reason
    assert all(word in reason for word in words), reason


def test_not_a_repository(stage: Stage, tmp_path: Path) -> None:
    folder = tmp_path / "plain"
    folder.mkdir()
    one_line(stage.agent("run", "fix issue #42", cwd=folder), 2, "not in a git repository", "--repo")
    one_line(stage.agent("run", "fix it", "--repo", "/no/where", cwd=folder), 2, "/no/where")


def test_no_remote(stage: Stage, tmp_path: Path) -> None:
    checkout = stage.clone(INVOICE)
    subprocess.run(["git", "-C", str(checkout), "remote", "remove", "origin"], check=True)
    one_line(stage.agent("run", "fix issue #42", cwd=checkout), 2, "no git remote", "git remote add")


def test_an_empty_repository(stage: Stage, tmp_path: Path) -> None:
    empty = SAMPLES["empty"]()
    stage.forge.create_sample("acme", empty)
    checkout = stage.clone(empty)
    one_line(stage.agent("run", "fix issue #1", cwd=checkout), 2, "no commit")
    url = stage.forge.clone_url("acme", "empty")
    ran = stage.agent("run", "write a README", "--repo", url, "--json", cwd=tmp_path)
    assert ran.code in {1, 2}
    assert "commit" in (ran.err + ran.out)


def test_an_unknown_issue(stage: Stage) -> None:
    one_line(stage.agent("run", "fix issue #4711", cwd=stage.clone(INVOICE)), 1, "4711")


def test_a_remote_that_is_not_the_configured_code_host(stage: Stage) -> None:
    checkout = stage.clone(INVOICE)
    subprocess.run(
        ["git", "-C", str(checkout), "remote", "set-url", "origin", "git@gitlab.example:a/b.git"], check=True
    )
    one_line(stage.agent("run", "fix issue #42", cwd=checkout), 2, "AGENT_GITHUB_API_URL")


def test_a_wrong_token(stage: Stage) -> None:
    stage.token = "ghp_" + "x" * 36
    ran = stage.agent("run", "fix issue #42", cwd=stage.clone(INVOICE))
    one_line(ran, 1, "AGENT_GITHUB_TOKEN")
    assert stage.token not in ran.err + ran.out


@pytest.mark.parametrize("value", ["", "http://127.0.0.1:9/v1"])
def test_no_endpoint_or_one_that_is_down(stage: Stage, value: str) -> None:
    stage.extra["AGENT_ENDPOINT_URL"] = value
    ran = stage.agent("run", "fix issue #42", cwd=stage.clone(INVOICE))
    one_line(ran, 1 if value else 2, "AGENT_ENDPOINT_URL")
    listed = stage.agent("list", "--json", cwd=stage.folder)
    assert '"running"' not in listed.out
    assert '"queued"' not in listed.out
    if value:
        assert "AGENT_ENDPOINT_URL" in listed.out, "the task says why it could not begin"


def test_a_detached_task_that_can_not_begin_says_so_to_whoever_watches(stage: Stage) -> None:
    stage.extra["AGENT_ENDPOINT_URL"] = "http://127.0.0.1:9/v1"
    filed = stage.agent("run", "fix issue #42", "--detach", cwd=stage.clone(INVOICE))
    assert filed.code == 0, filed.err
    assert stage.agent("watch", filed.out.strip(), cwd=stage.folder).code == 1
    assert '"rejected"' in stage.agent("list", "--json", cwd=stage.folder).out


@pytest.mark.docker
def test_an_endpoint_without_its_tool_call_parser_still_works_or_says_so(tmp_path: Path) -> None:
    with OpenStage(tmp_path, fixing(INVOICE)) as stage, ScriptedEndpoint(fixing(INVOICE), parser=False) as endpoint:
        stage.forge.create_sample("acme", INVOICE)
        stage.endpoint = endpoint
        ran = stage.agent("run", "fix issue #42", cwd=stage.clone(INVOICE))
        assert ran.code == 0, ran.err
        assert "tool-call parser" in ran.err
        (pull,) = stage.forge.pull_requests("acme", "invoice")
        assert pull.draft


@pytest.mark.docker
def test_an_endpoint_that_stumbles_costs_nothing_but_time(tmp_path: Path) -> None:
    faults = [Fault(FaultKind.STATUS, status=503, retry_after=0.1), Fault(FaultKind.CUT), Fault(FaultKind.NO_FINISH)]
    with (
        OpenStage(tmp_path, fixing(INVOICE)) as stage,
        ScriptedEndpoint(by_turn({"": fixing(INVOICE)}), faults=faults) as endpoint,
    ):
        stage.forge.create_sample("acme", INVOICE)
        stage.endpoint = endpoint
        ran = stage.agent("run", "fix issue #42", "--json", cwd=stage.clone(INVOICE))
        assert ran.code == 0, ran.err
        assert len(stage.forge.pull_requests("acme", "invoice")) == 1


def test_no_engine(stage: Stage) -> None:
    stage.extra["DOCKER_HOST"] = "unix:///no/such/docker.sock"
    ran = stage.agent("run", "fix issue #42", "--json", cwd=stage.clone(INVOICE))
    failed_with(ran, "/no/such/docker.sock")


@pytest.mark.docker
def test_nothing_to_change_is_an_end_of_its_own(tmp_path: Path) -> None:
    done = Reply(calls=(("finish", {"title": "Nothing to do", "summary": "It is right as it is."}),))
    with OpenStage(tmp_path, [done, done]) as stage:
        stage.forge.create_sample("acme", INVOICE)
        ran = stage.agent("run", "fix issue #42", "--json", cwd=stage.clone(INVOICE))
        assert ran.code == 3
        assert stage.forge.pull_requests("acme", "invoice") == []


@pytest.mark.docker
def test_a_change_that_policy_refuses_is_told_to_the_model_and_never_pushed(tmp_path: Path) -> None:
    bad = Reply(
        calls=(
            (
                "bash",
                {
                    "command": "ln -s /etc/passwd leak && git init -q nested && cd nested && "
                    "git -c user.name=x -c user.email=x@x commit -q --allow-empty -m x"
                },
            ),
        )
    )
    done = Reply(calls=(("finish", {"title": "x", "summary": "y"}),))
    with OpenStage(tmp_path, [bad, done, done, done]) as stage:
        stage.forge.create_sample("acme", INVOICE)
        ran = stage.agent("run", "fix issue #42", "--json", cwd=stage.clone(INVOICE))
        failed_with(ran)
        assert stage.forge.pull_requests("acme", "invoice") == []
        results = [event["data"]["result"]["content"] for event in ran.events if event["type"] == "tool.finished"]
        assert "leak" in results[1] or "nested" in results[1]


@pytest.mark.docker
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_cleanly_and_keeps_the_work(tmp_path: Path, sent: signal.Signals) -> None:
    with OpenStage(tmp_path, [SLEEP]) as stage:
        stage.forge.create_sample("acme", INVOICE)
        process = stage.start("run", "fix issue #42", "--json", cwd=stage.clone(INVOICE))
        task = until_replied(process)
        wait_for_file_in_container(task)
        process.send_signal(sent)
        out, err = process.communicate(timeout=60)
        assert process.returncode == 130, err
        assert '"status": "canceled"' in out
        assert "Traceback" not in err
        patch = stage.agent("diff", task, cwd=tmp_path).out
        assert "+half done" in patch
        assert left_behind(task) == []
        assert '"canceled"' in stage.agent("list", "--json", cwd=tmp_path).out


@pytest.mark.docker
def test_a_detached_task_is_watched_and_canceled_from_elsewhere(tmp_path: Path) -> None:
    with OpenStage(tmp_path, [SLEEP]) as stage:
        stage.forge.create_sample("acme", INVOICE)
        filed = stage.agent("run", "fix issue #42", "--detach", cwd=stage.clone(INVOICE))
        assert filed.code == 0, filed.err
        task = filed.out.strip()
        watcher = stage.start("watch", task, "--json", cwd=tmp_path)
        assert until_replied(watcher) == task
        wait_for_file_in_container(task)
        again = stage.agent("run", "fix issue #42", cwd=stage.folder / "checkout-invoice")
        one_line(again, 1, "agent watch")
        assert stage.agent("cancel", task[:20], cwd=tmp_path).code == 0
        watcher.communicate(timeout=60)
        assert watcher.returncode == 130
        assert "+half done" in stage.agent("diff", task, cwd=tmp_path).out
        assert left_behind(task) == []


def wait_for_file_in_container(task: str) -> None:
    """The command has begun when its file is there."""
    client = docker.from_env()
    for _ in range(600):
        for container in client.containers.list(filters={"label": f"pullwright.task={task}"}):
            if container.exec_run(["test", "-s", "/workspace/half.txt"]).exit_code == 0:
                client.close()
                return
    raise AssertionError("the command never began")


def left_behind(task: str) -> list[str]:
    client = docker.from_env()
    label: Any = {"label": f"pullwright.task={task}"}
    found = [str(item.name) for item in client.containers.list(all=True, filters=label)]
    found += [str(item.name) for item in client.volumes.list(filters=label)]
    client.close()
    return found


@pytest.mark.docker
def test_a_killed_run_goes_on_when_the_same_is_asked_for_again(tmp_path: Path) -> None:
    turns = iter([SLEEP])
    with OpenStage(tmp_path, lambda request: next(turns, None) or by_turn({"": fixing(INVOICE)})(request)) as stage:
        stage.forge.create_sample("acme", INVOICE)
        checkout = stage.clone(INVOICE)
        process = stage.start("run", "fix issue #42", "--json", cwd=checkout)
        task = until_replied(process)
        wait_for_file_in_container(task)
        process.kill()
        process.communicate()
        assert left_behind(task) != []
        again = stage.agent("run", "fix issue #42", "--json", cwd=checkout)
        assert again.code == 0, again.err
        assert {event["task"] for event in again.events} == {task}
        assert "run.resumed" in {event["type"] for event in again.events}
        assert len(stage.forge.pull_requests("acme", "invoice")) == 1
        assert "attempt 1 by worker" in stage.agent("show", task, cwd=tmp_path).out
        assert left_behind(task) == [], "the next run clears away what the killed one left on the engine"


@pytest.mark.docker
def test_prune_removes_what_the_installation_keeps_and_nothing_else(tmp_path: Path) -> None:
    with OpenStage(tmp_path, fixing(INVOICE)) as stage:
        stage.forge.create_sample("acme", INVOICE)
        assert stage.agent("run", "fix issue #42", "--json", cwd=stage.clone(INVOICE)).code == 0
        other = {**stage.extra, "AGENT_HOME": str(tmp_path / "other-home")}
        mine, stage.extra = stage.extra, other
        assert "removed 0 " in stage.agent("sandbox", "prune", cwd=tmp_path).out
        stage.extra = mine
        assert "removed 0 " not in stage.agent("sandbox", "prune", cwd=tmp_path).out
        assert "removed 0 " in stage.agent("sandbox", "prune", cwd=tmp_path).out


@pytest.mark.docker
def test_the_doctor_says_what_works_and_what_is_missing(tmp_path: Path) -> None:
    probe = Reply(calls=(("lookup", {"key": "x"}),))
    with OpenStage(tmp_path, lambda request: called_back(request, probe)) as stage:
        ran = stage.agent("doctor", cwd=tmp_path)
        assert ran.code == 0, ran.out
        lines = ran.out.splitlines()
        assert [line.split(":")[0] for line in lines if not line.startswith(" ")] == [
            "✔ container engine",
            "✔ sandbox image",
            "✔ endpoint",
            "✔ GitHub",
        ]
        below = [line.split(":")[0] for line in lines if line.startswith("  ")]
        assert {"  ✔ memory", "  ✔ system calls", "  ✔ seccomp", "  ✔ network"} <= set(below)
        assert not [line for line in below if line.startswith("  ✘")]
        stage.extra = {"AGENT_ENDPOINT_URL": "http://127.0.0.1:9/v1", "DOCKER_HOST": "unix:///no/docker.sock"}
        ran = stage.agent("doctor", cwd=tmp_path)
        assert ran.code == 1
        assert [line[0] for line in ran.out.splitlines()] == ["✘", "✘", "✘", "✔"]


def called_back(request: Mapping[str, Any], otherwise: Reply) -> Reply:
    """Call the first tool that is offered, with something for each of its required arguments."""
    tools = request.get("tools") or []
    if not tools:
        return otherwise
    function = tools[0]["function"]
    return Reply(calls=((function["name"], dict.fromkeys(function["parameters"].get("required", ()), "x")),))
