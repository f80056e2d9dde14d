"""Says whether a change is good: the checks on the clean base and on base + patch, each side in its own container."""

from __future__ import annotations

from pullwright.agents.change import CheckResult, Evidence
from pullwright.agents.ports.sandbox import Base, ExecResult, Sandbox, SandboxProvider

CHECK_LIMIT = 600.0
"""Seconds that one check may take unless a caller asks for another number."""


class FreshVerifier:
    """The ``Verifier`` port over any provider.

    Args:
        provider: Makes the workspaces; nothing of the agent's own is looked at.
        timeout: Seconds that one check may take.
    """

    def __init__(self, provider: SandboxProvider, *, timeout: float = CHECK_LIMIT) -> None:
        self._provider = provider
        self._timeout = timeout

    async def verify(
        self, base: Base, patch: bytes, checks: tuple[str, ...], *, chosen_by: str, task_id: str
    ) -> Evidence:
        """Run each check on both sides; see the port."""
        if not checks:
            return Evidence(chosen_by=chosen_by)
        after = await self._side(base, patch, checks, f"{task_id}-after")
        before = await self.check_base(base, checks, task_id=task_id)
        return Evidence(chosen_by=chosen_by, before=before, after=after)

    async def check_base(self, base: Base, checks: tuple[str, ...], *, task_id: str) -> tuple[CheckResult, ...]:
        """Run each check on the clean base; see the port."""
        return await self._side(base, None, checks, f"{task_id}-before") if checks else ()

    async def _side(
        self, base: Base, patch: bytes | None, checks: tuple[str, ...], task_id: str
    ) -> tuple[CheckResult, ...]:
        async with self._provider.open(base, task_id=task_id) as workspace:
            if patch is not None:
                await workspace.apply(patch)
            async with workspace.open_sandbox() as sandbox:
                return tuple([await self._check(sandbox, command) for command in checks])

    async def _check(self, sandbox: Sandbox, command: str) -> CheckResult:
        # One stream, as a person would see it; each check starts where the first one did.
        result = await sandbox.exec(f"exec 2>&1; {command}", timeout=self._timeout, cwd=".")
        return CheckResult(
            command=command,
            exit_code=result.exit_code,
            seconds=result.seconds,
            output=_shown(result, self._timeout),
        )


def _shown(result: ExecResult, limit: float) -> str:
    ending = f"\n[stopped after {limit:g} s]" if result.timed_out else ""
    return result.stdout.text + result.stderr.text + ending
