from __future__ import annotations

from pathlib import Path

import pytest

from pullwright.agents.errors import ChangeRefused
from pullwright.agents.ports.sandbox import Base, ExecResult
from pullwright.agents.testing.fake_sandbox import FakeProvider, FakeSandbox, output
from pullwright.sandbox.verifier import FreshVerifier

pytestmark = pytest.mark.anyio
BASE = Base(mirror=Path("/nowhere"), ref="main", sha="0" * 40)


async def fixed_when_it_says_two(command: str, sandbox: FakeSandbox) -> ExecResult:
    if "hang" in command:
        return output("so far", exit_code=None, timed_out=True)
    return output(f"ran {command}\n", exit_code=0 if sandbox.files["/workspace/a"] == b"2" else 1)


async def patch_of(provider: FakeProvider) -> bytes:
    async with provider.open(BASE, task_id="author") as workspace:
        async with workspace.open_sandbox() as sandbox:
            await sandbox.write_file("a", b"2")
        return await workspace.extract(limit=10_000)


async def test_both_sides_run_in_workspaces_of_their_own() -> None:
    provider = FakeProvider({"a": b"1"}, fixed_when_it_says_two)
    patch = await patch_of(provider)
    evidence = await FreshVerifier(provider).verify(BASE, patch, ("one", "two"), chosen_by="agent", task_id="t")
    assert [result.passed for result in (*evidence.before, *evidence.after)] == [False, False, True, True]
    assert (evidence.verified, evidence.chosen_by) == (True, "agent")
    assert provider.task_ids == ["author", "t-after", "t-before"]
    assert provider.open_now == 0
    assert [result.command for result in evidence.after] == ["one", "two"]


async def test_a_check_that_hangs_is_not_passed_and_says_so() -> None:
    provider = FakeProvider({"a": b"1"}, fixed_when_it_says_two)
    patch = await patch_of(provider)
    evidence = await FreshVerifier(provider, timeout=5).verify(BASE, patch, ("hang",), chosen_by="owner", task_id="t")
    assert not evidence.verified
    assert evidence.after[0].exit_code is None
    assert evidence.after[0].output == "so far\n[stopped after 5 s]"


async def test_without_checks_nothing_is_claimed() -> None:
    provider = FakeProvider({"a": b"1"})
    evidence = await FreshVerifier(provider).verify(BASE, b"", (), chosen_by="owner", task_id="t")
    assert not evidence.verified
    assert provider.task_ids == []


async def test_a_patch_that_does_not_apply_is_refused_before_anything_runs() -> None:
    provider = FakeProvider({"a": b"1"}, fixed_when_it_says_two)
    with pytest.raises(ChangeRefused):
        await FreshVerifier(provider).verify(BASE, b"nonsense", ("one",), chosen_by="owner", task_id="t")
    assert provider.workspaces[0].sandboxes == []


async def test_tests_alone_run_in_a_workspace_of_their_own() -> None:
    provider = FakeProvider({"a": b"1"}, fixed_when_it_says_two)
    patch = await patch_of(provider)
    verifier = FreshVerifier(provider)
    results, egress = await verifier.check_tests(BASE, patch, ("one", "two"), task_id="t")
    assert ([result.passed for result in results], egress) == ([True, True], ())
    assert provider.task_ids[1:] == ["t-tests"]
    assert provider.open_now == 0
    with pytest.raises(ChangeRefused):
        await verifier.check_tests(BASE, b"nonsense", ("one",), task_id="t")
