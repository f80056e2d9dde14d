"""The verdict sees what it is there for: an end that is right but for one thing is made by hand, and told apart."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import docker
import pytest
from anyio import to_thread

from pullwright.agents.budget import Usage
from pullwright.agents.events import ChangePublished, ModelReplied, RunEvent, RunFinished, RunResumed, ToolFinished
from pullwright.agents.message import AssistantMessage, ToolCall, ToolResult
from pullwright.agents.taking_up import INTERRUPTED
from pullwright.agents.task import Task, TaskStatus
from pullwright.integrations.testing.contract_gate import ContractGate, RecordedRequest
from pullwright.integrations.testing.github_gate import GITHUB
from tests.chaos import verdict as verdicts
from tests.chaos.driver import Tally
from tests.chaos.ground import OWNER, Ground, open_ground
from tests.chaos.hosts import Host
from tests.chaos.verdict import so_far, verdict
from tests.means import NO_DOCUMENTS

pytestmark = [pytest.mark.docker, pytest.mark.anyio]  # the engine is only asked what is left on it

DEAD, ALIVE = 4_000_001, 4_000_002
"""Processes that no machine has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """How it ended."""

    ground: Ground
    tally: Tally
    undisturbed: bytes

    @property
    def host(self) -> Host:
        return self.ground.hosts[0]

    async def wrong(self) -> str:
        return "\n".join(await verdict(self.ground, self.tally, self.undisturbed))


@pytest.fixture
async def end(tmp_path: Path) -> AsyncIterator[End]:
    """One task that a dead worker began and a living one finished, one step of it twice."""
    async with open_ground(tmp_path, f"sqlite:///{tmp_path / 'queue.db'}", commands=()) as ground:
        host = Host(name="host-0", folder=tmp_path, environment=os.environ, token="")
        host.home.mkdir()
        (host.home / "instance").write_text(f"verdict-{os.urandom(6).hex()}")
        host.hit.add(DEAD)
        ground.hosts = [host]
        task = await _finished(ground)
        (diff,) = ground.diffs(task)
        tally = Tally(tasks=[task], earlier=frozenset(), workers={"dead": DEAD, "alive": ALIVE})
        yield End(ground=ground, tally=tally, undisturbed=diff)


async def _finished(ground: Ground) -> Task:
    filed = await ground.file("r0")
    store = ground.store
    first = await store.claim("dead")
    assert first is not None
    await store.append(first, [*step(0, "a"), *step(1, "b")])
    await store.retire("dead")
    await store.tend()
    task = await store.claim("alive")
    assert task is not None
    await store.append(task, [RunResumed(step=1, cut=1, checkpoint=1), result("b", INTERRUPTED), *step(1, "c")])
    await store.intend(task, "pull_request", kind="pull_request")
    branch = await to_thread.run_sync(propose, ground, "agent/chaos")
    await store.settle(task, "pull_request", external_id="1")
    await store.append(task, [ChangePublished(branch=branch)])
    ended = RunFinished(status="succeeded", reason="", usage=Usage(), steps=3)
    await store.finish(task, TaskStatus.SUCCEEDED, ended)
    return await store.get(filed.id)


def step(number: int, call_id: str) -> list[RunEvent]:
    message = AssistantMessage(content=f"do {number}", tool_calls=(ToolCall(id=call_id, name="bash", arguments="{}"),))
    return [ModelReplied(step=number + 1, message=message, kind="calls", usage=Usage()), result(call_id, "done")]


def result(call_id: str, content: str) -> RunEvent:
    return ToolFinished(step=1, result=ToolResult(call_id=call_id, name="bash", content=content))


def propose(ground: Ground, branch: str) -> str:
    person, repository = ground.forge.person("octocat"), ground.forge.repository(OWNER, "r0")
    if not repository.bare.resolve(f"refs/heads/{branch}"):
        person.push(repository, branch, {"log.txt": "end\n"})
    person.open_pull_request(repository, branch, "Go through chaos")
    return branch


async def test_a_good_end_is_told_from_none(end: End) -> None:
    assert await end.wrong() == ""
    known: set[str] = set()
    assert await so_far(end.ground, end.tally, end.undisturbed, known) == []
    assert known == {end.tally.tasks[0].id}


async def test_a_task_that_was_filed_twice_is_seen(end: End) -> None:
    await end.ground.file("r0")
    assert "was filed twice" in await end.wrong()


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("DELETE FROM task", "is lost"),
        ("UPDATE task SET status = 'failed', status_reason = 'tired'", "is failed: tired"),
        ("UPDATE task SET status = 'queued'", "is queued: "),
        ("UPDATE effect SET status = 'intended'", "the effect pull_request is not done"),
        ("UPDATE lane SET running = 1", "1 lanes had counted wrong"),
        ("UPDATE lane SET queued = 1", "1 lanes had counted wrong"),
        ("DELETE FROM event WHERE seq = 3", "entry 3 of the journal"),
        (
            "UPDATE event SET attempt = 1 WHERE type = 'change.published'",
            "an attempt wrote after the next one had begun",
        ),
        (
            """UPDATE event SET type = 'user.said', data = '{"step":1,"content":"","nudge":false}' WHERE seq = 8""",
            "an attempt wrote entry 8 after it had ended",
        ),
        (
            "INSERT INTO event SELECT task_id, seq + 1, attempt, at, type, data FROM event WHERE type = 'run.finished'",
            "it ended twice",
        ),
        ("UPDATE attempt SET outcome = 'lost' WHERE number = 2", "attempt 2 was taken from a worker that lived"),
        ("UPDATE task SET attempt = 1", "1 steps were repeated after 0 hits"),
    ],
)
async def test_what_is_wrong_in_the_database_is_seen(end: End, statement: str, words: str) -> None:
    with closing(sqlite3.connect(end.ground.folder / "queue.db")) as connection, connection:
        assert connection.execute(statement).rowcount > 0
    assert words in await end.wrong()


async def test_more_than_one_step_repeated_for_a_hit_is_seen(end: End) -> None:
    again = [event for number in (0, 1) for event in step(number, f"again{number}")]
    await rewritten(end, again)
    assert "3 steps were repeated after 1 hits" in await end.wrong()
    end.tally.containers[end.tally.tasks[0].id] = 2
    assert await end.wrong() == ""


async def test_a_command_that_was_run_again_in_silence_is_seen(end: End) -> None:
    await rewritten(end, [RunResumed(step=1, cut=1, checkpoint=1), result("b", "done")])
    assert "1 commands were run again without a word" in await end.wrong()


async def rewritten(end: End, events: list[RunEvent]) -> None:
    """Let the last attempt have more in its journal than it had."""
    (task,) = end.tally.tasks
    statements = ("UPDATE task SET status = ?", "UPDATE lane SET running = running + ?")
    for running in (True, False):
        with closing(sqlite3.connect(end.ground.folder / "queue.db")) as connection, connection:
            connection.execute(statements[0], ("running" if running else "succeeded",))
            connection.execute(statements[1], (1 if running else -1,))
        if running:
            await end.ground.store.append(task, events)


def second_pull_request(end: End) -> None:
    end.ground.close_pull_requests()
    propose(end.ground, end.tally.tasks[0].branch)


def no_pull_request(end: End) -> None:
    end.ground.forge.repository(OWNER, "r0").pulls.clear()


def other_change(end: End) -> None:
    repository = end.ground.forge.repository(OWNER, "r0")
    end.ground.forge.person("octocat").push(repository, end.tally.tasks[0].branch, {"log.txt": "other\n"})


def comment_twice(end: End) -> None:
    repository, person = end.ground.forge.repository(OWNER, "r0"), end.ground.forge.person("octocat")
    (number,) = repository.pulls
    for _ in range(2):
        person.comment(repository, number, "Done.")


needs_document = pytest.mark.skipif(
    not ContractGate(GITHUB).active,
    reason=NO_DOCUMENTS,
)


def wrong_request(end: End) -> None:
    request = RecordedRequest(method="POST", path="/nowhere", query="", headers={}, body=b"{}", authorized=True)
    end.ground.forge.requests.append(request)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (second_pull_request, ("has 2 pull requests", "two pull requests for agent/chaos")),
        (no_pull_request, ("has 0 pull requests",)),
        (other_change, ("changed other things than the undisturbed run",)),
        (comment_twice, ("a comment on r0#1 stands there twice",)),
        pytest.param(wrong_request, ("the code host was asked wrongly",), marks=needs_document),
    ],
)
async def test_what_is_wrong_at_the_code_host_is_seen(
    end: End, spoil: Callable[[End], None], words: tuple[str, ...]
) -> None:
    await to_thread.run_sync(spoil, end)
    found = await end.wrong()
    assert [part for part in words if part not in found] == []


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("Traceback (most recent call last):", "host-0 stumbled: Traceback"),
        ("agent: something is missing; look", "host-0 gave up: agent: something"),
        ("WARNING 2 lanes had counted wrong; somebody edited rows by hand?", "host-0 mended: "),
        ("agent: the database 'x' did not answer", ""),
        ("agent: worker w serves 3 runs at once", ""),
    ],
)
async def test_what_a_process_says_of_trouble_is_seen(end: End, line: str, words: str) -> None:
    (end.ground.folder / "host-0.log").write_text(f"begin\n{line}\n")
    found = await end.wrong()
    assert words in found
    assert bool(words) == bool(found)


async def test_a_process_that_ended_for_no_reason_is_seen(end: End) -> None:
    end.host.gone_by_itself.append(-9)
    assert "host-0 ended by itself: [-9]" in await end.wrong()
    (end.ground.folder / "host-0.log").write_text("agent: the database 'x' did not answer\n")
    assert await end.wrong() == ""


@contextmanager
def volume(host: Host) -> Iterator[None]:
    client = docker.from_env()
    labels = {"pullwright.instance": (host.home / "instance").read_text(), "pullwright.task": "01task"}
    made = client.volumes.create(labels=labels)
    try:
        yield
    finally:
        made.remove()
        client.close()


@contextmanager
def container(host: Host) -> Iterator[None]:
    client = docker.from_env()
    labels = {"pullwright.instance": (host.home / "instance").read_text(), "pullwright.task": "01task"}
    image = client.api.import_image_from_data(b"\0" * 1024, repository=f"verdict-{os.urandom(6).hex()}")
    tag = client.images.get(image.split('"')[-2]).id
    made = client.api.create_container(tag, "none", labels=labels)
    try:
        yield
    finally:
        client.api.remove_container(made["Id"])
        client.api.remove_image(str(tag), force=True)
        client.close()


@contextmanager
def process(host: Host) -> Iterator[None]:
    environment = {**os.environ, "AGENT_HOME": str(host.home)}
    command = [sys.executable, "-c", "import sys; sys.stdin.read()"]
    with subprocess.Popen(command, env=environment, stdin=subprocess.PIPE) as left:
        try:
            yield
        finally:
            left.kill()


@pytest.mark.parametrize(
    ("left", "words"),
    [(volume, "on the engine"), (container, "on the engine"), (process, "the process ")],
)
async def test_what_is_left_on_a_machine_is_seen(
    end: End, left: Callable[[Host], AbstractContextManager[None]], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verdicts, "REAPING_SECONDS", 0.3)
    with left(end.host):
        found = await end.wrong()
    assert found.startswith("host-0 left ")
    assert words in found
