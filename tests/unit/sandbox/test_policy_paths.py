from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pullwright.agents.errors import ConfigError
from pullwright.sandbox.policy_links import folded, leaves, link_map, plain
from pullwright.sandbox.policy_paths import NOTABLE, PROTECTED, AllowedPaths, PathGroups

GROUPS = PathGroups(PROTECTED)


@pytest.mark.parametrize(
    "path",
    [
        ".github/workflows/ci.yml",
        ".GitHub/Workflows/deep/ci.yml",
        ".github./workflows /ci.yml",
        ".git\u200dhub/workflows/ci.yml",
        ".github/actions/setup/action.yml",
        ".gitlab-ci.yml",
        "services/api/.gitlab-ci.yml",
        ".gitlab/ci/test.yml",
        "Jenkinsfile",
        "deploy/Jenkinsfile.release",
        "azure-pipelines-nightly.yml",
        ".woodpecker/build.yaml",
        "CODEOWNERS",
        "docs/CODEOWNERS",
        ".github/dependabot.yml",
        ".github/renovate.json",
        "web/.husky/pre-commit",
        ".githooks/post-checkout",
        ".pre-commit-config.yaml",
        "lefthook.yml",
        ".devcontainer/devcontainer.json",
        "sub/.devcontainer.json",
        ".agent/environment.toml",
        "pullwright.toml",
        "web/.vscode/tasks.json",
        ".idea/runConfigurations/x.xml",
        ".envrc",
        "web/.npmrc",
        ".yarnrc.yml",
        "pip.conf",
        "crates/x/.cargo/config.toml",
    ],
)
def test_what_decides_what_runs_is_protected(path: str) -> None:
    assert GROUPS.of(path.encode())


@pytest.mark.parametrize(
    "path",
    [
        ".github/ISSUE_TEMPLATE/bug.md",
        "src/workflows/ci.yml",
        "src/.github.py",
        "docs/codeowners.md",
        "src/CODEOWNERS",
        "jenkins.md",
        ".vscode/extensions.json",
        ".idea/misc.xml",
        "npmrc",
        "agent/environment.toml",
        "package.json",
        "pyproject.toml",
        "Makefile",
        ".gitignore",
        "...",
    ],
)
def test_ordinary_files_are_not(path: str) -> None:
    assert not GROUPS.of(path.encode())
    assert not GROUPS.of(path.encode(), link=True)


def test_a_link_stands_for_what_could_be_below_it() -> None:
    for path in (b".github", b".GITHUB", b".vscode", b"sub/.cargo", b".circleci"):
        assert GROUPS.of(path, link=True)
    assert not GROUPS.of(b".github")
    assert not GROUPS.of(b"docs", link=True)


@pytest.mark.parametrize(
    ("path", "group"),
    [
        ("package-lock.json", "lock files"),
        ("a/uv.lock", "lock files"),
        ("pnpm-lock.yaml", "lock files"),
        ("go.sum", "lock files"),
        ("Dockerfile.dev", "container images"),
        ("docker-compose.override.yml", "container images"),
        ("AGENTS.md", "words for coding agents"),
        ("x/.gitattributes", "git attributes, which can hide files from a review"),
        ("shop/migrations/0002_more.py", "database migrations"),
        ("src/lock.py", ""),
        ("package.json", ""),
    ],
)
def test_what_a_reviewer_wants_to_know_of(path: str, group: str) -> None:
    assert PathGroups(NOTABLE).of(path.encode()) == group


def test_what_an_owner_allows_is_read_as_in_gitignore_and_with_case() -> None:
    allowed = AllowedPaths(["/.github/workflows/", "!/.github/workflows/release.yml", "*.npmrc", "caf\u0065\u0301"])
    assert b".github/workflows/ci.yml" in allowed
    assert b".github/workflows/release.yml" not in allowed
    assert b".GitHub/workflows/ci.yml" not in allowed
    assert b"deep/.npmrc" in allowed
    assert "caf\u00e9".encode() in allowed
    assert b"\xff" not in allowed
    with pytest.raises(ConfigError, match="allow_paths"):
        AllowedPaths(["wrong\\"])


@pytest.mark.parametrize(
    ("path", "target", "out"),
    [
        (b"l", b"a/b", False),
        (b"d/l", b"../a", False),
        (b"d/l", b"../../a", True),
        (b"l", b"/etc/passwd", True),
        (b"l", b"..", True),
        (b"l", b".git/config", True),
        (b"d/l", b"../.GIT/hooks", True),
        (b"l", b"sub/.git/config", True),
        (b"l", b".git /config", True),
        (b"l", b".git::$INDEX_ALLOCATION/config", True),
        (b"l", b"git~1/config", True),
        (b"l", ".g\u200cit/config".encode(), True),
        (b"l", b"", True),
        (b"a/b/l", b"../../c/../..", True),
        (b"l", b"..hidden", False),
        (b"l", b".github/x", False),
        (b"l", b"a\0b", True),
        (b"l", b"..\\..\\x", True),
        (b"l", b"C:/x", True),
        (b"l", b"l", True),
        (b"l", b"./a//b/.", False),
    ],
    ids=range(21),
)
def test_where_links_may_point(path: bytes, target: bytes, out: bool) -> None:
    assert leaves(path, link_map({path: target})) is out


def test_links_are_found_whatever_their_case_and_followed_only_so_far() -> None:
    assert leaves(b"l", link_map({b"l": b"Lib/x", b"lib": b".."}))
    chain = {b"l%d" % number: b"l%d" % (number + 1) for number in range(60)}
    assert leaves(b"l0", link_map(chain))
    assert not leaves(b"l30", link_map(chain))
    doubling = {b"l%d" % number: b"l%d/l%d" % (number + 1, number + 1) for number in range(60)}
    assert leaves(b"l0", link_map(doubling))


@given(st.lists(st.sampled_from([b"..", b"a", b".", b"b"]), min_size=1), st.integers(0, 4))
def test_a_link_stays_inside_exactly_when_no_step_of_it_goes_above_the_root(parts: list[bytes], depth: int) -> None:
    levels = [depth]
    for part in parts:
        levels.append(levels[-1] + {b"..": -1, b".": 0}.get(part, 1))
    path = b"/".join([b"d"] * depth + [b"l"])
    assert leaves(path, link_map({path: b"/".join(parts)})) is (min(levels) < 0)


@given(st.binary(max_size=30))
def test_folding_twice_changes_nothing_more(path: bytes) -> None:
    for fold in (folded, plain):
        once = fold(path)
        assert fold(once.encode("utf-8", "surrogateescape")) == once or "\u0345" in once
