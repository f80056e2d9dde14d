"""``agent doctor``: what works, what is missing, and what to do about it."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pullwright.agents.errors import PullwrightError
from pullwright.agents.finding import Finding, Mark
from pullwright.cli import model_wiring, wiring
from pullwright.cli.notify_wiring import open_notifications
from pullwright.cli.runtime import interruptible, run_async
from pullwright.cli.settings import Settings, load_settings

if TYPE_CHECKING:
    from pullwright.sandbox.engine_facts import EngineFacts

SIGNS = {Mark.OK: "✔", Mark.WARN: "!", Mark.MISSING: "✘"}

Check = Callable[[Settings], Awaitable[tuple[str, Sequence[Finding]]]]
"""Returns its own line, and what stands below it."""


def doctor_command() -> int:
    """Run every check; 0 when nothing is missing, 1 otherwise. What is merely weaker than it could be is no failure."""
    settings = load_settings(Path.cwd())

    async def examine() -> int:
        each = settings.each_endpoint() or {"": settings}
        checks = (
            ("container engine", _engine, settings),
            ("sandbox image", _image, settings),
            *((f"endpoint {name}".rstrip(), _endpoint, one) for name, one in each.items()),
            ("GitHub", _github, settings),
            *([("notifications", _notifications, settings)] if settings.notify or settings.notifications else ()),
        )
        results = [await _report(name, check, about) for name, check, about in checks]
        return 0 if all(results) else 1

    return run_async(interruptible, examine)


async def _report(name: str, check: Check, settings: Settings) -> bool:
    try:
        text, below = await check(settings)
        own = Mark.MISSING if any(found.mark is Mark.MISSING for found in below) else Mark.OK
    except PullwrightError as exc:
        own, text, below = Mark.MISSING, str(exc), ()
    lines = [f"  {SIGNS[found.mark]} {found.name}: {found.text}" for found in below]
    sys.stdout.write("\n".join([f"{SIGNS[own]} {name}: {text}", *lines, ""]))
    sys.stdout.flush()
    return own is Mark.OK


async def _engine(settings: Settings) -> tuple[str, Sequence[Finding]]:
    from pullwright.sandbox.engine_facts import gives

    del settings
    async with wiring.open_engine() as engine:
        facts = await engine.facts()
    return _description(facts), gives(facts)


def _description(facts: EngineFacts) -> str:
    storage = (
        f"{facts.storage_driver} on {facts.backing_filesystem}" if facts.backing_filesystem else facts.storage_driver
    )
    restarts = "containers outlive its restarts" if facts.live_restore else "its restart ends running containers"
    return (
        f"version {facts.version} (API {facts.api_version}), {storage}, cgroup v{facts.cgroup_version or '1'} by"
        f" {facts.cgroup_driver or 'an unknown driver'}, {facts.system}, kernel {facts.kernel}; {restarts}"
    )


async def _image(settings: Settings) -> tuple[str, Sequence[Finding]]:
    from pullwright.sandbox.container_spec import ContainerLimits
    from pullwright.sandbox.engine_probe import probe_container

    async with wiring.open_engine() as engine:
        image = wiring.sandbox_image(engine)
        if not await image.exists():
            return f"{image.tag} is not built yet; it is on first use", ()
        limits = ContainerLimits(memory_mib=settings.sandbox_memory_mb, cpus=settings.sandbox_cpus)
        instance = await wiring.instance_name(settings)
        runtime = settings.sandbox_runtime
        found = await probe_container(engine, image.tag, instance=instance, limits=limits, runtime=runtime)
    return f"{image.tag}; what holds in a container of it:", found


async def _endpoint(settings: Settings) -> tuple[str, Sequence[Finding]]:
    model_wiring.require_endpoint(settings)
    found = await model_wiring.probe_endpoint(settings)
    return f"{found.model.name or 'no model'} at {model_wiring.endpoint_settings(settings).shown_url}", found.findings


async def _github(settings: Settings) -> tuple[str, Sequence[Finding]]:
    who = await wiring.whoami(settings)
    if not who:
        return "no App and no AGENT_GITHUB_TOKEN: runs end with a local branch and a patch file", ()
    unused = wiring.github_settings(settings).is_app and settings.github_token.get_secret_value()
    return f"we act as {who}{'; AGENT_GITHUB_TOKEN is not used' if unused else ''}", ()


async def _notifications(settings: Settings) -> tuple[str, Sequence[Finding]]:
    notifications = await open_notifications(settings)
    labels = [target.label for target in notifications.targets] if notifications else []
    return f"{', '.join(labels)}; `agent notify test` tries them", ()
