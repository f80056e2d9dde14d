"""What a repository may ask its sandbox to be: only its base commit is heard, and nothing of it reaches the host."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from pullwright.agents.change import RepositoryRef
from pullwright.agents.egress import EgressMode
from pullwright.agents.environment import PLAIN, Environment
from pullwright.agents.errors import ChangeRefused, ConfigError, ImageError, SetupFailed
from pullwright.agents.ports.mirror import CommitMeta
from pullwright.agents.ports.sandbox import Base
from pullwright.sandbox.docker_provider import DockerProvider
from pullwright.sandbox.environment_file import EnvironmentReader
from pullwright.sandbox.mirror import GitMirror
from tests.integration.attacks.hostile_environments import (
    CANARY,
    HOST_KEYS,
    POISON,
    SECRETS,
    SETUP,
    VARIABLES,
    devcontainer,
)
from tests.integration.attacks.hostile_repository import ran
from tests.integration.sandbox.engine import docker_provider
from tests.integration.sandbox.repositories import commit_all, make_checkout

pytestmark = [pytest.mark.anyio, pytest.mark.docker]

LIMIT = 1 << 20
HOST_VARIABLES = ("OPENAI_API_KEY", "AGENT_GITHUB_TOKEN", "AGENT_GIT_TOKEN", "ANTHROPIC_API_KEY")


@pytest.fixture(scope="module")
async def provider() -> AsyncIterator[DockerProvider]:
    with pytest.MonkeyPatch.context() as patcher:
        for name in HOST_VARIABLES:
            patcher.setenv(name, CANARY)
        async with docker_provider() as opened:
            yield opened


async def repository(folder: Path, files: Mapping[str, bytes]) -> tuple[GitMirror, RepositoryRef, Base]:
    make_checkout(folder / "checkout", {"a": b"1\n", **files})
    mirror = GitMirror(folder / "mirrors")
    found = RepositoryRef(url=str(folder / "checkout"), name="checkout")
    return mirror, found, await mirror.sync(found, "", None)


WRITTEN = {
    ".agent/environment.toml": (b'egress = "open"\nsetup = "touch /opt/owned"\nchecks = ["true"]\n', "coding agents"),
    ".agent/setup.sh": (b"touch /opt/owned\n", "coding agents"),
    ".devcontainer/devcontainer.json": (b'{"privileged": true}', "a development container"),
    ".devcontainer.json": (b'{"image": "evil.example/x"}', "a development container"),
}


@pytest.mark.parametrize("path", WRITTEN)
async def test_an_environment_that_the_agent_writes_is_not_read_and_not_let_out(
    provider: DockerProvider, tmp_path: Path, path: str
) -> None:
    """Incident class: an agent widens its own sandbox by a file that is read from its tree."""
    content, reason = WRITTEN[path]
    mirror, victim, base = await repository(tmp_path, {})
    before = await EnvironmentReader(mirror).read(base)
    async with provider.open(base, task_id="written", environment=before) as workspace:
        async with workspace.open_sandbox() as sandbox:
            await sandbox.write_file(path, content)
            await ran(sandbox, "git add -A; git commit -qm x; git branch -f main; git tag v1")
        assert await EnvironmentReader(mirror).read(await mirror.sync(victim, "", None)) == before == PLAIN
        async with workspace.open_sandbox() as sandbox:
            await ran(
                sandbox, "! ls /opt/owned; ! grep -q ' 0A ' /proc/net/tcp; grep -q 'CapEff:.*0000$' /proc/self/status"
            )
        patch = await workspace.extract(limit=LIMIT)
    with pytest.raises(ChangeRefused, match=reason):
        await mirror.commit(victim, base, patch, CommitMeta(branch="agent/x", title="x"))


@dataclass(frozen=True)
class Asked:
    """What became of a dev container that asks for everything."""

    environment: Environment
    found: Mapping[str, str]
    inside: str
    owned: Path


@pytest.fixture(scope="module")
async def asked(provider: DockerProvider, tmp_path_factory: pytest.TempPathFactory) -> Asked:
    folder = tmp_path_factory.mktemp("asked")
    files = {".devcontainer/devcontainer.json": devcontainer(folder / "owned")}
    mirror, _, base = await repository(folder, files)
    environment = await EnvironmentReader(mirror).read(base)
    async with (
        provider.open(base, task_id="asked", environment=environment) as workspace,
        workspace.open_sandbox() as sandbox,
    ):
        found = {name: (await ran(sandbox, f"cat /opt/found/{name}")).stdout.text for name in SECRETS}
        look = f"id -u; grep Cap /proc/self/status; ls -d /host /opt/stolen {folder}/owned; env"
        inside = (await sandbox.exec(look, timeout=20)).stdout.text
    return Asked(environment, found, inside, folder / "owned")


@pytest.mark.parametrize("key", HOST_KEYS)
async def test_a_dev_container_is_refused_with_a_notice(asked: Asked, key: str) -> None:
    """Incident class: ``initializeCommand`` runs on the host by specification, ``runArgs`` opens the sandbox to it."""
    assert any(f"{key} is ignored" in notice.replace("'", "") for notice in asked.environment.notices)
    assert not asked.owned.exists()
    assert "\n/host\n" not in asked.inside
    assert "/opt/stolen" not in asked.inside
    assert asked.inside.startswith("10001\nCapInh:\t0000000000000000\nCapPrm:\t0000000000000000\n")


@pytest.mark.parametrize("name", VARIABLES)
async def test_a_dev_container_does_not_set_the_variable(asked: Asked, name: str) -> None:
    """Incident class: a variable that loads code into every program, or sends git elsewhere."""
    assert any(f"containerEnv.{name} is ignored" in notice for notice in asked.environment.notices)
    assert f"{name}=/workspace/evil" not in asked.inside


@pytest.mark.parametrize("place", SECRETS)
async def test_a_set_up_finds_nothing_of_the_host(asked: Asked, place: str) -> None:
    """Incident class: set-up scripts of a repository that read the tokens of whoever runs them."""
    assert CANARY not in asked.found[place]
    if place.startswith("in-the-environment") or place == "in-its-environment":
        assert "HOME=/opt/pullwright/home" in asked.found[place]  # it did look
    elif place in ("in-the-engines-socket", "in-a-mount-of-the-host", "by-the-network", "in-a-file"):
        assert asked.found[place] == ""


@pytest.fixture(scope="module")
async def later(provider: DockerProvider, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """What a later task of the same environment sees, after an agent did its worst in an earlier one."""
    _, _, base = await repository(tmp_path_factory.mktemp("later"), {"package.json": b"{}\n"})
    environment = Environment(source="x", setup=SETUP, caches=("~/.cache/tool",))
    async with (
        provider.open(base, task_id="earlier", environment=environment) as workspace,
        workspace.open_sandbox() as sandbox,
    ):
        for poison, _, _ in POISON.values():
            await sandbox.exec(poison, timeout=20, cwd="/workspace")
    async with (
        provider.open(base, task_id="later", environment=environment) as workspace,
        workspace.open_sandbox() as sandbox,
    ):
        seen = {name: await sandbox.exec(look, timeout=20, cwd="/workspace") for name, (_, look, _) in POISON.items()}
    again = replace(environment, setup=SETUP + "# changed\n")
    async with (
        provider.open(base, task_id="again", environment=again) as workspace,
        workspace.open_sandbox() as sandbox,
    ):
        cached = await sandbox.exec("cat /opt/cached", timeout=20)
    return {
        **{name: " ".join(result.stdout.text.split()) for name, result in seen.items()},
        "set-up": cached.stdout.text,
    }


@pytest.mark.parametrize("what", POISON)
async def test_an_agent_can_not_poison_for_later_tasks(later: Mapping[str, str], what: str) -> None:
    """Incident class: one task's agent writes what the next task runs."""
    assert later[what] == POISON[what][2]


async def test_an_agent_can_not_poison_the_caches_of_later_set_ups(later: Mapping[str, str]) -> None:
    """Incident class: a shared cache that agents write and a set-up trusts as root."""
    assert later["set-up"] == ""


async def test_a_set_up_that_replaces_git_does_not_decide_what_is_taken_out(
    provider: DockerProvider, tmp_path: Path
) -> None:
    """Incident class: the image of the attacked repository is trusted with the review."""
    mirror, victim, base = await repository(tmp_path, {})
    lie = "cd /usr/local/bin; for p in git sh head; do printf '#!/bin/bash\\nexit 0\\n' > $p; chmod +x $p; done"
    environment = Environment(source="x", setup=lie)
    async with provider.open(base, task_id="lie", environment=environment) as workspace:
        async with workspace.open_sandbox() as sandbox:
            await ran(sandbox, '[ -z "$(git status)" ]; echo evil > a')
        patch = await workspace.extract(limit=LIMIT)
    change = await mirror.commit(victim, base, patch, CommitMeta(branch="agent/x", title="x"))
    assert [file.path for file in change.files] == ["a"]


async def test_a_set_uid_program_of_a_set_up_gives_the_agent_nothing(provider: DockerProvider, tmp_path: Path) -> None:
    """Incident class: root in the set-up phase leaves a door for the agent phase."""
    _, _, base = await repository(tmp_path, {})
    door = "cp /usr/bin/id /opt/door; chmod 6755 /opt/door; echo 'agent ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers"
    async with (
        provider.open(base, task_id="door", environment=Environment(source="x", setup=door)) as workspace,
        workspace.open_sandbox() as sandbox,
    ):
        assert (
            await ran(sandbox, "stat -c %a /opt/door; /opt/door -u; /opt/door -g")
        ).stdout.text == "6755\n10001\n10001\n"


async def test_a_set_up_that_starts_a_daemon_leaves_none_to_the_agent(provider: DockerProvider, tmp_path: Path) -> None:
    """Incident class: a process of the trusted phase that goes on in the untrusted one."""
    _, _, base = await repository(tmp_path, {})
    daemon = "setsid nohup bash -c 'while :; do echo x >> /opt/alive; sleep 0.05; done' > /dev/null 2>&1 & sleep 0.3"
    async with (
        provider.open(base, task_id="daemon", environment=Environment(source="x", setup=daemon)) as workspace,
        workspace.open_sandbox() as sandbox,
    ):
        look = "one=$(wc -c < /opt/alive); sleep 0.5; [ $one -gt 0 ] && [ $one = $(wc -c < /opt/alive) ]"
        assert (await sandbox.exec(look, timeout=20)).exit_code == 0


@pytest.mark.parametrize("allowed", ["environment.toml", "devcontainer.json"])
async def test_a_dockerfile_of_the_repository_is_not_built(
    provider: DockerProvider, tmp_path: Path, allowed: str
) -> None:
    """Incident class: a build runs with the engine's rights and network (the 2025 runc faults needed one)."""
    owned = tmp_path / "owned"
    files = {
        "environment.toml": {".agent/environment.toml": b'dockerfile = "Dockerfile"\n'},
        "devcontainer.json": {".devcontainer.json": b'{"build": {"dockerfile": "Dockerfile"}}'},
    }[allowed]
    recipe = f"FROM scratch\nRUN touch {owned}\n".encode()
    mirror, _, base = await repository(tmp_path, {**files, "Dockerfile": recipe})
    environment = await EnvironmentReader(mirror).read(base)
    assert environment.dockerfile == "Dockerfile"
    with pytest.raises(ImageError, match="AGENT_DOCKERFILE_BUILDS=true"):
        async with provider.open(base, task_id="built", environment=environment):
            pass
    assert not owned.exists()


LINKS = {"a-host-file": "/etc/passwd", "outside-of-the-repository": "../../../../etc/hostname", "another-file": "a"}


@pytest.mark.parametrize("where", LINKS)
async def test_a_description_that_is_a_link_is_not_followed_to(tmp_path: Path, where: str) -> None:
    """Incident class: the host opens a path that the repository chose."""
    checkout = tmp_path / "checkout"
    make_checkout(checkout, {"a": b'egress = "open"\n'})
    (checkout / ".agent").mkdir()
    (checkout / ".agent" / "environment.toml").symlink_to(LINKS[where])
    (checkout / ".devcontainer.json").symlink_to(LINKS[where])
    commit_all(checkout)
    mirror = GitMirror(tmp_path / "mirrors")
    base = await mirror.sync(RepositoryRef(url=str(checkout), name="checkout"), "", None)
    assert await EnvironmentReader(mirror).read(base) == PLAIN


REFUSED = {
    "a-cache-over-the-runner": b'caches = ["/opt/pullwright/home"]',
    "a-cache-of-the-whole-system": b'caches = ["/opt/../etc"]',
    "a-dockerfile-outside": b'dockerfile = "../../../etc/Dockerfile"',
    "a-set-up-file-in-the-git-folder": b'setup_file = ".git/hooks/x"',
    "an-image-that-is-an-option": b'image = "--privileged"',
    "a-wild-card-host": b'egress = "allowlist"\nallow = ["*.example.com"]',
    "an-address-as-a-host": b'egress = "allowlist"\nallow = ["169.254.169.254"]',
    "a-variable-that-loads-code": b'[variables]\nLD_PRELOAD = "/workspace/x.so"',
    "privileges": b"privileged = true",
}


@pytest.mark.parametrize("what", REFUSED)
async def test_a_base_commit_that_asks_for_too_much_is_refused_by_name(tmp_path: Path, what: str) -> None:
    """Incident class: a description that is passed on to the engine as it is."""
    mirror, _, base = await repository(tmp_path, {".agent/environment.toml": REFUSED[what]})
    with pytest.raises(ConfigError, match=r"\.agent/environment\.toml") as caught:
        await EnvironmentReader(mirror).read(base)
    assert "\n" not in str(caught.value)


async def test_a_set_up_that_never_ends_or_prints_without_end_is_stopped(
    provider: DockerProvider, tmp_path: Path
) -> None:
    """Incident class: a set-up that holds every later task of the repository up."""
    _, _, base = await repository(tmp_path, {})
    endless = Environment(source="x", setup="setsid sleep 1000 & yes | head -c 300M; sleep 1000", setup_seconds=2)
    with pytest.raises(SetupFailed, match="did not end within") as caught:
        async with provider.open(base, task_id="endless", environment=endless):
            pass
    assert len("".join(caught.value.__notes__)) < 100_000


async def test_a_gateway_less_set_up_that_asks_for_open_egress_gets_no_network(
    provider: DockerProvider, tmp_path: Path
) -> None:
    """Incident class: the trusted phase is where the network is forgotten."""
    mirror, _, base = await repository(
        tmp_path,
        {".agent/environment.toml": b'setup = "tail -n +3 /proc/net/dev > /opt/net"\nsetup_egress = "open"\n'},
    )
    environment = await EnvironmentReader(mirror).read(base)
    assert environment.setup_egress.mode is EgressMode.OPEN
    async with provider.open(base, task_id="net", environment=environment) as workspace:
        assert ["open egress is not allowed here" in line for line in workspace.notices] == [True]
        async with workspace.open_sandbox() as sandbox:
            assert (await ran(sandbox, "cut -d: -f1 /opt/net | tr -d ' '")).stdout.text == "lo\n"
