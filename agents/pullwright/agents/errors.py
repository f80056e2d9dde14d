"""Every error that crosses a boundary of this project.

Two questions decide the class: who can act on it, and is trying again sensible (``retryable``).

::

    PullwrightError
    ├─ ConfigError            the operator changes a setting or an argument; the command exits with 2
    ├─ TaskError              TaskNotFound · DuplicateTask · IllegalTransition · LeaseLost
    ├─ StoreError             StoreUnavailable(retry) · BlobMissing
    ├─ BudgetExceeded         StepLimit · TokenLimit · TimeLimit · CostLimit · NoProgress     an expected end, not a bug
    ├─ ModelError             ModelUnavailable(retry) · RateLimited(retry) · ContextTooLong · EndpointMisconfigured
    │                         MalformedReply
    ├─ ToolError              goes back to the model as text: ToolRejected · ToolFailed · ToolTimeout
    ├─ SandboxError           SandboxUnavailable(retry) · ImageError · SetupFailed · SandboxGone · ProtocolViolation
    │                         ServiceError · DiskFull
    ├─ IntegrationError       AuthFailed · NotFound · RemoteUnavailable(retry, RemoteRateLimited) · RemoteRejected
    └─ ChangeError            EmptyChange · ChangeRefused · PatchTooLarge · PushRejected · Outdated

The message is one line that names the object and says what to do next.
"""

from __future__ import annotations

from typing import ClassVar


class PullwrightError(Exception):
    """Base of every error that is expected to reach a person; its text is shown without a traceback."""

    retryable: ClassVar[bool] = False


class ConfigError(PullwrightError):
    """A setting or an argument is wrong and the operator can fix it."""


class TaskError(PullwrightError):
    """A task can not do what was asked of it."""


class TaskNotFound(TaskError, LookupError):
    """No task has the given id."""


class DuplicateTask(TaskError):
    """A live task with the same work key exists."""


class IllegalTransition(TaskError):
    """The task's status does not allow the requested change."""


class LeaseLost(TaskError):
    """Another attempt owns the task now; nothing may be written by this one."""


class DamagedTask(TaskError):
    """What the database has of a task can not be read: somebody edited its rows, or a newer release wrote them."""


class StoreError(PullwrightError):
    """The durable store can not do what was asked of it."""


class StoreUnavailable(StoreError):
    """The database did not answer for as long as it was waited for."""

    retryable = True


class BlobMissing(StoreError, LookupError):
    """A blob is not there, or is not what was kept."""


class BudgetExceeded(PullwrightError):
    """The run reached one of its limits."""


class StepLimit(BudgetExceeded):
    """The run took as many steps as it was allowed."""


class TokenLimit(BudgetExceeded):
    """The run used as many tokens as it was allowed."""


class TimeLimit(BudgetExceeded, TimeoutError):
    """The run took as much time as it was allowed."""


class CostLimit(BudgetExceeded):
    """The run cost as much as it was allowed."""


class NoProgress(BudgetExceeded):
    """The run repeats itself and would spend the rest of its budget that way."""


class ModelError(PullwrightError):
    """The model endpoint did not give a usable reply."""


class ModelUnavailable(ModelError):
    """The endpoint could not be reached or is overloaded."""

    retryable = True


class RateLimited(ModelUnavailable):
    """The endpoint asked us to slow down.

    Attributes:
        retry_after: Seconds the endpoint asked us to wait, or None.
    """

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class ContextTooLong(ModelError):
    """The conversation does not fit in the model's window."""


class EndpointMisconfigured(ModelError):
    """The endpoint answers, but was started or addressed in a way that can not work (key, name, parser)."""


class MalformedReply(ModelError):
    """The reply could not be understood, even after asking again."""

    retryable = True


class ToolError(PullwrightError):
    """A tool could not do what the model asked; the text goes back to the model."""


class ToolRejected(ToolError):
    """The call was wrong (unknown tool, bad arguments); the model can correct it."""


class ToolFailed(ToolError):
    """The call was right, the action failed."""


class ToolTimeout(ToolError, TimeoutError):
    """The action took longer than it was allowed."""


class SandboxError(PullwrightError):
    """The sandbox is broken; a failing command inside it is a result, not an error."""


class SandboxUnavailable(SandboxError):
    """No container engine answers, or it refuses to start a container."""

    retryable = True


class ImageError(SandboxError):
    """The sandbox image is missing and could not be built."""


class SetupFailed(SandboxError):
    """The repository's own set-up script did not succeed."""


class ServiceError(SandboxError):
    """A background service could not be started, or there is none of that name."""


class DiskFull(SandboxError):
    """The sandbox used more disk than it may, or the engine's disk is full."""


class SandboxGone(SandboxError):
    """The container or its stream ended while it was in use."""

    retryable = True


class ProtocolViolation(SandboxError):
    """The container's side sent bytes that break the frame protocol."""


class IntegrationError(PullwrightError):
    """A service outside (GitHub, Jira, Sentry) did not do what was asked."""


class AuthFailed(IntegrationError):
    """The token was refused or lacks a permission."""


class NotFound(IntegrationError, LookupError):
    """The object does not exist, or the token may not see it."""


class RemoteUnavailable(IntegrationError):
    """The service could not be reached or is overloaded."""

    retryable = True


class RemoteRateLimited(RemoteUnavailable):
    """The service asked us to slow down: the work is put off, nothing sleeps meanwhile.

    Attributes:
        retry_after: Seconds to wait at least.
    """

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class RemoteRejected(IntegrationError):
    """The service understood the request and refused it."""


class ChangeError(PullwrightError):
    """The change could not be taken out, committed or pushed."""


class EmptyChange(ChangeError):
    """Nothing differs from the base."""


class ChangeRefused(ChangeError):
    """The change holds something that policy does not let out (a path, a link, a size)."""


class PatchTooLarge(ChangeRefused):
    """The patch is larger than the allowed number of bytes."""


class PushRejected(ChangeError):
    """The code host refused the branch."""


class Outdated(ChangeError):
    """What the change was to go onto has become something else: its branch moved, or its pull request was closed."""
