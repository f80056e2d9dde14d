"""Checks, statuses and runs of workflows in the rehearsal's REST API."""

from __future__ import annotations

import hashlib
import io
import zipfile
from typing import Any

from pullwright.integrations.testing.check_acts import CheckActs
from pullwright.integrations.testing.check_records import CheckRun, CheckSuite, WorkflowRun
from pullwright.integrations.testing.forge_parts import ForgeParts
from pullwright.integrations.testing.forge_state import Repository
from pullwright.integrations.testing.github_calls import (
    ApiError,
    Call,
    Table,
    not_found,
    page,
    validation_failed,
)
from pullwright.integrations.testing.github_documents import Document
from pullwright.integrations.testing.pipelines import PipelineRunner
from pullwright.integrations.testing.web_server import Response, json_response

LOGS = "/actions-results/"
_ANNOTATIONS = 50
_TEXT_LIMIT = 65_535
_WRITTEN = ("external_id", "details_url", "status", "conclusion", "output", "actions")
_WORST = ("error", "failure", "pending")


def log_signature(name: str) -> str:
    """Return what the signed address of a log carries."""
    return hashlib.sha256(f"log {name}".encode()).hexdigest()[:32]


class CheckEndpoints:
    """Everything about the checks of a commit."""

    def __init__(self, parts: ForgeParts, acts: CheckActs, runner: PipelineRunner) -> None:
        self._parts = parts
        self._documents = parts.checks
        self._api = parts.documents.api
        self._acts = acts
        self._runner = runner

    def table(self) -> Table:
        """Return the operations."""
        run, suite = r"/check-runs/(?P<number>\d+)", r"/check-suites/(?P<number>\d+)"
        at, actions = "/commits/(?P<ref>.+)", r"/actions/runs/(?P<number>\d+)"
        return (
            ("POST", "/check-runs", self.create, "checks"),
            ("GET", run, self.get, "checks"),
            ("PATCH", run, self.update, "checks"),
            ("GET", f"{run}/annotations", self.annotations, "checks"),
            ("POST", f"{run}/rerequest", self.rerequest, "checks"),
            ("GET", suite, self.suite, "checks"),
            ("GET", f"{suite}/check-runs", self.runs_of_suite, "checks"),
            ("GET", f"{at}/check-runs", self.runs, "checks"),
            ("GET", f"{at}/check-suites", self.suites, "checks"),
            ("GET", f"{at}/status", self.status, "statuses"),
            ("GET", f"{at}/statuses", self.statuses, "statuses"),
            ("POST", "/statuses/(?P<sha>[0-9a-f]{40})", self.set_status, "statuses"),
            ("GET", "/actions/runs", self.workflow_runs, "actions"),
            ("GET", actions, self.workflow_run, "actions"),
            ("GET", f"{actions}/jobs", self.jobs, "actions"),
            ("GET", f"{actions}/logs", self.logs, "actions"),
            ("GET", r"/actions/jobs/(?P<number>\d+)", self.job, "actions"),
            ("GET", r"/actions/jobs/(?P<number>\d+)/logs", self.job_log, "actions"),
            ("POST", f"{actions}/rerun-failed-jobs", self.rerun, "actions"),
        )

    def _sha(self, call: Call) -> str:
        sha = call.repository.bare.resolve(call.match["ref"])
        if not sha:
            raise ApiError(422, f"No commit found for SHA: {call.match['ref']}")
        return sha

    def _run(self, call: Call) -> tuple[CheckSuite, CheckRun]:
        found = self._acts.find_run(call.repository, call.number())
        if found is None:
            raise not_found()
        return found

    def _own_run(self, call: Call) -> tuple[CheckSuite, CheckRun]:
        suite, run = self._run(call)
        if call.rights is None or suite.app_id != call.rights.app_id:
            raise ApiError(403, f"Invalid app_id `{suite.app_id}` - check run can only be modified by its App.")
        return suite, run

    def _suite(self, call: Call) -> CheckSuite:
        found = next((suite for suite in call.repository.suites if suite.id == call.number()), None)
        if found is None:
            raise not_found()
        return found

    def _workflow(self, call: Call) -> tuple[CheckSuite, WorkflowRun]:
        for suite in call.repository.suites:
            if suite.workflow is not None and suite.workflow.id == call.number():
                return suite, suite.workflow
        raise not_found()

    def create(self, call: Call) -> Response:
        """Answer ``POST /repos/{owner}/{repo}/check-runs``; only Apps may."""
        fields, repository = call.fields(), call.repository
        if call.rights is None or call.rights.app_id is None:
            raise ApiError(403, "You must authenticate via a GitHub App.")
        sha = repository.bare.resolve(str(fields.get("head_sha", "")))
        if not sha:
            raise ApiError(422, f"No commit found for SHA: {fields.get('head_sha')}")
        facts = _facts(fields)
        suite = self._acts.suite_for(repository, call.rights.app_id, sha)
        run = self._acts.add_run(repository, suite, str(fields.get("name", "")), call.actor, **facts)
        return json_response(self._documents.run(repository, suite, run), 201)

    def get(self, call: Call) -> Response:
        """Answer ``GET /repos/{owner}/{repo}/check-runs/{id}``."""
        return json_response(self._documents.run(call.repository, *self._run(call)))

    def update(self, call: Call) -> Response:
        """Answer ``PATCH /repos/{owner}/{repo}/check-runs/{id}``."""
        suite, run = self._own_run(call)
        facts = _facts(call.fields())
        ended = facts.pop("status", None) == "completed"
        conclusion = facts.pop("conclusion", None)
        kept = list(run.output.get("annotations", [])) + list(facts.get("output", {}).get("annotations", []))
        for name, value in facts.items():
            setattr(run, name, value)
        run.output = {**run.output, "annotations": kept}
        if call.fields().get("name"):
            run.name = str(call.fields()["name"])
        if ended or conclusion:
            self._acts.complete(call.repository, suite, run, call.actor, str(conclusion or "neutral"))
        elif call.fields().get("status") == "in_progress":
            self._acts.start(call.repository, suite, run, call.actor)
        return json_response(self._documents.run(call.repository, suite, run))

    def annotations(self, call: Call) -> Response:
        """Answer ``GET /repos/{owner}/{repo}/check-runs/{id}/annotations``."""
        return page(call, list(self._run(call)[1].output.get("annotations", [])), self._api)

    def rerequest(self, call: Call) -> Response:
        """Answer ``POST /repos/{owner}/{repo}/check-runs/{id}/rerequest``."""
        suite, run = self._own_run(call)
        self._acts.ask_again(call.repository, suite, run, call.actor)
        return json_response({}, 201)

    def suite(self, call: Call) -> Response:
        """Answer ``GET /repos/{owner}/{repo}/check-suites/{id}``."""
        return json_response(self._documents.full_suite(call.repository, self._suite(call)))

    def _runs(self, call: Call, suites: list[CheckSuite]) -> Response:
        query = call.request.query
        found = [
            self._documents.run(call.repository, suite, run)
            for suite in suites
            for run in suite.runs
            if query.get("check_name", run.name) == run.name
            and query.get("status", run.status) == run.status
            and query.get("app_id", str(suite.app_id)) == str(suite.app_id)
        ]
        return _counted(call, "check_runs", found, self._api)

    def runs_of_suite(self, call: Call) -> Response:
        """Answer ``GET /repos/{owner}/{repo}/check-suites/{id}/check-runs``."""
        return self._runs(call, [self._suite(call)])

    def runs(self, call: Call) -> Response:
        """Answer ``GET /repos/{owner}/{repo}/commits/{ref}/check-runs``."""
        sha = self._sha(call)
        return self._runs(call, [suite for suite in call.repository.suites if suite.sha == sha])

    def suites(self, call: Call) -> Response:
        """Answer ``GET /repos/{owner}/{repo}/commits/{ref}/check-suites``."""
        sha = self._sha(call)
        found = [self._documents.full_suite(call.repository, s) for s in call.repository.suites if s.sha == sha]
        return _counted(call, "check_suites", found, self._api)

    def status(self, call: Call) -> Response:
        """Answer ``GET /repos/{owner}/{repo}/commits/{ref}/status``: the newest of each context."""
        sha, repository = self._sha(call), call.repository
        newest = {status.context: status for status in repository.statuses if status.sha == sha}
        states = {status.state for status in newest.values()}
        state = next((bad for bad in _WORST if bad in states), "success" if states else "pending")
        shown = [self._documents.status(repository, status) for status in newest.values()]
        document = {"state": "failure" if state == "error" else state, "sha": sha, "total_count": len(shown)}
        return json_response({**document, "statuses": shown, **self._of_commit(repository, sha)})

    def _of_commit(self, repository: Repository, sha: str) -> Document:
        url = f"{self._api}/repos/{repository.slug}/commits/{sha}"
        shown = self._parts.documents.repository(repository)
        return {"repository": shown, "commit_url": url, "url": f"{url}/status"}

    def statuses(self, call: Call) -> Response:
        """Answer ``GET /repos/{owner}/{repo}/commits/{ref}/statuses``, newest first."""
        sha, repository = self._sha(call), call.repository
        found = [self._documents.status(repository, s) for s in reversed(repository.statuses) if s.sha == sha]
        return page(call, found, self._api)

    def set_status(self, call: Call) -> Response:
        """Answer ``POST /repos/{owner}/{repo}/statuses/{sha}``."""
        fields, repository = call.fields(), call.repository
        if fields.get("state") not in ("error", "failure", "pending", "success"):
            raise validation_failed({"resource": "Status", "code": "invalid", "field": "state"})
        sha = repository.bare.resolve(call.match["sha"])
        if not sha:
            raise ApiError(422, f"No commit found for SHA: {call.match['sha']}")
        status = self._acts.add_status(repository, call.actor, sha, fields)
        return json_response(self._documents.status(repository, status), 201)

    def workflow_runs(self, call: Call) -> Response:
        """Answer ``GET /repos/{owner}/{repo}/actions/runs``, newest first."""
        query, repository = call.request.query, call.repository
        found = [
            self._documents.workflow_run(repository, suite, suite.workflow)
            for suite in reversed(repository.suites)
            if suite.workflow is not None
            and query.get("head_sha", suite.sha) == suite.sha
            and query.get("branch", suite.branch) == suite.branch
        ]
        return _counted(call, "workflow_runs", found, self._api)

    def workflow_run(self, call: Call) -> Response:
        """Answer ``GET /repos/{owner}/{repo}/actions/runs/{id}``."""
        return json_response(self._documents.workflow_run(call.repository, *self._workflow(call)))

    def jobs(self, call: Call) -> Response:
        """Answer ``GET /repos/{owner}/{repo}/actions/runs/{id}/jobs``."""
        suite, workflow = self._workflow(call)
        found = [self._documents.job(call.repository, suite, workflow, run) for run in suite.runs]
        return _counted(call, "jobs", found, self._api)

    def job(self, call: Call) -> Response:
        """Answer ``GET /repos/{owner}/{repo}/actions/jobs/{id}``."""
        suite, run = self._run(call)
        if suite.workflow is None:
            raise not_found()
        return json_response(self._documents.job(call.repository, suite, suite.workflow, run))

    def job_log(self, call: Call) -> Response:
        """Answer ``GET /repos/{owner}/{repo}/actions/jobs/{id}/logs``: a signed address somewhere else."""
        suite, run = self._run(call)
        if suite.workflow is None or run.status != "completed":
            raise not_found()
        return self._elsewhere(f"{call.repository.id}/{run.id}.txt")

    def logs(self, call: Call) -> Response:
        """Answer ``GET /repos/{owner}/{repo}/actions/runs/{id}/logs``: a signed address of an archive."""
        _, workflow = self._workflow(call)
        return self._elsewhere(f"{call.repository.id}/{workflow.id}.zip")

    def _elsewhere(self, name: str) -> Response:
        location = f"{self._parts.documents.web}{LOGS}{name}?sig={log_signature(name)}"
        return Response(status=302, headers={"Location": location})

    def rerun(self, call: Call) -> Response:
        """Answer ``POST /repos/{owner}/{repo}/actions/runs/{id}/rerun-failed-jobs``."""
        suite, _ = self._workflow(call)
        if suite.status != "completed":
            raise ApiError(403, "This workflow is already running")
        self._runner.again(call.repository, suite, call.actor, failed_only=True)
        return json_response({}, 201)


def log_file(repository: Repository, name: str) -> bytes | None:
    """Return a log, or an archive of all logs of a run, by the last part of its address."""
    number, _, kind = name.partition(".")
    for suite in repository.suites:
        if kind == "zip" and suite.workflow is not None and str(suite.workflow.id) == number:
            return _archive(suite.runs)
        for run in suite.runs:
            if kind == "txt" and str(run.id) == number:
                return run.log.encode()
    return None


def _archive(runs: list[CheckRun]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for position, run in enumerate(runs):
            archive.writestr(f"{position}_{run.name.replace('/', '_')}.txt", run.log)
    return out.getvalue()


def _facts(fields: dict[str, Any]) -> dict[str, Any]:
    """Return what a body says of a run, within GitHub's limits."""
    facts = {name: fields[name] for name in _WRITTEN if fields.get(name) is not None}
    output = facts.get("output", {})
    if len(output.get("annotations", [])) > _ANNOTATIONS:
        raise ApiError(422, f"Invalid request.\n\nNo more than {_ANNOTATIONS} items are allowed in annotations.")
    for part in ("summary", "text"):
        if len(str(output.get(part) or "").encode()) > _TEXT_LIMIT:
            raise ApiError(422, f"Invalid request.\n\nOnly {_TEXT_LIMIT} characters are allowed in {part}.")
    if "conclusion" in facts:
        facts["status"] = "completed"
    if len(facts.get("actions", [])) > 3:
        raise ApiError(422, "Invalid request.\n\nNo more than 3 items are allowed in actions.")
    return facts


def _counted(call: Call, name: str, found: list[Document], api: str) -> Response:
    """Return a page of a list that is wrapped in an object with its length."""
    size = min(max(int(call.request.query.get("per_page", "30")), 1), 100)
    number = max(int(call.request.query.get("page", "1")), 1)
    headers = dict(page(call, found, api).headers)
    document = {"total_count": len(found), name: found[(number - 1) * size : number * size]}
    return json_response(document, headers={key: value for key, value in headers.items() if key == "Link"})
