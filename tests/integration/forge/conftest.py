from __future__ import annotations

import base64
import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from pullwright.integrations.github import GitHubCodeHost, GitHubSettings
from pullwright.integrations.github.tuning import GitHubTuning
from pullwright.integrations.testing.forge import AGENT_TOKEN, RehearsalForge


@pytest.fixture
def forge() -> Iterator[RehearsalForge]:
    with RehearsalForge() as running:
        yield running
        assert running.violations == []


@pytest.fixture
def code_host(forge: RehearsalForge) -> Callable[..., GitHubCodeHost]:
    def make(token: str = AGENT_TOKEN, **tuning: float) -> GitHubCodeHost:
        settings = GitHubSettings(api_url=forge.api_url, token=token, ca_file=forge.ca_file)
        return GitHubCodeHost(settings, GitHubTuning(**{"backoff": 0, "rate_limit_wait": 1, **tuning}))  # type: ignore[arg-type]

    return make


@dataclass(frozen=True)
class GitClient:
    """git as a person has it, with a token that it gets by environment only."""

    ca_file: Path
    home: Path

    def __call__(self, *arguments: str, token: str = "", cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "LC_ALL": "C",
            "GIT_SSL_CAINFO": str(self.ca_file),
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_AUTHOR_NAME": "a",
            "GIT_AUTHOR_EMAIL": "a@localhost",
            "GIT_COMMITTER_NAME": "a",
            "GIT_COMMITTER_EMAIL": "a@localhost",
        }
        if token:
            value = base64.b64encode(f"x-access-token:{token}".encode()).decode()
            environment |= {
                "GIT_CONFIG_COUNT": "1",
                "GIT_CONFIG_KEY_0": "http.extraHeader",
                "GIT_CONFIG_VALUE_0": f"Authorization: Basic {value}",
            }
        return subprocess.run(
            ["git", *arguments], cwd=cwd, env=environment, capture_output=True, text=True, check=False, timeout=60
        )


@pytest.fixture
def git(forge: RehearsalForge, tmp_path: Path) -> GitClient:
    return GitClient(forge.ca_file, tmp_path)
