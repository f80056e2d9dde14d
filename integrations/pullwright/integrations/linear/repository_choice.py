"""What the rules for Linear look at. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from pullwright.integrations.repository_choice import check_target, like


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueTraits:
    """What rules look at."""

    team: tuple[str, ...] = ()
    """Key and name."""
    project: str = ""
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RepositoryRule:
    """One line of the settings. Everything that it names has to fit; patterns are those of file names."""

    repository: str
    """``owner/name``."""
    team: str = ""
    """Key or name."""
    project: str = ""
    label: str = ""
    path: str = ""
    """The folder of the repository that such issues are about; empty for all of it."""
    base: str = ""
    """The branch to start from; empty for the default branch."""

    def __post_init__(self) -> None:
        check_target(self, "Linear")

    @property
    def strength(self) -> int:
        """A label says more than a project, and that more than a team."""
        return 4 * bool(self.label) + 2 * bool(self.project) + bool(self.team)

    def fits(self, issue: IssueTraits) -> bool:
        """Whether an issue is one of those."""
        return like(self.team, issue.team) and like(self.project, [issue.project]) and like(self.label, issue.labels)
