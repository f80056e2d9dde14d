"""What makes git run a program of somebody else's, each with the ordinary command that springs it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Trap:
    """Two scripts for the root of a checkout; ``$MARK`` is a command that leaves the trap's mark."""

    plant: str
    spring: str


def _config(key: str, tail: str, spring: str, before: str = "") -> Trap:
    return Trap(plant=f'{before}\ngit config {key} "$MARK; {tail}"', spring=spring)


def _hook(name: str, spring: str, folder: str = ".git/hooks", before: str = "") -> Trap:
    program = f"mkdir -p {folder}; printf '#!/bin/sh\\n%s\\n' \"$MARK\" > {folder}/{name}; chmod +x {folder}/{name}"
    return Trap(plant=f"{before}\n{program}", spring=spring)


_BARE_ATTRIBUTES = ": > .git/info/attributes"
_EDIT = "echo edited >> a.txt; "
_EXTRA = 'git config --file .git/{0} core.fsmonitor "$MARK; false"; git config {1} {0}'

TRAPS: Mapping[str, Trap] = {
    "core.fsmonitor": _config("core.fsmonitor", "false", "git status"),
    "core.fsmonitor-of-a-worktree": _config(
        "--worktree core.fsmonitor", "false", "git status", "git config extensions.worktreeConfig true"
    ),
    "include.path": Trap(plant=_EXTRA.format("extra", "include.path"), spring="git status"),
    "includeIf": Trap(plant=_EXTRA.format("other", "includeIf.gitdir:/**.path"), spring="git status"),
    "diff.external": _config("diff.external", "true", f"{_EDIT}git diff"),
    "diff.textconv": _config("diff.trap.textconv", "cat", f"{_EDIT}git diff", _BARE_ATTRIBUTES),
    "filter.clean": _config("filter.trap.clean", "cat", f"{_EDIT}git add a.txt", _BARE_ATTRIBUTES),
    "filter.smudge": _config("filter.trap.smudge", "cat", "rm a.txt; git checkout a.txt", _BARE_ATTRIBUTES),
    "filter.process": _config("filter.trap.process", "false", f"{_EDIT}git add a.txt", _BARE_ATTRIBUTES),
    "attributes-file": Trap(
        plant="echo '*.txt filter=another' > .git/info/attributes; git config filter.another.clean \"$MARK; cat\"",
        spring=f"{_EDIT}git add a.txt",
    ),
    "hook-pre-commit": _hook("pre-commit", "git commit --allow-empty -m x"),
    "hook-post-commit": _hook("post-commit", "git commit --no-verify --allow-empty -m x"),
    "hook-post-index-change": _hook("post-index-change", f"{_EDIT}git add a.txt"),
    "hook-reference-transaction": _hook("reference-transaction", "git update-ref refs/heads/new HEAD"),
    "hook-pre-receive": _hook("pre-receive", "git push . HEAD:refs/heads/received"),
    "core.hooksPath": _hook(
        "pre-commit", "git commit --allow-empty -m x", ".git/more", "git config core.hooksPath .git/more"
    ),
    "gpg.program": _hook(
        "gpg",
        "git commit --allow-empty -m x",
        ".git/programs",
        'git config commit.gpgsign true; git config gpg.program "$PWD/.git/programs/gpg"',
    ),
    "core.sshCommand": _config("core.sshCommand", "false", "git fetch ssh://nowhere/x"),
    "core.pager": _config("core.pager", "cat", "env -u GIT_PAGER TERM=xterm script -qc 'git log' /dev/null"),
    "core.editor": _config("core.editor", "true", "env -u GIT_EDITOR git commit --amend"),
    "alias": Trap(plant='git config alias.st "!$MARK"', spring="git st"),
    "credential.helper": Trap(
        plant='git config credential.helper "!$MARK; true"',
        spring="printf 'protocol=https\\nhost=x\\n\\n' | git credential fill",
    ),
    "remote.uploadpack": _config(
        "remote.up.uploadpack", "git-upload-pack", "git fetch up", "git config remote.up.url ."
    ),
    "remote-ext": Trap(
        plant='git config protocol.ext.allow always; git config remote.ext.url "ext::sh -c ${MARK// /% }"',
        spring="git fetch ext",
    ),
    "core.worktree": Trap(
        plant="git config core.worktree $OWNED/core.worktree",
        spring="mkdir -p $OWNED/core.worktree /tmp/owned; git checkout -f HEAD -- .; "
        "mv $OWNED/core.worktree/a.txt /tmp/owned/core.worktree",
    ),
    "core.alternateRefsCommand": _config(
        "core.alternateRefsCommand",
        "true",
        "git clone -q --bare . /tmp/alternate; git clone -q . /tmp/newer; "
        "git -C /tmp/newer -c user.name=a -c user.email=a@b commit -q --allow-empty -m new; "
        "echo /tmp/alternate/objects > .git/objects/info/alternates; git fetch -q /tmp/newer",
    ),
}


def planting(mark: Callable[[str], str], owned: str) -> str:
    """Return a script that tries each trap in a copy of its own, lists those that sprang, and then plants them all."""
    lines = [f"OWNED={owned}", "rm -rf /tmp/clean; cp -a . /tmp/clean"]
    for name, trap in TRAPS.items():
        program = f"MARK='{mark(name)}'"
        lines.append(
            f"( rm -rf /tmp/trap; cp -a /tmp/clean /tmp/trap; cd /tmp/trap; {program}\n{trap.plant}\n"
            f"( {trap.spring} ) ) > /dev/null 2>&1 < /dev/null"
        )
        lines.append(f"( {program}\n{trap.plant}\n) || echo could not plant {name}")
    lines.append("ls /tmp/owned")
    return "\n".join(lines)
