"""The ``jira`` package, in threads: the only module that imports it, and where its errors become ours.

It is used as an authenticated transport: its session, its addresses and its search. Writes that it sends in a form
that Atlassian's document does not allow (transitions, assignments, remote links) are sent by ourselves, and nothing
is repeated by it: a repeated POST says things twice.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from threading import Lock
from typing import Any, Final, TypeVar

import anyio
import anyio.to_thread
import requests
from jira import JIRA, JIRAError
from pydantic import Field, TypeAdapter, ValidationError

from pullwright.agents.errors import ConfigError, RemoteRateLimited, RemoteRejected, RemoteUnavailable
from pullwright.integrations.jira.failures import is_page, to_error
from pullwright.integrations.jira.payloads import Part
from pullwright.integrations.jira.settings import URL_VARIABLE, JiraSettings
from pullwright.integrations.jira.tuning import JiraTuning

logging.getLogger("jira").setLevel(logging.INFO)  # at DEBUG it writes headers with credentials

T = TypeVar("T")

_AGENT: Final = "pullwright"
_NO_NAMES: Final = {"": ""}


class ServerFacts(Part):
    """What Jira says about itself."""

    deployment: str = Field(default="", alias="deploymentType")
    version: str = ""
    numbers: tuple[int, ...] = Field(default=(), alias="versionNumbers")


@dataclass(frozen=True, slots=True)
class Session:
    """One conversation with Jira on one thread."""

    api: JIRA
    settings: JiraSettings
    tuning: JiraTuning

    def get(self, kind: type[T], path: str, *, action: str, parameters: Mapping[str, str | int] | None = None) -> T:
        """Read something.

        Raises:
            IntegrationError, ConfigError.
        """
        answer = self._ask("GET", path, action, params=dict(parameters or {}))
        return self._understood(kind, self._json(answer, action), action)

    def send(self, method: str, path: str, content: object, *, action: str) -> None:
        """Write something, once; what Jira says about it is not read.

        Raises:
            IntegrationError, ConfigError.
        """
        self._ask(method, path, action, json=content)

    def make(self, kind: type[T], path: str, content: object, *, action: str) -> T:
        """Post something, once, and return what was made of it.

        Raises:
            IntegrationError, ConfigError.
        """
        return self._understood(kind, self._json(self._ask("POST", path, action, json=content), action), action)

    def search(
        self,
        kind: type[T],
        jql: str,
        fields: Sequence[str],
        *,
        action: str,
        expand: str = "",
        after: str = "",
        size: int = 50,
    ) -> T:
        """Return one page of a search.

        Args:
            kind: Of the page.
            jql: What is looked for.
            fields: What of each ticket.
            action: What it is for.
            expand: What besides.
            after: ``nextPageToken`` of the last page on Cloud, how many there were before on Data Center.
            size: How many tickets at most.

        Raises:
            IntegrationError, ConfigError.
        """
        if self.settings.is_cloud:
            work = partial(
                self.api.enhanced_search_issues,
                jql,
                nextPageToken=after or None,
                maxResults=size,
                fields=list(fields),
                expand=expand or None,
                json_result=True,
            )
        else:
            work = partial(
                self.api.search_issues,
                jql,
                startAt=int(after or 0),
                maxResults=size,
                validate_query=True,
                fields=list(fields),
                expand=expand or None,
                json_result=True,
            )
        return self._understood(kind, self._guarded(work, action), action)

    def _ask(self, method: str, path: str, action: str, **content: Any) -> requests.Response:
        address = f"{self.api.server_url}/rest/api/{3 if self.settings.is_cloud else 2}/{path}"
        answer: requests.Response = self._guarded(
            partial(self.api._session.request, method, address, allow_redirects=method == "GET", **content), action
        )
        if answer.is_redirect:
            raise ConfigError(_line(self.settings, action, "it redirects elsewhere", f"correct {URL_VARIABLE}"))
        return answer

    def _guarded(self, work: Callable[[], Any], action: str) -> Any:
        try:
            return work()
        except JIRAError as exc:
            raise _refused(exc, self, action) from exc
        except requests.exceptions.JSONDecodeError as exc:
            raise _no_json(self.settings, action) from exc
        except requests.RequestException as exc:
            raise _unreachable(exc, self.settings, action) from exc
        except (ValueError, RecursionError) as exc:
            raise _no_json(self.settings, action) from exc

    def _json(self, answer: requests.Response, action: str) -> object:
        if is_page(answer.text[:200]):
            raise _no_json(self.settings, action)
        return self._guarded(answer.json, action)

    def _understood(self, kind: type[T], document: object, action: str) -> T:
        try:
            return TypeAdapter(kind).validate_python(document)
        except ValidationError as exc:
            first = ".".join(str(part) for part in exc.errors()[0]["loc"])[:100]
            what = f"the answer has no usable {first or 'content'!r}"
            raise RemoteRejected(_line(self.settings, action, what, f"check {URL_VARIABLE}")) from exc


class JiraClient:
    """Runs conversations in worker threads, a few at a time."""

    def __init__(self, settings: JiraSettings, tuning: JiraTuning | None = None) -> None:
        self._settings = settings
        self._tuning = tuning or JiraTuning()
        self._jira_threads = anyio.CapacityLimiter(self._tuning.threads)
        self._facts: ServerFacts | None = None
        self._lock = Lock()

    @property
    def settings(self) -> JiraSettings:
        """Which Jira it is."""
        return self._settings

    async def talk(self, work: Callable[[Session], T], *, writes: bool = False) -> T:
        """Run ``work`` in a thread with a session of its own.

        A cancelled read is left behind at once. A cancelled write is waited for: its effect can not be recalled.

        Raises:
            IntegrationError, ConfigError: As ``work`` says, or Jira is not what the settings say.
        """
        job = partial(self._work, work)
        return await anyio.to_thread.run_sync(job, abandon_on_cancel=not writes, limiter=self._jira_threads)

    async def facts(self) -> ServerFacts:
        """Return what Jira says about itself; asked once."""
        return await self.talk(lambda session: self._known(session))

    def _work(self, work: Callable[[Session], T]) -> T:
        with closing(connect(self._settings, self._tuning)) as api:
            session = Session(api, self._settings, self._tuning)
            facts = self._known(session)
            # What the package asks for at every start otherwise; without it, it takes every Jira for a Data Center.
            api.deploymentType = facts.deployment
            api._version = facts.numbers
            # Names of fields that it would look up before a search; they are asked for by id here.
            api._fields_cache_value = _NO_NAMES
            return work(session)

    def _known(self, session: Session) -> ServerFacts:
        with self._lock:
            if self._facts is None:
                facts = session.get(ServerFacts, "serverInfo", action="asking what it is")
                _check(facts, self._settings)
                self._facts = facts
            return self._facts


def connect(settings: JiraSettings, tuning: JiraTuning) -> JIRA:
    """Return the package's client as we want it, without asking Jira anything; close it."""
    options = {
        "server": settings.base,
        "rest_api_version": "3" if settings.is_cloud else "2",
        "verify": str(settings.ca_file) if settings.ca_file else True,
        "headers": {"User-Agent": _AGENT},
    }
    signed = {"basic_auth": (settings.email, settings.token)} if settings.email else {"token_auth": settings.token}
    return JIRA(options=options, get_server_info=False, max_retries=0, timeout=tuning.timeout, **signed)


def _check(facts: ServerFacts, settings: JiraSettings) -> None:
    is_cloud = facts.deployment == "Cloud"
    if is_cloud != settings.is_cloud:
        kind, other = ("Cloud", "true") if is_cloud else ("Data Center", "false")
        raise ConfigError(f"Jira at {settings.site!r} says that it is {kind}; set AGENT_JIRA_CLOUD to {other}")


def _refused(error: JIRAError, session: Session, action: str) -> Exception:
    response = error.response
    found = to_error(
        int(error.status_code or 0),
        str(error.text or ""),
        dict(response.headers) if response is not None else {},
        site=session.settings.site,
        action=action,
        cloud=session.settings.is_cloud,
        now=datetime.now(UTC),
    )
    if isinstance(found, RemoteRateLimited):
        found.retry_after = min(found.retry_after, session.tuning.longest_rate_limit)
    return found


def _no_json(settings: JiraSettings, action: str) -> RemoteUnavailable:
    advice = f"it may be a sign-in page or a maintenance notice: open it in a browser, and check {URL_VARIABLE}"
    return RemoteUnavailable(_line(settings, action, "it answered with a page for people instead of data", advice))


def _unreachable(
    error: requests.RequestException, settings: JiraSettings, action: str
) -> RemoteUnavailable | ConfigError:
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        advice = "point REQUESTS_CA_BUNDLE at the file with your company's certificates"
        return ConfigError(_line(settings, action, "its certificate is not trusted", advice))
    reason = "it did not answer in time" if isinstance(error, requests.Timeout) else "it could not be reached"
    return RemoteUnavailable(
        _line(settings, action, reason, f"check the network and {URL_VARIABLE}, or try again later")
    )


def _line(settings: JiraSettings, action: str, what: str, advice: str) -> str:
    return f"Jira at {settings.site!r} failed {action}: {what}; {advice}"
