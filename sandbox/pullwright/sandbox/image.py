"""Our own sandbox image: built on first use, on a registry's base image or else from Debian's packages."""

from __future__ import annotations

import hashlib
import io
import os
import re
import shutil
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractAsyncContextManager, suppress
from pathlib import Path

import anyio
import docker
import docker.errors
from anyio import from_thread

from pullwright.agents.errors import ImageError, SandboxUnavailable
from pullwright.agents.file_lock import file_lock
from pullwright.sandbox.docker_engine import DockerEngine, ObjectMissing

REPOSITORY = "pullwright-sandbox"
REGISTRY_BASE = ("debian", "bookworm-slim")
SUITE = "bookworm"
PULL_PATIENCE = 20
"""Seconds without a byte after which a registry counts as out of reach."""
BUILD_LIMIT = 900
"""Seconds that building from packages may take."""
_RECIPE = ("Dockerfile", "packages.txt", "setup.sh")
_LEFT_OUT = ("/usr/share/man/*", "/usr/share/doc/*", "/usr/share/info/*", "/usr/share/locale/*", "/usr/share/lintian/*")

Progress = Callable[[str], None]


class SandboxImage:
    """The image that this version of Pullwright runs commands in.

    Args:
        engine: Where it is built and kept.
        lock_folder: Where two builders on one host agree who goes first.
    """

    def __init__(self, engine: DockerEngine, *, lock_folder: Path | None = None) -> None:
        self._engine = engine
        self._locks = lock_folder or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pullwright"
        self._known: str | None = None

    @property
    def tag(self) -> str:
        """Name and tag; a changed recipe is a changed tag."""
        return f"{REPOSITORY}:{recipe_hash()}"

    async def ensure(self, progress: Progress) -> str:
        """Return the image's id, building the image if it is missing.

        Raises:
            ImageError: It is missing and could not be built.
            SandboxUnavailable: No engine answers.
        """
        self._known = self._known or await self._find()
        if self._known is None:
            async with self._one_builder():
                self._known = await self._find() or await self._build(progress)
        return self._known

    async def exists(self) -> bool:
        """Whether the image is on the engine.

        Raises:
            SandboxUnavailable: No engine answers.
        """
        return await self._find() is not None

    async def rebuild(self, progress: Progress) -> str:
        """Build the image anew, with today's packages, and return its id.

        Raises:
            ImageError: It could not be built.
            SandboxUnavailable: No engine answers.
        """
        async with self._one_builder():
            self._known = await self._build(progress)
        return self._known

    def _one_builder(self) -> AbstractAsyncContextManager[None]:
        return file_lock(self._locks / f"image-{recipe_hash()}.lock")

    async def _find(self) -> str | None:
        return await find_image(self._engine, self.tag)

    async def _build(self, progress: Progress) -> str:
        progress(f"building the sandbox image {self.tag} (once, about two minutes)")
        try:
            await self._build_on_registry_base(progress)
        except SandboxUnavailable as exc:
            progress(f"no image from a registry ({exc}): building from Debian packages")
            await self._build_from_packages(progress)
        built = await self._find()
        if built is None:
            raise ImageError(f"sandbox image {self.tag!r} was built but is not there: look at the engine's log")
        progress(f"built {self.tag}")
        return built

    async def _build_on_registry_base(self, progress: Progress) -> None:
        name, tag = REGISTRY_BASE
        progress(f"pulling {name}:{tag}")
        await pull_image(self._engine, f"{name}:{tag}")
        progress(f"building on {name}:{tag}")
        context = _context()
        await self._engine.call("build the sandbox image", lambda client: _docker_build(client, context, self.tag))

    async def _build_from_packages(self, progress: Progress) -> None:
        await _require_mmdebstrap(progress)
        with tempfile.TemporaryDirectory(prefix="pullwright-image-") as folder:
            root = Path(folder, "root.tar")
            setup = Path(folder, "setup.sh")
            setup.write_bytes(_recipe_file("setup.sh"))  # noqa: ASYNC240 - a few hundred bytes, once
            command = bootstrap_command(root, setup, await _debian_sources())
            progress(f"installing {len(_packages())} packages and what they need with mmdebstrap")
            await _run(command)
            progress("importing the result")
            await self._engine.call("import the sandbox image", lambda client: _import(client, root, self.tag))


async def find_image(engine: DockerEngine, name: str) -> str | None:
    """Return the id of an image that is on the engine.

    Raises:
        SandboxUnavailable: No engine answers.
    """
    try:
        info = await engine.call(f"find image {name!r}", _inspecting(name))
    except ObjectMissing:
        return None
    return str(info["Id"])


async def pull_image(engine: DockerEngine, name: str) -> None:
    """Get an image, named with a tag or digest, from its registry.

    Raises:
        SandboxUnavailable: The registry does not have it, or can not be reached.
    """
    await engine.call(f"pull image {name!r}", lambda _: _pull(engine.new_client(PULL_PATIENCE), name))


async def tagged_images(engine: DockerEngine, labels: list[str]) -> list[tuple[float, str]]:
    """Return age in seconds and name of the images that have all the labels, the newest first.

    Raises:
        SandboxUnavailable: No engine answers.
    """
    listed = await engine.call("list images", lambda client: client.images(filters={"label": labels}))
    now = time.time()
    return sorted((now - image["Created"], tag) for image in listed for tag in image["RepoTags"] or ())


async def remove_image(engine: DockerEngine, name: str) -> None:
    """Take a name from an image, and remove it if that was the last; one that is gone or in use is no error."""
    with anyio.move_on_after(60, shield=True), suppress(SandboxUnavailable):
        await engine.call(f"remove image {name!r}", lambda client: client.remove_image(name))


def follow(lines: Iterable[dict[str, object]]) -> None:
    """Read what the engine says about a build or pull to its end, in a thread.

    Raises:
        APIError: It failed.
    """
    error: object = None
    for line in lines:  # the connection is free again only after the last one
        from_thread.check_cancelled()  # the engine gives up when nobody listens any more
        error = error or line.get("error")
    if error:
        raise docker.errors.APIError(str(error))


def recipe_hash() -> str:
    """Return a short hash of everything that decides what is in the image."""
    digest = hashlib.sha256()
    for name in _RECIPE:
        digest.update(_recipe_file(name) + b"\0")
    digest.update("\0".join((*_LEFT_OUT, SUITE)).encode())
    return digest.hexdigest()[:16]


def bootstrap_command(root: Path, setup: Path, sources: list[str]) -> list[str]:
    """Return the command that makes the image's file system without a registry."""
    return [
        "mmdebstrap",
        "--variant=minbase",
        f"--include={','.join(_packages())}",
        *(f"--dpkgopt=path-exclude={pattern}" for pattern in _LEFT_OUT),
        f'--customize-hook=chroot "$1" sh -s < {setup}',
        SUITE,
        str(root),
        *sources,
    ]


def debian_sources(listing: str) -> list[str]:
    """Return source lines for the image from what the host's apt uses (``origin|uri|suite|component`` lines).

    Empty when the host is no Debian of that suite; the bootstrap then uses its own default.
    """
    suites: dict[tuple[str, str], None] = {}
    for line in listing.splitlines():
        origin, _, rest = line.partition("|")
        uri, _, rest = rest.partition("|")
        suite, _, component = rest.partition("|")
        if origin == "Debian" and component == "main" and re.fullmatch(rf"{SUITE}(-updates|-security)?", suite):
            suites[(uri, suite)] = None
    return [f"deb {uri} {suite} main" for uri, suite in suites]


async def _debian_sources() -> list[str]:
    if shutil.which("apt-get") is None:
        return []
    form = "$(ORIGIN)|$(REPO_URI)|$(CODENAME)|$(COMPONENT)"
    done = await anyio.run_process(["apt-get", "indextargets", "--format", form], check=False)
    return debian_sources(done.stdout.decode("utf-8", "replace"))


async def _require_mmdebstrap(progress: Progress) -> None:
    if shutil.which("mmdebstrap"):
        return
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise ImageError("sandbox image needs a registry or mmdebstrap: sudo apt-get install mmdebstrap")
    progress("installing mmdebstrap")
    await _run(["apt-get", "install", "--yes", "--no-install-recommends", "mmdebstrap"])


async def _run(command: list[str]) -> None:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"}
    try:
        with anyio.fail_after(BUILD_LIMIT):
            done = await anyio.run_process(command, check=False, env=environment)
    except TimeoutError as exc:
        raise ImageError(f"{command[0]} did not end within {BUILD_LIMIT} s: try again on a faster network") from exc
    if done.returncode:
        lines = [line for line in done.stderr.decode("utf-8", "replace").splitlines() if line.strip()]
        told = [line for line in lines if line.startswith("E:")] or lines or ["no reason given"]
        raise ImageError(f"{command[0]} could not make the sandbox image: {told[0].strip()[:300]}")


def _recipe_file(name: str) -> bytes:
    return Path(__file__).with_name("recipe").joinpath(name).read_bytes()


def _packages() -> list[str]:
    return _recipe_file("packages.txt").decode().split()


def _context() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name in _RECIPE:
            content = _recipe_file(name)
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def _inspecting(tag: str) -> Callable[[docker.APIClient], dict[str, object]]:
    return lambda client: client.inspect_image(tag)  # type: ignore[no-untyped-call]


def _pull(client: docker.APIClient, name: str) -> None:
    try:
        follow(client.pull(name, stream=True, decode=True))
    finally:
        client.close()


def _docker_build(client: docker.APIClient, context: bytes, tag: str) -> None:
    arguments = {"BASE": ":".join(REGISTRY_BASE)}
    lines = client.build(
        fileobj=io.BytesIO(context),
        custom_context=True,
        tag=tag,
        rm=True,
        forcerm=True,
        decode=True,
        buildargs=arguments,
    )
    follow(lines)


def _import(client: docker.APIClient, root: Path, tag: str) -> None:
    name, _, version = tag.partition(":")
    path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    changes = ["USER 10001:10001", "WORKDIR /workspace", f"ENV PATH={path}", 'CMD ["bash"]']
    client.import_image_from_file(str(root), repository=name, tag=version, changes=changes)
