"""Says whether a change is good: the checks on the clean base and on base + patch, each side in its own container.

One side after the other: the engine never has more than one container of a run that is being checked.
"""

from __future__ import annotations

from pullwright.agents.change import CheckResult, Evidence
from pullwright.agents.egress import EgressDecision
from pullwright.agents.environment import PLAIN, Environment
from pullwright.agents.ports.sandbox import Base, ExecResult, SandboxProvider

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
        self,
        base: Base,
        patch: bytes,
        checks: tuple[str, ...],
        *,
        chosen_by: str,
        task_id: str,
        environment: Environment = PLAIN,
    ) -> Evidence:
        """Run each check on both sides; see the port."""
        if not checks:
            return Evidence(chosen_by=chosen_by)
        after, reached = await self._side(base, patch, checks, f"{task_id}-after", environment)
        before, reached_before = await self._side(base, None, checks, f"{task_id}-before", environment)
        return Evidence(chosen_by=chosen_by, before=before, after=after, egress=(*reached, *reached_before))

    async def check_base(
        self, base: Base, checks: tuple[str, ...], *, task_id: str, environment: Environment = PLAIN
    ) -> tuple[CheckResult, ...]:
        """Run each check on the clean base; see the port."""
        if not checks:
            return ()
        return (await self._side(base, None, checks, f"{task_id}-before", environment))[0]

    async def check_tests(
        self, base: Base, tests: bytes, checks: tuple[str, ...], *, task_id: str, environment: Environment = PLAIN
    ) -> tuple[tuple[CheckResult, ...], tuple[EgressDecision, ...]]:
        """Run each check on base + tests; see the port."""
        return await self._side(base, tests, checks, f"{task_id}-tests", environment)

    async def _side(
        self, base: Base, patch: bytes | None, checks: tuple[str, ...], task_id: str, environment: Environment
    ) -> tuple[tuple[CheckResult, ...], tuple[EgressDecision, ...]]:
        async with self._provider.open(base, task_id=task_id, environment=environment) as workspace:
            if patch is not None:
                await workspace.apply(patch)
            async with workspace.open_sandbox() as sandbox:
                # One stream, as a person would see it; each check starts where the first one did.
                results = [
                    await sandbox.exec(f"exec 2>&1; {command}", timeout=self._timeout, cwd=".") for command in checks
                ]
        judged = [self._judged(command, result) for command, result in zip(checks, results, strict=True)]
        return tuple(judged), tuple(decision for result in results for decision in result.egress)

    def _judged(self, command: str, result: ExecResult) -> CheckResult:
        return CheckResult(
            command=command,
            exit_code=result.exit_code,
            seconds=result.seconds,
            output=_shown(result, self._timeout),
        )


def _shown(result: ExecResult, limit: float) -> str:
    ending = f"\n[stopped after {limit:g} s]" if result.timed_out else ""
    return result.stdout.text + result.stderr.text + ending
