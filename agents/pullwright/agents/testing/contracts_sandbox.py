"""What every sandbox provider must do, as test classes: subclass them and give the two fixtures.

``provider`` is the ``SandboxProvider`` under test, ``base`` a commit that holds exactly ``CONTRACT_FILES``. A provider
without real processes passes ``FilesContract`` and ``ChangeContract``; one with a shell passes ``ProcessContract`` too.
"""

from __future__ import annotations

from time import monotonic

import anyio
import pytest

from pullwright.agents.errors import ChangeRefused, EmptyChange, PatchTooLarge, SandboxError
from pullwright.agents.ports.sandbox import Base, SandboxProvider

CONTRACT_FILES: dict[str, bytes] = {
    "README.md": b"# Contract\n\nThe files of the contract's base.\n",
    "src/app.py": b"def answer() -> int:\n    return 41\n",
    "data/blob.bin": bytes(range(256)) * 4,
}
"""Content by path of the commit that ``base`` must name."""

LIMIT = 1 << 20


@pytest.mark.anyio
class FilesContract:
    """Reading and writing files."""

    async def test_base_files_are_there(self, provider: SandboxProvider, base: Base) -> None:
        async with provider.open(base, task_id="contract") as workspace, workspace.open_sandbox() as sandbox:
            for path, content in CONTRACT_FILES.items():
                assert await sandbox.read_file(path) == content
            assert await sandbox.read_file("data/blob.bin", offset=250, limit=10) == bytes(
                [*range(250, 256), *range(4)]
            )
            assert await sandbox.read_file("README.md", offset=1000) == b""

    async def test_what_is_written_can_be_read(self, provider: SandboxProvider, base: Base) -> None:
        content = bytes(range(256)) * 9000
        async with provider.open(base, task_id="contract") as workspace, workspace.open_sandbox() as sandbox:
            await sandbox.write_file("new/deep/file.bin", content)
            assert await sandbox.read_file("new/deep/file.bin", limit=1 << 24) == content
            await sandbox.write_file("new/deep/file.bin", b"")
            assert await sandbox.read_file("new/deep/file.bin") == b""

    async def test_refusals_are_the_builtin_errors(self, provider: SandboxProvider, base: Base) -> None:
        async with provider.open(base, task_id="contract") as workspace, workspace.open_sandbox() as sandbox:
            with pytest.raises(FileNotFoundError):
                await sandbox.read_file("nothing/here")
            with pytest.raises(IsADirectoryError):
                await sandbox.read_file("src")
            with pytest.raises(IsADirectoryError):
                await sandbox.write_file("src", b"x")
            with pytest.raises(OSError, match="README"):
                await sandbox.write_file("README.md/below", b"x")
            assert await sandbox.read_file("README.md") == CONTRACT_FILES["README.md"]

    async def test_files_outlive_a_sandbox_but_not_the_workspace(self, provider: SandboxProvider, base: Base) -> None:
        async with provider.open(base, task_id="contract") as workspace:
            async with workspace.open_sandbox() as sandbox:
                await sandbox.write_file("kept", b"1")
            async with workspace.open_sandbox() as sandbox:
                assert await sandbox.read_file("kept") == b"1"
        async with provider.open(base, task_id="contract") as workspace, workspace.open_sandbox() as sandbox:
            with pytest.raises(FileNotFoundError):
                await sandbox.read_file("kept")

    async def test_one_sandbox_at_a_time(self, provider: SandboxProvider, base: Base) -> None:
        async with provider.open(base, task_id="contract") as workspace, workspace.open_sandbox():
            with pytest.raises(SandboxError):
                async with workspace.open_sandbox():
                    raise AssertionError("a second sandbox was opened")
            with pytest.raises(SandboxError):
                await workspace.extract(limit=LIMIT)


@pytest.mark.anyio
class ChangeContract:
    """Taking a change out and bringing it onto other files."""

    async def test_nothing_changed_is_an_empty_change(self, provider: SandboxProvider, base: Base) -> None:
        async with provider.open(base, task_id="contract") as workspace:
            async with workspace.open_sandbox() as sandbox:
                await sandbox.write_file("README.md", CONTRACT_FILES["README.md"])
            with pytest.raises(EmptyChange):
                await workspace.extract(limit=LIMIT)

    async def test_a_change_moves_to_another_workspace(self, provider: SandboxProvider, base: Base) -> None:
        written = {"src/app.py": b"def answer() -> int:\n    return 42\n", "new/file.bin": bytes(range(256))}
        async with provider.open(base, task_id="contract-1") as workspace:
            async with workspace.open_sandbox() as sandbox:
                for path, content in written.items():
                    await sandbox.write_file(path, content)
            patch = await workspace.extract(limit=LIMIT)
            assert await workspace.extract(limit=LIMIT) == patch
        async with provider.open(base, task_id="contract-2") as workspace:
            await workspace.apply(patch)
            async with workspace.open_sandbox() as sandbox:
                for path, content in {**CONTRACT_FILES, **written}.items():
                    assert await sandbox.read_file(path) == content
            assert await workspace.extract(limit=LIMIT) == patch

    async def test_a_patch_over_the_limit_is_refused(self, provider: SandboxProvider, base: Base) -> None:
        async with provider.open(base, task_id="contract") as workspace:
            async with workspace.open_sandbox() as sandbox:
                await sandbox.write_file("big.txt", b"line\n" * 4000)
            with pytest.raises(PatchTooLarge):
                await workspace.extract(limit=1000)
            assert len(await workspace.extract(limit=LIMIT)) > 1000

    async def test_a_patch_that_does_not_apply_is_refused(self, provider: SandboxProvider, base: Base) -> None:
        async with provider.open(base, task_id="contract") as workspace:
            with pytest.raises(ChangeRefused):
                await workspace.apply(b"this is no patch\n")
            async with workspace.open_sandbox() as sandbox:
                await sandbox.write_file("src/app.py", b"something else\n")
            patch = await workspace.extract(limit=LIMIT)
            with pytest.raises(ChangeRefused):
                await workspace.apply(patch)


@pytest.mark.anyio
class ProcessContract:
    """Running commands in a shell."""

    async def test_result_of_a_command(self, provider: SandboxProvider, base: Base) -> None:
        async with provider.open(base, task_id="contract") as workspace, workspace.open_sandbox() as sandbox:
            result = await sandbox.exec("echo out; echo err >&2; exit 3", timeout=20)
            assert (result.exit_code, result.signal, result.timed_out) == (3, None, False)
            assert (result.stdout.head, result.stderr.head) == (b"out\n", b"err\n")
            killed = await sandbox.exec("kill -KILL $$", timeout=20)
            assert (killed.exit_code, killed.signal) == (None, 9)
            broken = await sandbox.exec("if then", timeout=20)
            assert broken.exit_code == 2
            assert (await sandbox.exec("cat; test -t 0", timeout=20)).exit_code == 1

    async def test_folder_follows_and_environment_does_not(self, provider: SandboxProvider, base: Base) -> None:
        async with provider.open(base, task_id="contract") as workspace, workspace.open_sandbox() as sandbox:
            start = (await sandbox.exec("pwd", timeout=20)).stdout.text.strip()
            await sandbox.exec("cd src && export LEFT_OVER=1 && false", timeout=20)
            result = await sandbox.exec("pwd; echo ${LEFT_OVER-none}", timeout=20)
            assert result.stdout.text == f"{start}/src\nnone\n"
            assert result.cwd == f"{start}/src"
            assert (await sandbox.exec("pwd", timeout=20, cwd="data")).stdout.text == f"{start}/data\n"
            await sandbox.exec("mkdir gone && cd gone && rmdir ../gone", timeout=20, cwd=start)
            assert (await sandbox.exec("pwd", timeout=20)).stdout.text == f"{start}\n"
            assert (await sandbox.exec("pwd", timeout=20, cwd="no/such/folder")).exit_code != 0

    async def test_output_keeps_head_and_tail(self, provider: SandboxProvider, base: Base) -> None:
        async with provider.open(base, task_id="contract") as workspace, workspace.open_sandbox() as sandbox:
            result = await sandbox.exec("seq 1 100000; printf '\\377\\000'; seq 3 >&2", timeout=30, output_limit=2000)
            kept = len(result.stdout.head) + len(result.stdout.tail)
            assert kept <= 2000
            assert result.stdout.dropped + kept == len("".join(f"{number}\n" for number in range(1, 100001))) + 2
            assert result.stdout.head.startswith(b"1\n2\n3\n")
            assert result.stdout.tail.endswith(b"\n100000\n\xff\x00")
            assert (result.stderr.text, result.stderr.dropped) == ("1\n2\n3\n", 0)

    async def test_no_process_outlives_its_time_limit(self, provider: SandboxProvider, base: Base) -> None:
        async with provider.open(base, task_id="contract") as workspace, workspace.open_sandbox() as sandbox:
            started = monotonic()
            script = "(setsid sh -c 'sleep 7.31 & exec sleep 7.31' &); trap '' TERM; echo said; sleep 7.31; sleep 7.31"
            result = await sandbox.exec(script, timeout=0.5)
            assert (result.timed_out, result.exit_code) == (True, None)
            assert result.stdout.text == "said\n"
            assert monotonic() - started < 4
            assert (await sandbox.exec("pgrep -f 'slee[p] 7.31'", timeout=20)).exit_code == 1

    async def test_what_a_command_leaves_behind_is_killed(self, provider: SandboxProvider, base: Base) -> None:
        async with provider.open(base, task_id="contract") as workspace, workspace.open_sandbox() as sandbox:
            started = monotonic()
            result = await sandbox.exec("sleep 8.32 & (setsid sleep 8.32 &) ; echo done", timeout=60)
            assert (result.exit_code, result.stdout.text) == (0, "done\n")
            assert monotonic() - started < 4
            assert (await sandbox.exec("pgrep -f 'slee[p] 8.32'", timeout=20)).exit_code == 1

    async def test_cancellation_kills_the_command(self, provider: SandboxProvider, base: Base) -> None:
        async with provider.open(base, task_id="contract") as workspace, workspace.open_sandbox() as sandbox:
            with anyio.move_on_after(0.3) as scope:
                await sandbox.exec("(setsid sleep 9.33 &); sleep 9.33", timeout=60)
            assert scope.cancelled_caught
            assert (await sandbox.exec("pgrep -f 'slee[p] 9.33'", timeout=20)).exit_code == 1

    async def test_deletions_modes_and_ignored_files(self, provider: SandboxProvider, base: Base) -> None:
        script = (
            "rm data/blob.bin; chmod +x src/app.py; echo 'out/' > .gitignore; mkdir out; echo 1 > out/x; ln -s src link"
        )
        async with provider.open(base, task_id="contract-1") as workspace:
            async with workspace.open_sandbox() as sandbox:
                assert (await sandbox.exec(script, timeout=20)).exit_code == 0
            patch = await workspace.extract(limit=LIMIT)
        async with provider.open(base, task_id="contract-2") as workspace:
            await workspace.apply(patch)
            async with workspace.open_sandbox() as sandbox:
                result = await sandbox.exec("ls -A; readlink link; test -x src/app.py && echo executable", timeout=20)
        assert result.stdout.text.split() == [".git", ".gitignore", "README.md", "link", "src", "src", "executable"]
