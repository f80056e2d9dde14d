"""The composition root: the only place that names concrete classes."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
from anyio import to_thread

from pullwright.agents.background import beside
from pullwright.agents.change import RepositoryRef
from pullwright.agents.clock import SystemClock
from pullwright.agents.egress import EgressMode, EgressPolicy
from pullwright.agents.errors import ConfigError, SandboxError
from pullwright.agents.ports.code_host import CodeHost, Issue
from pullwright.agents.ports.durable import DurableStore
from pullwright.agents.ports.lease import Worker
from pullwright.agents.ports.model import DeltaListener
from pullwright.agents.task import TaskSpec
from pullwright.cli.intake import Origin
from pullwright.cli.model_wiring import open_model, price_list
from pullwright.cli.readiness import Readiness
from pullwright.cli.settings import Settings

if TYPE_CHECKING:
    from pullwright.agents.worker.advance import Advancer
    from pullwright.integrations.github.settings import GitHubSettings
    from pullwright.sandbox.docker_engine import DockerEngine
    from pullwright.sandbox.docker_provider import DockerProvider
    from pullwright.sandbox.image import SandboxImage
    from pullwright.sandbox.mirror import GitMirror

RELEASE = version("pullwright")

ENGINE_SECONDS = 2.0
"""How often an engine that does not answer is asked again."""

REAP_SECONDS = 60.0
"""How often a worker looks for what dead tasks left on the engine."""

LAST_REAP_SECONDS = 10.0
"""How long a process that ends may look for what it left."""

TASK_ID_LENGTH = 26
"""What runs for a task is labelled with its id, and sometimes with what it is for after that."""


@asynccontextmanager
async def open_store(settings: Settings) -> AsyncIterator[DurableStore]:
    """Open the store that the settings name, and take back what workers left behind when they died."""
    from pullwright.agents.queue.open import open_store as opened

    url = await to_thread.run_sync(lambda: settings.store_url)
    async with opened(url, SystemClock(), max_losses=settings.max_losses) as store:
        await store.tend()
        yield store


def this_worker(settings: Settings, *, slots: int, place: str) -> Worker:
    """Return this process as a worker of the installation ``place``."""
    from pullwright.agents.worker.queue_engine import this_worker as made

    return made(slots=slots, name=settings.worker_name, version=RELEASE, place=place)


async def placed(spec: TaskSpec, settings: Settings) -> TaskSpec:
    """Return a specification that stays with this installation, if its repository is a folder here."""
    local = spec.checkout or not spec.repository.host
    return replace(spec, place=await instance_name(settings)) if local else spec


async def read_origin(repo: str) -> Origin:
    """Find out what ``--repo`` (or the working folder, if it is empty) stands for.

    Raises:
        ConfigError: It is neither a repository's URL nor a checkout with a commit.
    """
    from pullwright.sandbox.checkout import parse_remote, read_checkout

    place = await anyio.Path(repo or ".").absolute()
    if not await place.exists():
        if ":" not in repo:
            raise ConfigError(f"{repo!r} does not exist; give --repo the path of a checkout, or a URL")
        return Origin(remote=parse_remote(repo), checkout=None)
    checkout = await read_checkout(Path(place))
    if checkout.head_sha is None:
        raise ConfigError(f"the repository {str(checkout.root)!r} has no commit yet; commit something first")
    remote = parse_remote(checkout.remote_url) if checkout.remote_url else None
    return Origin(remote=remote if remote and remote.host else None, checkout=checkout.root, dirty=checkout.dirty)


def code_host(settings: Settings, remote: RepositoryRef | None) -> CodeHost | None:
    """Return the code host of a repository, or None if it is not the one that the settings name.

    Raises:
        ConfigError: The settings of the code host are wrong.
    """
    return None if remote is None else code_hosts(settings)(remote)


def code_hosts(settings: Settings) -> Callable[[RepositoryRef], CodeHost | None]:
    """Return what finds the code host of a repository, for a process that keeps its tokens.

    Raises:
        ConfigError: The settings of the code host are wrong.
    """
    from pullwright.integrations.github import GitHubCodeHost

    github = GitHubCodeHost(github_settings(settings))
    return lambda repository: github if github.matches(repository) else None


async def whoami(settings: Settings) -> str:
    """Return as whom we act on GitHub; empty for nobody.

    Raises:
        ConfigError, IntegrationError: It can not be found out, or GitHub does not know us.
    """
    from pullwright.integrations.github.whoami import whoami as asked

    return await to_thread.run_sync(asked, github_settings(settings))


def github_settings(settings: Settings) -> GitHubSettings:
    """Return where GitHub is, and as whom we act there.

    Raises:
        ConfigError: They are wrong.
    """
    from pullwright.integrations.github.settings import GitHubSettings

    return GitHubSettings(
        api_url=settings.github_api_url,
        token=settings.github_token.get_secret_value(),
        app_id=str(settings.github_app_id or ""),
        app_key=settings.github_app_private_key.get_secret_value(),
        app_key_file=settings.github_app_private_key_file,
        workflows=any(path.lstrip("/").startswith((".github", "*")) for path in settings.allow_paths),
        ca_file=ca_file(),
    )


def ca_file() -> Path | None:
    """Return the file with the certificates to trust, where the environment names one."""
    from pullwright.integrations.github.settings import CA_FILE_VARIABLES

    named = next((os.environ[name] for name in CA_FILE_VARIABLES if os.environ.get(name)), "")
    return Path(named) if named else None


def render_issue(issue: Issue) -> str:
    """Return an issue as untrusted data for the model."""
    from pullwright.integrations.untrusted import render_issue as render

    return render(issue, secrets.token_hex(8))


async def instance_name(settings: Settings) -> str:
    """Return the name of this installation on container engines: made up once, kept in the home folder."""
    file = anyio.Path(settings.home.expanduser(), "instance")
    try:
        return (await file.read_text()).strip()
    except FileNotFoundError:
        await file.parent.mkdir(parents=True, exist_ok=True)
        fresh = file.with_name(f"instance.{secrets.token_hex(4)}")
        await fresh.write_text(secrets.token_hex(6))
        with suppress(FileExistsError):  # somebody else was first
            await file.hardlink_to(fresh)
        await fresh.unlink()
        return (await file.read_text()).strip()


def sandbox_image(engine: DockerEngine) -> SandboxImage:
    """Return our own image."""
    from pullwright.sandbox.image import SandboxImage

    return SandboxImage(engine)


async def prune(settings: Settings) -> int:
    """Remove this installation's containers and volumes and return how many there were."""
    from pullwright.sandbox.prune import prune

    async with open_engine() as engine:
        return await prune(engine, await instance_name(settings))


def open_engine() -> DockerEngine:
    """Return the container engine that ``DOCKER_HOST`` names, or the one of this host; use it as a context manager."""
    from pullwright.sandbox.docker_engine import DockerEngine

    return DockerEngine()


@asynccontextmanager
async def open_advancer(
    settings: Settings,
    store: DurableStore,
    *,
    holds: Callable[[str], bool],
    note: Callable[[str], None],
    on_delta: Callable[[str], DeltaListener | None] = lambda _: None,
    when_ready: Callable[[], None] | None = None,
) -> AsyncIterator[Advancer]:
    """Put together everything that takes tasks of any repository forward, and take it apart afterwards.

    Args:
        settings: Which endpoint, which engine, which limits.
        store: Where tasks are.
        holds: Says by its id whether a task is in hand here; what other tasks left on the engine is removed.
        note: Is told what takes long.
        on_delta: By task id, who is told what the model says while it says it.
        when_ready: Called when a model and the container engine are there, which may be long after the block has
            begun. Without it the block begins with both or not at all.

    Raises:
        ModelError: The endpoint does not answer, or refuses the key.
        SandboxUnavailable: No container engine answers.
    """
    from pullwright.agents.compaction import Compactor
    from pullwright.agents.worker.advance import Advancer
    from pullwright.agents.worker.parts import Parts
    from pullwright.integrations.wording import ChangeWording
    from pullwright.sandbox.environment_file import EnvironmentReader
    from pullwright.sandbox.verifier import FreshVerifier
    from pullwright.sandbox.watchdog import watchdog

    both = Readiness(2, when_ready) if when_ready else None
    arrived = both.one_more if both else None
    async with (
        open_engine() as engine,
        watchdog(reaper_command(engine.url)),
        reaping(engine, settings, holds, note=note, when_there=arrived),
        open_model(settings, note, when_ready=arrived) as opened,
        open_provider(engine, settings, note) as provider,
    ):
        mirror = git_mirror(settings)
        model = opened.model
        policy = EgressPolicy(mode=settings.egress, hosts=settings.egress_hosts)
        yield Advancer(
            Parts(
                store=store,
                model=model,
                sandboxes=provider,
                verifier=FreshVerifier(provider, timeout=60 * settings.check_minutes),
                environments=EnvironmentReader(mirror, egress=policy, allow_paths=settings.allow_paths),
                mirror=mirror,
                code_host=code_hosts(settings),
                wording=ChangeWording(),
                clock=SystemClock(),
                patches=settings.home.expanduser() / "patches",
                effort=settings.reasoning_effort,
                on_delta=on_delta,
                prices=price_list(settings),
                limits=settings.day_limits,
                compactor=lambda: Compactor(model, opened.counter, window=lambda: model.window),
            )
        )


def git_mirror(settings: Settings) -> GitMirror:
    """Return the bare mirrors of this installation."""
    from pullwright.sandbox.mirror import GitMirror

    return GitMirror(settings.home.expanduser() / "mirrors", secrets=settings.secrets)


@asynccontextmanager
async def open_provider(
    engine: DockerEngine, settings: Settings, note: Callable[[str], None]
) -> AsyncIterator[DockerProvider]:
    """Put together what makes sandboxes."""
    from pullwright.sandbox.container_spec import ContainerLimits
    from pullwright.sandbox.docker_provider import DockerProvider
    from pullwright.sandbox.egress import EgressGateway, host_upstreams

    limits = ContainerLimits(
        memory_mib=settings.sandbox_memory_mb, cpus=settings.sandbox_cpus, disk_mib=settings.sandbox_disk_mb
    )
    async with EgressGateway(host_upstreams, cache=settings.home.expanduser() / "packages") as gateway:
        yield DockerProvider(
            engine,
            instance=await instance_name(settings),
            image=sandbox_image(engine),
            default_image=settings.sandbox_image,
            limits=limits,
            gateway=gateway,
            open_egress=settings.open_egress or settings.egress is EgressMode.OPEN,
            dockerfile_builds=settings.dockerfile_builds,
            runtime=settings.sandbox_runtime,
            progress=note,
        )


def reaper_command(engine_url: str) -> list[str]:
    """Return the command that removes what this process made on the engine, for when it can not do so itself."""
    from pullwright.sandbox.owner import owner

    return [sys.executable, "-P", "-m", "pullwright.cli", "sandbox", "reap", owner(), engine_url]


@asynccontextmanager
async def reaping(
    engine: DockerEngine,
    settings: Settings,
    holds: Callable[[str], bool],
    *,
    note: Callable[[str], None],
    when_there: Callable[[], None] | None = None,
) -> AsyncIterator[None]:
    """Remove what dead tasks left on the engine: now, every minute for the length of the block, and at its end.

    Each process looks after its own things: those of a task that it does not hold any more go. Of the other processes
    of this installation, those of the dead go.

    Args:
        engine: Where to look.
        settings: Which installation this is.
        holds: As for ``open_advancer``.
        note: Told once that the engine does not answer.
        when_there: Called when it answers; without it, it must answer now.

    Raises:
        SandboxUnavailable: It does not.
    """
    from pullwright.sandbox.owner import alive, is_alive, owner
    from pullwright.sandbox.prune import reap

    folder = settings.home.expanduser() / "owners"
    instance = await instance_name(settings)

    async def is_wanted(task: str, maker: str) -> bool:
        return holds(task[:TASK_ID_LENGTH]) if maker == owner() else await is_alive(folder, maker)

    async def look() -> None:
        await reap(engine, instance, is_wanted)

    async def again() -> None:
        if when_there:
            await _until_it_answers(look, note)
            when_there()
        while True:
            await anyio.sleep(REAP_SECONDS)
            with suppress(SandboxError):
                await look()

    async with alive(folder):
        if not when_there:
            await look()
        try:
            async with beside(again):
                yield
        finally:  # what the engine did not let go of when it was asked to
            with anyio.move_on_after(LAST_REAP_SECONDS, shield=True), suppress(SandboxError):
                await look()


async def _until_it_answers(look: Callable[[], Awaitable[None]], note: Callable[[str], None]) -> None:
    waited = False
    while True:
        try:
            await look()
        except SandboxError as error:
            if not waited:
                note(f"work begins when the container engine answers: {error}")
            waited = True
            await anyio.sleep(ENGINE_SECONDS)
        else:
            if waited:
                note("the container engine answers")
            return
