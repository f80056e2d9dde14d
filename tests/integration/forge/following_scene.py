"""A bot at a rehearsal: real signed hooks come in, real requests go out, and its work is pushed with real git."""

from __future__ import annotations

import base64
import os
import subprocess
import time
from pathlib import Path

import anyio.to_thread

from pullwright.agents.change import Change
from pullwright.agents.events import ChangePublished
from pullwright.agents.intake.reception import Reception
from pullwright.agents.ports.inbox import NewDelivery
from pullwright.agents.queue.memory import MemoryStore
from pullwright.agents.task import Task, TaskStatus
from pullwright.agents.testing.contracts_store import finished
from pullwright.agents.testing.fake_clock import FakeClock
from pullwright.integrations.github import GitHubCodeHost
from pullwright.integrations.github.app_auth import AppCredentials, AppKey
from pullwright.integrations.github.authority import Authority, AuthorityPolicy
from pullwright.integrations.github.checks import GitHubChecks
from pullwright.integrations.github.client import GitHubClient
from pullwright.integrations.github.collaborators import GitHubPermissions
from pullwright.integrations.github.credentials import Need, Step
from pullwright.integrations.github.door import SOURCE, GitHubDoor
from pullwright.integrations.github.handler import GitHubHandler
from pullwright.integrations.github.markers import MarkerKey
from pullwright.integrations.github.meanings import BotIdentity
from pullwright.integrations.github.pull_reading import GitHubPullRequests
from pullwright.integrations.github.settings import GitHubSettings
from pullwright.integrations.github.speaking import GitHubMoments, GitHubVoice
from pullwright.integrations.github.status_text import BotTexts
from pullwright.integrations.github.tuning import GitHubTuning
from pullwright.integrations.redaction import Redactor
from pullwright.integrations.signatures import Secret
from pullwright.integrations.testing.forge_state import PullRecord, Repository
from pullwright.integrations.testing.github_documents import user_id
from pullwright.integrations.testing.rehearsal import SECRET, Rehearsal
from tests.integration.forge.receiver import Receiver

LOGIN = "pull-bot[bot]"
BRANCH = "agent/1-sum"


class Bot:
    """What the server of the bot does, without the server."""

    def __init__(self, rehearsal: Rehearsal, receiver: Receiver, shop: Repository, folder: Path) -> None:
        forge = rehearsal.forge
        self.rehearsal = rehearsal
        self.shop = shop
        self.clock = FakeClock()
        self.store = MemoryStore(self.clock)
        self._receiver = receiver
        self._folder = folder
        self._read = 0
        bot = BotIdentity(host=forge.host, login=LOGIN, user_id=user_id(LOGIN), app_id=rehearsal.app.id)
        tuning = GitHubTuning(backoff=0, rate_limit_wait=1)
        settings = GitHubSettings(api_url=forge.api_url, ca_file=forge.ca_file)
        key = AppKey(app_id=rehearsal.app.client_id, private_key=rehearsal.app.private_key)
        self._credentials = AppCredentials(key, settings, tuning)
        client = GitHubClient(settings, tuning, self._credentials)
        self.host = GitHubCodeHost(settings, tuning, credentials=self._credentials)
        self._door = GitHubDoor("main", [Secret(name="s", value=SECRET)], bot)
        markers = MarkerKey(b"k" * 16)
        handler = GitHubHandler(
            settings=settings,
            inbox=self.store,
            authority=Authority(GitHubPermissions(client), bot, AuthorityPolicy(), monotonic=self.clock.monotonic),
            host=self.host,
            pulls=GitHubPullRequests(client, bot),
            checks=GitHubChecks(client, bot),
            moments=GitHubMoments(client, bot),
            voice=GitHubVoice(client, bot, markers),
            texts=BotTexts(Redactor(), name=LOGIN),
            markers=markers,
        )
        self._reception = Reception(self.store, {SOURCE: handler}, clock=self.clock)

    @property
    def pull(self) -> PullRecord:
        """The one pull request."""
        [pull] = self.shop.pulls.values()
        return pull

    @property
    def comments(self) -> list[str]:
        """What the bot wrote on it."""
        return [comment.body for comment in self.pull.issue.comments if comment.author == LOGIN]

    async def react(self, *, gathered: bool = False) -> None:
        """Take in what was told and deal with it; with the news of checks, when the time for gathering is over."""
        await self._take_in()
        await self._reception.deal_with_all("w")
        if gathered:
            self.clock.advance(61)
            await self._reception.deal_with_all("w")
            await self._take_in()
            await self._reception.deal_with_all("w")

    async def _take_in(self) -> None:
        await self.rehearsal.settled()
        for received in self._receiver.got[self._read :]:
            assert self._door.problem(received.headers, received.body, now=time.time()) == ""
            new = self._door.read(received.headers, received.body)
            assert isinstance(new, NewDelivery)
            await self.store.receive(new)
        self._read = len(self._receiver.got)

    async def newest(self) -> Task:
        """Return the newest task."""
        return (await self.store.list())[0]

    async def work(self, content: str) -> Task:
        """Do the one task that waits: push, and open a pull request if it does not go on with one."""
        task = await self.store.claim("w")
        assert task is not None
        await anyio.to_thread.run_sync(self._push, content)
        url = task.spec.continues.url if task.spec.continues else await self._open(task)
        await self.store.append(task, [ChangePublished(branch=BRANCH, pull_request_url=url)])
        await self.store.finish(task, TaskStatus.SUCCEEDED, finished("succeeded"))
        return task

    async def _open(self, task: Task) -> str:
        change = Change(
            repository=task.spec.repository,
            base_ref="main",
            base_sha="",
            head_sha="",
            branch=BRANCH,
            title="Add adds",
        )
        return (await self.host.open_pull_request(change, body="Fixes #1")).url

    def _push(self, content: str) -> None:
        token = self._credentials.token(Need(repository=self.shop.slug, step=Step.PUSH))
        clone = self._folder / "clone"
        if not clone.exists():
            self._git(token, "clone", "-q", self.rehearsal.forge.clone_url(self.shop.owner, self.shop.name), str(clone))
            self._git(token, "-C", str(clone), "checkout", "-q", "-b", BRANCH)
        (clone / "sum.py").write_text(content)
        self._git(token, "-C", str(clone), "commit", "-qam", "Fix")
        self._git(token, "-C", str(clone), "push", "-q", "origin", BRANCH)

    def _git(self, token: str, *arguments: str) -> None:
        value = base64.b64encode(f"x-access-token:{token}".encode()).decode()
        people = {
            f"GIT_{role}_{what}": "pullwright@localhost"
            for role in ("AUTHOR", "COMMITTER")
            for what in ("NAME", "EMAIL")
        }
        environment = {
            **people,
            "PATH": os.environ["PATH"],
            "HOME": str(self._folder),
            "GIT_SSL_CAINFO": str(self.rehearsal.forge.ca_file),
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "http.extraHeader",
            "GIT_CONFIG_VALUE_0": f"Authorization: Basic {value}",
        }
        done = subprocess.run(
            ["git", *arguments], env=environment, capture_output=True, text=True, check=False, timeout=60
        )
        assert done.returncode == 0, done.stderr
