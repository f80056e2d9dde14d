"""What comes out of a run: a commit on a branch, the evidence for it, and a pull request."""

from __future__ import annotations

from dataclasses import dataclass

from pullwright.agents.egress import EgressDecision


@dataclass(frozen=True, slots=True, kw_only=True)
class RepositoryRef:
    """A repository, wherever it is."""

    url: str
    """What git fetches from: an https URL without credentials, or an absolute path."""
    host: str = ""
    """Host name of the code host (with port, if it has one); empty for a local repository."""
    owner: str = ""
    name: str = ""

    @property
    def slug(self) -> str:
        """``owner/name``, or the last part of a local path."""
        return f"{self.owner}/{self.name}" if self.owner else self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class FileStat:
    """Lines added and removed in one file; None for a binary file."""

    path: str
    added: int | None
    removed: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A commit that exists in our mirror and nowhere else yet."""

    repository: RepositoryRef
    base_ref: str
    base_sha: str
    head_sha: str
    branch: str
    title: str
    files: tuple[FileStat, ...] = ()
    notices: tuple[str, ...] = ()
    """What a reviewer should look at twice, one line each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """One check command, run once in a fresh container."""

    command: str
    exit_code: int | None
    """None when the command was stopped at its time limit."""
    seconds: float
    output: str
    """Head and tail, as a person would see it."""

    @property
    def passed(self) -> bool:
        """Whether the command exited with 0."""
        return self.exit_code == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What fresh containers said about a change: on the base, with its tests alone, and with all of it."""

    chosen_by: str
    """``owner`` (settings or --check) or ``agent`` (named by the model when it finished)."""
    before: tuple[CheckResult, ...] = ()
    after: tuple[CheckResult, ...] = ()
    tests_alone: tuple[CheckResult, ...] = ()
    """On the base with nothing of the change but its files of tests; empty where that would tell nothing."""
    named: tuple[str, ...] = ()
    """Commands that the model named beside the owner's checks."""
    egress: tuple[EgressDecision, ...] = ()
    """What the checks wanted to reach."""

    @property
    def verified(self) -> bool:
        """Whether at least one check ran and all of them passed with the change."""
        return bool(self.after) and all(result.passed for result in self.after)

    @property
    def tests_fail_alone(self) -> bool:
        """Whether the tests of the change were seen to fail without the rest of it."""
        return any(not result.passed for result in self.tests_alone)

    @property
    def mended(self) -> bool:
        """Whether a check of the owner's, which knows nothing of the change, failed on the clean base and now passes.

        One that the model chose may fail there only because its test is not there yet.
        """
        owners = {result.command for result in self.before if self.chosen_by == "owner"} - {*self.named}
        return self.verified and any(not result.passed for result in self.before if result.command in owners)


@dataclass(frozen=True, slots=True, kw_only=True)
class PullRequest:
    """A pull request on the code host."""

    number: int
    url: str
    branch: str
    state: str = "open"
    draft: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Continuation:
    """An open pull request of ours that a task goes on with, rather than opening one of its own."""

    number: int
    url: str
    branch: str
    """Its branch, which the task adds to; never another one."""
    base_ref: str
    """The branch that it goes to. What drives the agent (``AGENTS.md``, ``.agent/``) is read from there."""
    head_sha: str = ""
    """The only commit that the task is about: it ends when the branch has moved on. Empty for whatever the head is."""
    rebase: bool = False
    """Make the change again on the tip of ``base_ref`` and replace ``head_sha`` by it; needs ``head_sha``."""
