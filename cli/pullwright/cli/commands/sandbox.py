"""``agent sandbox``: the image that sandboxes are made from."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

from pullwright.cli import wiring
from pullwright.cli.runtime import interruptible, run_async
from pullwright.cli.settings import Settings, load_settings
from pullwright.cli.speech import complain
from pullwright.sandbox.reaper import reap_until_gone


def build_command(*, rebuild: bool) -> int:
    """Build the image and print its name."""
    return run_async(interruptible, partial(_build, load_settings(Path.cwd()), rebuild))


async def _build(settings: Settings, rebuild: bool) -> int:
    async with wiring.open_engine() as engine:
        image = wiring.sandbox_image(engine)
        await (image.rebuild(complain) if rebuild else image.ensure(complain))
    sys.stdout.write(f"{image.tag}\n")
    return 0


def prune_command() -> int:
    """Remove what this installation keeps on the engine."""
    return run_async(interruptible, partial(_prune, load_settings(Path.cwd())))


async def _prune(settings: Settings) -> int:
    removed = await wiring.prune(settings)
    sys.stdout.write(f"removed {removed} containers, volumes and images\n")
    return 0


def reap_command(owner: str, engine_url: str) -> int:
    """Remove what a killed process left on an engine."""

    async def reap() -> int:
        await reap_until_gone(owner, engine_url)
        return 0

    return run_async(interruptible, reap)
