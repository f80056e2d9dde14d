"""The parts of webhook payloads that the bot reads; GitHub adds members and actions all the time.

Only what a meaning can not do without is required, because a payload may be older or newer than any document of it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


def _well_formed(value: object) -> object:
    # Half characters can be written in JSON but not stored; NUL is refused by some databases.
    return value.encode("utf-8", "replace").decode().replace("\0", "\ufffd") if isinstance(value, str) else value


Text = Annotated[str, BeforeValidator(_well_formed)]
Id = Annotated[int, Field(ge=0, lt=2**63, strict=True)]


class Part(BaseModel):
    """Base of the models below."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class UserPart(Part):
    """Whoever did or wrote something."""

    id: Id
    login: Text
    type: Text = "User"


class AppPart(Part):
    """A GitHub App."""

    id: Id
    slug: Text | None = None


class RepositoryPart(Part):
    """A repository."""

    id: Id
    full_name: Text
    private: bool = True
    archived: bool = False
    default_branch: Text | None = None


class InstallationPart(Part):
    """An installation of the App."""

    id: Id
    account: UserPart | None = None
    permissions: dict[str, Text] | None = None
    suspended_at: Text | int | None = None


class LabelPart(Part):
    """A label."""

    name: Text


class IssuePart(Part):
    """An issue, or the issue side of a pull request."""

    number: Id
    node_id: Text = ""
    title: Text = ""
    body: Text | None = None
    state: Text = "open"
    locked: bool = False
    user: UserPart | None = None
    created_at: datetime | None = None
    pull_request: dict[str, object] | None = None
    labels: list[LabelPart] = Field(default_factory=list)


class HeadPart(Part):
    """One side of a pull request."""

    ref: Text = ""
    sha: Text = ""
    repo: RepositoryPart | None = None


class PullRequestPart(Part):
    """A pull request."""

    number: Id
    node_id: Text = ""
    title: Text = ""
    body: Text | None = None
    state: Text = "open"
    locked: bool = False
    merged: bool | None = None
    merged_at: datetime | None = None
    closed_at: datetime | None = None
    user: UserPart | None = None
    head: HeadPart = HeadPart()
    base: HeadPart = HeadPart()
    maintainer_can_modify: bool | None = None


class CommentPart(Part):
    """A comment of an issue, a pull request or a review."""

    id: Id
    body: Text | None = None
    user: UserPart | None = None
    created_at: datetime | None = None
    performed_via_github_app: AppPart | None = None
    pull_request_review_id: Id | None = None
    in_reply_to_id: Id | None = None
    path: Text | None = None


class ReviewPart(Part):
    """A review."""

    id: Id
    state: Text = ""
    body: Text | None = None
    user: UserPart | None = None
    commit_id: Text | None = None
    submitted_at: datetime | None = None


class ThreadPart(Part):
    """A thread of review comments."""

    node_id: Text
    comments: list[CommentPart] = Field(default_factory=list)


class NumberPart(Part):
    """A pull request by its number."""

    number: Id


class CheckSuitePart(Part):
    """The checks of one App on one commit."""

    id: Id
    head_branch: Text | None = None
    head_sha: Text | None = None
    conclusion: Text | None = None
    updated_at: datetime | None = None
    app: AppPart | None = None
    pull_requests: list[NumberPart] | None = None


class CheckRunPart(Part):
    """One check."""

    id: Id
    name: Text = ""
    head_sha: Text
    external_id: Text | None = None
    conclusion: Text | None = None
    completed_at: datetime | None = None
    app: AppPart | None = None
    check_suite: CheckSuitePart | None = None
    pull_requests: list[NumberPart] | None = None


class WorkflowRunPart(Part):
    """One run of an Actions workflow."""

    id: Id
    name: Text | None = None
    head_branch: Text | None = None
    head_sha: Text
    conclusion: Text | None = None
    check_suite_id: Id | None = None
    run_attempt: Id = 1
    actor: UserPart | None = None
    triggering_actor: UserPart | None = None
    pull_requests: list[NumberPart] | None = None


class ActionPart(Part):
    """The button of a check run that somebody pressed."""

    identifier: Text


class EventPayload(Part):
    """A payload; every event has some of this."""

    sender: UserPart | None = None
    repository: RepositoryPart | None = None
    installation: InstallationPart | None = None
    issue: IssuePart | None = None
    comment: CommentPart | None = None
    label: LabelPart | None = None
    assignee: UserPart | None = None
    pull_request: PullRequestPart | None = None
    review: ReviewPart | None = None
    thread: ThreadPart | None = None
    check_run: CheckRunPart | None = None
    check_suite: CheckSuitePart | None = None
    workflow_run: WorkflowRunPart | None = None
    requested_action: ActionPart | None = None
    repositories: list[RepositoryPart] | None = None
    repositories_added: list[RepositoryPart] | None = None
    repositories_removed: list[RepositoryPart] | None = None
    changes: dict[str, object] | None = None
    before: Text | None = None
    after: Text | None = None
    hook_id: Id | None = None
