"""Makes workspaces on a container engine."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import partial

from pullwright.agents.environment import PLAIN, Environment
from pullwright.agents.errors import SandboxUnavailable
from pullwright.agents.ports.sandbox import Base, Workspace
from pullwright.sandbox.agent_hands import AgentHands
from pullwright.sandbox.base_volume import BaseVolume, BaseVolumes, repository_key
from pullwright.sandbox.container_spec import LABEL_BASE, ContainerLimits
from pullwright.sandbox.docker_engine import DockerEngine
from pullwright.sandbox.docker_sandbox import create_volume, object_name, remove_volume
from pullwright.sandbox.docker_workspace import DockerWorkspace
from pullwright.sandbox.egress import EgressGateway
from pullwright.sandbox.environment_image import EnvironmentImages
from pullwright.sandbox.environment_setup import EnvironmentSetup
from pullwright.sandbox.environment_store import EnvironmentStore
from pullwright.sandbox.environments import Environments, limited
from pullwright.sandbox.image import SandboxImage
from pullwright.sandbox.task_containers import TaskContainers
from pullwright.sandbox.workspace_volume import WorkspaceVolumes


class DockerProvider:
    """The ``SandboxProvider`` port on Docker.

    Args:
        engine: The engine; the caller closes it.
        instance: A name for this installation; objects of other instances on the same engine are left alone.
        image: Our own image; by default the one that is built on first use.
        default_image: Image for repositories that name none, instead of ours.
        limits: What each container may use up.
        gateway: What sandboxes reach the network through; without, they reach nothing.
        open_egress: Whether a repository may have the mode ``open``.
        dockerfile_builds: Whether a repository may have its image built from its Dockerfile.
        runtime: An OCI runtime that the engine knows (``runsc``); by default the engine's own choice.
        overlay: False copies the base for each task even where overlays would work.
        progress: Told one line at a time when something takes long.

    Raises:
        ConfigError: ``default_image`` is no image's name.
    """

    def __init__(
        self,
        engine: DockerEngine,
        *,
        instance: str = "default",
        image: SandboxImage | None = None,
        default_image: str = "",
        limits: ContainerLimits | None = None,
        gateway: EgressGateway | None = None,
        open_egress: bool = False,
        dockerfile_builds: bool = False,
        runtime: str = "",
        overlay: bool = True,
        progress: Callable[[str], None] | None = None,
    ) -> None:
        self._engine = engine
        self._instance = instance
        self._own = image or SandboxImage(engine)
        self._limits = limits or ContainerLimits()
        self._gateway = gateway
        self._open_egress = open_egress
        self._runtime = runtime
        self._progress = progress or (lambda line: None)
        self._hands = AgentHands(engine)
        self._bases = BaseVolumes(engine, instance=instance, limits=self._limits, runtime=runtime)
        self._volumes = WorkspaceVolumes(engine, overlay=overlay, progress=self._progress)
        self._images = EnvironmentImages(
            engine,
            instance=instance,
            own=self._own,
            default=default_image,
            dockerfile_builds=dockerfile_builds,
            progress=self._progress,
        )
        self._store = EnvironmentStore(engine, instance=instance)
        self._environments = Environments(
            engine,
            store=self._store,
            setup=EnvironmentSetup(engine, volumes=self._volumes, gateway=gateway),
            open_egress=open_egress,
            progress=self._progress,
        )

    @asynccontextmanager
    async def open(self, base: Base, *, task_id: str, environment: Environment = PLAIN) -> AsyncIterator[Workspace]:
        """Lay out the base's files for one task; see the port."""
        containers = TaskContainers(
            engine=self._engine,
            tools=await self._own.ensure(self._progress),
            instance=self._instance,
            task=task_id,
            limits=self._limits,
            runtime=self._runtime,
        )
        rules = replace(base, sha=environment.commit or base.sha)
        image = await self._images.ensure(rules, environment, repository=repository_key(base.mirror))
        egress, notices = limited(environment.egress, self._open_egress, "the sandbox")
        async with AsyncExitStack() as stack:
            pristine, layer = await self._claim_base(stack, containers, base)
            prepared = await self._environments.ensure(
                stack, base, pristine, environment, image=image, containers=containers
            )
            volume = await self._volumes.lay_out(stack, containers, pristine, layer, prepared.snapshot)
            yield DockerWorkspace(
                containers,
                base=base,
                pristine=pristine,
                volume=volume,
                written=volume if self._volumes.copies else layer,
                prepared=prepared,
                variables=dict(environment.variables),
                session=partial(self._gateway.session, egress) if self._gateway else None,
                hands=self._hands,
                notices=(*notices, *prepared.notices),
            )

    async def _claim_base(
        self, stack: AsyncExitStack, containers: TaskContainers, base: Base
    ) -> tuple[BaseVolume, str]:
        """Return a base and this task's layer over it; the layer is what keeps the base from being pruned."""
        for _ in range(3):
            pristine = await self._bases.ensure(base, containers.tools)
            layer = object_name("layer", containers.task)
            stack.push_async_callback(remove_volume, self._engine, layer)
            async with self._bases.guarded(base):
                if await self._bases.exists(pristine):
                    own = {**containers.labels("layer"), LABEL_BASE: pristine.volume}
                    await create_volume(self._engine, layer, own)
                    return pristine, layer
        raise SandboxUnavailable(f"base volume for {base.sha[:12]!r} vanished while it was being used: try again")
