"""``agent doctor``: what works, what is missing, and what to do about it."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

from pullwright.agents.errors import PullwrightError
from pullwright.cli import wiring
from pullwright.cli.runtime import interruptible, run_async
from pullwright.cli.settings import Settings, load_settings


def doctor_command() -> int:
    """Run every check; 0 when all of them pass, 1 otherwise."""
    settings = load_settings(Path.cwd())

    async def examine() -> int:
        checks = (
            ("container engine", _engine),
            ("sandbox image", _image),
            ("endpoint", _endpoint),
            ("GitHub", _github),
        )
        results = [await _report(name, check, settings) for name, check in checks]
        return 0 if all(results) else 1

    return run_async(interruptible, examine)


async def _report(name: str, check: Callable[[Settings], Awaitable[str]], settings: Settings) -> bool:
    try:
        mark, text = "✔", await check(settings)
    except PullwrightError as exc:
        mark, text = "✘", str(exc)
    sys.stdout.write(f"{mark} {name}: {text}\n")
    sys.stdout.flush()
    return mark == "✔"


async def _engine(settings: Settings) -> str:
    del settings
    async with wiring.open_engine() as engine:
        facts = await engine.facts()
    security = ", ".join(facts.security) or "none reported"
    return f"version {facts.version}, {facts.storage_driver}, cgroup v{facts.cgroup_version}, security: {security}"


async def _image(settings: Settings) -> str:
    async with wiring.open_engine() as engine:
        image = wiring.sandbox_image(settings, engine)
        return image.tag if await image.exists() else f"{image.tag} is not built yet; it is on first use"


async def _endpoint(settings: Settings) -> str:
    wiring.require_endpoint(settings)
    return await wiring.probe_endpoint(settings)


async def _github(settings: Settings) -> str:
    if not settings.github_token.get_secret_value():
        return "no AGENT_GITHUB_TOKEN: runs end with a local branch and a patch file"
    return f"a token for {settings.github_api_url} is set"
