"""Which paths decide what runs, where code comes from and who is asked; and which ones a reviewer wants to know of.

Patterns are those of ``.gitignore``, in lower case; paths are compared without case, composed, and without what Windows
and HFS+ leave out of names.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from pathspec import GitIgnoreSpec

from pullwright.agents.errors import ConfigError
from pullwright.sandbox.policy_links import folded, plain
from pullwright.sandbox.policy_tree import TreeChange, TreeEntry

PROTECTED: Final[Mapping[str, Sequence[str]]] = {
    "a CI definition": (
        "/.github/workflows", "/.github/actions", "/.gitea/workflows", "/.forgejo/workflows", ".gitlab-ci*.yml",
        ".gitlab-ci*.yaml", "/.gitlab", "/.circleci", ".travis.yml", "jenkinsfile*", "*.jenkinsfile",
        "azure-pipelines*.yml", "azure-pipelines*.yaml", "/.azure-pipelines", "/.azuredevops",
        "bitbucket-pipelines.yml", ".drone.yml", ".drone.star", "/.woodpecker*", "/.buildkite", "appveyor.yml",
        ".appveyor.yml", "/.teamcity", "cloudbuild.yaml", "cloudbuild.yml", "cloudbuild.json", "/.tekton",
        "/.semaphore", ".cirrus.yml", ".cirrus.star", "buildspec.yml", "buildspec.yaml", "codefresh.yml",
        "/.zuul.yaml", "/.zuul.d", "/.builds", "/.build.yml",
    ),
    "a rule of who owns code": ("/codeowners", "/.github/codeowners", "/docs/codeowners"),
    "a setting of a repository bot": (
        "/.github/dependabot.yml", "/.github/dependabot.yaml", "renovate.json", "renovate.json5", ".renovaterc",
        ".renovaterc.json", ".renovaterc.json5", "/.github/settings.yml", ".mergify.yml", "/.github/mergify.yml",
    ),
    "a git hook": (
        ".githooks", ".git-hooks", ".husky", ".pre-commit-config.yaml", ".pre-commit-config.yml",
        ".pre-commit-hooks.yaml", "lefthook*.yml", "lefthook*.yaml", "lefthook*.toml", "lefthook*.json",
        ".lefthook*", ".overcommit.yml", ".simple-git-hooks.*", "simple-git-hooks.*",
    ),
    "a development container": (".devcontainer", ".devcontainer.json", "devcontainer.json", ".gitpod.yml",
                                ".gitpod.dockerfile"),
    "a setting of coding agents": (
        "/.agent", "pullwright.toml", "/.openhands", ".mcp.json", "**/.cursor/mcp.json", "**/.vscode/mcp.json",
        "**/.claude/settings*.json", "**/.claude/hooks",
    ),
    "a setting of an editor that starts programs": (
        "**/.vscode/tasks.json", "**/.vscode/launch.json", "**/.vscode/settings.json", "*.code-workspace",
        "**/.idea/runconfigurations", "**/.idea/workspace.xml", "**/.run/*.run.xml", "**/.zed/tasks.json",
        "**/.zed/settings.json",
    ),
    "a shell environment": (".envrc",),
    "a setting of where packages come from": (
        ".npmrc", ".yarnrc", ".yarnrc.yml", ".pnpmfile.cjs", "bunfig.toml", "pip.conf", "pip.ini", ".pypirc", "uv.toml",
        "**/.cargo/config", "**/.cargo/config.toml", "**/.bundle/config", "**/.mvn", "nuget.config", ".condarc",
        ".netrc", ".lfsconfig",
    ),
}  # fmt: skip
"""What starts by itself, asks for approval or redirects a download: an owner has to allow changes to it."""

LOCK_FILES: Final = "lock files"

NOTABLE: Final[Mapping[str, Sequence[str]]] = {
    LOCK_FILES: (
        "*.lock", "*.lockb", "*-lock.json", "*-lock.yaml", "*.lock.json", "npm-shrinkwrap.json", "go.sum",
        "package.resolved", "gradle.lockfile", "buildscript-gradle.lockfile",
    ),
    "container images": ("dockerfile*", "*.dockerfile", "containerfile*", "docker-compose*.y*ml", "compose*.y*ml"),
    "words for coding agents": ("agents.md", "claude.md", "gemini.md", ".cursorrules", ".windsurfrules",
                                "/.github/copilot-instructions.md", "/.github/instructions"),
    "git attributes, which can hide files from a review": (".gitattributes",),
    "database migrations": ("**/migrations/**", "**/alembic/versions/**", "**/db/migrate/**"),
}  # fmt: skip
"""What is often right and always worth a look."""

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
_WINDOWS: Final = re.compile(r'[<>:"|?*\\]|[ .]$|(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?$', re.IGNORECASE)


class PathGroups:
    """Says which of some named groups of patterns a path belongs to."""

    def __init__(self, groups: Mapping[str, Sequence[str]]) -> None:
        pairs = [(group, pattern) for group, patterns in groups.items() for pattern in patterns]
        self._names = [group for group, _ in pairs]
        self._spec = GitIgnoreSpec.from_lines(pattern for _, pattern in pairs)
        first = [(pattern.removeprefix("**").strip("/").partition("/")[0], group) for group, pattern in pairs]
        self._folders = {folder: group for folder, group in reversed(first) if folder.startswith(".")}

    def of(self, path: bytes, *, link: bool = False) -> str:
        """Return the group of a path, or nothing.

        Args:
            path: A path of a tree.
            link: Whether it is a link, which stands for whatever could be below it.
        """
        name = plain(path)
        index = self._spec.check_file(name).index
        if index is not None:
            return self._names[index]
        return self._folders.get(name.rpartition("/")[2], "") if link else ""


class AllowedPaths:
    """The protected paths that an owner lets changes touch, with case.

    Raises:
        ConfigError: A pattern is none.
    """

    def __init__(self, patterns: Iterable[str]) -> None:
        try:
            self._spec = GitIgnoreSpec.from_lines(unicodedata.normalize("NFC", pattern) for pattern in patterns)
        except ValueError as exc:
            raise ConfigError(
                f"allow_paths holds something that is no pattern ({exc}): write it as in .gitignore"
            ) from exc

    def __contains__(self, path: bytes) -> bool:
        return self._spec.match_file(unicodedata.normalize("NFC", path.decode("utf-8", "surrogateescape")))


def collision(old: Iterable[TreeEntry], new: Iterable[TreeEntry]) -> tuple[bytes, bytes] | None:
    """Return a new name and another one that it can not stand beside on a file system without case, or None."""
    known = _prefixes(old)
    spelled: dict[str, bytes] = {}
    fresh: list[bytes] = []
    for name in _prefixes(new):
        if name in known:
            spelled[folded(name)] = name
        else:
            fresh.append(name)
    for name in fresh:
        other = spelled.setdefault(folded(name), name)
        if other != name:
            return name, other
    return None


def names(path: bytes) -> list[str]:
    """Return the names of a path; what is not UTF-8 in them becomes surrogates."""
    return path.decode("utf-8", "surrogateescape").split("/")


def new_names(changes: Sequence[TreeChange], old: Iterable[TreeEntry]) -> Mapping[bytes, str]:
    """Return the names of files and folders that the base does not have, by their paths."""
    known = _prefixes(old)
    found: dict[bytes, str] = {}
    for change in changes:
        if change.is_new:
            for place in _above(change.path):
                if place not in known:
                    found[place] = names(place)[-1]
    return found


def steers(name: str) -> bool:
    """Whether a name holds characters that change what a person sees of it, or where a line ends."""
    return _CONTROL.search(name) is not None


def is_awkward(name: str) -> bool:
    """Whether some systems can not hold a name, or hold it under another one."""
    return _WINDOWS.search(name) is not None or any("\ud800" <= char <= "\udfff" for char in name)


def _prefixes(entries: Iterable[TreeEntry]) -> set[bytes]:
    found: set[bytes] = set()
    for entry in entries:
        for place in _above(entry.path):
            if place in found:
                break
            found.add(place)
    return found


def _above(path: bytes) -> Iterable[bytes]:
    """Yield a path and the folders that it is in, from the inside."""
    while path:
        yield path
        path = path.rpartition(b"/")[0]
