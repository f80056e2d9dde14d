"""Prior work: what an open pull request changes so far, told to the model, or brought onto a newer base."""

from __future__ import annotations

from typing import Final

from pullwright.agents.change import Continuation
from pullwright.agents.errors import ChangeError, ChangeRefused, ConfigError, Outdated, PatchTooLarge
from pullwright.agents.ports.mirror import BOT_EMAIL, Mirror
from pullwright.agents.ports.sandbox import Base
from pullwright.agents.worker.briefing import PRIOR_BYTES, PriorWork
from pullwright.agents.worker.restore import RESTORE_BYTES

MOVED_ON: Final = (
    "branch {branch!r} of pull request #{number} holds other commits than the one that this was asked for: "
    "nothing was done; comment again to have it done on what is there now"
)
PEOPLE: Final = (
    "branch {branch!r} holds commits that people made, so it is not rewritten: nothing was done; "
    "merge the base into it, or rebase it by hand"
)


class Prior:
    """The work that one task goes on with."""

    def __init__(self, mirror: Mirror, continues: Continuation) -> None:
        self._mirror = mirror
        self._continues = continues

    def require_head(self, head: Base) -> None:
        """Check that a branch is where the task expects it.

        Raises:
            ConfigError: A rebase does not say which commit it replaces.
            Outdated: The branch has moved on.
        """
        if self._continues.rebase and not self._continues.head_sha:
            raise ConfigError(
                f"rebase of {self._continues.branch!r} does not name the commit that it replaces: name it"
            )
        if self._continues.head_sha not in ("", head.sha):
            raise Outdated(MOVED_ON.format(branch=self._continues.branch, number=self._continues.number))

    async def up_to_date(self, base: Base) -> bool:
        """Whether the pull request is on top of its base as that is now.

        Raises:
            ChangeError: It is not, and holds commits of people, which must not be replaced.
        """
        head = self._continues.head_sha
        fork = await self._mirror.fork_point(base, head)
        if fork == base.sha:
            return True
        people = await self._mirror.authors(base, fork, head) - {BOT_EMAIL}
        if people:
            raise ChangeError(PEOPLE.format(branch=self._continues.branch))
        return False

    async def onto(self, base: Base) -> bytes | None:
        """Return what the pull request changes as a patch on a newer base; None where that conflicts.

        The same base and head are the same patch, whenever and wherever it is asked for.
        """
        head = self._continues.head_sha
        fork = await self._mirror.fork_point(base, head)
        try:
            return await self._mirror.carried(base, fork, head, limit=RESTORE_BYTES)
        except PatchTooLarge:
            raise
        except ChangeRefused:
            return None

    async def told(self, rules: Base, head: str, *, fits: bool = True) -> PriorWork:
        """Return what the model is told of it.

        Args:
            rules: The tip of the branch that the pull request goes to.
            head: The commit that it has now.
            fits: Whether all of it is in the workspace.
        """
        fork = await self._mirror.fork_point(rules, head)
        files = await self._mirror.stat(rules, fork, head)
        try:
            patch = await self._mirror.difference(rules, fork, head, limit=PRIOR_BYTES)
        except PatchTooLarge:
            patch = b""
        return PriorWork(patch=patch, files=files, onto=rules.sha, fits=fits)
