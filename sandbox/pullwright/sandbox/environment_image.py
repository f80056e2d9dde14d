"""The image that a repository's commands run in: a named one, one built from its Dockerfile, or ours."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path
from typing import Any, Final

from pullwright.agents.environment import Environment
from pullwright.agents.errors import ConfigError, ImageError, SandboxUnavailable
from pullwright.agents.file_lock import file_lock
from pullwright.agents.ports.sandbox import Base
from pullwright.sandbox.base_commit import below, folder_tree, write_archive
from pullwright.sandbox.container_spec import LABEL_INSTANCE, LABEL_KIND, LABEL_REPOSITORY, LIFETIME, labels
from pullwright.sandbox.docker_engine import DockerEngine
from pullwright.sandbox.environment_values import image_name
from pullwright.sandbox.image import Progress, SandboxImage, find_image, follow, pull_image, remove_image, tagged_images

BUILT_REPOSITORY: Final = "pullwright-image"
KEPT: Final = 3
"""Built images that are kept per repository; older ones go after a day."""
MAX_CONTEXT: Final = 1 << 30
"""Most bytes that the folder of a Dockerfile may have."""
BUILD_PATIENCE: Final = 1800
"""Seconds without a line of output after which a build counts as hung."""


class EnvironmentImages:
    """Finds, pulls and builds the images of environments.

    Args:
        engine: Where they are kept.
        instance: The name of this installation.
        own: Our own image, for repositories that name none.
        default: An image instead of ours for those.
        dockerfile_builds: Whether Dockerfiles may be built. A build runs with the engine's usual rights and network,
            not in a sandbox.
        progress: Told one line at a time when something takes long.

    Raises:
        ConfigError: The default is no image's name.
    """

    def __init__(
        self,
        engine: DockerEngine,
        *,
        instance: str,
        own: SandboxImage,
        progress: Progress,
        default: str = "",
        dockerfile_builds: bool = False,
    ) -> None:
        self._engine = engine
        self._instance = instance
        self._own = own
        self._default = _checked(default)
        self._builds = dockerfile_builds
        self._progress = progress

    async def ensure(self, base: Base, environment: Environment, *, repository: str) -> str:
        """Return the id of the environment's image, getting it on first use.

        Args:
            base: The commit that a Dockerfile is taken from.
            environment: What the repository asks for.
            repository: The repository's key, for labels.

        Raises:
            ImageError: It is not there and could not be pulled or built.
            ConfigError: The Dockerfile's folder is not in the base commit.
            SandboxUnavailable: No engine answers.
        """
        if environment.dockerfile:
            return await self._built(base, environment, repository)
        name = environment.image or self._default
        return await self._named(name, environment) if name else await self._own.ensure(self._progress)

    async def _named(self, name: str, environment: Environment) -> str:
        found = await find_image(self._engine, name)
        if found is not None:
            return found
        asked_by = environment.source if environment.image else "the setting sandbox_image"
        self._progress(f"pulling {name}, which {asked_by} asks for")
        try:
            await pull_image(self._engine, name)
        except SandboxUnavailable as exc:
            reason = str(exc).rpartition(": ")[2]
            raise ImageError(
                f"image {name!r} of {asked_by} could not be pulled ({reason}): docker pull {name}, or name another"
            ) from exc
        pulled = await find_image(self._engine, name)
        if pulled is None:
            raise ImageError(f"image {name!r} of {asked_by} was pulled but is not there: look at the engine's log")
        return pulled

    async def _built(self, base: Base, environment: Environment, repository: str) -> str:
        shown = f"Dockerfile {environment.dockerfile!r} of {environment.source}"
        if not self._builds:
            raise ImageError(f"{shown} may not be built here: set AGENT_DOCKERFILE_BUILDS=true, or name an image")
        dockerfile = below(environment.dockerfile, environment.context)
        if dockerfile is None:
            raise ImageError(f"{shown} is not in its context {environment.context!r}: move it there")
        tree = await folder_tree(base, environment.context)
        tag = f"{BUILT_REPOSITORY}:{hashlib.sha256(f'{tree} {dockerfile}'.encode()).hexdigest()[:24]}"
        async with file_lock(base.mirror / "pullwright-build.lock"):
            found = await find_image(self._engine, tag)
            if found is None:
                self._progress(f"building {shown} (once for this state of {environment.context!r})")
                await self._build(base, tree, dockerfile, tag, repository)
                found = await find_image(self._engine, tag)
                await self._prune(repository)
        if found is None:
            raise ImageError(f"{shown} was built but its image is not there: look at the engine's log")
        return found

    async def _build(self, base: Base, tree: str, dockerfile: str, tag: str, repository: str) -> None:
        own = {**labels(instance=self._instance, kind="image"), LABEL_REPOSITORY: repository}
        options = {"dockerfile": dockerfile, "tag": tag, "labels": own}
        with tempfile.TemporaryDirectory(prefix="pullwright-context-") as folder:
            file = Path(folder, "context.tar")
            if await write_archive(base, tree, file) > MAX_CONTEXT:
                raise ImageError(f"context of Dockerfile {dockerfile!r} has more than {MAX_CONTEXT} bytes: narrow it")
            try:
                await self._engine.call("build the image", lambda _: self._follow_build(file, options))
            except SandboxUnavailable as exc:
                raise ImageError(f"Dockerfile {dockerfile!r} could not be built: {exc}") from exc

    async def _prune(self, repository: str) -> None:
        labels = (f"{LABEL_INSTANCE}={self._instance}", f"{LABEL_REPOSITORY}={repository}", f"{LABEL_KIND}=image")
        for age, name in (await tagged_images(self._engine, [*labels]))[KEPT:]:
            if age > LIFETIME:  # no container of a task lives that long
                await remove_image(self._engine, name)

    def _follow_build(self, context: Path, options: dict[str, Any]) -> None:
        client = self._engine.new_client(BUILD_PATIENCE)
        try:
            with context.open("rb") as file:
                follow(client.build(fileobj=file, custom_context=True, rm=True, forcerm=True, decode=True, **options))
        finally:
            client.close()


def _checked(name: str) -> str:
    try:
        return image_name(name) if name else ""
    except ValueError as exc:
        raise ConfigError(f"setting sandbox_image: {name!r} {exc}") from exc
