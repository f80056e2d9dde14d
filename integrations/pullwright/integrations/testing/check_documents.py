"""Checks, workflow runs and statuses as GitHub's documents."""

from __future__ import annotations

from pullwright.integrations.testing.check_records import ACTIONS_APP, CheckRun, CheckSuite, StatusRecord, WorkflowRun
from pullwright.integrations.testing.forge_state import ForgeState, Repository
from pullwright.integrations.testing.github_documents import Document, Documents
from pullwright.integrations.testing.pull_documents import PullDocuments

_ACTIONS_PERMISSIONS = {"actions": "write", "checks": "write", "contents": "read", "metadata": "read"}


class CheckDocuments:
    """Renders what belongs to checks."""

    def __init__(self, state: ForgeState, documents: Documents, pulls: PullDocuments) -> None:
        self._state = state
        self._documents = documents
        self._pulls = pulls

    def _api(self, repository: Repository) -> str:
        return f"{self._documents.api}/repos/{repository.slug}"

    def app(self, app_id: int) -> Document:
        """Return the App of a suite; GitHub Actions is one of them."""
        found = self._state.app(app_id)
        if found is not None:
            return self._documents.app(found)
        stamp = "2018-07-30T09:30:17Z"
        return {
            "id": ACTIONS_APP,
            "client_id": "Iv1.05c79e9ad1f6bdfa",
            "slug": "github-actions",
            "node_id": f"A_{ACTIONS_APP}",
            "owner": self._documents.user("github"),
            "name": "GitHub Actions",
            "description": "Automate your workflow from idea to production",
            "external_url": self._documents.web,
            "html_url": f"{self._documents.web}/apps/github-actions",
            "created_at": stamp,
            "updated_at": stamp,
            "permissions": _ACTIONS_PERMISSIONS,
            "events": ["push"],
        }

    def _linked(self, repository: Repository, suite: CheckSuite) -> list[Document]:
        pulls = [p for p in repository.pulls.values() if p.branch == suite.branch and p.issue.state == "open"]
        return [self._pulls.linked(repository, p) for p in pulls if repository.head_sha(p) == suite.sha]

    def _head_commit(self, repository: Repository, sha: str) -> Document:
        info = repository.bare.commit_info(sha)
        people = {
            side: {"name": who["name"], "email": who["email"]}
            for side, who in (("author", info.author), ("committer", info.committer))
        }
        shared = {"id": sha, "tree_id": info.tree, "message": info.message, "timestamp": info.committer["date"]}
        return {**shared, **people}

    def suite(self, repository: Repository, suite: CheckSuite) -> Document:
        """Return a check suite."""
        url = f"{self._api(repository)}/check-suites/{suite.id}"
        return {
            "id": suite.id,
            "node_id": f"CS_{suite.id}",
            "head_branch": suite.branch,
            "head_sha": suite.sha,
            "status": suite.status,
            "conclusion": suite.conclusion,
            "url": url,
            "before": suite.before,
            "after": suite.sha,
            "pull_requests": self._linked(repository, suite),
            "app": self.app(suite.app_id),
            "created_at": suite.created,
            "updated_at": suite.updated,
            "rerequestable": True,
            "runs_rerequestable": True,
            "latest_check_runs_count": len(suite.runs),
            "check_runs_url": f"{url}/check-runs",
            "head_commit": self._head_commit(repository, suite.sha),
        }

    def full_suite(self, repository: Repository, suite: CheckSuite) -> Document:
        """Return a check suite as the REST API does, with its repository."""
        return {**self.suite(repository, suite), "repository": self._documents.repository(repository)}

    def run(self, repository: Repository, suite: CheckSuite, run: CheckRun) -> Document:
        """Return a check run."""
        url = f"{self._api(repository)}/check-runs/{run.id}"
        page = f"{self._documents.web}/{repository.slug}/runs/{run.id}"
        if suite.workflow is not None:
            page = f"{self._documents.web}/{repository.slug}/actions/runs/{suite.workflow.id}/job/{run.id}"
        output = {"title": None, "summary": None, "text": None, **run.output}
        annotations = output.pop("annotations", [])
        address = {"annotations_count": len(annotations), "annotations_url": f"{url}/annotations"}
        return {
            "id": run.id,
            "node_id": f"CR_{run.id}",
            "head_sha": suite.sha,
            "name": run.name,
            "external_id": run.external_id,
            "url": url,
            "html_url": page,
            "details_url": run.details_url or page,
            "status": run.status,
            "conclusion": run.conclusion,
            "started_at": run.started or suite.created,
            "completed_at": run.completed or None,
            "output": {**output, **address},
            "app": self.app(suite.app_id),
            "check_suite": self.suite(repository, suite),
            "pull_requests": self._linked(repository, suite),
        }

    def workflow(self, repository: Repository, workflow: WorkflowRun) -> Document:
        """Return the workflow of a run."""
        number = repository.id * 1000 + sum(workflow.name.encode())
        path = f".github/workflows/{workflow.name.lower()}.yml"
        web = f"{self._documents.web}/{repository.slug}"
        return {
            "id": number,
            "node_id": f"W_{number}",
            "name": workflow.name,
            "path": path,
            "state": "active",
            "created_at": "2026-01-05T09:00:00.000Z",
            "updated_at": "2026-01-05T09:00:00.000Z",
            "url": f"{self._api(repository)}/actions/workflows/{number}",
            "html_url": f"{web}/blob/{repository.default_branch}/{path}",
            "badge_url": f"{web}/workflows/{workflow.name}/badge.svg",
        }

    def workflow_run(self, repository: Repository, suite: CheckSuite, workflow: WorkflowRun) -> Document:
        """Return a run of a workflow."""
        url = f"{self._api(repository)}/actions/runs/{workflow.id}"
        definition = self.workflow(repository, workflow)
        person = self._documents.user(workflow.actor)
        # GitHub names a repository in here in its short form; the long one has everything of it.
        repo = self._documents.repository(repository)
        below = ("jobs", "logs", "artifacts", "cancel", "rerun")
        return {
            "id": workflow.id,
            "node_id": f"WFR_{workflow.id}",
            "name": workflow.name,
            "path": definition["path"],
            "display_title": repository.bare.commit_info(suite.sha).message.partition("\n")[0],
            "head_branch": suite.branch,
            "head_sha": suite.sha,
            "run_number": workflow.number,
            "run_attempt": workflow.attempt,
            "run_started_at": suite.created,
            "event": workflow.event,
            "status": suite.status,
            "conclusion": suite.conclusion,
            "workflow_id": definition["id"],
            "workflow_url": definition["url"],
            "check_suite_id": suite.id,
            "check_suite_node_id": f"CS_{suite.id}",
            "check_suite_url": f"{self._api(repository)}/check-suites/{suite.id}",
            "url": url,
            "html_url": f"{self._documents.web}/{repository.slug}/actions/runs/{workflow.id}",
            **{f"{name}_url": f"{url}/{name}" for name in below},
            "previous_attempt_url": f"{url}/attempts/{workflow.attempt - 1}" if workflow.attempt > 1 else None,
            "pull_requests": self._linked(repository, suite),
            "created_at": suite.created,
            "updated_at": suite.updated,
            "actor": person,
            "triggering_actor": person,
            "head_commit": self._head_commit(repository, suite.sha),
            "referenced_workflows": [],
            "repository": repo,
            "head_repository": repo,
        }

    def job(self, repository: Repository, suite: CheckSuite, workflow: WorkflowRun, run: CheckRun) -> Document:
        """Return a job of a workflow's run."""
        api = self._api(repository)
        return {
            "id": run.id,
            "node_id": f"CR_{run.id}",
            "run_id": workflow.id,
            "run_url": f"{api}/actions/runs/{workflow.id}",
            "run_attempt": workflow.attempt,
            "head_sha": suite.sha,
            "head_branch": suite.branch,
            "workflow_name": workflow.name,
            "url": f"{api}/actions/jobs/{run.id}",
            "html_url": f"{self._documents.web}/{repository.slug}/actions/runs/{workflow.id}/job/{run.id}",
            "check_run_url": f"{api}/check-runs/{run.id}",
            "name": run.name,
            "status": run.status,
            "conclusion": run.conclusion,
            "created_at": suite.created,
            "started_at": run.started or suite.created,
            "completed_at": run.completed or None,
            "labels": ["ubuntu-latest"],
            "runner_id": 1,
            "runner_name": "rehearsal",
            "runner_group_id": 1,
            "runner_group_name": "rehearsal",
            "steps": [],
        }

    def status(self, repository: Repository, status: StatusRecord) -> Document:
        """Return a commit status."""
        return {
            "id": status.id,
            "node_id": f"SC_{status.id}",
            "url": f"{self._api(repository)}/statuses/{status.sha}",
            "avatar_url": f"{self._documents.web}/avatars/{status.creator}",
            "state": status.state,
            "context": status.context,
            "description": status.description or None,
            "target_url": status.target_url or None,
            "creator": self._documents.user(status.creator),
            "created_at": status.created,
            "updated_at": status.created,
        }
