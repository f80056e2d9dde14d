"""A whole rehearsal: a forge with an App that is installed, people, hooks that are sent, checks that run.

with Rehearsal() as rehearsal:
    shop = rehearsal.repository("shop", {"a.txt": "one"})
    rehearsal.send_hooks_to("http://127.0.0.1:8000/webhooks/github/main")
    rehearsal.person("ann").open_issue(shop, "It is broken", labels=["agent"])
    await rehearsal.settled()
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import anyio.to_thread

from pullwright.integrations.github.settings import (
    API_URL_VARIABLE,
    APP_ID_VARIABLE,
    APP_KEY_VARIABLE,
    CA_FILE_VARIABLES,
)
from pullwright.integrations.testing.announcer import EVENTS
from pullwright.integrations.testing.bare_repository import TreeFile
from pullwright.integrations.testing.forge import RehearsalForge
from pullwright.integrations.testing.forge_state import ROLES, Repository
from pullwright.integrations.testing.hook_records import AppRecord, Delivery, Hook, Installation
from pullwright.integrations.testing.hook_trouble import HookTrouble
from pullwright.integrations.testing.people import Person
from pullwright.integrations.testing.pipelines import Pipeline
from pullwright.integrations.testing.sample import SampleRepository

PERMISSIONS: Mapping[str, str] = {
    "metadata": "read",
    "contents": "write",
    "pull_requests": "write",
    "issues": "write",
    "checks": "write",
    "statuses": "read",
    "actions": "read",
}
"""What the App of a rehearsal was granted: what the bot needs, and no more."""
SECRET = "rehearsal webhook secret"


class Rehearsal:
    """One forge, one App, one account that it is installed at; use it as a context manager."""

    def __init__(
        self,
        root: Path | None = None,
        *,
        owner: str = "acme",
        slug: str = "pull-bot",
        permissions: Mapping[str, str] = PERMISSIONS,
        events: Iterable[str] = EVENTS,
    ) -> None:
        # With the real time, because an agent compares it with its own clock.
        self.forge = RehearsalForge(root, clock=lambda: datetime.now(UTC))
        self.owner = owner
        self._slug = slug
        self._permissions = permissions
        self._events = tuple(events)
        self._app: AppRecord | None = None
        self._installation: Installation | None = None

    def __enter__(self) -> Self:
        self.forge.__enter__()
        apps = self.forge.acts.apps
        self._app = apps.create(self._slug, owner=self.owner, permissions=self._permissions, events=self._events)
        self._app.hook.secret = SECRET
        self._installation = apps.install(self._app, self.owner, None)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.forge.__exit__(kind, error, traceback)

    @property
    def app(self) -> AppRecord:
        """The App, with its private key, client id and hook."""
        if self._app is None:
            raise RuntimeError("the rehearsal is not running; use it as a context manager")
        return self._app

    @property
    def installation(self) -> Installation:
        """Where the App is installed."""
        if self._installation is None:
            raise RuntimeError("the rehearsal is not running; use it as a context manager")
        return self._installation

    @property
    def deliveries(self) -> list[Delivery]:
        """Everything that was sent, or lost, oldest first."""
        return list(self.forge.state.deliveries)

    def environment(self) -> dict[str, str]:
        """Return the variables with which an agent works here as the App."""
        return {
            API_URL_VARIABLE: self.forge.api_url,
            APP_ID_VARIABLE: str(self.app.id),
            APP_KEY_VARIABLE: self.app.private_key,
            **dict.fromkeys(CA_FILE_VARIABLES, str(self.forge.ca_file)),
        }

    def repository(
        self,
        name: str,
        files: Mapping[str, str | bytes] | Iterable[TreeFile] | SampleRepository = (),
        *,
        private: bool = True,
        checks: Iterable[Pipeline] = (),
    ) -> Repository:
        """Make a repository, from files or from a sample with its issue; pushes to it are judged by the checks."""
        if isinstance(files, SampleRepository):
            made = self.forge.create_sample(self.owner, files, private=private)
        else:
            made = self.forge.create_repository(self.owner, name, files, private=private)
        self.set_checks(made, *checks)
        return made

    def set_checks(self, repository: Repository, *pipelines: Pipeline) -> None:
        """Decide what judges the pushes to a repository from now on."""
        with self.forge.state.lock:
            self.forge.acts.runner.set(repository, pipelines)

    def person(self, login: str, *, role: str = "write") -> Person:
        """Return somebody with a role at every repository that there is; an empty role makes a stranger."""
        if role and role not in ROLES:
            raise ValueError(f"{role!r} is no role; choose one of {', '.join(ROLES)}")
        for repository in self.forge.state.repositories:
            if role:
                repository.roles[login] = role
            else:
                repository.roles.pop(login, None)
        return self.forge.person(login)

    def send_hooks_to(self, url: str, secret: str = SECRET) -> None:
        """Let the App's hook go to an address, over TLS only with a certificate of the forge's own authority."""
        self.app.hook.url, self.app.hook.secret = url, secret

    def add_hook(
        self, repository: Repository, url: str, *, secret: str = SECRET, events: Iterable[str] = EVENTS
    ) -> Hook:
        """Add a hook of a repository beside the App's; it gets its ping."""
        state = self.forge.state
        with state.lock:
            hook = Hook(
                id=state.next_id(),
                url=url,
                secret=secret,
                events=tuple(events),
                target_id=repository.id,
                created=state.stamp(),
            )
            self.forge.acts.hooks.add(repository, hook, self.owner)
        return hook

    def set_trouble(self, trouble: HookTrouble[Delivery]) -> None:
        """Let deliveries be lost, doubled, reordered or delayed from now on."""
        self.forge.parts.sender.set_trouble(trouble)

    def revoke_tokens(self) -> int:
        """Make every token of the App's installations worthless at once, and return how many there were."""
        tokens = self.forge.state.tokens
        with self.forge.state.lock:
            gone = [token for token, rights in tokens.items() if rights.app_id == self.app.id]
            for token in gone:
                del tokens[token]
        return len(gone)

    async def settled(self, seconds: float = 60.0) -> None:
        """Wait until no delivery and no check is under way; what was held back is sent first.

        What a receiver does afterwards, in its own time, is not waited for.

        Raises:
            TimeoutError: Something was still under way after that many seconds.
        """
        await anyio.to_thread.run_sync(self.wait_settled, seconds, abandon_on_cancel=True)

    def wait_settled(self, seconds: float = 60.0) -> None:
        """Wait as ``settled`` does, for callers without an event loop."""
        parts = self.forge.parts
        parts.sender.release()
        if not parts.work.wait(seconds):
            raise TimeoutError(f"after {seconds:g} s the rehearsal still has {parts.work.count} deliveries or checks")
        if parts.sender.holds:
            self.wait_settled(seconds)
