"""Whether the tests of a change fail without it: shown where it can be, and asked for where the task wants it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from pullwright.agents.change import Evidence
from pullwright.agents.errors import PatchTooLarge, RemoteUnavailable
from pullwright.agents.events import ChangeCommitted, ChangeVerified, RunEvent
from pullwright.agents.message import ToolResult
from pullwright.agents.ports.code_host import ChangeReport
from pullwright.agents.ports.sandbox import ExecResult
from pullwright.agents.task import Task, TaskStatus
from pullwright.agents.testing.fake_code_host import FakeCodeHost
from pullwright.agents.testing.fake_mirror import FakeMirror
from pullwright.agents.testing.fake_sandbox import FakeProvider, FakeSandbox, output
from pullwright.agents.testing.scripted_model import Reply, ScriptedModel, ScriptItem
from pullwright.agents.worker.proving import NO_CHECK, NO_TEST, PASSES, UNPROVEN, UNTRIED
from tests.unit.agents.pipeline_scene import FRESH, Scene, finish

pytestmark = pytest.mark.anyio

FILES = {"AGENTS.md": b"Be brief.", "a": b"old\n"}
TEST = "tests/test_a.py"


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def write(path: str, content: str) -> Reply:
    return Reply(calls=[("write", {"path": path, "content": content})])


FIX, WITH_TEST, IDLE_TEST = write("a", "new\n"), write(TEST, "a is new"), write(TEST, "true")


async def command(line: str, sandbox: FakeSandbox) -> ExecResult:
    """Answer ``make`` (all tests), ``pytest`` (the one, which has to be there), ``lint`` and ``red`` (fails before)."""
    files = sandbox.files
    new, test = files.get("/workspace/a") == b"new\n", files.get(f"/workspace/{TEST}")
    match line.rpartition("; ")[2]:
        case "pytest":
            passes = test is not None and (test == b"true" or new)
        case "make":
            passes = test != b"a is new" or new
        case "red":
            passes = new
        case _:
            passes = True
    return output(exit_code=0 if passes else 1)


@dataclass(kw_only=True)
class Proof:
    """A scene on a code host whose checks know the tests of ``a``."""

    scene: Scene
    reports: list[ChangeReport] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.host = self.scene.host = FakeCodeHost(token="t")
        self.repository = self.host.add_repository("o/r")
        self.ref = self.host.ref("o/r")
        self.scene.mirror = FakeMirror(dict(FILES))
        self.scene.provider = FakeProvider(FILES, command, files_at=self.scene.mirror.files_at)
        self.scene.heard = self.reports.append

    async def file(self, **spec: Any) -> Task:
        task = await self.scene.file(**{**FRESH, "repository": self.ref, "publish": True, **spec})
        self.repository.push(f"agent/{task.id}")
        return task

    async def run(self, **spec: Any) -> Task:
        return await self.scene.advance(await self.file(**spec))

    async def again(self, task: Task) -> Task:
        self.scene.clock.advance(3600)
        await self.scene.store.tend()
        return await self.scene.advance(task)

    def main_gets(self, files: Mapping[str, bytes]) -> None:
        mirror = self.scene.mirror
        mirror.push_by_person(mirror.tip(self.ref, "main"), "main", files)

    async def events(self, task: Task) -> list[RunEvent]:
        return await self.scene.events(task)

    async def verdicts(self, task: Task) -> list[ChangeVerified]:
        return [event for event in await self.events(task) if isinstance(event, ChangeVerified)]

    async def evidence(self, task: Task) -> Evidence:
        return (await self.verdicts(task))[-1].evidence

    @property
    def sides(self) -> list[str]:
        """What containers were there for, after the one that the work was done in."""
        return [name.rpartition("-")[2] for name in self.scene.provider.task_ids if "-" in name]

    def told(self, request: int) -> str:
        message = self.scene.model.requests[request].messages[-1]
        assert isinstance(message, ToolResult)
        return message.content


MakeProof = Callable[..., Proof]


@pytest.fixture
def proof(tmp_path: Path) -> MakeProof:
    def make(*script: ScriptItem) -> Proof:
        items: Sequence[ScriptItem] = script
        return Proof(scene=Scene(model=ScriptedModel(items), patches=tmp_path / "patches"))

    return make


def codes(evidence: Evidence) -> tuple[list[int | None], ...]:
    sides = (evidence.before, evidence.tests_alone, evidence.after)
    return tuple([result.exit_code for result in side] for side in sides)


async def test_a_new_test_is_tried_without_the_change_it_is_for(proof: MakeProof) -> None:
    stage = proof(WITH_TEST, FIX, finish())
    task = await stage.run(checks=("make", "lint"))
    assert task.status is TaskStatus.SUCCEEDED
    assert codes(await stage.evidence(task)) == ([0, 0], [1, 0], [0, 0])
    assert stage.sides == ["after", "before", "tests"]
    (report,) = stage.reports
    assert report.evidence.tests_fail_alone
    tried = stage.scene.provider.workspaces[-1].files
    assert (tried[f"/workspace/{TEST}"], tried["/workspace/a"]) == (b"a is new", b"old\n")


@pytest.mark.parametrize(
    ("script", "checks"),
    [
        ([FIX, finish()], ["make"]),
        ([WITH_TEST, FIX, finish()], ["red"]),
        ([IDLE_TEST, finish()], ["make"]),
        ([WITH_TEST, FIX, finish()], []),
    ],
    ids=["no test", "the base fails", "only tests", "no check"],
)
async def test_nothing_more_is_run_where_it_would_tell_nothing(
    proof: MakeProof, script: list[Reply], checks: list[str]
) -> None:
    stage = proof(*script)
    task = await stage.run(checks=tuple(checks))
    assert task.status is TaskStatus.SUCCEEDED
    assert "tests" not in stage.sides
    assert stage.reports[0].evidence.tests_alone == ()


async def test_a_check_of_the_models_own_that_fails_on_the_base_for_want_of_its_test_shows_nothing(
    proof: MakeProof,
) -> None:
    stage = proof(IDLE_TEST, FIX, finish("pytest"))
    evidence = await stage.evidence(await stage.run())
    assert codes(evidence) == ([1], [0], [0])
    assert not evidence.mended


async def test_what_can_not_be_tried_is_no_trouble(proof: MakeProof) -> None:
    stage = proof(WITH_TEST, FIX, finish("pytest"))
    stage.scene.mirror.failures["part"] = PatchTooLarge("too large")
    task = await stage.run(reproduce=True)
    assert task.status is TaskStatus.SUCCEEDED
    assert (await stage.evidence(task)).tests_alone == ()
    assert stage.reports[0].notices == (UNTRIED,)


@pytest.mark.parametrize(
    ("first", "checks", "named", "gap"),
    [
        ([FIX], ("make",), "lint", NO_TEST),
        ([FIX], (), "lint", NO_TEST),
        ([FIX], (), "", NO_CHECK),
        ([FIX, IDLE_TEST], ("make",), "pytest", PASSES),
        ([FIX, IDLE_TEST], (), "pytest", PASSES),
        ([IDLE_TEST], ("make",), "", PASSES),
    ],
)
async def test_a_change_that_was_to_be_reproduced_is_sent_back_without_a_test_that_fails(
    proof: MakeProof, first: list[Reply], checks: tuple[str, ...], named: str, gap: str
) -> None:
    stage = proof(*first, finish(*filter(None, [named])), FIX, WITH_TEST, finish("pytest"))
    task = await stage.run(checks=checks, reproduce=True)
    assert (task.status, task.status_reason) == (TaskStatus.SUCCEEDED, "Change a")
    told = stage.told(len(first) + 1)
    assert told.startswith(f"{UNPROVEN}:\n\n{gap}\n\n")
    assert "`checks`" in told
    assert "finish without one" in told
    refused, accepted = await stage.verdicts(task)
    assert (refused.refused, accepted.refused) == (f"{UNPROVEN}: {gap}", "")
    assert accepted.evidence.tests_fail_alone
    assert len(stage.repository.pulls) == 1
    assert stage.reports[0].notices == ()


async def test_a_check_that_the_model_names_counts_where_the_owners_run_no_test(proof: MakeProof) -> None:
    stage = proof(WITH_TEST, FIX, finish("pytest", "lint", "pytest"))
    evidence = await stage.evidence(await stage.run(checks=("lint",), reproduce=True))
    assert (evidence.chosen_by, evidence.named) == ("owner", ("pytest",))
    assert codes(evidence) == ([0, 1], [0, 1], [0, 0])
    stage = proof(WITH_TEST, FIX, finish("pytest"))
    evidence = await stage.evidence(await stage.run(checks=("lint",)))
    assert (evidence.named, len(evidence.after)) == ((), 1)


async def test_an_owners_check_that_fails_without_the_change_is_proof_enough(proof: MakeProof) -> None:
    stage = proof(FIX, finish())
    task = await stage.run(checks=("red",), reproduce=True)
    assert task.status is TaskStatus.SUCCEEDED
    assert "tests" not in stage.sides
    assert stage.reports[0].notices == ()


async def test_a_change_that_is_never_proven_ends_the_run(proof: MakeProof) -> None:
    stage = proof(FIX, finish(), finish(), finish())
    task = await stage.run(checks=("make",), reproduce=True)
    assert (task.status, task.status_reason) == (TaskStatus.FAILED, f"{UNPROVEN}: {NO_TEST}")
    assert Path(task.patch_path).is_file()
    assert stage.repository.pulls == []


async def test_what_can_not_be_reproduced_may_end_without_a_change_whatever_the_base_does(proof: MakeProof) -> None:
    stage = proof(finish(), finish())
    assert (await stage.run(checks=("red",), reproduce=True)).status is TaskStatus.SUCCEEDED
    assert stage.sides == []


async def test_what_was_accepted_is_published_by_a_later_attempt_with_the_same_evidence(proof: MakeProof) -> None:
    stage = proof(WITH_TEST, FIX, finish("pytest"))
    stage.scene.mirror.failures["push"] = RemoteUnavailable("down")
    task = await stage.run(checks=("make",), reproduce=True)
    assert task.status is TaskStatus.SCHEDULED
    stage.scene.mirror.failures.clear()
    sides = list(stage.sides)
    done = await stage.again(task)
    assert done.status is TaskStatus.SUCCEEDED
    assert stage.sides == sides
    assert [report.evidence for report in stage.reports] == [one.evidence for one in await stage.verdicts(task)]


async def test_what_was_refused_is_not_handed_in_by_a_later_attempt(proof: MakeProof) -> None:
    stage = proof(FIX, finish("make"))
    stage.scene.model = ScriptedModel([FIX, finish("make"), WITH_TEST, finish("make")])
    task = await stage.file(checks=("make",), reproduce=True)
    store, kept = stage.scene.store, stage.scene.store.append

    async def dying(*call: Any, **more: Any) -> Any:
        made = await kept(*call, **more)
        if any(isinstance(event, ChangeVerified) for event in call[1]):
            store.append = kept  # type: ignore[method-assign]
            raise RemoteUnavailable("down")
        return made

    store.append = dying  # type: ignore[method-assign]
    assert (await stage.scene.advance(task)).status is TaskStatus.SCHEDULED
    done = await stage.again(task)
    assert done.status is TaskStatus.SUCCEEDED
    assert [verdict.accepted for verdict in await stage.verdicts(task)] == [False, False, True]


@pytest.mark.parametrize("reproduce", [True, False])
@pytest.mark.parametrize("more", [[], [write("b", "more\n")]], ids=["all but the test is there", "some of it is"])
async def test_a_test_that_passes_on_the_tip_says_that_it_is_fixed_there(
    proof: MakeProof, more: list[Reply], reproduce: bool
) -> None:
    def meanwhile(_: object) -> Reply:
        stage.main_gets({"a": b"new\n"})
        return finish("pytest")

    stage = proof(WITH_TEST, FIX, *more, meanwhile)
    task = await stage.run(checks=("make",), reproduce=reproduce)
    assert task.status is TaskStatus.SUCCEEDED
    assert "already fixed on main at" in task.status_reason
    assert stage.repository.pulls == []


async def test_tests_that_are_all_of_a_change_are_fixed_by_nobody(proof: MakeProof) -> None:
    def meanwhile(_: object) -> Reply:
        stage.main_gets({"c": b"c"})
        return finish("pytest")

    stage = proof(IDLE_TEST, meanwhile)
    assert (await stage.run()).status_reason == "Change a"
    assert len(stage.repository.pulls) == 1


async def test_a_moved_base_is_where_the_tests_are_tried(proof: MakeProof) -> None:
    def meanwhile(_: object) -> Reply:
        stage.main_gets({"c": b"c"})
        return finish()

    stage = proof(WITH_TEST, FIX, meanwhile)
    task = await stage.run(checks=("make",), reproduce=True)
    assert task.status is TaskStatus.SUCCEEDED
    assert codes(await stage.evidence(task)) == ([0], [1], [0])
    assert stage.scene.provider.workspaces[-1].files["/workspace/c"] == b"c"
    committed = [event for event in await stage.events(task) if isinstance(event, ChangeCommitted)]
    assert committed[-1].base_sha == stage.scene.mirror.remote["main"]


async def test_what_is_refused_on_a_moved_base_says_where(proof: MakeProof) -> None:
    def meanwhile(_: object) -> Reply:
        stage.main_gets({"c": b"c"})
        return finish()

    stage = proof(FIX, meanwhile, WITH_TEST, finish())
    task = await stage.run(checks=("make",), reproduce=True)
    assert task.status is TaskStatus.SUCCEEDED
    assert stage.told(2).startswith("Meanwhile somebody pushed to main, ")
    assert NO_TEST in stage.told(2)
