"""What the attacks share: the victim's files, small limits, and how a command inside is asked."""

from __future__ import annotations

from pullwright.agents.ports.sandbox import Sandbox
from pullwright.sandbox.container_spec import ContainerLimits

SMALL = ContainerLimits(memory_mib=512, pids=128, tmp_mib=32, home_mib=16, file_mib=64)
FILES = {"README.md": b"# Victim\n", "src/app.py": b"print(41)\n", "tool.sh": b"#!/bin/sh\nexit 0\n"}


async def said(sandbox: Sandbox, command: str, *, timeout: float = 30) -> str:
    """Return what a command printed on both streams."""
    result = await sandbox.exec(command, timeout=timeout)
    return (result.stdout.text + result.stderr.text).strip()
