"""The same container on stronger and weaker ground: what the kernel says inside, root for set-up, other runtimes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from pullwright.agents.errors import SandboxUnavailable
from pullwright.agents.finding import Mark
from pullwright.sandbox.container_spec import ROOT_CAPABILITIES, ContainerLimits
from pullwright.sandbox.docker_engine import DockerEngine
from pullwright.sandbox.engine_facts import gives
from pullwright.sandbox.engine_probe import judge, probe_container
from tests.integration.sandbox.containers import plain_spec, running, said

pytestmark = [pytest.mark.anyio, pytest.mark.docker]

LIMITS = ContainerLimits(memory_mib=256, pids=64)


@pytest.fixture
async def engine() -> AsyncIterator[DockerEngine]:
    async with DockerEngine() as made:
        yield made


async def test_a_probe_finds_every_wall_in_place(engine: DockerEngine) -> None:
    image = (await plain_spec(engine)).image
    found = await probe_container(engine, image, instance="test-tiers", limits=LIMITS)
    assert {guarantee.name: guarantee.mark for guarantee in found if guarantee.mark is not Mark.OK} == {}
    assert len(found) == 8


async def test_this_engine_gives_what_a_sandbox_needs(engine: DockerEngine) -> None:
    assert [guarantee for guarantee in gives(await engine.facts()) if guarantee.mark is Mark.MISSING] == []


async def test_root_for_set_up_can_install_and_do_no_more(engine: DockerEngine) -> None:
    script = """
        set -e
        test "$(id -u)" = 0
        touch /etc/new && chown 10001:10001 /etc/new && chmod 4755 /etc/new && mkdir -p /opt/new/folder
        ! mount -t tmpfs none /mnt 2>/dev/null
        ! mknod /tmp/sda b 8 0 2>/dev/null
        ! chroot / true 2>/dev/null
        ! unshare -n true 2>/dev/null
        ! ip link add x type dummy 2>/dev/null
        ! sh -c 'echo 1 > /proc/sys/kernel/sysrq' 2>/dev/null
        grep -E '^(CapBnd|NoNewPrivs|Seccomp):' /proc/self/status
        tail -n +3 /proc/net/dev | cut -d: -f1
    """
    async with running(engine, await plain_spec(engine, root=True)) as container:
        told = (await said(engine, container, ("bash", "-c", script))).split()
    numbers = {"CHOWN": 0, "DAC_OVERRIDE": 1, "FOWNER": 3, "FSETID": 4, "KILL": 5, "SETGID": 6, "SETUID": 7}
    mask = sum(1 << numbers[name] for name in ROOT_CAPABILITIES)
    assert told == ["CapBnd:", f"{mask:016x}", "NoNewPrivs:", "1", "Seccomp:", "2", "lo"]


async def test_a_runtime_that_the_engine_does_not_know_is_refused(engine: DockerEngine) -> None:
    spec = replace(await plain_spec(engine), runtime="no-such-runtime")
    with pytest.raises(SandboxUnavailable, match="no-such-runtime"):
        async with running(engine, spec):
            raise AssertionError


async def test_gvisor_if_the_engine_has_it(engine: DockerEngine) -> None:
    if "runsc" not in (await engine.facts()).runtimes:
        pytest.skip("the engine does not know the runtime runsc (gVisor)")
    spec = await plain_spec(engine, runtime="runsc")
    found = await probe_container(engine, spec.image, instance="test-tiers", limits=LIMITS, runtime="runsc")
    assert [guarantee for guarantee in found if guarantee.mark is Mark.MISSING] == []


def test_a_container_that_is_not_what_was_asked_for_is_told() -> None:
    lines = (
        "Uid 0",
        "CapBnd a80425fb",
        "NoNewPrivs 0",
        "Seccomp 0",
        "interface lo",
        "interface eth0",
        "root writable",
        "pids max",
    )
    found = {guarantee.name: guarantee for guarantee in judge("\n".join(lines), LIMITS)}
    assert found.pop("memory limit").mark is Mark.WARN
    assert {guarantee.mark for guarantee in found.values()} == {Mark.MISSING}
    assert "'lo eth0'" in found["network"].text
    assert all(
        guarantee.mark is not Mark.OK
        for guarantee in judge("x" * 10_000, LIMITS)
        if guarantee.name != "root file system"
    )
