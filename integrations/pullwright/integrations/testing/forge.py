"""The rehearsal as a whole: one address on loopback that serves git, the REST API and pictures over TLS.

Also a program: ``python -m pullwright.integrations.testing.forge --root DIR --sample`` prints one line of JSON when it
is ready and serves until its standard input ends.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import signal
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from pullwright.agents.change import RepositoryRef
from pullwright.agents.errors import ConfigError
from pullwright.integrations.testing.access import READ_ALL, WRITE_ALL, TokenRights, token_of
from pullwright.integrations.testing.bare_repository import BareRepository, TreeFile
from pullwright.integrations.testing.certificate import make_certificate
from pullwright.integrations.testing.contract_gate import ContractGate, RecordedRequest, Violation
from pullwright.integrations.testing.faults import Fault, FaultyResponder
from pullwright.integrations.testing.forge_acts import ForgeActs, make_acts, make_api
from pullwright.integrations.testing.forge_parts import ForgeParts, assemble
from pullwright.integrations.testing.forge_state import ForgeState, IssueRecord, PullRecord, Repository
from pullwright.integrations.testing.git_server import GitServer, protect
from pullwright.integrations.testing.github_api import GRAPHQL, PREFIX, GitHubApi
from pullwright.integrations.testing.github_checks import LOGS, log_file, log_signature
from pullwright.integrations.testing.github_documents import image_signature
from pullwright.integrations.testing.github_gate import GITHUB
from pullwright.integrations.testing.graphql_gate import GraphQLGate
from pullwright.integrations.testing.hook_sender import HookSender
from pullwright.integrations.testing.open_work import OpenWork
from pullwright.integrations.testing.people import Person
from pullwright.integrations.testing.review_records import Actor
from pullwright.integrations.testing.sample import SampleRepository
from pullwright.integrations.testing.sample_repositories import SAMPLES
from pullwright.integrations.testing.web_server import Request, Response, WebServer

AGENT_TOKEN = "ghp_" + "RehearsalAgent" + "0" * 22
"""Reads and writes everything, but can not push to protected branches."""
READER_TOKEN = "ghp_" + "RehearsalReader" + "0" * 21
ADMIN_TOKEN = "ghp_" + "RehearsalAdmin" + "0" * 22

_IMAGES = "/user-attachments/assets/"
_NOT_RUNNING = "the rehearsal is not running; use it as a context manager"


class RehearsalForge:
    """A code host for tests and demos; use it as a context manager."""

    def __init__(self, root: Path | None = None, *, clock: Callable[[], datetime] | None = None) -> None:
        self._temporary = tempfile.TemporaryDirectory(prefix="pullwright-rehearsal-") if root is None else None
        self.root = Path(self._temporary.name) if self._temporary else (root or Path()).resolve()
        self.state = ForgeState(clock)
        self.gate = ContractGate(GITHUB)
        self.requests: list[RecordedRequest] = []
        """Every request to the REST API so far."""
        self.graphql_gate = GraphQLGate()
        self.graphql_requests: list[RecordedRequest] = []
        self._listeners: list[Callable[[Request], None]] = []
        self._faults = FaultyResponder(self._answer)
        self._server: WebServer | None = None
        self._api: GitHubApi | None = None
        self._parts: ForgeParts | None = None
        self._acts: ForgeActs | None = None
        self._git = GitServer(self.state, self.root, self._pushed)
        self.add_token(AGENT_TOKEN, TokenRights(user="pullwright-agent", permissions=WRITE_ALL))
        self.add_token(READER_TOKEN, TokenRights(user="reader", permissions=READ_ALL))
        self.add_token(ADMIN_TOKEN, TokenRights(user="admin", permissions=WRITE_ALL, admin=True))

    def __enter__(self) -> Self:
        self.root.mkdir(parents=True, exist_ok=True)
        certificate = make_certificate(self.root)
        self._server = WebServer(self._respond, certificate.server_context())
        work = OpenWork()
        sender = HookSender(self.state, work, host=self.host, ca_file=self.ca_file)
        self._parts = assemble(self.state, self.web_url, sender, work)
        self._acts = make_acts(self._parts)
        self._api = make_api(self._parts, self._acts)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._acts is not None:
            self._acts.runner.close()
        if self._parts is not None:
            self._parts.sender.close()
        if self._server is not None:
            self._server.close()
            self._server = None
        if self._temporary is not None:
            self._temporary.cleanup()

    @property
    def host(self) -> str:
        """Host name with port."""
        if self._server is None:
            raise ConfigError(_NOT_RUNNING)
        return f"127.0.0.1:{self._server.port}"

    @property
    def parts(self) -> ForgeParts:
        """Records, documents and the sender of hooks."""
        if self._parts is None:
            raise ConfigError(_NOT_RUNNING)
        return self._parts

    @property
    def acts(self) -> ForgeActs:
        """Everything that can be done here; whoever uses it directly holds ``state.lock``."""
        if self._acts is None:
            raise ConfigError(_NOT_RUNNING)
        return self._acts

    def person(self, login: str) -> Person:
        """Return somebody who can act here."""
        return Person(self.parts, self.acts, login)

    @property
    def web_url(self) -> str:
        """Where a browser would go."""
        return f"https://{self.host}"

    @property
    def api_url(self) -> str:
        """Base address of the REST API, as of a GitHub Enterprise Server."""
        return self.web_url + PREFIX

    @property
    def ca_file(self) -> Path:
        """What clients must trust."""
        return self.root / "certificate.pem"

    @property
    def violations(self) -> list[Violation]:
        """Requests so far that GitHub's document or schema does not allow; empty when the gates are off."""
        found = [self.gate.check(request) for request in tuple(self.requests)]
        found += [self.graphql_gate.check(request) for request in tuple(self.graphql_requests)]
        return [violation for violation in found if violation is not None]

    def add_token(self, token: str, rights: TokenRights) -> None:
        """Let a token in."""
        self.state.tokens[token] = rights

    def add_fault(self, fault: Fault) -> None:
        """Let trouble wait for the next requests that match it."""
        self._faults.add(fault)

    def watch(self, listener: Callable[[Request], None]) -> None:
        """Show every request, of whatever kind, to a listener before it is answered; it runs on a server thread."""
        self._listeners.append(listener)

    def create_repository(
        self,
        owner: str,
        name: str,
        files: Mapping[str, str | bytes] | Iterable[TreeFile] = (),
        *,
        from_path: Path | None = None,
        private: bool = True,
        default_branch: str = "main",
    ) -> Repository:
        """Make a repository from files, or as a copy of one on disk; its default branch is protected."""
        bare = BareRepository.create(self.root / "repositories" / owner / f"{name}.git", default_branch=default_branch)
        if from_path is not None:
            refs = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
            bare.git("fetch", "--quiet", str(from_path.resolve()), *refs)
        elif entries := _tree_files(files):
            bare.commit(default_branch, "Start", entries)
        protect(bare, default_branch)
        repository = Repository(
            id=self.state.next_id(),
            owner=owner,
            name=name,
            bare=bare,
            private=private,
            default_branch=default_branch,
        )
        self.state.repositories.append(repository)
        return repository

    def create_sample(self, owner: str, sample: SampleRepository, *, private: bool = True) -> Repository:
        """Make a repository from a sample, with its issue."""
        repository = self.create_repository(owner, sample.name, private=private)
        sample.build(repository.bare, repository.default_branch)
        issue = sample.issue
        self.create_issue(owner, sample.name, title=issue.title, body=issue.body, number=issue.number)
        return repository

    def rename_repository(self, owner: str, name: str, new_name: str) -> None:
        """Give a repository a new name; the old one redirects, as at GitHub."""
        self.person(owner).rename_repository(self.repository(owner, name), new_name)

    def repository(self, owner: str, name: str) -> Repository:
        """Return a repository.

        Raises:
            ConfigError: There is none of that name.
        """
        found = self.state.find(owner, name)
        if found is None:
            raise ConfigError(f"the rehearsal has no repository {owner}/{name!r}; create it first")
        return found

    def create_issue(
        self,
        owner: str,
        name: str,
        *,
        title: str,
        body: str | None = "",
        author: str = "octocat",
        number: int | None = None,
    ) -> IssueRecord:
        """File an issue."""
        with self.state.lock:
            repository = self.repository(owner, name)
            return self.acts.issues.open(repository, Actor(login=author), title, body, number=number)

    def add_comment(self, owner: str, name: str, number: int, body: str, author: str = "octocat") -> None:
        """Comment on an issue."""
        self.person(author).comment(self.repository(owner, name), number, body)

    def add_image(self, content: bytes) -> str:
        """Store a picture and return the address that goes into an issue; only its signed form can be fetched."""
        name = str(uuid.uuid4())
        self.state.images[name] = content
        return f"{self.web_url}{_IMAGES}{name}"

    def clone_url(self, owner: str, name: str) -> str:
        """Return what git clones from."""
        return f"{self.web_url}/{owner}/{name}.git"

    def ref(self, owner: str, name: str) -> RepositoryRef:
        """Return the repository as the core names it."""
        return RepositoryRef(url=self.clone_url(owner, name), host=self.host, owner=owner, name=name)

    def pull_requests(self, owner: str, name: str) -> list[PullRecord]:
        """Return the pull requests, oldest first."""
        return list(self.repository(owner, name).pulls.values())

    def pull_request_diff(self, owner: str, name: str, number: int) -> bytes:
        """Return what a pull request changes, as git prints it."""
        repository = self.repository(owner, name)
        pull = repository.pulls[number]
        head = repository.head_sha(pull)
        return repository.bare.diff(repository.bare.merge_base(pull.base_sha, head), head)

    def _respond(self, request: Request) -> Response:
        for listener in tuple(self._listeners):
            listener(request)
        if request.path.startswith(PREFIX):
            self.requests.append(_recorded(request))
        elif request.path == GRAPHQL:
            self.graphql_requests.append(_recorded(request))
        return self._faults(request)

    def _answer(self, request: Request) -> Response:
        if self._api is not None and request.path.startswith((PREFIX, GRAPHQL)):
            return self._api.respond(request)
        if request.path.startswith(_IMAGES):
            return self._image(request)
        if request.path.startswith(LOGS):
            return self._log(request)
        if self._git.handles(request):
            return self._git.respond(request)
        return Response(status=404, headers={"Content-Type": "text/plain"}, body=b"Not Found\n")

    def _pushed(self, repository: Repository, rights: TokenRights, ref: str, before: str, after: str) -> None:
        actor = Actor(login=rights.user, app_id=rights.app_id)
        with self.state.lock:
            self.acts.repositories.pushed(repository, actor, ref, before, after)

    def _log(self, request: Request) -> Response:
        name = request.path.removeprefix(LOGS)
        number, _, file = name.partition("/")
        repository = self.state.by_id(int(number)) if number.isdigit() else None
        known = repository is not None and request.query.get("sig") == log_signature(name)
        content = log_file(repository, file) if known and repository is not None else None
        if content is None:
            return Response(status=403, body=b"Server failed to authenticate the request.\n")
        return Response(headers={"Content-Type": "application/octet-stream"}, body=content)

    def _image(self, request: Request) -> Response:
        name = request.path.removeprefix(_IMAGES)
        if name not in self.state.images or request.query.get("jwt") != image_signature(name):
            return Response(status=404, body=b"Not Found\n")
        return Response(headers={"Content-Type": "application/octet-stream"}, body=self.state.images[name])


def _tree_files(files: Mapping[str, str | bytes] | Iterable[TreeFile]) -> list[TreeFile]:
    if not isinstance(files, Mapping):
        return list(files)
    return [
        TreeFile(path.encode(), content.encode() if isinstance(content, str) else content)
        for path, content in files.items()
    ]


def _recorded(request: Request) -> RecordedRequest:
    return RecordedRequest(
        method=request.method,
        path=request.path.removeprefix(PREFIX),
        raw_path=request.raw_path.removeprefix(PREFIX),
        query=request.query_string,
        headers={name: value for name, value in request.headers.items() if name.lower() != "authorization"},
        body=request.content(),
        authorized=bool(token_of(request.headers)),
    )


def _description(forge: RehearsalForge, owner: str) -> dict[str, object]:
    return {
        "api_url": forge.api_url,
        "web_url": forge.web_url,
        "host": forge.host,
        "ca_file": str(forge.ca_file),
        "root": str(forge.root),
        "tokens": {"agent": AGENT_TOKEN, "reader": READER_TOKEN, "admin": ADMIN_TOKEN},
        "repositories": [
            {
                "owner": owner,
                "name": repository.name,
                "clone_url": forge.clone_url(owner, repository.name),
                "issue": min(repository.issues, default=None),
            }
            for repository in forge.state.repositories
        ],
    }


def main(arguments: list[str] | None = None) -> int:
    """Serve until standard input ends or a signal comes."""
    parser = argparse.ArgumentParser(prog="pullwright-rehearsal", description="A code host on loopback for rehearsals.")
    parser.add_argument("--root", type=Path, help="folder for what is served; a temporary one if missing")
    parser.add_argument("--owner", default="acme", help="owner of the sample repositories")
    names = [*sorted(SAMPLES), "all"]
    parser.add_argument("--sample", nargs="?", const="invoice", choices=names, help="what to create")
    options = parser.parse_args(arguments)
    chosen = [] if options.sample is None else sorted(SAMPLES) if options.sample == "all" else [options.sample]
    # The default action of SIGTERM would leave the temporary folder behind.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with contextlib.suppress(KeyboardInterrupt), RehearsalForge(options.root) as forge:
        for name in chosen:
            forge.create_sample(options.owner, SAMPLES[name]())
        sys.stdout.write(json.dumps(_description(forge, options.owner)) + "\n")
        sys.stdout.flush()
        sys.stdin.read()
    return 0


if __name__ == "__main__":
    sys.exit(main())
