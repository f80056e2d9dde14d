"""What is done to checks and statuses: each act changes the state and tells the hooks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pullwright.integrations.testing.check_records import ACTIONS_APP, CheckRun, CheckSuite, StatusRecord, WorkflowRun
from pullwright.integrations.testing.forge_parts import ForgeParts
from pullwright.integrations.testing.forge_state import Repository
from pullwright.integrations.testing.review_records import Actor


class CheckActs:
    """Acts on check suites, runs and statuses."""

    def __init__(self, parts: ForgeParts) -> None:
        self._parts = parts
        self._state = parts.state

    def add_suite(self, repository: Repository, app_id: int, sha: str, branch: str, before: str = "") -> CheckSuite:
        """Add an empty suite."""
        stamp = self._state.stamp()
        suite = CheckSuite(
            id=self._state.next_id(),
            app_id=app_id,
            sha=sha,
            branch=branch,
            before=before or "0" * 40,
            created=stamp,
            updated=stamp,
        )
        repository.suites.append(suite)
        return suite

    def start_workflow(self, repository: Repository, suite: CheckSuite, actor: Actor, name: str) -> WorkflowRun:
        """Make a suite a run of a workflow."""
        number = 1 + sum(s.workflow is not None and s.workflow.name == name for s in repository.suites)
        suite.workflow = WorkflowRun(id=self._state.next_id(), name=name, number=number, actor=actor.login)
        self._tell_workflow(repository, suite, "requested", actor)
        return suite.workflow

    def suite_for(self, repository: Repository, app_id: int, sha: str) -> CheckSuite:
        """Return an App's suite at a commit; made when it is missing, as GitHub does at every push."""
        for suite in repository.suites:
            if (suite.app_id, suite.sha) == (app_id, sha) and suite.workflow is None:
                return suite
        branch = next((name for name, tip in repository.bare.branches().items() if tip == sha), "")
        return self.add_suite(repository, app_id, sha, branch)

    def add_run(self, repository: Repository, suite: CheckSuite, name: str, actor: Actor, **facts: Any) -> CheckRun:
        """Add a run to a suite."""
        run = CheckRun(id=self._state.next_id(), name=name, **facts)
        suite.runs.append(run)
        self._tell_run(repository, suite, run, "created", actor)
        if run.status == "completed":
            self._ended(repository, suite, run, actor)
        return run

    def queue(self, repository: Repository, suite: CheckSuite, names: Iterable[str], actor: Actor) -> list[CheckRun]:
        """Add runs to a suite, all of them before the first event: it must never be taken for complete too early."""
        added = [CheckRun(id=self._state.next_id(), name=name) for name in names]
        suite.runs += added
        for run in added:
            self._tell_run(repository, suite, run, "created", actor)
        return added

    def start(self, repository: Repository, suite: CheckSuite, run: CheckRun, actor: Actor) -> None:
        """Say that a run works now."""
        run.status, run.started = "in_progress", self._state.stamp()
        suite.updated = run.started
        if suite.workflow is not None and sum(other.status != "queued" for other in suite.runs) == 1:
            self._tell_workflow(repository, suite, "in_progress", actor)

    def complete(self, repository: Repository, suite: CheckSuite, run: CheckRun, actor: Actor, conclusion: str) -> None:
        """End a run, and its suite when it was the last one."""
        run.status, run.conclusion, run.completed = "completed", conclusion, self._state.stamp()
        self._ended(repository, suite, run, actor)

    def _ended(self, repository: Repository, suite: CheckSuite, run: CheckRun, actor: Actor) -> None:
        run.completed = run.completed or self._state.stamp()
        suite.updated = run.completed
        self._tell_run(repository, suite, run, "completed", actor)
        if suite.status == "completed":
            shown = self._parts.checks.suite(repository, suite)
            self._parts.announcer.tell(repository, "check_suite.completed", actor.login, check_suite=shown)
            if suite.workflow is not None:
                self._tell_workflow(repository, suite, "completed", actor)

    def reset(self, repository: Repository, suite: CheckSuite, actor: Actor, *, failed_only: bool) -> list[CheckRun]:
        """Queue runs of a suite again, under new ids, as the next attempt; return them."""
        chosen = [run for run in suite.runs if not failed_only or run.conclusion not in ("success", "skipped")]
        suite.runs = [run for run in suite.runs if run not in chosen]
        suite.updated = self._state.stamp()
        if suite.workflow is not None:
            suite.workflow.attempt += 1
        return self.queue(repository, suite, [run.name for run in chosen], actor)

    def ask_again(self, repository: Repository, suite: CheckSuite, run: CheckRun, actor: Actor) -> None:
        """Press "Re-run" at a run of an App: only that App is told."""
        self._tell_run(repository, suite, run, "rerequested", actor)

    def press(self, repository: Repository, suite: CheckSuite, run: CheckRun, actor: Actor, identifier: str) -> None:
        """Press a button of a run: only its App is told."""
        wanted = {"identifier": identifier}
        self._tell_run(repository, suite, run, "requested_action", actor, requested_action=wanted)

    def add_status(self, repository: Repository, actor: Actor, sha: str, fields: Mapping[str, Any]) -> StatusRecord:
        """Set the status of a commit in a context."""
        status = StatusRecord(
            id=self._state.next_id(),
            sha=sha,
            context=str(fields.get("context") or "default"),
            state=str(fields["state"]),
            description=str(fields.get("description") or ""),
            target_url=str(fields.get("target_url") or ""),
            creator=actor.login,
            created=self._state.stamp(),
        )
        repository.statuses.append(status)
        return status

    def find_run(self, repository: Repository, number: int) -> tuple[CheckSuite, CheckRun] | None:
        """Return a run with its suite."""
        pairs = ((suite, run) for suite in repository.suites for run in suite.runs)
        return next(((suite, run) for suite, run in pairs if run.id == number), None)

    def _tell_run(
        self, repository: Repository, suite: CheckSuite, run: CheckRun, action: str, actor: Actor, **members: Any
    ) -> None:
        only = suite.app_id if action in ("rerequested", "requested_action") else None
        shown: dict[str, Any] = {"check_run": self._parts.checks.run(repository, suite, run), **members}
        self._parts.announcer.tell(repository, f"check_run.{action}", actor.login, only_app=only, **shown)

    def _tell_workflow(self, repository: Repository, suite: CheckSuite, action: str, actor: Actor) -> None:
        if suite.workflow is None or suite.app_id != ACTIONS_APP:
            return
        checks = self._parts.checks
        shown: dict[str, Any] = {
            "workflow": checks.workflow(repository, suite.workflow),
            "workflow_run": checks.workflow_run(repository, suite, suite.workflow),
        }
        self._parts.announcer.tell(repository, f"workflow_run.{action}", actor.login, **shown)
