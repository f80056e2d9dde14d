"""GitHub and what speaks like it: issues in, pull requests out."""

from pullwright.integrations.github.adapter import GitHubCodeHost
from pullwright.integrations.github.settings import GitHubSettings

__all__ = ["GitHubCodeHost", "GitHubSettings"]
