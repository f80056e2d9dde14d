"""Environment: what a repository asks its sandbox to be, read from its base commit and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pullwright.agents.egress import EgressPolicy

SETUP_SECONDS: Final = 600.0
"""Seconds that setting an environment up may take unless the repository says otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """A sandbox as its owner wants it. The default is our own image with package egress and no set-up."""

    source: str = ""
    """The file that says all this (``.agent/environment.toml``); empty when no file does."""
    image: str = ""
    """Image to run in; empty for ours."""
    dockerfile: str = ""
    """Path in the repository of a Dockerfile to build the image from; empty for none."""
    context: str = "."
    """Folder in the repository that is the build's context."""
    setup: str = ""
    """Bash script that runs once, as root, in the workspace; its result is kept and reused."""
    setup_seconds: float = SETUP_SECONDS
    setup_required: bool = True
    """Whether a failing set-up ends the run."""
    setup_egress: EgressPolicy = EgressPolicy()
    """What the set-up may reach."""
    lockfiles: tuple[str, ...] = ()
    """Files whose content decides, with image and script, whether a set-up can be reused; empty: the known ones."""
    caches: tuple[str, ...] = ()
    """Folders that one set-up leaves to the next; no agent ever sees them."""
    variables: tuple[tuple[str, str], ...] = ()
    """Added to the environment of every command."""
    egress: EgressPolicy = EgressPolicy()
    """What the agent and the checks may reach."""
    checks: tuple[str, ...] = ()
    """Commands that decide whether a change is good."""
    allow_paths: tuple[str, ...] = ()
    """Patterns of protected paths that changes to this repository may touch."""
    commit: str = ""
    """The commit that all this is from, where that is not the base: what it builds, it builds from there."""
    notices: tuple[str, ...] = ()
    """One line each about what was asked for and not done, for people."""


PLAIN: Final = Environment()
