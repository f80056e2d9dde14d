"""No secret of the host reaches the container, the mirror, an argument list or anything that is written down."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import docker
import pytest
from docker.models.containers import Container

from pullwright.agents.testing.endpoint_script import by_turn
from pullwright.agents.testing.scripted_endpoint import ScriptedEndpoint
from pullwright.agents.testing.scripted_model import Reply
from pullwright.integrations.testing.forge import AGENT_TOKEN
from pullwright.integrations.testing.sample_repositories import SAMPLES
from tests.e2e.stage import OpenStage, Stage, fixing, until_replied
from tests.e2e.test_trouble import SLEEP, wait_for_file_in_container

pytestmark = pytest.mark.docker

INVOICE = SAMPLES["invoice"]()
KEY = "sk-canary-0123456789abcdef"
CANARIES = {
    "AWS_SECRET_ACCESS_KEY": "canary-aws-5f2b",
    "JIRA_API_TOKEN": "canary-jira-77aa",
    "SENTRY_DSN": "https://canarysentry@example.invalid/1",
    "HTTPS_PROXY_PASSWORD": "canary-proxy-1c9d",
}
SECRETS = [AGENT_TOKEN, KEY, *CANARIES.values()]
FORMS = [
    form.encode()
    for secret in SECRETS
    for form in (
        secret,
        base64.b64encode(secret.encode()).decode().rstrip("="),
        base64.b64encode(f"x-access-token:{secret}".encode()).decode().rstrip("="),
        quote(secret, safe=""),
    )
]
SHOW_ALL = "env; cat /proc/*/environ /proc/*/cmdline | tr '\\0' '\\n'; cat .git/config; git remote -v; mount"
LOOK = Reply(calls=(("bash", {"command": SHOW_ALL}),))


def found_in(content: bytes) -> list[bytes]:
    return [form for form in FORMS if form in content]


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    script = by_turn({"one cent off": [LOOK, *fixing(INVOICE)], "": [SLEEP]})
    with OpenStage(tmp_path, script) as stage, ScriptedEndpoint(script, key=KEY) as endpoint:
        stage.forge.create_sample("acme", INVOICE)
        stage.endpoint = endpoint
        stage.extra = {"AGENT_ENDPOINT_KEY": KEY, **CANARIES}
        yield stage


def test_a_whole_run_writes_no_secret_anywhere(stage: Stage, tmp_path: Path) -> None:
    seen: list[bytes] = []
    stage.forge.watch(lambda request: seen.extend(argument_lists()))
    ran = stage.agent("run", "fix issue #42", "--json", cwd=stage.clone(INVOICE))
    assert ran.code == 0, ran.err
    assert len(stage.forge.pull_requests("acme", "invoice")) == 1
    assert seen, "no process was looked at while git spoke with the forge"
    assert any(b"git" in arguments for arguments in seen)
    assert [arguments for arguments in seen if found_in(arguments)] == []
    assert found_in(ran.out.encode() + ran.err.encode()) == []
    written = [path for path in (tmp_path / "agent-home").rglob("*") if path.is_file()]
    assert any(path.name == "config" for path in written), "the mirror's configuration was not looked at"
    assert [path for path in written if found_in(path.read_bytes())] == []
    pull = stage.forge.pull_requests("acme", "invoice")[0]
    assert found_in((pull.issue.body or "").encode()) == []


def test_a_running_container_holds_no_secret(stage: Stage, tmp_path: Path) -> None:
    process = stage.start("run", "Sleep.", "--repo", stage.forge.clone_url("acme", "invoice"), "--json", cwd=tmp_path)
    task = until_replied(process)
    wait_for_file_in_container(task)
    client = docker.from_env()
    (container,) = client.containers.list(filters={"label": f"pullwright.task={task}"})
    processes = said_by(container, "sh", "-c", "cat /proc/*/environ /proc/*/cmdline")
    assert b"sleep" in processes
    assert found_in(processes) == []
    assert found_in(repr(container.attrs).encode()) == []
    files = said_by(container, "tar", "-cf", "-", "/workspace", "/tmp", "/home", "/etc", "/opt", "/run")
    assert b"half done" in files
    assert found_in(files) == []
    interfaces = said_by(container, "cat", "/proc/net/dev").decode()
    assert [line.split(":")[0].strip() for line in interfaces.splitlines() if ":" in line] == ["lo"]
    client.close()
    process.terminate()
    process.communicate(timeout=60)
    assert process.returncode == 130


def said_by(container: Container, *command: str) -> bytes:
    output = container.exec_run(list(command), user="0").output
    assert isinstance(output, bytes)
    return output


def argument_lists() -> list[bytes]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(path.read_bytes())
        except OSError:
            continue  # it has just ended
    return found
