"""What every sandbox provider must do, as test classes: subclass them and give the two fixtures.

``provider`` is the ``SandboxProvider`` under test, ``base`` a commit that holds exactly ``CONTRACT_FILES``. A provider
without real processes passes ``FilesContract``, ``ChangeContract``, ``DeltaContract`` and ``ServiceContract``; one with
a shell passes ``ProcessContract`` and ``ServiceProcessContract`` too.
"""

from __future__ import annotations

from time import monotonic

import anyio
import pytest

from pullwright.agents.errors import ChangeRefused, EmptyChange, PatchTooLarge, SandboxError, ServiceError
from pullwright.agents.ports.sandbox import Base, Sandbox, SandboxProvider, ServiceState

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


@pytest.mark.anyio
class DeltaContract:
    """What changed since the last time, for checkpoints."""

    async def test_deltas_in_order_make_the_same_files(self, provider: SandboxProvider, base: Base) -> None:
        deltas: list[bytes | None] = []
        async with provider.open(base, task_id="contract-1") as workspace, workspace.open_sandbox() as sandbox:
            assert await sandbox.delta(whole=False, limit=LIMIT) is None
            for written in (b"1\n", b"2\n", b"2\n", bytes(range(256))):
                await sandbox.write_file("new/file", written)
                await sandbox.write_file("src/app.py", written)
                deltas.append(await sandbox.delta(whole=False, limit=LIMIT))
            whole = await sandbox.delta(whole=True, limit=LIMIT)
            assert await sandbox.delta(whole=False, limit=LIMIT) is None
        assert deltas[2] is None
        assert whole is not None
        for patches in ([delta for delta in deltas if delta is not None], [whole]):
            async with provider.open(base, task_id="contract-2") as workspace:
                for patch in patches:
                    await workspace.apply(patch)
                async with workspace.open_sandbox() as sandbox:
                    assert await sandbox.read_file("new/file") == bytes(range(256))
                    assert await sandbox.read_file("src/app.py") == bytes(range(256))
                    assert await sandbox.read_file("README.md") == CONTRACT_FILES["README.md"]

    async def test_what_goes_back_to_the_base_is_nothing_as_a_whole(
        self, provider: SandboxProvider, base: Base
    ) -> None:
        async with provider.open(base, task_id="contract") as workspace, workspace.open_sandbox() as sandbox:
            await sandbox.write_file("README.md", b"changed\n")
            assert await sandbox.delta(whole=False, limit=LIMIT) is not None
            await sandbox.write_file("README.md", CONTRACT_FILES["README.md"])
            assert await sandbox.delta(whole=False, limit=LIMIT) is not None
            assert await sandbox.delta(whole=True, limit=LIMIT) is None

    async def test_a_delta_over_the_limit_is_refused_and_not_lost(self, provider: SandboxProvider, base: Base) -> None:
        async with provider.open(base, task_id="contract-1") as workspace, workspace.open_sandbox() as sandbox:
            await sandbox.write_file("big.txt", b"line\n" * 4000)
            with pytest.raises(PatchTooLarge):
                await sandbox.delta(whole=False, limit=1000)
            patch = await sandbox.delta(whole=False, limit=LIMIT)
        assert patch is not None
        async with provider.open(base, task_id="contract-2") as workspace:
            await workspace.apply(patch)
            async with workspace.open_sandbox() as sandbox:
                assert await sandbox.read_file("big.txt") == b"line\n" * 4000


@pytest.mark.anyio
class ServiceContract:
    """Services, as far as they can be had without processes."""

    async def test_a_service_runs_until_it_is_stopped(self, provider: SandboxProvider, base: Base) -> None:
        async with provider.open(base, task_id="contract") as workspace, workspace.open_sandbox() as sandbox:
            await sandbox.start_service("web-1.0_a", "sleep 3600")
            assert (await sandbox.read_service("web-1.0_a")).running
            with pytest.raises(ServiceError):
                await sandbox.start_service("web-1.0_a", "sleep 3600")
            await sandbox.start_service("other", "sleep 3600")
            state = await sandbox.stop_service("web-1.0_a")
            assert (state.name, state.running, state.exit_code) == ("web-1.0_a", False, None)
            with pytest.raises(ServiceError):
                await sandbox.read_service("web-1.0_a")
            with pytest.raises(ServiceError):
                await sandbox.stop_service("web-1.0_a")
            assert (await sandbox.read_service("other")).running
            await sandbox.start_service("web-1.0_a", "sleep 3600")

    @pytest.mark.parametrize("name", ["", "-x", ".x", "a b", "a/b", "a\n", "ä", "x" * 65])
    async def test_a_malformed_name_is_refused(self, provider: SandboxProvider, base: Base, name: str) -> None:
        async with provider.open(base, task_id="contract") as workspace, workspace.open_sandbox() as sandbox:
            with pytest.raises(ServiceError):
                await sandbox.start_service(name, "true")


async def ended(sandbox: Sandbox, name: str) -> ServiceState:
    """Wait until a service has ended."""
    with anyio.fail_after(20):
        while (state := await sandbox.read_service(name)).running:
            continue
    return state


async def logged(sandbox: Sandbox, name: str, text: bytes) -> ServiceState:
    """Wait until a service has printed something."""
    with anyio.fail_after(20):
        while text not in (state := await sandbox.read_service(name)).log.head:
            continue
    return state


@pytest.mark.anyio
class ServiceProcessContract:
    """Services with real processes."""

    async def test_commands_end_around_it(self, provider: SandboxProvider, base: Base) -> None:
        # A daemon of the second kind has left its parent and its session before the first command ends.
        script = "echo up; (setsid sh -c '(exec sleep 5.41) & exec true'); echo told >&2; exec sleep 5.41"
        async with provider.open(base, task_id="contract") as workspace, workspace.open_sandbox() as sandbox:
            await sandbox.exec("cd src", timeout=20)
            await sandbox.start_service("web", f"pwd; {script}")
            state = await logged(sandbox, "web", b"told")
            assert state.running
            assert state.log.text.splitlines()[0].endswith("/src")
            stopped = await sandbox.exec("(setsid sleep 5.42 &); sleep 5.42", timeout=0.3)
            assert stopped.timed_out
            found = await sandbox.exec("pgrep -fc '^slee[p] 5.41'; pgrep -f '^slee[p] 5.42'", timeout=20)
            assert found.stdout.text == "2\n"
            assert (await sandbox.read_service("web")).running
            assert (await sandbox.stop_service("web")).exit_code is None
            assert (await sandbox.exec("pgrep -f '^slee[p] 5.4'", timeout=20)).exit_code == 1

    async def test_one_that_ended_says_how(self, provider: SandboxProvider, base: Base) -> None:
        async with provider.open(base, task_id="contract") as workspace, workspace.open_sandbox() as sandbox:
            await sandbox.start_service("short", "seq 1 100000; echo last; exit 3")
            state = await ended(sandbox, "short")
            assert state.exit_code == 3
            assert state.log.head.startswith(b"1\n2\n")
            assert state.log.tail.endswith(b"100000\nlast\n")
            small = (await sandbox.read_service("short", limit=100)).log
            kept = len(small.head) + len(small.tail)
            assert kept <= 100
            assert small.dropped + kept == len("".join(f"{number}\n" for number in range(1, 100001))) + 5
            assert (await sandbox.stop_service("short")).exit_code == 3

    async def test_there_are_at_most_eight(self, provider: SandboxProvider, base: Base) -> None:
        async with provider.open(base, task_id="contract") as workspace, workspace.open_sandbox() as sandbox:
            for number in range(8):
                await sandbox.start_service(f"s{number}", "sleep 3600")
            with pytest.raises(ServiceError):
                await sandbox.start_service("s8", "sleep 3600")
            await sandbox.stop_service("s0")
            await sandbox.start_service("s8", "sleep 3600")

    async def test_it_ends_with_the_sandbox(self, provider: SandboxProvider, base: Base) -> None:
        async with provider.open(base, task_id="contract") as workspace:
            async with workspace.open_sandbox() as sandbox:
                await sandbox.start_service("web", "(setsid sleep 5.43 &); echo up; sleep 5.43")
                await logged(sandbox, "web", b"up")
            async with workspace.open_sandbox() as sandbox:
                with pytest.raises(ServiceError):
                    await sandbox.read_service("web")
                assert (await sandbox.exec("pgrep -f '^slee[p] 5.43'", timeout=20)).exit_code == 1
