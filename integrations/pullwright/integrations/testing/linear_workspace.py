"""A whole Linear on loopback that remembers: people, teams, issues, a webhook and the GraphQL API.

with RehearsalLinear() as linear:
    ann = linear.person("Ann")
    issue = linear.acts.create("ENG", ann, "The total is wrong")
    linear.acts.set_labels(issue, ann, ["agent"])
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from pullwright.integrations.linear.settings import LinearSettings
from pullwright.integrations.testing.certificate import make_certificate
from pullwright.integrations.testing.linear_acts import LinearActs
from pullwright.integrations.testing.linear_api import LinearApi
from pullwright.integrations.testing.linear_hooks import LinearHooks
from pullwright.integrations.testing.linear_state import LinearIssue, LinearPerson, LinearState, new_id
from pullwright.integrations.testing.web_server import WebServer

BOT_KEY: Final = "lin_api_rehearsal0key0of0the0bot"
BOT_TOKEN: Final = "lin_oauth_rehearsal0token0of0the0bot"


class RehearsalLinear:
    """Use it as a context manager."""

    def __init__(self, *, clock: Callable[[], datetime] | None = None) -> None:
        self.state = LinearState(clock=clock)
        self.bot = self.person("Pull Bot")
        self.state.team("ENG")
        self.state.label_id("agent")

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory()
        certificate = make_certificate(Path(self._folder.name))
        self.ca_file = certificate.certificate
        self.hooks = LinearHooks()
        self.acts = LinearActs(self.state, self.hooks)
        self.api = LinearApi(self.state, self.acts, {BOT_KEY: self.bot, f"Bearer {BOT_TOKEN}": self.bot})
        self._server = WebServer(self.api.respond, certificate.server_context())
        self.host = f"127.0.0.1:{self._server.port}"
        self.url = f"https://{self.host}/graphql"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.hooks.close()
        self._server.close()
        self._folder.cleanup()

    def settings(self, token: str = BOT_KEY) -> LinearSettings:
        """Return what the bot needs to know of it."""
        return LinearSettings(token=token, api_url=self.url, upload_hosts=(self.host,), ca_file=self.ca_file)

    def person(self, name: str, **more: Any) -> LinearPerson:
        """Make an account."""
        person = LinearPerson(id=new_id(), name=name, email=f"{name.lower().replace(' ', '.')}@acme.example", **more)
        self.state.people[person.id] = person
        return person

    def send_hooks_to(self, url: str, *, secret: str) -> None:
        """Tell an address from now on what happens."""
        self.hooks.url, self.hooks.secret = url, secret

    def upload(self, name: str, content: bytes) -> str:
        """Keep a file, as when somebody drops a picture into a text; return its address."""
        path = f"/{new_id()}/{name}"
        self.state.uploads[path] = content
        return f"https://{self.host}{path}"

    def said(self, issue: LinearIssue) -> Sequence[str]:
        """Return what the bot has commented."""
        with self.state.lock:
            return [one.body for one in issue.comments if one.author == self.bot]
