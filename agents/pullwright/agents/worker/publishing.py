"""Publishing: a change that passed its checks reaches people, once."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

from pullwright.agents.change import Change, Evidence
from pullwright.agents.errors import NotFound, Outdated, PushRejected
from pullwright.agents.events import ChangePublished
from pullwright.agents.ports.code_host import Access, ChangeReport, CodeHost
from pullwright.agents.recorder import RunRecorder
from pullwright.agents.worker.landing import PUSH
from pullwright.agents.worker.outbox import Made, Outbox
from pullwright.agents.worker.parts import Parts
from pullwright.agents.worker.signed_in import signed_in

_COMMIT: Final = re.compile(r"[0-9a-f]{7,64}")

CLOSED: Final = "pull request #{number} was {state} meanwhile: nothing was pushed to it"


@dataclass(frozen=True, slots=True, kw_only=True)
class HandIn:
    """Work that passed its checks."""

    title: str
    summary: str
    change: Change
    evidence: Evidence
    notices: tuple[str, ...] = ()
    """What reviewers should know of the environment."""
    patch_path: str = ""


class Publishing:
    """Takes what one run hands in to where people see it."""

    def __init__(self, parts: Parts, recorder: RunRecorder) -> None:
        self._parts = parts
        self._recorder = recorder
        self._spec = recorder.task.spec
        self._outbox = Outbox(parts.store)

    async def publish(self, hand_in: HandIn) -> None:
        """Push the branch and open the pull request, or deliver the branch to the person's checkout.

        Raises:
            PushRejected, AuthFailed, RemoteRejected, RemoteUnavailable, ChangeError.
            LeaseLost: Another attempt owns the task; nothing was published by this one.
        """
        host = self._parts.code_host(self._spec.repository)
        url = ""
        if self._spec.publish and host is not None:
            await self._push(hand_in.change, host)
            continues = self._spec.continues
            url = continues.url if continues else await self._propose(hand_in, host)
        elif self._spec.checkout:
            await self._deliver(hand_in.change)
        await self._recorder.record(
            ChangePublished(branch=hand_in.change.branch, pull_request_url=url, patch_path=hand_in.patch_path)
        )

    async def require_open(self) -> None:
        """Check that the pull request that the task goes on with, if it does, can still be added to.

        Raises:
            Outdated: It is closed or merged.
        """
        host, continues = self._parts.code_host(self._spec.repository), self._spec.continues
        if continues is None or host is None:
            return
        found = await host.find_pull_request(self._spec.repository, continues.branch)
        if found is None or found.number != continues.number or found.state != "open":
            state = found.state if found is not None and found.number == continues.number else "closed"
            raise Outdated(CLOSED.format(number=continues.number, state=state))

    async def _push(self, change: Change, host: CodeHost) -> None:
        effects = await self._parts.store.effects(self._recorder.task.id)
        keys = [effect.key for effect in effects if effect.kind == PUSH]
        ours = [sha for key in keys if (sha := key.partition(":")[2]) != change.head_sha]
        made = Made(external_id=change.head_sha)

        async def look_up() -> Made | None:
            return made if await self._holds(change) else None

        async def do() -> Made:
            await self.require_open()
            await self._push_over(change, host, ours)
            return made

        key = f"{PUSH}:{change.head_sha}"
        await self._outbox.perform(self._recorder.task, key, kind=PUSH, do=do, look_up=look_up)

    async def _push_over(self, change: Change, host: CodeHost, ours: list[str]) -> None:
        """Push; what an earlier attempt of this run put under the name may be replaced, nothing else."""
        continues = self._spec.continues
        onto = "" if continues is None else continues.head_sha if continues.rebase else change.base_sha
        replaced = [onto, *ours[-1:]]
        for place, sha in enumerate(replaced):
            over = partial(self._parts.mirror.push, change, replaces=sha)
            try:
                await signed_in(host, change.repository, Access.PUSH, over)
            except PushRejected:
                if place + 1 == len(replaced):
                    raise
            else:
                return

    async def _holds(self, change: Change) -> bool:
        """Whether the branch that the task goes on with has this commit already."""
        if self._spec.continues is None:
            return False
        host = self._parts.code_host(change.repository)
        fetch = partial(self._parts.mirror.sync, change.repository, change.branch)
        try:
            return (await signed_in(host, change.repository, Access.READ, fetch)).sha == change.head_sha
        except NotFound:
            return False  # the branch is gone

    async def _propose(self, hand_in: HandIn, host: CodeHost) -> str:
        change = hand_in.change

        async def look_up() -> Made | None:
            found = await host.find_pull_request(change.repository, change.branch)
            return Made(external_id=str(found.number), url=found.url) if found else None

        async def do() -> Made:
            # A pull request goes to a branch, also when the run started from a commit.
            branch = await host.default_branch(change.repository) if _COMMIT.fullmatch(change.base_ref) else ""
            based = replace(change, base_ref=branch or change.base_ref)
            others = await self._others(host, change)
            told = replace(hand_in, notices=(*hand_in.notices, *others))
            text = self._parts.wording.pull_request(self._report(told))
            opened = await host.open_pull_request(based, body=text)
            return Made(external_id=str(opened.number), url=opened.url)

        task = self._recorder.task
        effect = await self._outbox.perform(task, "pull_request", kind="pull_request", do=do, look_up=look_up)
        return effect.url

    async def _others(self, host: CodeHost, change: Change) -> list[str]:
        """Return what reviewers should know of other pull requests for the same issue.

        It is no reason not to open this one: anybody can open a pull request that says what it solves.
        """
        if self._spec.issue_number is None:
            return []
        found = await host.open_pull_requests_for(change.repository, self._spec.issue_number)
        urls = [other.url for other in found if other.branch != change.branch]
        return [f"another open pull request says that it solves #{self._spec.issue_number}: {url}" for url in urls]

    async def _deliver(self, change: Change) -> None:
        async def do() -> Made:
            await self._parts.mirror.deliver(change, Path(self._spec.checkout))
            return Made(external_id=change.head_sha)

        await self._outbox.perform(self._recorder.task, f"deliver:{change.head_sha}", kind="deliver", do=do)

    def _report(self, hand_in: HandIn) -> ChangeReport:
        return ChangeReport(
            task_id=self._recorder.task.id,
            title=hand_in.title,
            summary=hand_in.summary,
            evidence=hand_in.evidence,
            issue_number=self._spec.issue_number,
            fixes=self._spec.fixes,
            model=self._parts.model.name,
            steps=self._recorder.state.steps,
            usage=self._recorder.state.usage,
            cost=str(self._parts.cost(self._recorder.state)),
            egress=self._recorder.state.egress,
            notices=(*hand_in.change.notices, *hand_in.notices),
        )
