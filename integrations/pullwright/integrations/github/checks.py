"""The look-up of a commit's checks over the REST API: one page of each kind, and a bounded look at what failed."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from contextlib import closing
from functools import partial
from urllib.parse import urlsplit

import requests

from pullwright.integrations.github.check_verdict import Check, CheckFacts, CheckKind
from pullwright.integrations.github.client import GitHubClient, Refused, Session
from pullwright.integrations.github.credentials import Step
from pullwright.integrations.github.failures_of_checks import LOG_BYTES, Failure
from pullwright.integrations.github.meanings import Actor, BotIdentity
from pullwright.integrations.github.payloads import Payload
from pullwright.integrations.github.pulls import Where

PAGE = 100
EXPLAINED = 5
"""Of how many failed checks more is read than the name."""
ANNOTATIONS = 20
LOG_READ_BYTES = 8_000_000
"""A log is read to this point at most; its end is what matters, and there is no way to ask for that alone."""
LOG_SECONDS = 8.0

_ACTIONS = "github-actions"
_BLOCK = 65_536


class _AppPayload(Payload):
    id: int
    slug: str | None = None


class _SuiteRef(Payload):
    id: int


class _OutputPayload(Payload):
    title: str | None = None
    summary: str | None = None
    annotations_count: int = 0


class _RunPayload(Payload):
    id: int
    name: str
    status: str
    conclusion: str | None = None
    completed_at: str | None = None
    app: _AppPayload | None = None
    check_suite: _SuiteRef | None = None
    output: _OutputPayload = _OutputPayload()


class _RunsPayload(Payload):
    total_count: int
    check_runs: list[_RunPayload]


class _SuitePayload(Payload):
    id: int
    status: str | None = None
    app: _AppPayload | None = None
    latest_check_runs_count: int = 0


class _SuitesPayload(Payload):
    total_count: int
    check_suites: list[_SuitePayload]


class _StatusPayload(Payload):
    id: int
    context: str
    state: str
    description: str | None = None
    updated_at: str | None = None


class _StatusesPayload(Payload):
    total_count: int
    statuses: list[_StatusPayload]


class _ActorPayload(Payload):
    id: int
    login: str
    type: str = "User"


class _WorkflowPayload(Payload):
    id: int
    workflow_id: int = 0
    event: str = ""
    name: str | None = None
    status: str | None = None
    conclusion: str | None = None
    run_attempt: int = 1
    check_suite_id: int | None = None
    actor: _ActorPayload | None = None
    triggering_actor: _ActorPayload | None = None


class _WorkflowsPayload(Payload):
    total_count: int
    workflow_runs: list[_WorkflowPayload]


class _AnnotationPayload(Payload):
    path: str | None = None
    start_line: int | None = None
    annotation_level: str | None = None
    message: str | None = None


class GitHubChecks:
    """Reads checks; see ``Checks``."""

    def __init__(self, client: GitHubClient, bot: BotIdentity, *, status_context: str = "agent") -> None:
        """Leave out the checks of the App that the bot is, and the commit status that it sets where it is none."""
        self._client = client
        self._bot = bot
        self._context = status_context

    async def read(self, where: Where, sha: str) -> CheckFacts:
        work = partial(self._read, where=where, sha=sha)
        return await self._client.talk(work, need=where.need(Step.LOGS))

    async def explain(self, where: Where, failed: Sequence[Check], base_sha: str) -> Sequence[Failure]:
        work = partial(self._explain, where=where, failed=tuple(failed), base_sha=base_sha)
        return await self._client.talk(work, need=where.need(Step.LOGS))

    def _read(self, session: Session, where: Where, sha: str) -> CheckFacts:
        slug, page = where.repository.full_name, {"per_page": PAGE}
        of, action = f"/repos/{slug}/commits/{sha}", f"reading the checks of {f'{slug}@{sha[:12]}'!r}"
        runs = session.get(_RunsPayload, f"{of}/check-runs", action=action, parameters={**page, "filter": "latest"})
        suites = session.get(_SuitesPayload, f"{of}/check-suites", action=action, parameters=page)
        statuses = session.get(_StatusesPayload, f"{of}/status", action=action, parameters=page)
        newest: dict[str, str | int] = {**page, "head_sha": sha}
        workflows = session.get(_WorkflowsPayload, f"/repos/{slug}/actions/runs", action=action, parameters=newest)
        current = _current(workflows.workflow_runs)
        old = {run.check_suite_id for run in workflows.workflow_runs} - {run.check_suite_id for run in current}
        theirs = [run for run in runs.check_runs if not self._is_own(run.app) and _suite_of(run) not in old]
        shown = {run.check_suite.id for run in theirs if run.check_suite}
        return CheckFacts(
            checks=(
                *map(_of_run, theirs),
                *(_of_status(one) for one in statuses.statuses if one.context != self._context),
                *(_of_workflow(one) for one in current if _counts(one, shown)),
                *(_of_suite(one) for one in suites.check_suites if self._has_begun(one, shown)),
            ),
            starters=_starters(workflows.workflow_runs),
            more=_more(runs.total_count, suites.total_count, statuses.total_count, workflows.total_count),
        )

    def _is_own(self, app: _AppPayload | None) -> bool:
        return app is not None and app.id == self._bot.app_id

    def _has_begun(self, suite: _SuitePayload, shown: set[int]) -> bool:
        """Whether a suite is at work without a run to show; most Apps get one and never put a run into it."""
        ended = suite.status == "completed" or suite.id in shown
        return not ended and suite.latest_check_runs_count > 0 and not self._is_own(suite.app)

    def _explain(self, session: Session, where: Where, failed: tuple[Check, ...], base_sha: str) -> tuple[Failure, ...]:
        on_base = {check.name for check in self._read(session, where, base_sha).red}
        slug = where.repository.full_name
        return tuple(
            Failure(
                check=check,
                annotations=_annotations(session, slug, check),
                log=_log(session, slug, check),
                on_base=check.name in on_base,
            )
            for check in failed[:EXPLAINED]
        )


def _current(runs: Sequence[_WorkflowPayload]) -> Sequence[_WorkflowPayload]:
    """Return the newest run of each workflow for each event: it has taken the place of the others."""
    newest: dict[tuple[int, str], _WorkflowPayload] = {}
    for run in sorted(runs, key=lambda one: one.id):
        newest[run.workflow_id or run.id, run.event] = run
    return list(newest.values())


def _suite_of(run: _RunPayload) -> int | None:
    return run.check_suite.id if run.check_suite else None


def _of_run(run: _RunPayload) -> Check:
    return Check(
        kind=CheckKind.RUN,
        id=run.id,
        name=run.name,
        conclusion=(run.conclusion or "neutral") if run.status == "completed" else "",
        ended=run.completed_at or "",
        title=run.output.title or "",
        summary=run.output.summary or "",
        annotations=run.output.annotations_count,
        is_job=run.app is not None and run.app.slug == _ACTIONS,
    )


def _of_status(status: _StatusPayload) -> Check:
    return Check(
        kind=CheckKind.STATUS,
        id=status.id,
        name=status.context,
        conclusion="" if status.state == "pending" else status.state,
        ended=status.updated_at or "",
        summary=status.description or "",
    )


def _counts(run: _WorkflowPayload, shown: set[int]) -> bool:
    """Whether a run of Actions says something that its jobs do not: it goes on, or none of them has begun."""
    return run.status != "completed" or run.check_suite_id not in shown or run.conclusion == "action_required"


def _of_workflow(run: _WorkflowPayload) -> Check:
    return Check(
        kind=CheckKind.WORKFLOW,
        id=run.id,
        name=run.name or "workflow",
        conclusion=(run.conclusion or "neutral") if run.status == "completed" else "",
        ended=str(run.run_attempt),
    )


def _of_suite(suite: _SuitePayload) -> Check:
    name = (suite.app.slug if suite.app else "") or "suite"
    return Check(kind=CheckKind.SUITE, id=suite.id, name=name, conclusion="")


def _starters(runs: Sequence[_WorkflowPayload]) -> tuple[Actor, ...]:
    people = [person for run in runs for person in (run.actor, run.triggering_actor) if person is not None]
    return tuple({one.id: Actor(id=one.id, login=one.login, kind=one.type) for one in people}.values())


def _more(*totals: int) -> bool:
    return any(total > PAGE for total in totals)


def _annotations(session: Session, slug: str, check: Check) -> tuple[str, ...]:
    if check.kind is not CheckKind.RUN or not check.annotations:
        return ()
    path, action = f"/repos/{slug}/check-runs/{check.id}/annotations", f"reading the annotations of a check of {slug!r}"
    found = session.get(list[_AnnotationPayload], path, action=action, parameters={"per_page": ANNOTATIONS})
    return tuple(f"{one.path or ''}:{one.start_line or ''} {one.message or ''}".strip(": ") for one in found)


def _log(session: Session, slug: str, check: Check) -> str:
    """Return the end of a job's log; empty when there is none, or when it can not be had in time."""
    if not check.is_job:
        return ""
    try:
        path = f"/repos/{slug}/actions/jobs/{check.id}/logs"
        address = session.location(path, action=f"looking for the log of a job of {slug!r}")
    except Refused as exc:
        if exc.refusal.status in (404, 410):
            return ""
        raise
    verify = str(session.settings.ca_file) if session.settings.ca_file else True
    try:
        return _end_of(address, verify) if urlsplit(address).scheme == "https" else ""
    except requests.RequestException:
        return ""


def _end_of(address: str, verify: str | bool) -> str:
    """Fetch a log from the signed address that GitHub gave; our token is not for that place."""
    deadline, size, kept = time.monotonic() + LOG_SECONDS, 0, deque[bytes]()
    with requests.Session() as web:
        web.auth = _no_credentials
        with closing(
            web.get(address, timeout=LOG_SECONDS, verify=verify, stream=True, allow_redirects=False)
        ) as answer:
            if answer.status_code != 200:
                return ""
            while (block := answer.raw.read1(_BLOCK, decode_content=True)) and size < LOG_READ_BYTES:
                size += len(block)
                kept.append(block)
                while len(kept) > 1 and sum(map(len, kept)) - len(kept[0]) >= LOG_BYTES:
                    kept.popleft()
                if time.monotonic() > deadline:
                    return ""
    return b"".join(kept)[-LOG_BYTES:].decode("utf-8", "replace")


def _no_credentials(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request
