"""What a repository asks its sandbox to be, on a real engine: image, set-up, and what of it later tasks see."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import anyio
import docker as docker_sdk
import pytest

from pullwright.agents.egress import EgressMode, EgressPolicy
from pullwright.agents.environment import PLAIN, Environment
from pullwright.agents.errors import ConfigError, EmptyChange, ImageError, SetupFailed
from pullwright.agents.ports.sandbox import Base, SandboxProvider
from pullwright.sandbox.docker_engine import DockerEngine
from pullwright.sandbox.docker_provider import DockerProvider
from pullwright.sandbox.egress import EgressGateway, Upstreams
from pullwright.sandbox.image import SandboxImage
from tests.integration.sandbox.engine import LOCKS, docker_provider, left_behind
from tests.integration.sandbox.repositories import git, make_checkout, mirrored

pytestmark = [pytest.mark.anyio, pytest.mark.docker]

SETUP = """
id -u
printf '#!/bin/sh\\necho tool\\n' > /usr/local/bin/tool && chmod +x /usr/local/bin/tool
mkdir -p ~/.config node_modules/p src/gen && echo setting > ~/.config/tool.conf
echo module > node_modules/p/index.js
echo generated > src/gen/out.py
echo "$FLAVOUR" > "odd name*.txt"
echo changed > a
rm src/b
git status --short > /dev/null
"""
ENVIRONMENT = Environment(source=".agent/environment.toml", setup=SETUP, variables=(("FLAVOUR", "vanilla"),))


@pytest.fixture
def base(tmp_path: Path) -> Base:
    make_checkout(tmp_path / "checkout", {"a": b"1\n", "src/b": b"1\n", "package.json": b"{}\n", "Dockerfile": b""})
    return mirrored(tmp_path / "checkout", tmp_path / "mirror.git")


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
async def provider(told: list[str]) -> AsyncIterator[DockerProvider]:
    async with docker_provider(progress=told.append) as made:
        yield made


def more(base: Base, tmp_path: Path, files: dict[str, bytes]) -> Base:
    """Return a further commit of the base's repository."""
    make_checkout(tmp_path / "checkout", files)
    git(tmp_path / "checkout", "push", "--quiet", "--force", str(base.mirror), "HEAD:refs/heads/main")
    return replace(base, sha=git(tmp_path / "checkout", "rev-parse", "HEAD"))


def setups(told: list[str]) -> int:
    return sum(line.startswith("set up the environment") for line in told)


async def said(provider: SandboxProvider, base: Base, environment: Environment, script: str) -> str:
    async with (
        provider.open(base, task_id="t", environment=environment) as workspace,
        workspace.open_sandbox() as sandbox,
    ):
        result = await sandbox.exec(script, timeout=60)
        return result.stdout.text + result.stderr.text


async def test_a_set_up_runs_once_and_is_there_for_every_task(
    provider: DockerProvider, base: Base, told: list[str]
) -> None:
    look = "tool; cat ~/.config/tool.conf node_modules/p/index.js src/gen/out.py odd*; cat a src/b; id -un"
    expected = "tool\nsetting\nmodule\ngenerated\nvanilla\n1\n1\nagent\n"
    for _ in range(2):
        assert await said(provider, base, ENVIRONMENT, look) == expected
    assert setups(told) == 1
    assert await said(provider, base, ENVIRONMENT, "git status --porcelain; stat -c %u node_modules src/gen") == (
        "10001\n10001\n"
    )
    assert await said(provider, base, PLAIN, "type -p tool; ls") == "Dockerfile\na\npackage.json\nsrc\n"


async def test_what_set_up_made_is_no_part_of_a_change(provider: DockerProvider, base: Base) -> None:
    async with provider.open(base, task_id="t", environment=ENVIRONMENT) as workspace:
        with pytest.raises(EmptyChange):
            await workspace.extract(limit=10_000)
        async with workspace.open_sandbox() as sandbox:
            await sandbox.exec(
                "echo 2 >> a; echo x > node_modules/p/new; echo x > src/gen/new; echo n > new", timeout=20
            )
        patch = await workspace.extract(limit=10_000)
    assert changed(patch) == [b"a", b"new"]
    async with provider.open(base, task_id="again", environment=ENVIRONMENT) as workspace:
        await workspace.apply(patch)
        assert await workspace.extract(limit=10_000) == patch


async def test_what_set_up_made_is_in_no_checkpoint(provider: DockerProvider, base: Base) -> None:
    async with (
        provider.open(base, task_id="t", environment=ENVIRONMENT) as workspace,
        workspace.open_sandbox() as sandbox,
    ):
        await sandbox.exec("for d in node_modules/p src/gen .; do echo x > $d/new; done", timeout=20)
        assert changed(await sandbox.delta(whole=True, limit=10_000) or b"") == [b"new"]


def changed(patch: bytes) -> list[bytes]:
    return [line.rpartition(b" b/")[2] for line in patch.splitlines() if line.startswith(b"diff --git ")]


async def test_an_agent_can_not_poison_what_later_tasks_see(provider: DockerProvider, base: Base) -> None:
    poison = "echo evil > node_modules/p/index.js; rm -rf src/gen; echo evil > ~/.config/tool.conf; echo x > /opt/x; id"
    await said(provider, base, ENVIRONMENT, poison)
    look = "cat node_modules/p/index.js src/gen/out.py ~/.config/tool.conf; ls /opt/x"
    assert (await said(provider, base, ENVIRONMENT, look)).startswith("module\ngenerated\nsetting\nls: ")


async def test_a_changed_lockfile_or_script_is_a_new_set_up(
    provider: DockerProvider, base: Base, told: list[str], tmp_path: Path
) -> None:
    environment = Environment(source="x", setup="cp package.json /opt/seen")
    assert await said(provider, base, environment, "cat /opt/seen") == "{}\n"
    other = more(base, tmp_path, {"a": b"other\n"})
    assert await said(provider, other, environment, "cat /opt/seen a") == "{}\nother\n"
    assert setups(told) == 1
    locked = more(base, tmp_path, {"package.json": b"{1}\n"})
    assert await said(provider, locked, environment, "cat /opt/seen") == "{1}\n"
    assert setups(told) == 2
    only_a = replace(environment, lockfiles=("a",))
    await said(provider, locked, only_a, "true")
    assert setups(told) == 3
    await said(provider, more(base, tmp_path, {"package.json": b"{2}\n"}), only_a, "true")
    assert setups(told) == 3


async def test_a_commit_that_tracks_what_was_prepared_gets_its_own(
    provider: DockerProvider, base: Base, told: list[str], tmp_path: Path
) -> None:
    environment = Environment(source="x", setup="mkdir -p out; echo made > out/x")
    assert await said(provider, base, environment, "cat out/x") == "made\n"
    tracking = more(base, tmp_path, {"out/x": b"tracked\n"})
    for _ in range(2):
        assert await said(provider, tracking, environment, "cat out/x; git status --porcelain") == "tracked\n"
    assert await said(provider, base, environment, "cat out/x") == "made\n"
    assert setups(told) == 2


async def test_a_set_up_that_fails_says_so_and_leaves_nothing(
    provider: DockerProvider, base: Base, told: list[str]
) -> None:
    environment = Environment(source=".agent/environment.toml", setup="echo one\necho 'no such thing' >&2\nfalse\n")
    with pytest.raises(SetupFailed, match="failed with exit code 1: no such thing") as caught:
        await said(provider, base, environment, "true")
    assert caught.value.__notes__ == ["one\nno such thing"]
    optional = replace(environment, setup_required=False)
    async with provider.open(base, task_id="t", environment=optional) as workspace:
        assert ["exit code 1" in line for line in workspace.notices] == [True]
        async with workspace.open_sandbox() as sandbox:
            assert (await sandbox.exec("cat a", timeout=20)).stdout.text == "1\n"
    async with provider.open(base, task_id="t", environment=optional) as again:
        assert again.notices == workspace.notices
    assert setups(told) == 0
    assert len([line for line in told if line.startswith("setting up")]) == 2


async def test_a_set_up_that_takes_too_long_is_stopped(provider: DockerProvider, base: Base) -> None:
    environment = Environment(source="x", setup="echo started; sleep 60", setup_seconds=0.5)
    with pytest.raises(SetupFailed, match="did not end within"):
        await said(provider, base, environment, "true")


async def test_a_home_that_is_too_large_is_refused(provider: DockerProvider, base: Base) -> None:
    environment = Environment(source="x", setup="head -c 140M /dev/zero > ~/large")
    with pytest.raises(SetupFailed, match="below /opt or in the workspace"):
        await said(provider, base, environment, "true")


async def test_a_set_up_that_is_canceled_leaves_nothing(base: Base) -> None:
    instance = f"test-{secrets.token_hex(4)}"
    told: list[str] = []
    async with DockerEngine() as engine, docker_provider(instance=instance, progress=told.append) as provider:
        await said(provider, base, PLAIN, "true")
        with anyio.move_on_after(1.5) as scope:
            await said(provider, base, Environment(source="x", setup="sleep 60"), "true")
        found = await left_behind(engine, instance)
    assert scope.cancelled_caught
    assert (found["containers"], found["volumes"], found["images"], len(found["base"])) == ([], [], [], 2)


async def test_two_tasks_at_once_set_up_once(provider: DockerProvider, base: Base, told: list[str]) -> None:
    async def one() -> None:
        assert await said(provider, base, Environment(source="x", setup="echo 1 > /opt/one"), "cat /opt/one") == "1\n"

    async with anyio.create_task_group() as group:
        for _ in range(3):
            group.start_soon(one)
    assert setups(told) == 1


async def test_caches_are_for_set_ups_only(provider: DockerProvider, base: Base, told: list[str]) -> None:
    count = "echo x >> ~/.cache/tool/n; wc -l < ~/.cache/tool/n > /opt/runs"
    first = Environment(source="x", setup=count, caches=("~/.cache/tool",))
    second = replace(first, setup=f"{count} # again")
    look = "cat /opt/runs; cat ~/.cache/tool/n /opt/pullwright/home/.cache/tool/n 2>/dev/null"
    assert await said(provider, base, first, look) == "1\n"
    assert await said(provider, base, second, look) == "2\n"
    assert setups(told) == 2


async def test_what_a_pull_request_sets_up_serves_nobody_else(
    provider: DockerProvider, base: Base, tmp_path: Path, told: list[str]
) -> None:
    setup = "cp a /opt/a; echo x >> ~/.cache/tool/n; wc -l < ~/.cache/tool/n >> /opt/a || true"
    rules = Environment(source="x", setup=f"mkdir -p ~/.cache/tool; {setup}", caches=("~/.cache/tool",))
    pull = more(base, tmp_path, {"a": b"evil\n"})
    for _ in range(2):
        assert await said(provider, pull, replace(rules, commit=base.sha), "cat /opt/a") == "evil\n1\n"
    assert setups(told) == 1
    assert await said(provider, base, rules, "cat /opt/a") == "1\n1\n"
    assert setups(told) == 2


async def test_a_dockerfile_in_a_pull_request_is_not_built(base: Base, tmp_path: Path) -> None:
    async with DockerEngine() as engine:
        ours = SandboxImage(engine, lock_folder=LOCKS)
        await ours.ensure(lambda line: None)
    recipe = f"FROM {ours.tag}\nUSER root\nCOPY who /opt/who\n".encode()
    reviewed = more(base, tmp_path, {"docker/Dockerfile": recipe, "docker/who": b"reviewed\n"})
    pull = more(base, tmp_path, {"docker/who": b"evil\n"})
    environment = Environment(source="x", dockerfile="docker/Dockerfile", context="docker", commit=reviewed.sha)
    async with docker_provider(dockerfile_builds=True) as provider:
        assert await said(provider, pull, environment, "cat /opt/who") == "reviewed\n"


async def test_it_works_on_copies_too(base: Base) -> None:
    told: list[str] = []
    async with docker_provider(progress=told.append, overlay=False) as provider:
        for _ in range(2):
            look = "cat node_modules/p/index.js a src/b; git status --porcelain; tool"
            assert await said(provider, base, ENVIRONMENT, look) == "module\n1\n1\ntool\n"
    assert setups(told) == 1


async def test_old_snapshots_go_but_none_that_is_in_use(base: Base) -> None:
    instance = f"test-{secrets.token_hex(4)}"
    async with DockerEngine() as engine, docker_provider(instance=instance) as provider:
        made = [Environment(source="x", setup=f"echo {number} > /opt/n; mkdir new") for number in range(5)]
        async with provider.open(base, task_id="t", environment=made[0]) as workspace:
            for environment in made[1:]:
                await said(provider, base, environment, "true")
                await anyio.sleep(1.0)  # they are told apart by the second that they were made in
            found = await left_behind(engine, instance)
            async with workspace.open_sandbox() as sandbox:
                assert (await sandbox.exec("cat /opt/n; ls -d new", timeout=20)).stdout.text == "0\nnew\n"
        assert len(found["images"]) == 4
        await said(provider, base, Environment(source="x", setup="echo last"), "true")
        assert len((await left_behind(engine, instance))["images"]) == 3


async def test_an_image_that_is_not_there(provider: DockerProvider, base: Base) -> None:
    environment = Environment(source=".agent/environment.toml", image="registry.invalid/no/such:1")
    with pytest.raises(ImageError, match=r"docker pull registry\.invalid/no/such:1"):
        await said(provider, base, environment, "true")


async def test_an_image_from_the_base_commit(base: Base, tmp_path: Path) -> None:
    async with DockerEngine() as engine:
        ours = SandboxImage(engine, lock_folder=LOCKS)
        await ours.ensure(lambda line: None)
    recipe = f"FROM {ours.tag}\nUSER root\nCOPY package.json /opt/copied\n".encode()
    built = more(base, tmp_path, {"docker/Dockerfile": recipe, "docker/package.json": b"from the commit\n"})
    environment = Environment(source="x", dockerfile="docker/Dockerfile", context="docker")
    async with docker_provider() as provider:
        with pytest.raises(ImageError, match="AGENT_DOCKERFILE_BUILDS=true"):
            await said(provider, built, environment, "true")
    told: list[str] = []
    async with docker_provider(dockerfile_builds=True, progress=told.append) as provider:
        for _ in range(2):
            assert await said(provider, built, environment, "cat /opt/copied; id -u") == "from the commit\n10001\n"
        assert len(told) == 1
        with pytest.raises(ConfigError, match="'none' is not in the base commit"):
            await said(provider, built, replace(environment, dockerfile="none/Dockerfile", context="none"), "true")
        with pytest.raises(ImageError, match="move it there"):
            await said(provider, built, replace(environment, dockerfile="Dockerfile"), "true")
        broken = more(base, tmp_path, {"docker/Dockerfile": f"FROM {ours.tag}\nRUN exit 3\n".encode()})
        with pytest.raises(ImageError, match="could not be built"):
            await said(provider, broken, environment, "true")


async def test_an_image_that_knows_nothing_of_us(base: Base) -> None:
    """No folder of ours, no home, no user: our image's programs on a bare root."""
    async with DockerEngine() as engine, docker_provider() as provider:
        ours = await SandboxImage(engine, lock_folder=LOCKS).ensure(lambda line: None)
        tag = f"pullwright-test:{secrets.token_hex(4)}"
        await engine.call("import an image", lambda _: import_stripped(engine.new_client(120), ours, tag))
        try:
            look = "pwd; echo $HOME; touch ~/x new && ls ~ ; cat a; id -u"
            environment = Environment(source="x", image=tag)
            assert await said(provider, base, environment, look) == "/workspace\n/home/agent\nx\n1\n10001\n"
            assert await said(provider, base, replace(environment, setup="true"), "id -un; ls -d new") == (
                "agent\nls: cannot access 'new': No such file or directory\n"
            )
        finally:
            await engine.call("remove images", lambda client: client.remove_image(tag, force=True))


def import_stripped(client: docker_sdk.APIClient, image: str, tag: str) -> None:
    """Make an image of only the programs of another one."""
    drop = "userdel agent; rm -rf /workspace /home /opt; mkdir /opt"
    container = client.create_container(image, ["sh", "-c", drop], user="0:0", network_disabled=True)["Id"]
    try:
        client.start(container)
        client.wait(container)
        repository, _, name = tag.partition(":")
        client.import_image_from_data(b"".join(client.export(container)), repository=repository, tag=name)
    finally:
        client.remove_container(container, force=True)
        client.close()


async def test_open_egress_needs_the_owner_of_the_instance(provider: DockerProvider, base: Base) -> None:
    environment = Environment(source="x", egress=EgressPolicy(mode=EgressMode.OPEN))
    async with provider.open(base, task_id="t", environment=environment) as workspace:
        assert ["AGENT_OPEN_EGRESS=true" in line for line in workspace.notices] == [True]


async def test_what_set_up_reaches_is_told_once_and_stays_apart(base: Base, tmp_path: Path) -> None:
    url = "http://127.0.0.1:39701/simple/"
    ask = f"python3 -c 'import urllib.request; urllib.request.urlopen(\"{url}\")' 2> /dev/null || true"
    setup = f"cat /etc/apt/apt.conf.d/00pullwright > /opt/conf\n{ask}\n"
    environment = Environment(source="x", setup=setup, egress=EgressPolicy(mode=EgressMode.NONE))
    async with (
        EgressGateway(Upstreams(), cache=tmp_path / "cache") as gateway,
        docker_provider(gateway=gateway) as provider,
    ):
        reached = []
        for _ in range(2):
            async with provider.open(base, task_id="t", environment=environment) as workspace:
                reached.append([(decision.kind, decision.allowed) for decision in workspace.setup_egress])
                async with workspace.open_sandbox() as sandbox:
                    look = f"grep -c Proxy /opt/conf; ls /etc/apt/apt.conf.d/00pullwright; env | grep -c PIP_; {ask}"
                    result = await sandbox.exec(look, timeout=60)
                    assert (result.stdout.text, result.egress) == ("2\n0\n", ())
        assert reached == [[("pypi", False)], []]
        with_packages = replace(environment, egress=EgressPolicy())
        async with (
            provider.open(base, task_id="t", environment=with_packages) as workspace,
            workspace.open_sandbox() as sandbox,
        ):
            assert [decision.allowed for decision in (await sandbox.exec(ask, timeout=60)).egress] == [False]
