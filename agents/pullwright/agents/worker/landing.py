"""Landing: what a run's change goes onto when it is handed in. The branch may have moved since the run began."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from pullwright.agents.change import Change
from pullwright.agents.errors import ChangeRefused, NotFound, Outdated, PatchTooLarge
from pullwright.agents.events import ChangeCommitted
from pullwright.agents.ports.code_host import Access
from pullwright.agents.ports.sandbox import Base
from pullwright.agents.recorder import RunRecorder
from pullwright.agents.worker.parts import Parts
from pullwright.agents.worker.restore import PATCH_BYTES
from pullwright.agents.worker.signed_in import signed_in

PUSH: Final = "push"
"""The kind of effect that a push is; its key is ``push:<commit>``."""

UNCHANGED: Final = "nothing needed changing"
"""How the reason of a run begins that succeeded without a change."""

SOMEBODY_PUSHED: Final = (
    "somebody pushed to {branch!r} while this was being made{why}: nothing was pushed, the work is \
kept as a patch; comment again to have it made on what is there now"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What a run hands in, as a patch and as a commit in the mirror, and what decides whether it is good."""

    base: Base
    patch: bytes
    change: Change
    """The patch as a commit on the base."""
    title: str
    summary: str
    checks: tuple[str, ...]
    chosen_by: str
    named: tuple[str, ...] = ()
    """Those of them that the model named beside the owner's."""
    notices: tuple[str, ...] = ()


class Landing:
    """Finds what one run's change goes onto, and brings it there."""

    def __init__(self, parts: Parts, recorder: RunRecorder, base: Base) -> None:
        self._parts = parts
        self._recorder = recorder
        self._spec = recorder.task.spec
        self._base = base

    async def tip(self) -> Base:
        """Return the newest commit that the change can go onto: what its branch holds, but for this run's own push.

        Where no pull request is to come of the run, that is its base.

        Raises:
            Outdated: The branch has moved, and the task was about the commit that it held; or it is gone.
        """
        if not (self._spec.publish and self._parts.code_host(self._spec.repository)):
            return self._base
        continues = self._spec.continues
        try:
            tip = await self._below_own_push(await self.sync(self._base.ref))
        except NotFound as exc:
            if continues is None:
                return self._base  # the host says what it thinks of a pull request to a branch that is gone
            raise Outdated(
                f"branch {self._base.ref!r} is gone: nothing was pushed, the work is kept as a patch"
            ) from exc
        bound = continues is not None and continues.head_sha and not continues.rebase
        if bound and tip.sha != self._base.sha:
            raise Outdated(SOMEBODY_PUSHED.format(branch=self._base.ref, why=""))
        return tip

    async def require_head(self) -> None:
        """Check that the branch of a rebase still is what the rebase replaces.

        Raises:
            Outdated: It is not.
        """
        continues = self._spec.continues
        if continues is not None and continues.rebase:
            head = await self.sync(continues.branch)
            if head.sha != continues.head_sha:
                raise Outdated(SOMEBODY_PUSHED.format(branch=continues.branch, why=""))

    async def carried(self, work: Work, tip: Base) -> bytes | None:
        """Return the patch that does on the tip what the work does on its base; None where that conflicts."""
        try:
            return await self._parts.mirror.carried(tip, work.base.sha, work.change.head_sha, limit=PATCH_BYTES)
        except PatchTooLarge:
            raise
        except ChangeRefused:
            return None

    async def commit(self, sha: str) -> Base:
        """Return a commit of the branch that the change goes onto, which may be one of long ago.

        Raises:
            NotFound: The host has it no more.
        """
        if sha in ("", self._base.sha):
            return self._base
        try:
            found = await self.sync(sha)
        except NotFound:  # not every host hands out a commit by its id, but it came with its branch
            await self.sync(self._base.ref)
            found = await self.sync(sha)
        return replace(found, ref=self._base.ref)

    async def pushed(self) -> set[str]:
        """Return the commits that this run pushed, or was about to."""
        effects = await self._parts.store.effects(self._recorder.task.id)
        return {effect.key.partition(":")[2] for effect in effects if effect.kind == PUSH}

    async def sync(self, ref: str) -> Base:
        """Fetch a branch or a commit of the repository."""
        repository, host = self._spec.repository, self._parts.code_host(self._spec.repository)
        return await signed_in(host, repository, Access.READ, partial(self._parts.mirror.sync, repository, ref))

    async def _below_own_push(self, tip: Base) -> Base:
        """Return what this run's own commit was made on, if that is the tip: an earlier attempt pushed it."""
        made = [entry.event for entry in self._recorder.earlier if isinstance(entry.event, ChangeCommitted)]
        own = next((event for event in made if event.head_sha == tip.sha), None)
        if own is None or tip.sha not in await self.pushed():
            return tip
        return await self.commit(own.base_sha)
