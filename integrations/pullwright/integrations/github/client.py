"""PyGithub, in threads: the only module that imports it, and where its errors become ours.

PyGithub is used as an authenticated transport. Its objects fetch whatever is missing behind the reader's back, so what
comes back is read by the models of ``payloads`` instead.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TypeVar
from urllib.parse import urlsplit

import anyio
import anyio.to_thread
import github
import requests
from pydantic import TypeAdapter, ValidationError

from pullwright.agents.errors import ConfigError, RemoteRateLimited, RemoteRejected, RemoteUnavailable
from pullwright.integrations.github.credentials import Credentials, Need
from pullwright.integrations.github.failures import Refusal, to_error
from pullwright.integrations.github.patience import Patience
from pullwright.integrations.github.settings import API_URL_VARIABLE, CA_FILE_VARIABLES, GitHubSettings
from pullwright.integrations.github.tuning import GitHubTuning

API_VERSION = "2022-11-28"
USER_AGENT = "pullwright"

# It prints every redirection by itself, past the redaction; what goes wrong reaches people as an error of ours.
github.set_log_level(logging.WARNING)

_JSON = "application/vnd.github+json"

T = TypeVar("T")


_REDIRECT_MEMBERS = frozenset({"message", "url", "documentation_url"})
_MOVED = ("nothing was written, it has another name now", "look up the new name by its id and repeat it")


class Refused(Exception):
    """GitHub answered with an error status; carries it until somebody decides what it means."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(str(to_error(refusal)))
        self.refusal = refusal


_NEXT = re.compile(r'<([^<>]{1,2000})>;\s*rel="next"')


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page of a list."""

    items: Sequence[Mapping[str, object]] | None = None
    """None when it is as it was."""
    tag: str = ""
    """What to show to GitHub the next time."""
    next: str = ""
    """Path of the page after it; empty for the last."""


@dataclass(frozen=True, slots=True)
class Session:
    """One conversation with GitHub on one thread."""

    api: github.Github
    settings: GitHubSettings

    def get(
        self,
        kind: type[T],
        path: str,
        *,
        action: str,
        accept: str = _JSON,
        parameters: Mapping[str, str | int] | None = None,
    ) -> T:
        """Read something; a redirect to its new name is followed.

        Raises:
            Refused: GitHub answered with an error status.
            RemoteUnavailable, RemoteRejected, ConfigError.
        """
        return self._ask(kind, "GET", path, action, accept=accept, parameters=dict(parameters or {}))

    def page(
        self,
        path: str,
        *,
        action: str,
        parameters: Mapping[str, str | int] | None = None,
        tag: str = "",
    ) -> Page:
        """Read one page of a list; with the tag of an earlier answer only if it is another one by now.

        An answer that says that nothing changed does not count for the rate limit.

        Raises:
            Refused: GitHub answered with an error status.
            RemoteUnavailable, RemoteRejected, ConfigError.
        """
        condition = {"If-None-Match": tag} if tag else {}
        try:
            with self._translated(action):
                about, document = self.api.requester.requestJsonAndCheck(
                    "GET",
                    self._below_base(path),
                    parameters=dict(parameters) if parameters else None,
                    headers={"Accept": _JSON, **condition},
                )
            if tag and document is None:
                return Page(tag=tag)
            items = TypeAdapter(list[dict[str, object]]).validate_python(document)
        except ValidationError as exc:
            raise RemoteRejected(self._line(action, "the answer is no list", f"check {API_URL_VARIABLE}")) from exc
        except ValueError as exc:
            raise RemoteUnavailable(self._line(action, "the answer is no JSON", "try again later")) from exc
        more = _NEXT.search(about.get("link", ""))
        return Page(items=items, tag=str(about.get("etag", "")), next=self._with_query(more[1]) if more else "")

    def post(self, kind: type[T], path: str, content: Mapping[str, object], *, action: str) -> T:
        """Write something, once. A redirect is not followed, so resolve the repository's name first.

        Raises:
            Refused: GitHub answered with an error status.
            RemoteUnavailable, RemoteRejected, ConfigError.
        """
        return self._ask(kind, "POST", path, action, accept=_JSON, content=dict(content))

    def patch(self, kind: type[T], path: str, content: Mapping[str, object], *, action: str) -> T:
        """Change something, once; as ``post``."""
        return self._ask(kind, "PATCH", path, action, accept=_JSON, content=dict(content))

    def graphql(self, kind: type[T], query: str, variables: Mapping[str, object], *, action: str) -> T:
        """Ask the GraphQL API, for what the REST API does not have; errors as for ``post``."""
        try:
            with self._translated(action):
                _, document = self.api.requester.graphql_query(query, dict(variables))
        except Refused as exc:
            if exc.refusal.graphql_rate_limited:
                advice = "try again in a minute"
                raise RemoteRateLimited(self._line(action, "the rate limit is used up", advice), 60.0) from exc
            raise
        try:
            return TypeAdapter(kind).validate_python(document["data"])
        except (ValidationError, KeyError) as exc:
            raise RemoteRejected(self._line(action, "the answer has no usable data", "report this")) from exc

    def location(self, path: str, *, action: str) -> str:
        """Return where something that is kept elsewhere can be fetched without a token; empty when nowhere.

        Raises:
            Refused: GitHub answered with an error status.
            RemoteUnavailable, ConfigError.
        """
        with self._translated(action):
            return str(self.api.requester.requestJsonAndCheck("GET", path)[0].get("location", ""))

    def _ask(
        self,
        kind: type[T],
        method: str,
        path: str,
        action: str,
        *,
        accept: str,
        parameters: dict[str, str | int] | None = None,
        content: dict[str, object] | None = None,
    ) -> T:
        address = self._below_base(path)
        try:
            # The headers have no name here because PyGithub adds the token to them, and a traceback may show names.
            with self._translated(action):
                _, document = self.api.requester.requestJsonAndCheck(
                    method, address, parameters=parameters, headers={"Accept": accept}, input=content
                )
            return TypeAdapter(kind).validate_python(document)
        except ValidationError as exc:
            if method != "GET" and _is_redirect(document):
                raise RemoteRejected(self._line(action, *_MOVED)) from exc
            first = ".".join(str(part) for part in exc.errors()[0]["loc"])
            reason = f"the answer has no usable {first or 'content'!r}"
            raise RemoteRejected(self._line(action, reason, f"check {API_URL_VARIABLE}")) from exc
        except ValueError as exc:
            raise RemoteUnavailable(self._line(action, "the answer is no JSON", "try again later")) from exc

    @contextmanager
    def _translated(self, action: str) -> Iterator[None]:
        try:
            yield
        except github.GithubException as exc:
            raise Refused(self._refusal(exc, action)) from exc
        except requests.RequestException as exc:
            raise _unreachable(exc, self.settings.web_host, action) from exc
        except RuntimeError as exc:
            # PyGithub's way of saying that a redirect left the host.
            raise ConfigError(self._line(action, "it redirects elsewhere", f"correct {API_URL_VARIABLE}")) from exc

    def _below_base(self, path: str) -> str:
        parts = urlsplit(path)
        return parts.path.removeprefix(urlsplit(self.settings.api_url).path) if parts.netloc else path

    def _with_query(self, address: str) -> str:
        query = urlsplit(address).query
        return f"{self._below_base(address)}?{query}" if query else self._below_base(address)

    def _refusal(self, error: github.GithubException, action: str) -> Refusal:
        headers = {name.lower(): str(value) for name, value in (error.headers or {}).items()}
        return Refusal(
            status=error.status,
            headers=headers,
            document=error.data,
            host=self.settings.web_host,
            action=action,
            anonymous=self.api.requester.auth is None,
            app=self.settings.is_app,
        )

    def _line(self, action: str, what: str, advice: str) -> str:
        return f"GitHub at {self.settings.web_host!r} failed {action}: {what}; {advice}"


class GitHubClient:
    """Runs conversations in worker threads, a few at a time."""

    def __init__(self, settings: GitHubSettings, tuning: GitHubTuning, credentials: Credentials | None = None) -> None:
        """Use the token of the settings, unless there are credentials that give one for each need."""
        self._settings = settings
        self._tuning = tuning
        self._credentials = credentials
        self._github_threads = anyio.CapacityLimiter(tuning.threads)

    async def talk(self, work: Callable[[Session], T], *, writes: bool = False, need: Need | None = None) -> T:
        """Run ``work`` in a thread with a session of its own.

        A cancelled read is left behind at once. A cancelled write is waited for: its effect can not be recalled. When
        a token is refused and there is another, all of it is done once more: what was refused had no effect.

        Args:
            work: Says what there is to say; writes last, or looks before it writes.
            writes: Whether it changes anything.
            need: For which repository and step; credentials that are not one fixed token ask for it.

        Raises:
            IntegrationError: As ``work`` says, an error status included.
        """
        job = partial(self._work, work, need)
        return await anyio.to_thread.run_sync(job, abandon_on_cancel=not writes, limiter=self._github_threads)

    def _work(self, work: Callable[[Session], T], need: Need | None) -> T:
        auth = self._auth(need)
        try:
            return self._once(work, auth)
        except Refused as exc:
            refused = exc
        other = self._other(auth, need) if refused.refusal.status == 401 else None
        if other is None:
            raise to_error(refused.refusal) from refused
        try:
            return self._once(work, other)
        except Refused as exc:
            raise to_error(exc.refusal) from exc

    def _once(self, work: Callable[[Session], T], auth: github.Auth.Token | None) -> T:
        with connect(self._settings, self._tuning, auth) as api:
            return work(Session(api, self._settings))

    def _other(self, refused: github.Auth.Token | None, need: Need | None) -> github.Auth.Token | None:
        """Return what takes the place of a refused token; None when nothing does."""
        if self._credentials is None or refused is None:
            return None
        self._credentials.forget(refused.token)
        other = self._auth(need)
        return None if other is None or other.token == refused.token else other

    def _auth(self, need: Need | None) -> github.Auth.Token | None:
        # Nobody above keeps the token under a name of its own, because a traceback may show names.
        token = self._token(need)
        return github.Auth.Token(token) if token else None

    def _token(self, need: Need | None) -> str:
        if self._credentials is None:
            return self._settings.token
        if need is None:
            raise ConfigError("GitHub was asked without saying for which repository; this is a bug, please report it")
        return self._credentials.token(need)


def connect(settings: GitHubSettings, tuning: GitHubTuning, auth: github.Auth.Auth | None) -> github.Github:
    """Return PyGithub as we want it; use it as a context manager."""
    retry = Patience(
        total=tuning.retries,
        backoff_factor=tuning.backoff,
        # PyGithub repeats a POST by default, which opens things twice.
        allowed_methods={"GET", "HEAD"},
        raise_on_status=False,
        longest=tuning.rate_limit_wait,
    )
    return github.Github(
        auth=auth,
        base_url=settings.api_url,
        timeout=tuning.timeout,
        user_agent=USER_AGENT,
        per_page=100,
        verify=str(settings.ca_file) if settings.ca_file else True,
        retry=retry,
        seconds_between_requests=0,
        lazy=True,
        api_version=API_VERSION,
    )


def _is_redirect(document: object) -> bool:
    """Whether an answer is the body of a 307: PyGithub does not follow it for a write, and does not say so."""
    if document is None:
        return True
    return isinstance(document, dict) and bool(document.get("message")) and set(document) <= _REDIRECT_MEMBERS


def _unreachable(error: requests.RequestException, host: str, action: str) -> RemoteUnavailable | ConfigError:
    text = str(error)
    if "CERTIFICATE_VERIFY_FAILED" in text:
        advice = f"point {CA_FILE_VARIABLES[0]} at the file with your company's certificates"
        return ConfigError(f"GitHub at {host!r} failed {action}: its certificate is not trusted; {advice}")
    reason = "it did not answer in time" if isinstance(error, requests.Timeout) else "it could not be reached"
    advice = f"check the network and {API_URL_VARIABLE}, or try again later"
    return RemoteUnavailable(f"GitHub at {host!r} failed {action}: {reason}; {advice}")
