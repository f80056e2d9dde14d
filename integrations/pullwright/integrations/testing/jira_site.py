"""A whole Jira on loopback that remembers: people, tickets, hooks and the REST API, as Cloud or as Data Center.

with RehearsalJira() as jira:
    ann = jira.person("ann", groups=("developers",))
    ticket = jira.acts.create("SHOP", ann, "The total is wrong", "h2. What happens")
    jira.acts.set_labels(ticket, ann, ["agent"])
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from pullwright.integrations.jira.settings import JiraSettings
from pullwright.integrations.jira.tuning import JiraTuning
from pullwright.integrations.testing.certificate import make_certificate
from pullwright.integrations.testing.contract_gate import ContractGate, RecordedRequest, Violation
from pullwright.integrations.testing.jira_acts import JiraActs
from pullwright.integrations.testing.jira_api import JiraApi
from pullwright.integrations.testing.jira_documents import JiraDocuments
from pullwright.integrations.testing.jira_gate import JIRA
from pullwright.integrations.testing.jira_hooks import JiraHooks
from pullwright.integrations.testing.jira_state import JiraHook, JiraPerson, JiraState
from pullwright.integrations.testing.web_server import Request, Response, WebServer

BOT_TOKEN = "rehearsal-token-of-the-bot"
BOT_EMAIL = "bot@example.invalid"


class RehearsalJira:
    """Use it as a context manager. ``violations`` are requests that Atlassian's document does not allow."""

    def __init__(self, *, cloud: bool = True, clock: Callable[[], datetime] | None = None) -> None:
        self.state = JiraState(cloud=cloud, clock=clock)
        self.bot = self.person("557058:bot" if cloud else "pull-bot", name="Pull Bot")
        self.requests: list[RecordedRequest] = []
        self.violations: list[Violation] = []
        self._gate = ContractGate(JIRA)

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory()
        certificate = make_certificate(Path(self._folder.name))
        self.ca_file = certificate.certificate
        self._server = WebServer(self._respond, certificate.server_context())
        self.url = f"https://127.0.0.1:{self._server.port}"
        self.media_host = f"localhost:{self._server.port}"
        self.documents = JiraDocuments(self.state, self.url)
        self.hooks = JiraHooks(self.state)
        self.acts = JiraActs(self.state, self.documents, self.hooks)
        self._api = JiraApi(self.state, self.documents, self.acts, {BOT_TOKEN: self.bot}, f"https://{self.media_host}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.hooks.close()
        self._server.close()
        self._folder.cleanup()

    @property
    def settings(self) -> JiraSettings:
        """What the bot needs to know of it."""
        email = BOT_EMAIL if self.state.cloud else ""
        return JiraSettings(url=self.url, email=email, token=BOT_TOKEN, cloud=self.state.cloud, ca_file=self.ca_file)

    @property
    def tuning(self) -> JiraTuning:
        """Limits that let attachments come from the rehearsal's own media host."""
        return JiraTuning(media_hosts=(self.media_host,), timeout=10.0)

    def person(
        self, account: str, *, name: str = "", groups: tuple[str, ...] = (), kind: str = "atlassian"
    ) -> JiraPerson:
        """Make an account."""
        person = JiraPerson(account, name or account.title(), groups, kind)
        self.state.people[account] = person
        return person

    def send_hooks_to(self, url: str, *, secret: str = "", token_secret: str = "") -> None:
        """Tell an address from now on what happens."""
        self.state.hooks.append(JiraHook(url, secret, token_secret))

    def _respond(self, request: Request) -> Response:
        recorded = RecordedRequest(
            method=request.method,
            path=request.path,
            query=request.query_string,
            headers={name: value for name, value in request.headers.items() if name.lower() != "authorization"},
            body=request.content(),
            authorized="Authorization" in request.headers,
        )
        self.requests.append(recorded)
        if self.state.cloud and (violation := self._gate.check(recorded)):
            self.violations.append(violation)
        return self._api.respond(request)
