"""From inside a real container to the network: nothing passes but what the policy names, and each refusal is told."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import anyio
import pytest

from pullwright.agents.egress import EgressMode, EgressPolicy
from pullwright.agents.environment import Environment
from pullwright.agents.ports.sandbox import Base, Sandbox
from pullwright.sandbox.docker_engine import DockerEngine
from pullwright.sandbox.docker_provider import DockerProvider
from pullwright.sandbox.egress import EgressGateway, Upstreams
from pullwright.sandbox.egress.upstreams import Credential
from pullwright.sandbox.image import SandboxImage
from pullwright.sandbox.prune import prune
from tests.integration.attacks.egress_attacks import (
    ALLOWLIST,
    DIRECT,
    HELLO,
    NPM,
    OPEN,
    PACKAGES,
    PYPI,
    TUNNEL,
    Attempt,
)
from tests.integration.attacks.knocking import Knock, furnish, get, knock
from tests.integration.attacks.local_registry import CREDENTIAL, PASSWORD, SMALL, Registry, serving, stock
from tests.integration.attacks.outside import ANSWER, LISTED, PUBLIC, Outside, outside
from tests.integration.sandbox.engine import LOCKS

pytestmark = [pytest.mark.anyio, pytest.mark.docker]

PATIENCE = 5.0
"""Seconds that ``true`` may take while a sandbox floods its own ports, on a machine that is busy already."""


@dataclass(frozen=True)
class Net:
    """An instance with a local registry, and two providers: only one lets repositories have the mode ``open``."""

    base: Base
    registry: Registry
    other: Registry
    outside: Outside
    provider: DockerProvider
    generous: DockerProvider

    @asynccontextmanager
    async def sandbox(
        self, mode: EgressMode, *, max_bytes: int = 64 << 20, generous: bool = False
    ) -> AsyncIterator[tuple[Sandbox, tuple[str, ...]]]:
        hosts = LISTED if mode is EgressMode.ALLOWLIST else ()
        policy = EgressPolicy(mode=mode, hosts=hosts, max_bytes=max_bytes)
        environment = Environment(source=".agent/environment.toml", egress=policy)
        provider = self.generous if generous else self.provider
        async with (
            provider.open(self.base, task_id=f"egress-{mode}", environment=environment) as workspace,
            workspace.open_sandbox() as sandbox,
        ):
            await furnish(sandbox)
            yield sandbox, workspace.notices


@pytest.fixture(scope="module")
async def net(base: Base, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Net]:
    instance = f"test-{secrets.token_hex(4)}"
    with serving() as registry, serving() as other:
        stock(registry, other)
        upstreams = Upstreams(
            pypi=(f"{registry.url}/simple",),
            npm=f"{registry.url}/npm",
            credentials=(Credential(f"{registry.url}/", CREDENTIAL),),
        )
        cache = tmp_path_factory.mktemp("cache")
        async with (
            outside() as reached,
            EgressGateway(upstreams, cache=cache, resolver=reached.resolve, connector=reached.connect) as gateway,
            DockerEngine() as engine,
        ):
            image = SandboxImage(engine, lock_folder=LOCKS)
            closed, generous = (
                DockerProvider(engine, instance=instance, image=image, gateway=gateway, open_egress=allowed)
                for allowed in (False, True)
            )
            try:
                yield Net(base, registry, other, reached, closed, generous)
            finally:
                with anyio.CancelScope(shield=True):
                    await prune(engine, instance)


async def tried(sandbox: Sandbox, attempts: Mapping[str, Attempt]) -> Mapping[str, Knock]:
    return {name: await knock(sandbox, attempt.port, *attempt.pieces) for name, attempt in attempts.items()}


def check(attempt: Attempt, outcome: Knock) -> None:
    """The attempt was refused, for the right reason, once, in the result and in what the model reads."""
    [(target, rule)] = outcome.refused
    assert attempt.rule in rule
    assert attempt.target[:60] in target or attempt.target in target
    assert outcome.allowed == []
    assert f"[blocked by the egress policy: {target} ({rule})" in outcome.told
    assert "blocked by Pullwright" in outcome.answer or "not found" in outcome.answer or attempt.port == TUNNEL
    assert ANSWER.decode() not in outcome.answer


@pytest.fixture(scope="module")
async def packages(net: Net) -> Mapping[str, Knock]:
    async with net.sandbox(EgressMode.PACKAGES) as (sandbox, _):
        found = dict(await tried(sandbox, PACKAGES))
        net.registry.project("poisoned", b"what was meant")
        found["healed"] = await knock(sandbox, PYPI, get("/files/poisoned/poisoned-1.0.tar.gz"))
        found["good"] = await knock(sandbox, PYPI, get("/files/good/good-1.0.tar.gz"))
        found["left"] = await knock(sandbox, NPM, get("/left/-/left-1.0.0.tgz"))
        environment = await sandbox.exec("env; cat ~/.npmrc ~/.config/pip/pip.conf 2>/dev/null", timeout=20)
        found["environment"] = Knock(environment, environment.stdout.text)
        return found


@pytest.mark.parametrize("attack", PACKAGES)
async def test_a_package_client_is_refused_that(packages: Mapping[str, Knock], attack: str) -> None:
    """Incident class: a permitted registry as a way to send, to reach other hosts, or to reach inside."""
    check(PACKAGES[attack], packages[attack])


async def test_what_is_permitted_is_served_and_told_with_its_version(packages: Mapping[str, Knock]) -> None:
    """The control: the same gateway gives packages, and names each of them."""
    assert SMALL.decode() in packages["good"].answer
    assert packages["good"].allowed == [("good 1.0", "packages are allowed")]
    assert packages["left"].allowed == [("left 1.0.0", "packages are allowed")]
    assert "blocked" not in packages["good"].told


async def test_a_poisoned_file_never_stays_in_the_cache(packages: Mapping[str, Knock]) -> None:
    """Incident class: one task's download is another task's malware."""
    assert "evil bytes" not in packages["gets-a-poisoned-file"].answer
    assert "what was meant" in packages["healed"].answer


async def test_the_credential_of_a_registry_never_enters_the_sandbox(packages: Mapping[str, Knock], net: Net) -> None:
    """Incident class: a token that is added by a proxy comes back to the one who must not have it."""
    assert any(headers.get("Authorization") == CREDENTIAL for _, _, headers in net.registry.asked)
    for name, outcome in packages.items():
        text = outcome.answer + outcome.told
        assert PASSWORD not in text, name
        assert CREDENTIAL.split()[1] not in text, name


async def test_registries_are_only_ever_read_and_only_at_known_places(packages: Mapping[str, Knock], net: Net) -> None:
    """Incident class: what was refused to the client was done all the same."""
    assert {method for method, _, _ in net.registry.asked} == {"GET"}
    assert not [path for path in net.registry.paths if "hunter2" in path or "admin" in path or ".." in path]
    assert net.other.asked == []


async def test_a_file_that_an_index_places_inside_is_not_fetched(net: Net) -> None:
    """Incident class: a hostile index sends the host to its own metadata service."""
    async with net.sandbox(EgressMode.PACKAGES) as (sandbox, _):
        for name in ("inside", "elsewhere"):
            outcome = await knock(sandbox, PYPI, get(f"/files/{name}/{name}-1.0.tar.gz"))
            assert outcome.answer.startswith("HTTP/1.1 404 ")
    assert net.other.asked == []


async def test_a_byte_budget_ends_a_download_and_what_follows(net: Net) -> None:
    """Incident class: a sandbox that fills disks and links."""
    async with net.sandbox(EgressMode.PACKAGES, max_bytes=50_000) as (sandbox, _):
        large = await knock(sandbox, PYPI, get("/files/large/large-1.0.tar.gz"))
        assert large.refused == [("large 1.0", "byte budget used up")]
        assert "byte budget used up" in large.told


@pytest.fixture(scope="module")
async def listed(net: Net) -> Mapping[str, Knock]:
    async with net.sandbox(EgressMode.ALLOWLIST) as (sandbox, _):
        found = dict(await tried(sandbox, ALLOWLIST))
        assert net.outside.received == []
        found["control"] = await knock(
            sandbox, TUNNEL, b"CONNECT LISTED.example.:443 HTTP/1.1\r\nHost: x\r\n\r\n", HELLO
        )
        for way, call in DIRECT.items():
            call = call.replace("REGISTRY", net.registry.url.rpartition(":")[2])
            result = await sandbox.exec(f'python3 -c "import socket; {call}"', timeout=20)
            found[way] = Knock(result, result.stderr.text)
        return found


@pytest.mark.parametrize("attack", ALLOWLIST)
async def test_an_allow_list_is_not_evaded_by(listed: Mapping[str, Knock], attack: str) -> None:
    """Incident class: other spellings, fronting, tunnels, rebinding (2026 bypasses of several sandboxes)."""
    check(ALLOWLIST[attack], listed[attack])


async def test_a_listed_host_is_reached_in_any_spelling_of_its_name(listed: Mapping[str, Knock], net: Net) -> None:
    """The control: upper case and a final dot are the same name, and the checked address is the one connected to."""
    assert ANSWER.decode() in listed["control"].answer
    assert listed["control"].allowed == [("listed.example:443", "on the allow list")]
    assert {address for address, _ in net.outside.connected} == {PUBLIC}


@pytest.mark.parametrize("way", DIRECT)
async def test_there_is_no_way_out_without_the_proxy(listed: Mapping[str, Knock], way: str) -> None:
    """Incident class: a proxy that programs may ignore."""
    assert listed[way].result.exit_code == 1
    assert any(
        said in listed[way].answer for said in ("unreachable", "refused", "not permitted", "resolution", "known")
    )


@pytest.fixture(scope="module")
async def opened(net: Net) -> Mapping[str, Knock]:
    async with net.sandbox(EgressMode.OPEN, generous=True) as (sandbox, notices):
        assert notices == ()
        return await tried(sandbox, OPEN)


@pytest.mark.parametrize("attack", OPEN)
async def test_even_open_egress_does_not_reach(opened: Mapping[str, Knock], attack: str) -> None:
    """Incident class: server-side request forgery through the sandbox's proxy."""
    check(OPEN[attack], opened[attack])


async def test_open_egress_that_a_repository_asks_for_falls_back_to_packages_and_says_so(net: Net) -> None:
    """Incident class: the repository decides how far its agent is trusted."""
    async with net.sandbox(EgressMode.OPEN) as (sandbox, notices):
        assert ["open egress is not allowed here" in line for line in notices] == [True]
        outcome = await sandbox.exec("env | grep -ci https_proxy; python3 /tmp/knock.py '[39704, []]'", timeout=20)
        assert outcome.stdout.text == "0\n"
        assert "ConnectionRefusedError" in outcome.stderr.text


async def test_without_egress_no_port_is_open_at_all(net: Net) -> None:
    """Incident class: an empty list that means everything."""
    async with net.sandbox(EgressMode.NONE) as (sandbox, _):
        ports = await sandbox.exec(
            "grep -c ' 0A ' /proc/net/tcp /proc/net/tcp6; env | grep -ci 'proxy\\|index'", timeout=20
        )
        assert ports.stdout.text == "/proc/net/tcp:0\n/proc/net/tcp6:0\n0\n"
        assert ports.egress == ()


FLOODS = {
    "with-a-thousand-connections": (1000, ""),
    "with-requests-that-never-end": (64, "GET /simple/good/ HTTP/1.1\\r\\nX-Slow: "),
    "with-answers-that-are-never-read": (64, "GET /files/huge/huge-1.0.tar.gz HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n"),
    "with-silence": (64, ""),
}


@pytest.mark.parametrize("how", FLOODS)
async def test_commands_go_on_while_a_sandbox_floods_its_ports(net: Net, how: str) -> None:
    """Incident class: one program inside takes the agent's hands away, or those of every other task."""
    count, first = FLOODS[how]
    async with net.sandbox(EgressMode.PACKAGES, max_bytes=1 << 30) as (sandbox, _):
        await sandbox.start_service("flood", f"exec python3 /tmp/flood.py {PYPI} {count} '{first}'")
        assert (await sandbox.exec("until [ -e /tmp/flooded ]; do sleep 0.05; done", timeout=30)).exit_code == 0
        started = time.monotonic()
        assert (await sandbox.exec("true", timeout=60)).exit_code == 0
        assert time.monotonic() - started < PATIENCE
        connections = await sandbox.exec(f"grep -c :{PYPI:X} /proc/net/tcp", timeout=20)
        assert int(connections.stdout.text) > 100  # both ends of each are in the list
        await sandbox.stop_service("flood")
        assert SMALL.decode() in (await knock(sandbox, PYPI, get("/files/good/good-1.0.tar.gz"))).answer
