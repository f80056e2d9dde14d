"""What the containers of one task have in common."""

from __future__ import annotations

from dataclasses import dataclass, field

from pullwright.sandbox.container_spec import ContainerLimits, ContainerSpec, Mount, labels
from pullwright.sandbox.docker_engine import DockerEngine


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskContainers:
    """Makes the specifications of a task's containers."""

    engine: DockerEngine
    tools: str
    """Our own image: whatever the repository runs in, its files are laid out and taken out by our own programs."""
    instance: str
    task: str
    limits: ContainerLimits = field(default_factory=ContainerLimits)
    runtime: str = ""
    """An OCI runtime that the engine knows; by default the engine's own choice."""

    def spec(
        self, kind: str, *mounts: Mount, image: str = "", root: bool = False, more: dict[str, str] | None = None
    ) -> ContainerSpec:
        """Return the container of one kind.

        Args:
            kind: What it is for; see ``ContainerSpec``.
            mounts: The volumes in it.
            image: What it is made from; by default our own image.
            root: Whether it is one of the few that are root inside.
            more: Further labels.
        """
        return ContainerSpec(
            image=image or self.tools,
            kind=kind,
            mounts=mounts,
            labels={**self.labels(kind), **(more or {})},
            limits=self.limits,
            root=root,
            runtime=self.runtime,
        )

    def labels(self, kind: str) -> dict[str, str]:
        """Return the labels of an object of this task."""
        return labels(instance=self.instance, kind=kind, task=self.task)
