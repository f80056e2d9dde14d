"""Everything that can be done at one forge, and the APIs that do it."""

from __future__ import annotations

from dataclasses import dataclass

from pullwright.integrations.testing.app_acts import AppActs
from pullwright.integrations.testing.check_acts import CheckActs
from pullwright.integrations.testing.forge_parts import ForgeParts
from pullwright.integrations.testing.github_api import GitHubApi
from pullwright.integrations.testing.github_apps import AppEndpoints
from pullwright.integrations.testing.github_checks import CheckEndpoints
from pullwright.integrations.testing.github_code import CodeEndpoints
from pullwright.integrations.testing.github_graphql import GraphQLEndpoint
from pullwright.integrations.testing.github_hooks import HookEndpoints
from pullwright.integrations.testing.github_issues import IssueEndpoints
from pullwright.integrations.testing.github_pulls import PullEndpoints
from pullwright.integrations.testing.github_reviews import ReviewEndpoints
from pullwright.integrations.testing.github_setup import LabelEndpoints
from pullwright.integrations.testing.issue_acts import IssueActs
from pullwright.integrations.testing.pipelines import PipelineRunner
from pullwright.integrations.testing.pull_acts import PullActs
from pullwright.integrations.testing.repository_acts import RepositoryActs


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgeActs:
    """All acts of one forge."""

    issues: IssueActs
    pulls: PullActs
    checks: CheckActs
    repositories: RepositoryActs
    apps: AppActs
    runner: PipelineRunner
    hooks: HookEndpoints


def make_acts(parts: ForgeParts) -> ForgeActs:
    """Return the acts on these parts; whatever is pushed is checked by the pipelines."""
    issues, pulls, checks = IssueActs(parts), PullActs(parts), CheckActs(parts)
    repositories = RepositoryActs(parts, issues, pulls)
    runner = PipelineRunner(parts, checks)
    repositories.listeners.append(runner.pushed)
    return ForgeActs(
        issues=issues,
        pulls=pulls,
        checks=checks,
        repositories=repositories,
        apps=AppActs(parts),
        runner=runner,
        hooks=HookEndpoints(parts),
    )


def make_api(parts: ForgeParts, acts: ForgeActs) -> GitHubApi:
    """Return GitHub's APIs over these parts."""
    tables = (
        PullEndpoints(parts, acts.issues, acts.pulls).table(),
        ReviewEndpoints(parts, acts.issues, acts.pulls).table(),
        IssueEndpoints(parts, acts.issues).table(),
        LabelEndpoints(parts).table(),
        CheckEndpoints(parts, acts.checks, acts.runner).table(),
        acts.hooks.table(),
        CodeEndpoints(parts, acts.repositories).table(),
    )
    return GitHubApi(parts, tables, AppEndpoints(parts, acts.apps), GraphQLEndpoint(parts, acts.pulls))
