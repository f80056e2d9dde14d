"""Judging: what a run hands in becomes a commit in the mirror, and fresh containers say whether it is good.

What it goes onto may have moved since the run began. Then the change is brought onto the newest commit and checked
there. A first run whose change does not fit there is handed in where it was made, and reviewers are told; one that adds
to a branch can only be added to what the branch holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from anyio import to_thread

from pullwright.agents.calls import FinishRequest
from pullwright.agents.change import Change, CheckResult, Evidence
from pullwright.agents.environment import Environment
from pullwright.agents.errors import ChangeError, ChangeRefused, NotFound, Outdated
from pullwright.agents.events import ChangeCommitted, ChangeVerified, JournalEntry, ModelReplied
from pullwright.agents.ports.mirror import CommitMeta
from pullwright.agents.ports.sandbox import Base, Workspace
from pullwright.agents.recorder import RunRecorder
from pullwright.agents.worker.landing import SOMEBODY_PUSHED, UNCHANGED, Landing, Work
from pullwright.agents.worker.parts import Parts
from pullwright.agents.worker.proving import Proving, only_tests_left
from pullwright.agents.worker.publishing import HandIn
from pullwright.agents.worker.restore import PATCH_BYTES, keep_patch

HAND_INS: Final = 3
"""How often a run may hand in work before failing checks end it."""

NOTHING_CHANGED: Final = (
    "The files are the same as at the base: there is no change to hand in. If nothing needs changing, call finish "
    "again and say why in the summary; otherwise make the change first."
)

FIXED: Final = f"{UNCHANGED}: already fixed on {{ref}} at {{sha}}"
ALREADY: Final = f"{UNCHANGED}: all of it is on {{ref}} already, at {{sha}}"

NOT_PASSED: Final = "Checked in a fresh container with your change, this does not pass"
MOVED: Final = (
    "Meanwhile somebody pushed to {ref}, so your change was brought onto {sha}, which your workspace does not show. "
)


class Judging:
    """Judges what one run hands in."""

    def __init__(self, parts: Parts, recorder: RunRecorder, base: Base, environment: Environment) -> None:
        self._parts = parts
        self._recorder = recorder
        self._spec = recorder.task.spec
        self._base = base
        self._environment = environment
        self._landing = Landing(parts, recorder, base)
        self._proving = Proving(parts, recorder, environment)
        self.patch_path = ""
        """Where the last patch was saved."""

    @property
    def checks(self) -> tuple[str, ...]:
        """The commands that the owner chose, for this task or for the repository."""
        return self._spec.checks or self._environment.checks

    async def judge(self, workspace: Workspace, request: FinishRequest) -> HandIn | str:
        """Take the change out, commit it in the mirror and have it checked on what it goes onto.

        Returns:
            What can be published, or why nothing needs to be.

        Raises:
            EmptyChange: There is none.
            ChangeRefused: Policy or a check says no; the text tells the model what to mend.
            Outdated: The branch that it adds to has become something that it does not fit onto.
        """
        patch = await workspace.extract(limit=PATCH_BYTES)
        await self.save(patch)
        title = self._spec.titled(request.title)
        change = await self._commit(self._base, patch, title, request.summary)
        named = self._named_besides(request)
        work = Work(
            base=self._base,
            patch=patch,
            change=change,
            title=title,
            summary=request.summary,
            checks=(*self.checks, *named) if self.checks else request.checks,
            chosen_by="owner" if self.checks else "agent",
            named=named,
            notices=workspace.notices,
        )
        return await self._landed(work, await self._landing.tip())

    def _named_besides(self, request: FinishRequest) -> tuple[str, ...]:
        """Return what the model names beside the owner's checks, where only a test is taken that these may not run."""
        if not (self.checks and self._proving.demanded):
            return ()
        return tuple(check for check in dict.fromkeys(request.checks) if check not in self.checks)

    async def judged(self) -> HandIn | str | None:
        """Return what an earlier attempt handed in and had checked, if nothing came after that and it is still here.

        Raises:
            Outdated: As of ``judge``.
        """
        found = _stands(self._recorder.earlier)
        if found is None:
            return None
        try:
            return await self._as_it_stands(*found)
        except Outdated:
            raise
        except (NotFound, ChangeError):
            return None  # another host made it, or it fits no more: it is judged again

    async def again(self, hand_in: HandIn) -> HandIn | str | None:
        """Judge once more what could not be pushed; None where that is not because somebody else pushed.

        Raises:
            ChangeRefused: A check says no to it on what the branch holds now.
            Outdated: As of ``judge``; and a rebase is of one commit only.
        """
        if self._first:
            return None
        await self._landing.require_head()
        tip = await self._landing.tip()
        if tip.sha == hand_in.change.base_sha:
            return None
        base = await self._landing.commit(hand_in.change.base_sha)
        work = await self._work(base, hand_in.change.head_sha, hand_in.title, hand_in.summary, hand_in.evidence)
        return await self._landed(work, tip)

    async def doubt(self, times: int) -> str:
        """Return what is to be said against handing in no change, or nothing when it is to be believed.

        Raises:
            ChangeRefused: The owner's checks fail on the base, and still nothing was changed.
        """
        checks = () if self._spec.reproduce else self.checks  # what it could not reproduce, it reports
        results = await self._parts.verifier.check_base(
            self._base, checks, task_id=self._recorder.task.id, environment=self._environment
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

    async def _as_it_stands(self, committed: ChangeCommitted, verified: ChangeVerified) -> HandIn | str | None:
        base = await self._landing.commit(committed.base_sha)
        title, summary, evidence = committed.title, committed.summary, verified.evidence
        work = await self._work(base, committed.head_sha, title, summary, evidence)
        if work.change.head_sha != committed.head_sha:
            return None
        await self.save(work.patch)
        if committed.head_sha not in await self._landing.pushed():
            tip = await self._landing.tip()
            if tip.sha != base.sha:
                return await self._landed(work, tip)
        return self._hand_in(work, evidence)

    async def _work(self, base: Base, head_sha: str, title: str, summary: str, evidence: Evidence) -> Work:
        """Return what was handed in before, out of its commit in the mirror."""
        patch = await self._parts.mirror.difference(base, base.sha, head_sha, limit=PATCH_BYTES)
        return Work(
            base=base,
            patch=patch,
            change=await self._commit(base, patch, title, summary),
            title=title,
            summary=summary,
            checks=tuple(result.command for result in evidence.after),
            chosen_by=evidence.chosen_by,
            named=evidence.named,
        )

    async def _landed(self, work: Work, tip: Base) -> HandIn | str:
        """Have work checked on the newest commit that it goes onto; see ``judge``."""
        if tip.sha == work.base.sha:
            return await self._passed(work)
        patch = await self._landing.carried(work, tip)
        if patch == b"":
            return ALREADY.format(ref=tip.ref, sha=tip.sha[:12])
        moved = None
        if patch is not None:
            change = await self._commit(tip, patch, work.title, work.summary)
            moved = replace(work, base=tip, patch=patch, change=change)
        return await (self._added(moved, tip) if self._adds else self._proposed(work, moved, tip))

    async def _added(self, moved: Work | None, tip: Base) -> HandIn:
        """Judge work for a branch that has moved, and that it can only be added to as it is now."""
        if moved is None:
            raise Outdated(SOMEBODY_PUSHED.format(branch=tip.ref, why=", and the change does not fit onto that"))
        return await self._passed(moved, MOVED.format(ref=tip.ref, sha=tip.sha[:12]))

    async def _proposed(self, work: Work, moved: Work | None, tip: Base) -> HandIn | str:
        """Judge work whose base has moved: it lands on the tip, or where it was made when it does not pass there."""
        evidence = await self._checked(moved) if moved else None
        if moved is not None and evidence is not None and (evidence.verified or not work.checks):
            if self._may_be_fixed(work, moved, evidence) and await self._was_broken(work):
                return FIXED.format(ref=tip.ref, sha=tip.sha[:12])
            return await self._verified(moved, evidence, MOVED.format(ref=tip.ref, sha=tip.sha[:12]))
        passed = await self._passed(work)
        before = passed.evidence.before
        if self._first and not all(result.passed for result in before) and not await self._fails_on(tip, work):
            return FIXED.format(ref=tip.ref, sha=tip.sha[:12])
        trouble = "this does not pass its checks there" if moved else "this does not fit onto it"
        notice = f"{tip.ref} has moved to {tip.sha[:12]} meanwhile, and {trouble}"
        return replace(passed, notices=(*passed.notices, notice))

    @property
    def _adds(self) -> bool:
        return self._spec.continues is not None and not self._spec.continues.rebase

    @property
    def _first(self) -> bool:
        return self._spec.continues is None

    def _may_be_fixed(self, work: Work, moved: Work, evidence: Evidence) -> bool:
        """Whether the tip passes without the change, or with nothing of it but its tests."""
        without = evidence.tests_alone or (evidence.after if only_tests_left(work, moved) else evidence.before)
        return self._first and bool(without) and all(result.passed for result in without)

    async def _was_broken(self, work: Work) -> bool:
        """Whether what passes on the tip does not where the work was made."""
        results, _ = await self._proving.alone(work)
        return not all(result.passed for result in results) if results else await self._fails_on(work.base, work)

    async def _fails_on(self, base: Base, work: Work) -> bool:
        results = await self._parts.verifier.check_base(
            base, work.checks, task_id=self._recorder.task.id, environment=self._environment
        )
        return not all(result.passed for result in results)

    async def _passed(self, work: Work, where: str = "") -> HandIn:
        """Have work checked.

        Raises:
            ChangeRefused: It does not pass.
        """
        return await self._verified(work, await self._checked(work), where)

    async def _checked(self, work: Work) -> Evidence:
        await self._recorder.record(
            ChangeCommitted(
                branch=work.change.branch,
                head_sha=work.change.head_sha,
                title=work.title,
                summary=work.summary,
                files=work.change.files,
                base_sha="" if work.base.sha == self._base.sha else work.base.sha,
            )
        )
        if not work.checks:
            return Evidence(chosen_by="agent")
        evidence = await self._parts.verifier.verify(
            work.base,
            work.patch,
            work.checks,
            chosen_by=work.chosen_by,
            task_id=self._recorder.task.id,
            environment=self._environment,
        )
        return await self._proving.proven(work, replace(evidence, named=work.named))

    async def _verified(self, work: Work, evidence: Evidence, where: str = "") -> HandIn:
        if work.base.sha != self._base.sha:
            await self.save(work.patch)
        missing = self._proving.missing(work, evidence)
        if work.checks or missing:
            await self._recorder.record(ChangeVerified(evidence=evidence, refused=first_lines(missing)))
        if work.checks and not evidence.verified:
            failed = [result for result in evidence.after if not result.passed]
            raise ChangeRefused(_complaint(f"{where}{NOT_PASSED}", failed))
        if missing:
            raise ChangeRefused(f"{where}{missing}")
        return self._hand_in(work, evidence)

    def _hand_in(self, work: Work, evidence: Evidence) -> HandIn:
        return HandIn(
            title=work.title,
            summary=work.summary,
            change=work.change,
            evidence=evidence,
            notices=(*self._environment.notices, *self._proving.notices(evidence), *work.notices),
            patch_path=self.patch_path,
        )

    async def _commit(self, base: Base, patch: bytes, title: str, summary: str) -> Change:
        """Commit under the name that the run's first commit had; the same work is the same commit on any host."""
        task, spec, wording = self._recorder.task, self._spec, self._parts.wording
        message = wording.commit(
            issue=spec.issue_number, title=title, summary=summary, requested_by=spec.requested_by, fixes=spec.fixes
        )
        if spec.continues is not None:
            branch = spec.continues.branch
        else:
            first = next((one.event for one in self._recorder.earlier if isinstance(one.event, ChangeCommitted)), None)
            branch = first.branch if first else wording.branch(issue=spec.issue_number, title=title, task_id=task.id)
        meta = CommitMeta(branch=branch, title=message.title, body=message.body, at=task.created_at)
        return await self._parts.mirror.commit(
            spec.repository, base, patch, meta, allow_paths=self._environment.allow_paths
        )


def first_lines(refusal: ChangeRefused | str) -> str:
    """Return the one line for people of what was told to the model at length."""
    what, _, rest = str(refusal).partition("\n\n")
    return " ".join(f"{what} {rest.partition(chr(10))[0]}".split())


def _stands(entries: Sequence[JournalEntry]) -> tuple[ChangeCommitted, ChangeVerified] | None:
    """Return the last commit and its evidence, if it was accepted and the model has said nothing since."""
    verified: ChangeVerified | None = None
    for entry in reversed(entries):
        match entry.event:
            case ModelReplied():
                return None
            case ChangeVerified() as event:
                verified = verified or event
            case ChangeCommitted() as event:
                return (event, verified) if verified is not None and verified.accepted else None
    return None


def _complaint(what: str, failed: Sequence[CheckResult]) -> str:
    shown = "\n\n".join(f"$ {result.command}\n{result.output}\n[{_ending(result.exit_code)}]" for result in failed)
    return f"{what}:\n\n{shown}"


def _ending(exit_code: int | None) -> str:
    return "stopped at its time limit" if exit_code is None else f"exit code {exit_code}"
