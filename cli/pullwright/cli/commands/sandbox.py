"""``agent sandbox``: the image that sandboxes are made from."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

from pullwright.cli import wiring
from pullwright.cli.runtime import interruptible, run_async
from pullwright.cli.settings import Settings, load_settings
from pullwright.cli.speech import complain


def build_command(*, rebuild: bool) -> int:
    """Build the image and print its name."""
    return run_async(interruptible, partial(_build, load_settings(Path.cwd()), rebuild))


async def _build(settings: Settings, rebuild: bool) -> int:
    async with wiring.open_engine() as engine:
        image = wiring.sandbox_image(settings, engine)
        await (image.rebuild(complain) if rebuild else image.ensure(complain))
    sys.stdout.write(f"{image.tag}\n")
    return 0


def prune_command() -> int:
    """Remove what this installation keeps on the engine."""
    return run_async(interruptible, partial(_prune, load_settings(Path.cwd())))


async def _prune(settings: Settings) -> int:
    removed = await wiring.prune(settings)
    sys.stdout.write(f"removed {removed} containers and volumes\n")
    return 0
