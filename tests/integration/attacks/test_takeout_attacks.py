"""An agent's files and its ``.git`` against the host that takes its change out: nothing of them ever runs there."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

import anyio
import pytest

from pullwright.agents.change import Evidence
from pullwright.agents.errors import ChangeRefused, SandboxError
from pullwright.sandbox.container_spec import ContainerLimits
from pullwright.sandbox.docker_provider import DockerProvider
from pullwright.sandbox.verifier import FreshVerifier
from tests.integration.attacks.forged_checkpoints import HOSTILE_PATCHES, KEPT, LIES
from tests.integration.attacks.forged_success import FORGERIES, SERVICE
from tests.integration.attacks.git_traps import TRAPS, planting
from tests.integration.attacks.hostile_repository import LIMIT, Scene, TakenOut, parts, ran
from tests.integration.attacks.smuggled import SMUGGLED, UNREADABLE
from tests.integration.sandbox.engine import docker_provider
from tests.integration.sandbox.repositories import git

pytestmark = [pytest.mark.anyio, pytest.mark.docker]

ROOM = ContainerLimits(memory_mib=1024, pids=256, tmp_mib=256, home_mib=16)

GIT_FOLDERS: Mapping[str, str] = {
    "a-file-that-names-another": "rm -rf .git; echo 'gitdir: /pristine/.git' > .git",
    "a-file-that-names-a-host-path": "rm -rf .git; echo 'gitdir: /etc' > .git",
    "a-link": "rm -rf .git; ln -s /proc/1/root .git",
    "removed": "rm -rf .git",
    "sealed": "rm -rf .git; mkdir .git; echo x > .git/config; chmod 0 .git",
    "garbage": "rm -rf .git; git init -q .; echo /etc > .git/commondir; echo /srv/git/objects > "
    ".git/objects/info/alternates; head -c 9999 /dev/urandom > .git/index; echo 'ref: /etc/passwd' > .git/HEAD",
}

HIDDEN: Mapping[str, str] = {
    "by-assume-unchanged": "git update-index --assume-unchanged a.txt",
    "by-skip-worktree": "git update-index --skip-worktree a.txt",
    "by-exclude": "echo '*' > .git/info/exclude; git config core.excludesFile .git/info/exclude",
    "by-a-forged-index": "echo edited > a.txt; git add a.txt; touch -r dir/b.txt a.txt",
    "by-its-old-time-and-size": "touch -r a.txt /tmp/time; printf 'ONE\\n' > a.txt; touch -r /tmp/time a.txt",
    "by-a-replaced-commit": "git replace -f HEAD $(git commit-tree HEAD^{tree} -m other)",
    "by-a-commit": "printf 'ONE\\n' > a.txt; git commit -qam x",
}


@pytest.fixture(scope="module")
async def provider() -> AsyncIterator[DockerProvider]:
    async with docker_provider(limits=ROOM) as opened:
        yield opened


@pytest.fixture(scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    made = await Scene.make(tmp_path_factory.mktemp("takeout"))
    with made.watched():
        yield made


@dataclass(frozen=True)
class Sprung:
    """Which traps work where git meets them, and what came of a workspace that is full of them."""

    live: frozenset[str]
    taken: TakenOut


@pytest.fixture(scope="module")
async def trapped(provider: DockerProvider, scene: Scene) -> Sprung:
    async with provider.open(scene.base, task_id="trapped") as workspace:
        async with workspace.open_sandbox() as sandbox:
            tried = await ran(sandbox, planting(scene.mark, str(scene.owned)))
            assert "could not" not in tried.stdout.text
            await ran(sandbox, "echo edited >> a.txt; echo new > new.txt; rm -f dir/b.txt")
        return Sprung(frozenset(tried.stdout.text.split()), await scene.take_out(workspace))


@pytest.mark.parametrize("trap", TRAPS)
async def test_git_configuration_of_the_agent_runs_nothing_on_the_host(
    trapped: Sprung, scene: Scene, trap: str
) -> None:
    """Incident class: the host runs git in a repository that an agent wrote."""
    assert trap in trapped.live, "the trap itself does not work, so it proves nothing"
    assert trap not in scene.on_host
    assert trap not in trapped.taken.ran


async def test_a_change_from_a_trapped_git_folder_is_exactly_the_edits(trapped: Sprung, scene: Scene) -> None:
    """Incident class: an agent's git configuration changes what a reviewer is shown."""
    assert trapped.taken.paths == ["a.txt", "dir/b.txt", "new.txt"]
    assert scene.shown(trapped.taken.change, "a.txt") == "one\nedited"


@pytest.fixture(scope="module")
async def folders(provider: DockerProvider, scene: Scene) -> Mapping[str, TakenOut]:
    async with provider.open(scene.base, task_id="folders") as workspace:
        return {
            name: await scene.attack(workspace, f"chmod -R u+rwX .git; {script}; echo edited > a.txt")
            for name, script in GIT_FOLDERS.items()
        }


@pytest.mark.parametrize("kind", GIT_FOLDERS)
async def test_a_git_folder_that_is_something_else_changes_nothing(
    folders: Mapping[str, TakenOut], scene: Scene, kind: str
) -> None:
    """Incident class: ``gitdir:`` files, links and alternates that lead git elsewhere."""
    assert folders[kind].paths == ["a.txt"], folders[kind].refusal
    assert scene.shown(folders[kind].change, "a.txt") == "edited"


@pytest.fixture(scope="module")
async def hidden(provider: DockerProvider, scene: Scene) -> Mapping[str, TakenOut]:
    found = {}
    async with provider.open(scene.base, task_id="hidden") as workspace:
        for name, script in HIDDEN.items():
            found[name] = await scene.attack(
                workspace, f"{script}; [ $(head -c 3 a.txt) != one ] || printf 'ONE\\n' > a.txt"
            )
            async with workspace.open_sandbox() as sandbox:
                await ran(
                    sandbox, "rm -rf .git; git clone -q -n /pristine /tmp/p; mv /tmp/p/.git .; printf 'one\\n' > a.txt"
                )
    return found


@pytest.mark.parametrize("way", HIDDEN)
async def test_an_edit_that_is_hidden_from_git_is_seen(hidden: Mapping[str, TakenOut], way: str) -> None:
    """Incident class: what the agent's own index says is believed."""
    assert hidden[way].paths == ["a.txt"], hidden[way].refusal


@pytest.fixture(scope="module")
async def smuggled(provider: DockerProvider, scene: Scene) -> Mapping[str, bytes]:
    script = "\n".join(["set -e; shopt -s expand_aliases; mkdir new", *(one.script for one in SMUGGLED.values())])
    async with provider.open(scene.base, task_id="smuggled") as workspace:
        async with workspace.open_sandbox() as sandbox:
            await ran(sandbox, script)
        whole = await workspace.extract(limit=LIMIT)
    assert "changes" in (await scene.commit(whole)).refusal
    return parts(whole)


@pytest.mark.parametrize("what", SMUGGLED)
async def test_smuggled_with_a_change_is_refused(smuggled: Mapping[str, bytes], scene: Scene, what: str) -> None:
    """Incident class: links, names, modes and files that act on whoever checks a change out, or leak a secret."""
    attack = SMUGGLED[what]
    refusal = (await scene.commit(b"".join(smuggled[path] for path in attack.paths))).refusal
    assert attack.reason in refusal
    assert "\n" not in refusal
    assert not any(secret in refusal for secret in ("OwnToken", "aB3dE6gH9"))


@pytest.fixture(scope="module")
async def unreadable(provider: DockerProvider, scene: Scene) -> Mapping[str, TakenOut]:
    found = {}
    async with provider.open(scene.base, task_id="unreadable") as workspace:
        for name, (script, _) in UNREADABLE.items():
            found[name] = await scene.attack(workspace, script)
            async with workspace.open_sandbox() as sandbox:
                await ran(sandbox, "chmod -R u+rwX . ; git clean -qffdx || rm -rf x*")
    return found


@pytest.mark.parametrize("what", UNREADABLE)
async def test_what_git_can_not_take_in_is_refused(unreadable: Mapping[str, TakenOut], what: str) -> None:
    """Incident class: spellings of ``.git`` on other file systems, and files that quietly stay away from a review."""
    assert re.search(UNREADABLE[what][1], unreadable[what].refusal), unreadable[what]


INNER = {
    "repository": ("git init -q inner; cd inner", "is a git repository inside the repository"),
    "submodule": ("rm -rf lib; git init -q lib; cd lib", "submodules can not be changed"),
}


@pytest.mark.parametrize("kind", INNER)
async def test_a_trapped_repository_inside_runs_nothing_on_the_host_and_is_refused(
    provider: DockerProvider, scene: Scene, kind: str
) -> None:
    """Incident class: a nested repository's own configuration runs although the outer git folder is ours."""
    enter, reason = INNER[kind]
    script = f"""
    {enter}; git config user.name a; git config user.email a@b; echo x > f; git add f; git commit -qm x
    echo '* filter=t diff=t' > .gitattributes
    for key in core.fsmonitor filter.t.clean filter.t.process diff.external core.sshCommand; do
      git config $key '{scene.mark(kind)}; cat'
    done
    mkdir -p .git/hooks; for hook in post-index-change pre-commit; do
      printf '#!/bin/sh\n{scene.mark(kind)}\n' > .git/hooks/$hook; chmod +x .git/hooks/$hook
    done
    echo y > f; rm -rf /tmp/owned; git status > /dev/null 2>&1; ls /tmp/owned/{kind}
    """
    async with provider.open(scene.base, task_id="inner") as workspace:
        taken = await scene.attack(workspace, script)
    assert reason in taken.refusal
    assert kind not in scene.on_host
    assert taken.ran == set()


async def test_an_embedded_bare_repository_with_a_trap_is_refused(provider: DockerProvider, scene: Scene) -> None:
    """Incident class: a bare repository among the files, whose configuration git obeys as soon as it is entered."""
    script = f"""
    git clone -q --bare . vendor/x.git; git -C vendor/x.git update-ref refs/heads/there HEAD
    git -C vendor/x.git config core.bare false; git -C vendor/x.git config core.worktree .
    git -C vendor/x.git config core.fsmonitor '{scene.mark("bare")}; false'
    (cd vendor/x.git && git status) > /dev/null 2>&1; ls /tmp/owned/bare
    """
    async with provider.open(scene.base, task_id="bare") as workspace:
        taken = await scene.attack(workspace, script)
    assert "bare" not in scene.on_host | taken.ran
    assert "git repository" in taken.refusal


async def test_fake_programs_and_modules_are_not_run_by_the_extractor(provider: DockerProvider, scene: Scene) -> None:
    """Incident class: a tool is looked up where the agent can write."""
    names = "git sh bash ls cat head wc mkdir touch python3 cp rm"
    script = f"""
    mkdir -p bin ~/bin ~/.local/bin ~/.config/git .pip
    for folder in bin ~/bin ~/.local/bin .; do for name in {names}; do
      printf '#!/bin/sh\\n{scene.mark("program")}\\n' > $folder/$name; chmod +x $folder/$name
    done; done
    for module in sitecustomize usercustomize os json select struct signal socket; do
      echo 'import subprocess; subprocess.run(["sh", "-c", "{scene.mark("module")}"])' > $module.py
    done
    git config --global core.fsmonitor '{scene.mark("home")}'; cp ~/.gitconfig ~/.config/git/config
    for file in .bashrc .bash_profile .profile .bash_env; do echo '{scene.mark("rc")}' | tee $file > ~/$file; done
    """
    async with provider.open(scene.base, task_id="fake") as workspace:
        taken = await scene.attack(workspace, script)
    assert taken.refusal == ""
    assert {"bin/git", "git", "select.py", ".bashrc"} < set(taken.paths)
    assert taken.ran == set()
    assert not {"program", "module", "home", "rc"} & scene.on_host


async def test_a_set_uid_program_comes_out_without_its_bit(provider: DockerProvider, scene: Scene) -> None:
    """Incident class: modes that survive a checkout."""
    async with provider.open(scene.base, task_id="modes") as workspace:
        taken = await scene.attack(workspace, "chmod 7755 tool.sh; printf '#!/bin/sh\\n' > new.sh; chmod 6777 new.sh")
    assert taken.change is not None
    listed = git(scene.base.mirror, "ls-tree", "-r", taken.change.head_sha, "tool.sh", "new.sh")
    assert {line.split()[0] for line in listed.splitlines()} == {"100755"}


async def test_processes_left_running_can_not_rewrite_files_while_they_are_taken_out(
    provider: DockerProvider, scene: Scene
) -> None:
    """Incident class: the files that were checked are not the files that are committed."""
    writer = "while :; do echo $RANDOM > a.txt; echo $RANDOM > raced.txt; done"
    async with provider.open(scene.base, task_id="race") as workspace:
        async with workspace.open_sandbox() as sandbox:
            await sandbox.start_service("writer", writer)
            await ran(
                sandbox, f"(setsid nohup bash -c '{writer}' > /dev/null 2>&1 &) ; until [ -e raced.txt ]; do :; done"
            )
        first, second = [await workspace.extract(limit=LIMIT) for _ in range(2)]
    assert first == second != b""


@pytest.fixture(scope="module")
async def forged(provider: DockerProvider, scene: Scene) -> Evidence:
    """What a fresh verifier says to checks that all pass for the agent."""
    async with provider.open(scene.base, task_id="forged") as workspace:
        async with workspace.open_sandbox() as sandbox:
            await sandbox.start_service("answers", SERVICE)
            for plant, check in FORGERIES.values():
                await ran(sandbox, f"echo edited > a.txt; {plant}")
                await ran(sandbox, f"for n in {{1..50}}; do ({check}) 2> /dev/null && exit; sleep 0.1; done; exit 1")
        patch = await workspace.extract(limit=LIMIT)
    assert list(parts(patch)) == ["a.txt"]
    checks = tuple(check for _, check in FORGERIES.values())
    return await FreshVerifier(provider).verify(scene.base, patch, checks, chosen_by="agent", task_id="forged")


@pytest.mark.parametrize("forgery", FORGERIES)
async def test_tests_that_pass_only_for_the_agent_are_not_believed(forged: Evidence, forgery: str) -> None:
    """Incident class: "all tests pass" is true in one place only."""
    [result] = [result for result in forged.after if result.command == FORGERIES[forgery][1]]
    assert not result.passed
    assert not forged.verified


@pytest.mark.parametrize("how", LIES)
async def test_a_checkpoint_that_the_agent_forges_is_its_own_loss(
    provider: DockerProvider, scene: Scene, how: str
) -> None:
    """Incident class: state that is kept where an agent can write is believed later."""
    refs = git(scene.base.mirror, "for-each-ref")
    async with provider.open(scene.base, task_id="lies") as workspace:
        async with workspace.open_sandbox() as sandbox:
            await ran(sandbox, "echo first > a.txt")
            assert await sandbox.delta(whole=False, limit=LIMIT)
            await ran(sandbox, f"echo second > a.txt; cd {KEPT}; MARK='{scene.mark('delta')}'\n{LIES[how]}")
            for whole in (False, True):
                try:
                    patch = await sandbox.delta(whole=whole, limit=LIMIT) or b""
                    await scene.mirror.checkpoint(scene.base, patch, task_id="lies", number=1, parent=None)
                except (ChangeRefused, SandboxError):
                    continue
            assert (await sandbox.exec("true", timeout=20)).exit_code == 0
        taken = await scene.take_out(workspace)
    assert "delta" not in scene.on_host
    assert scene.shown(taken.change, "a.txt") == "second"
    await scene.mirror.forget(scene.base, task_id="lies")
    assert set(git(scene.base.mirror, "for-each-ref").split()[2::3]) <= {*refs.split()[2::3], "refs/heads/agent/attack"}


@pytest.mark.parametrize("how", HOSTILE_PATCHES)
async def test_a_hostile_patch_makes_no_checkpoint_and_writes_nothing(scene: Scene, how: str) -> None:
    """Incident class: a patch that writes beside the place that it is applied in."""
    with pytest.raises(ChangeRefused):
        await scene.mirror.checkpoint(scene.base, HOSTILE_PATCHES[how], task_id="bad", number=1, parent=None)
    assert await scene.mirror.checkpoints(scene.base, task_id="bad") == ()
    assert not await anyio.Path(scene.owned).exists() or "written" not in scene.on_host
