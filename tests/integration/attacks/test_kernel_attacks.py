"""Calls that reach for the host through the kernel, tried by the agent's user and by set-up's root."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pullwright.sandbox.docker_engine import DockerEngine
from tests.integration.attacks import kernel_probe
from tests.integration.sandbox.containers import plain_spec, running, said

pytestmark = [pytest.mark.anyio, pytest.mark.docker]

SOURCE = Path(kernel_probe.__file__).read_text()
OTHER_WORDS = {"clone3": "ENOSYS", "socket:audit": "EPROTONOSUPPORT", "i386": "SIGSYS", "x32": "SIGSYS"}
"""Refusals that are worded so that honest programs fall back to something else, or end at once."""


@pytest.fixture(scope="module")
async def answers() -> list[dict[str, Any]]:
    """What the kernel told the agent's user and what it told root."""
    found = []
    async with DockerEngine() as engine:
        for root in (False, True):
            async with running(engine, await plain_spec(engine, root=root)) as container:
                argv = ("python3", "-I", "-c", SOURCE)
                found.append(json.loads(await said(engine, container, argv, {"HOME": "/tmp"})))
    return found


@pytest.mark.parametrize("attempt", kernel_probe.ATTEMPTS)
async def test_kernel_call_is_refused(answers: list[dict[str, Any]], attempt: str) -> None:
    """Kernel surface that older engines' own profiles leave open (vsock, io_uring, AF_ALG), and all ways to be root."""
    expected = OTHER_WORDS.get(attempt, "EPERM")
    assert [told["refused"][attempt] for told in answers] == [expected, expected]


async def test_ordinary_work_still_goes(answers: list[dict[str, Any]]) -> None:
    """A defence that breaks debuggers and compilers gets switched off by its owner."""
    assert [[name for name, fine in told["allowed"].items() if fine is not True] for told in answers] == [[], []]
