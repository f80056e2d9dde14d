"""What a repository asks its sandbox to be: ``.agent/environment.toml``, else ``devcontainer.json``, else nothing.

All of it is read from the base commit, never from what an agent or a fork wrote.
"""

from __future__ import annotations

import tomllib
from dataclasses import replace
from typing import Annotated, Final, Literal, Protocol

from anyio import to_thread
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from pullwright.agents.egress import EgressMode, EgressPolicy
from pullwright.agents.environment import PLAIN, SETUP_SECONDS, Environment
from pullwright.agents.errors import ConfigError
from pullwright.agents.ports.sandbox import Base
from pullwright.sandbox.container_spec import WORKSPACE
from pullwright.sandbox.devcontainer import parse_devcontainer
from pullwright.sandbox.environment_values import (
    cache_folder,
    host_name,
    image_name,
    path_pattern,
    repository_path,
    variable,
)

ENVIRONMENT_FILE: Final = ".agent/environment.toml"
DEVCONTAINER_FILES: Final = (".devcontainer/devcontainer.json", ".devcontainer.json")
MAX_BYTES: Final = 65_536
"""Most bytes that any of these files, or a set-up script, may have."""

_Mode = Literal["none", "packages", "allowlist", "open"]
_RepositoryPath = Annotated[str, AfterValidator(repository_path)]
_Host = Annotated[str, AfterValidator(host_name)]
_Pattern = Annotated[str, AfterValidator(path_pattern)]
_Cache = Annotated[str, AfterValidator(cache_folder)]
_Check = Annotated[str, StringConstraints(min_length=1, max_length=8192, strip_whitespace=True)]


class Files(Protocol):
    """What reads one file of a base commit; the ``Mirror`` port does."""

    async def read_file(self, base: Base, path: str, *, limit: int) -> bytes | None:
        """Return the first ``limit`` bytes of a regular file, or None if there is none."""
        ...


class _File(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)

    image: Annotated[str, AfterValidator(image_name)] = ""
    dockerfile: _RepositoryPath = ""
    context: _RepositoryPath = PLAIN.context
    setup: Annotated[str, StringConstraints(pattern=r"^[^\x00]*$")] = ""
    setup_file: _RepositoryPath = ""
    setup_minutes: float = Field(default=SETUP_SECONDS / 60, gt=0, le=240)
    setup_required: bool = True
    setup_egress: _Mode | None = None
    setup_allow: list[_Host] = Field(default=[], max_length=200)
    lockfiles: list[_RepositoryPath] = Field(default=[], max_length=200)
    caches: list[_Cache] = Field(default=[], max_length=16)
    variables: dict[str, str] = Field(default={}, max_length=200)
    egress: _Mode | None = None
    allow: list[_Host] = Field(default=[], max_length=200)
    checks: list[_Check] = Field(default=[], max_length=50)
    allow_paths: list[_Pattern] = Field(default=[], max_length=200)

    @model_validator(mode="after")
    def _consistent(self) -> _File:
        for name, value in self.variables.items():
            try:
                variable(name, value)
            except ValueError as exc:
                raise ValueError(f"variable {name!r} {exc}") from exc
        for first, second in (("image", "dockerfile"), ("setup", "setup_file")):
            if getattr(self, first) and getattr(self, second):
                raise ValueError(f"{first} and {second} exclude each other: keep one of them")
        for mode, hosts in (("egress", "allow"), ("setup_egress", "setup_allow")):
            if bool(getattr(self, hosts)) != (getattr(self, mode) == EgressMode.ALLOWLIST):
                raise ValueError(f'{hosts} names the hosts of {mode} = "allowlist": write both or neither')
        return self


class EnvironmentReader:
    """Reads environments out of base commits.

    Args:
        files: What reads a file of a commit.
        egress: What sandboxes and set-ups may reach when the repository does not say.
        allow_paths: Patterns of protected paths that changes may touch in every repository.
    """

    def __init__(self, files: Files, *, egress: EgressPolicy = PLAIN.egress, allow_paths: tuple[str, ...] = ()) -> None:
        self._files = files
        self._default = replace(PLAIN, egress=egress, setup_egress=egress, allow_paths=allow_paths)

    async def read(self, base: Base) -> Environment:
        """Return what the base commit says; the defaults when it says nothing.

        Raises:
            ConfigError: ``.agent/environment.toml`` can not be understood.
        """
        content = await self._files.read_file(base, ENVIRONMENT_FILE, limit=MAX_BYTES + 1)
        if content is not None:
            environment, setup_file = parse_environment(content, self._default)
            return replace(environment, setup=await self._script(base, setup_file)) if setup_file else environment
        for path in DEVCONTAINER_FILES:
            content = await self._files.read_file(base, path, limit=MAX_BYTES + 1)
            if content is not None:
                return await self._devcontainer(content, path)
        return self._default

    async def _devcontainer(self, content: bytes, path: str) -> Environment:
        if len(content) > MAX_BYTES:
            return replace(self._default, notices=(f"{path}: it is ignored: it has more than {MAX_BYTES} bytes",))
        # In a thread: the parser is slow on a large file.
        found = await to_thread.run_sync(lambda: parse_devcontainer(content, path=path, workspace=WORKSPACE))
        default = self._default
        return replace(found, egress=default.egress, setup_egress=default.setup_egress, allow_paths=default.allow_paths)

    async def _script(self, base: Base, path: str) -> str:
        content = await self._files.read_file(base, path, limit=MAX_BYTES + 1)
        if content is None:
            raise _wrong("setup_file", f"names {path!r}, which is no file of the base commit")
        try:
            script = content.decode()
        except UnicodeDecodeError:
            script = "\0"
        if len(content) > MAX_BYTES or "\0" in script:
            raise _wrong("setup_file", f"names {path!r}, which is no text of at most {MAX_BYTES} bytes")
        return script


def parse_environment(content: bytes, default: Environment = PLAIN) -> tuple[Environment, str]:
    """Return the environment that ``.agent/environment.toml`` describes, and the path of its set-up script, if any.

    Args:
        content: The file.
        default: What sandboxes may reach when it does not say, and which protected paths it may add to.

    Raises:
        ConfigError: It can not be understood; says where and what to write instead.
    """
    if len(content) > MAX_BYTES:
        raise ConfigError(f"{ENVIRONMENT_FILE} has more than {MAX_BYTES} bytes: move the script to a setup_file")
    try:
        told = tomllib.loads(content.decode())
    except (ValueError, RecursionError) as exc:
        raise ConfigError(f"{ENVIRONMENT_FILE} is no valid TOML: {_one_line(str(exc))}") from exc
    try:
        file = _File.model_validate(told)
    except ValidationError as exc:
        raise _first_wrong(exc) from exc
    return _environment(file, default), file.setup_file


def _environment(file: _File, default: Environment) -> Environment:
    return Environment(
        source=ENVIRONMENT_FILE,
        image=file.image,
        dockerfile=file.dockerfile,
        context=file.context,
        setup=file.setup,
        setup_seconds=60 * file.setup_minutes,
        setup_required=file.setup_required,
        setup_egress=_policy(file.setup_egress, file.setup_allow, default.setup_egress),
        lockfiles=tuple(file.lockfiles),
        caches=tuple(file.caches),
        variables=tuple(sorted(file.variables.items())),
        egress=_policy(file.egress, file.allow, default.egress),
        checks=tuple(file.checks),
        allow_paths=(*default.allow_paths, *file.allow_paths),
    )


def _policy(mode: str | None, hosts: list[str], default: EgressPolicy) -> EgressPolicy:
    return replace(default, mode=EgressMode(mode), hosts=tuple(hosts)) if mode else default


def _first_wrong(error: ValidationError) -> ConfigError:
    first = error.errors(include_url=False, include_input=False)[0]
    key, *rest = (str(part) for part in first["loc"]) if first["loc"] else ("",)
    if first["type"] == "extra_forbidden":
        known = ", ".join(_File.model_fields)
        return ConfigError(f"{ENVIRONMENT_FILE}: {_one_line(key)!r} is no key of it: use one of {known}")
    message = first["msg"].removeprefix("Value error, ")
    place = "".join(f"[{part}]" for part in rest)
    return _wrong(f"{key}{place}", message) if key else ConfigError(f"{ENVIRONMENT_FILE}: {_one_line(message)}")


def _wrong(key: str, message: str) -> ConfigError:
    return ConfigError(f"{ENVIRONMENT_FILE}: {_one_line(key)} {_one_line(message)}")


def _one_line(text: str) -> str:
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())[:300]
