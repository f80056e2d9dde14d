"""Judging: what a run hands in becomes a commit in the mirror, and fresh containers say whether it is good."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from anyio import to_thread

from pullwright.agents.calls import FinishRequest
from pullwright.agents.change import Change, CheckResult, Evidence
from pullwright.agents.environment import Environment
from pullwright.agents.errors import ChangeError, ChangeRefused, NotFound
from pullwright.agents.events import ChangeCommitted, ChangeVerified, JournalEntry, ModelReplied
from pullwright.agents.ports.mirror import CommitMeta
from pullwright.agents.ports.sandbox import Base, Workspace
from pullwright.agents.recorder import RunRecorder
from pullwright.agents.worker.parts import Parts
from pullwright.agents.worker.publishing import HandIn
from pullwright.agents.worker.restore import PATCH_BYTES, keep_patch

HAND_INS: Final = 3
"""How often a run may hand in work before failing checks end it."""

NOTHING_CHANGED: Final = (
    "The files are the same as at the base: there is no change to hand in. If nothing needs changing, call finish "
    "again and say why in the summary; otherwise make the change first."
)


class Judging:
    """Judges what one run hands in."""

    def __init__(self, parts: Parts, recorder: RunRecorder, base: Base, environment: Environment) -> None:
        self._parts = parts
        self._recorder = recorder
        self._spec = recorder.task.spec
        self._base = base
        self._environment = environment
        self.patch_path = ""
        """Where the last patch was saved."""

    @property
    def checks(self) -> tuple[str, ...]:
        """The commands that the owner chose, for this task or for the repository."""
        return self._spec.checks or self._environment.checks

    async def judge(self, workspace: Workspace, request: FinishRequest) -> HandIn:
        """Take the change out, commit it in the mirror and have it checked.

        Raises:
            EmptyChange: There is none.
            ChangeRefused: Policy or a check says no; the text tells the model what to mend.
        """
        patch = await workspace.extract(limit=PATCH_BYTES)
        await self.save(patch)
        change = await self._commit(patch, request.title, request.summary)
        await self._recorder.record(
            ChangeCommitted(
                branch=change.branch,
                head_sha=change.head_sha,
                title=request.title,
                summary=request.summary,
                files=change.files,
            )
        )
        evidence = await self._verify(patch, request)
        return self._hand_in(request.title, request.summary, change, evidence, workspace.notices)

    async def judged(self) -> HandIn | None:
        """Return what an earlier attempt handed in and had checked, if nothing came after that and it is still here."""
        found = _stands(self._recorder.earlier)
        if found is None:
            return None
        committed, verified = found
        try:
            patch = await self._parts.mirror.difference(
                self._base, self._base.sha, committed.head_sha, limit=PATCH_BYTES
            )
            change = await self._commit(patch, committed.title, committed.summary)
        except (NotFound, ChangeError):
            return None  # another host made it: it is judged again
        if change.head_sha != committed.head_sha:
            return None
        await self.save(patch)
        return self._hand_in(committed.title, committed.summary, change, verified.evidence, ())

    async def doubt(self, times: int) -> str:
        """Return what is to be said against handing in no change, or nothing when it is to be believed.

        Raises:
            ChangeRefused: The owner's checks fail on the base, and still nothing was changed.
        """
        results = await self._parts.verifier.check_base(
            self._base, self.checks, task_id=self._recorder.task.id, environment=self._environment
        )
        failed = [result for result in results if not result.passed]
        if failed and times >= HAND_INS:
            raise ChangeRefused(f"the model changed nothing, although {failed[0].command!r} fails on the base")
        if failed:
            return f"{NOTHING_CHANGED}\n\n{_complaint('On the base, this does not pass', failed)}"
        return NOTHING_CHANGED if times == 1 else ""

    async def save(self, patch: bytes) -> None:
        """Keep a patch for people: as a file, and in the store for those on other hosts.

        Raises:
            LeaseLost: Another attempt owns the task.
        """
        path = self._parts.patches / f"{self._recorder.task.id}.patch"

        def save() -> None:
            path.parent.mkdir(parents=True, exist_ok=True)
            fresh = path.with_suffix(".new")
            fresh.write_bytes(patch)
            fresh.replace(path)

        await to_thread.run_sync(save)
        self.patch_path = str(path)
        await keep_patch(self._parts.store, self._recorder.task, patch)

    def _hand_in(
        self, title: str, summary: str, change: Change, evidence: Evidence, notices: tuple[str, ...]
    ) -> HandIn:
        return HandIn(
            title=title,
            summary=summary,
            change=change,
            evidence=evidence,
            notices=(*self._environment.notices, *notices),
            patch_path=self.patch_path,
        )

    async def _commit(self, patch: bytes, title: str, summary: str) -> Change:
        """Commit under the name that the run's first commit had; the same work is the same commit on any host."""
        task, wording, issue = self._recorder.task, self._parts.wording, self._spec.issue_number
        message = wording.commit(issue=issue, title=title, summary=summary)
        first = next((one.event for one in self._recorder.earlier if isinstance(one.event, ChangeCommitted)), None)
        branch = first.branch if first else wording.branch(issue=issue, title=title, task_id=task.id)
        meta = CommitMeta(branch=branch, title=message.title, body=message.body, at=task.created_at)
        return await self._parts.mirror.commit(
            self._spec.repository, self._base, patch, meta, allow_paths=self._environment.allow_paths
        )

    async def _verify(self, patch: bytes, request: FinishRequest) -> Evidence:
        checks, chosen_by = (self.checks, "owner") if self.checks else (request.checks, "agent")
        if not checks:
            return Evidence(chosen_by="agent")
        evidence = await self._parts.verifier.verify(
            self._base,
            patch,
            checks,
            chosen_by=chosen_by,
            task_id=self._recorder.task.id,
            environment=self._environment,
        )
        await self._recorder.record(ChangeVerified(evidence=evidence))
        if not evidence.verified:
            failed = [result for result in evidence.after if not result.passed]
            raise ChangeRefused(_complaint("Checked in a fresh container with your change, this does not pass", failed))
        return evidence


def first_lines(refusal: ChangeRefused) -> str:
    """Return the one line for people of what was told to the model at length."""
    what, _, rest = str(refusal).partition("\n\n")
    return " ".join(f"{what} {rest.partition(chr(10))[0]}".split())


def _stands(entries: Sequence[JournalEntry]) -> tuple[ChangeCommitted, ChangeVerified] | None:
    """Return the last commit and its evidence, if it passed and the model has said nothing since."""
    verified: ChangeVerified | None = None
    for entry in reversed(entries):
        match entry.event:
            case ModelReplied():
                return None
            case ChangeVerified() as event:
                verified = verified or event
            case ChangeCommitted() as event:
                return (event, verified) if verified is not None and verified.evidence.verified else None
    return None


def _complaint(what: str, failed: Sequence[CheckResult]) -> str:
    shown = "\n\n".join(f"$ {result.command}\n{result.output}\n[{_ending(result.exit_code)}]" for result in failed)
    return f"{what}:\n\n{shown}"


def _ending(exit_code: int | None) -> str:
    return "stopped at its time limit" if exit_code is None else f"exit code {exit_code}"
