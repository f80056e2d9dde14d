"""What the rehearsal remembers of checks: suites with their runs, and the old commit statuses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

ACTIONS_APP = 15368
"""The App id of GitHub Actions, the same at every GitHub."""
BAD_CONCLUSIONS = ("failure", "timed_out", "cancelled", "action_required", "stale", "startup_failure")


@dataclass(slots=True, kw_only=True)
class CheckRun:
    """One check; a job of Actions has one as well, with the same id."""

    id: int
    name: str
    status: str = "queued"
    conclusion: str | None = None
    external_id: str = ""
    details_url: str = ""
    started: str = ""
    completed: str = ""
    output: Mapping[str, Any] = field(default_factory=dict)
    actions: list[Mapping[str, str]] = field(default_factory=list)
    log: str = ""


@dataclass(slots=True, kw_only=True)
class WorkflowRun:
    """What a suite of Actions has beyond other suites."""

    id: int
    name: str
    number: int
    actor: str
    event: str = "push"
    attempt: int = 1


@dataclass(slots=True, kw_only=True)
class CheckSuite:
    """The checks of one App on one commit."""

    id: int
    app_id: int
    sha: str
    branch: str
    before: str
    created: str
    updated: str
    runs: list[CheckRun] = field(default_factory=list)
    workflow: WorkflowRun | None = None

    @property
    def status(self) -> str:
        """``completed`` once all runs are, and there is one."""
        found = {run.status for run in self.runs}
        if found <= {"completed"}:
            return "completed" if found else "queued"
        return "queued" if found == {"queued"} else "in_progress"

    @property
    def conclusion(self) -> str | None:
        """The worst conclusion of its runs, None before the end."""
        if self.status != "completed":
            return None
        found = [run.conclusion for run in self.runs]
        return next((bad for bad in BAD_CONCLUSIONS if bad in found), "success")


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusRecord:
    """A commit status."""

    id: int
    sha: str
    context: str
    state: str
    description: str
    target_url: str
    creator: str
    created: str
