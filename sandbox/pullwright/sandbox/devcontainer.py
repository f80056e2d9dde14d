"""Reads ``devcontainer.json``: the few of its keys that say what the sandbox needs. Pure, no I/O.

The file was not written for us and may ask for anything, some of it on the host
(https://containers.dev/implementors/json_reference/). What is not on the short list below is not done and becomes a
notice; nothing here is an error.
"""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

import json5

from pullwright.agents.environment import PLAIN, Environment
from pullwright.sandbox.environment_values import image_name, repository_path, variable

MAX_NOTICES: Final = 20
MAX_VARIABLES: Final = 64
_COMMANDS = ("onCreateCommand", "updateContentCommand", "postCreateCommand")
_VARIABLES = ("containerEnv", "remoteEnv")
_DONE = {"image", "build", *_COMMANDS, *_VARIABLES}
_HARMLESS = {"$schema", "name", "customizations", "hostRequirements", "waitFor", "shutdownAction", "secrets"}
_REASONS = {
    "initializeCommand": "it would run on the host",
    "runArgs": "it could open the sandbox to the host",
    "mounts": "it could open the sandbox to the host",
    "workspaceMount": "it could open the sandbox to the host",
    "privileged": "it could open the sandbox to the host",
    "capAdd": "it could open the sandbox to the host",
    "securityOpt": "it could open the sandbox to the host",
    "features": "they are not installed; install what is needed in a set-up script",
    "dockerComposeFile": "only one container is started; name an image in .agent/environment.toml",
    "postStartCommand": "only create commands are run, once",
    "postAttachCommand": "only create commands are run, once",
    "remoteUser": "commands run as the sandbox's own user",
    "containerUser": "commands run as the sandbox's own user",
    "forwardPorts": "nothing can reach into the sandbox",
    "appPort": "nothing can reach into the sandbox",
}
_FOLDER = re.compile(r"\$\{containerWorkspaceFolder\}")
_UNKNOWN = re.compile(r"\$\{(?:localEnv|containerEnv|env|localWorkspaceFolder|localWorkspaceFolderBasename"
                      r"|containerWorkspaceFolderBasename|devcontainerId)\b")  # fmt: skip


@dataclass(slots=True)
class _Notices:
    path: str
    lines: list[str] = field(default_factory=list)

    def ignored(self, key: str, reason: str) -> None:
        self.lines.append(f"{self.path}: {_shown(key)} is ignored: {reason}")

    def kept(self) -> tuple[str, ...]:
        more = len(self.lines) - MAX_NOTICES
        tail = (f"{self.path}: {more} more things are ignored",) if more > 0 else ()
        return (*self.lines[:MAX_NOTICES], *tail)


def parse_devcontainer(content: bytes, *, path: str, workspace: str) -> Environment:
    """Return the environment that a ``devcontainer.json`` describes, as far as we do what it says.

    A set-up that it brings is not required to succeed.

    Args:
        content: The file.
        path: Where it is in the repository; its own paths start at that folder.
        workspace: What ``${containerWorkspaceFolder}`` stands for.
    """
    notices = _Notices(path)
    told = _load(content)
    if told is None:
        return Environment(notices=(f"{path}: it is ignored: it is not the JSON of a devcontainer",))
    for key in told.keys() - _DONE - _HARMLESS:
        notices.ignored(key, _REASONS.get(key, "it has no meaning here"))
    notices.lines.sort()
    if "dockerComposeFile" in told and "image" not in told:
        return Environment(notices=notices.kept())
    image = _text(told, "image", notices, image_name)
    dockerfile, context = _build(told.get("build"), path, notices)
    return Environment(
        source=path,
        image="" if dockerfile else image,
        dockerfile=dockerfile,
        context=context,
        setup="".join(f"{line}\n" for key in _COMMANDS for line in _commands(key, told.get(key), workspace, notices)),
        setup_required=False,
        variables=_variables(told, notices),
        notices=notices.kept(),
    )


def _load(content: bytes) -> dict[str, object] | None:
    try:
        told = json5.loads(content.decode("utf-8-sig"), strict=False)
    except (ValueError, RecursionError):
        return None
    return {str(key): value for key, value in told.items()} if isinstance(told, dict) else None


def _text(
    table: Mapping[str, object], key: str, notices: _Notices, check: Callable[[str], str], shown: str = ""
) -> str:
    value = table.get(key)
    if value is None:
        return ""
    try:
        if not isinstance(value, str):
            raise ValueError("is no text")
        return check(value)
    except ValueError as exc:
        notices.ignored(shown or key, f"it {exc}")
        return ""


def _build(value: object, path: str, notices: _Notices) -> tuple[str, str]:
    """Return the Dockerfile and its context as paths in the repository."""
    if value is None:
        return "", PLAIN.context
    if not isinstance(value, dict):
        notices.ignored("build", "it is no table")
        return "", PLAIN.context
    folder = posixpath.dirname(path)

    def inside(text: str) -> str:
        return repository_path(posixpath.join(folder, text))

    for key in sorted(str(key) for key in value.keys() - {"dockerfile", "context"}):
        notices.ignored(f"build.{key}", "only dockerfile and context are used")
    dockerfile = _text(value, "dockerfile", notices, inside, "build.dockerfile")
    context = _text({"context": ".", **value}, "context", notices, inside, "build.context")
    return (dockerfile, context) if dockerfile and context else ("", PLAIN.context)


def _commands(key: str, value: object, workspace: str, notices: _Notices) -> Iterator[str]:
    """Yield one line of shell per command; each is a process of its own, as the specification has it."""
    if value is None:
        return
    if isinstance(value, dict):  # named commands; the specification runs them at once, here they run in order
        for name, command in value.items():
            yield from _commands(f"{key}.{name}", command, workspace, notices)
        return
    if isinstance(value, str):
        words = ["sh", "-c", value]
    elif isinstance(value, list) and value and all(isinstance(word, str) for word in value):
        words = [str(word) for word in value]
    else:
        notices.ignored(key, "it is no command")
        return
    if any("\0" in word or _UNKNOWN.search(word) for word in words):
        notices.ignored(key, "it needs values of the host")
    elif words[-1].strip():
        yield shlex.join(_FOLDER.sub(lambda _: workspace, word) for word in words)


def _variables(told: Mapping[str, object], notices: _Notices) -> tuple[tuple[str, str], ...]:
    found: dict[str, str] = {}
    for key in _VARIABLES:
        table = told.get(key)
        if table is not None and not isinstance(table, dict):
            notices.ignored(key, "it is no table")
            continue
        for name, value in (table or {}).items():
            reason = _add_variable(found, str(name), value)
            if reason:
                notices.ignored(f"{key}.{name}", reason)
    return tuple(sorted(found.items()))


def _add_variable(found: dict[str, str], name: str, value: object) -> str:
    if value is None or not isinstance(value, str) or "${" in value:
        return "only plain text is passed on"
    if len(found) >= MAX_VARIABLES:
        return f"there are more than {MAX_VARIABLES}"
    try:
        name, value = variable(name, value)
    except ValueError as exc:
        return f"it {exc}"
    found[name] = value
    return ""


def _shown(text: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in text[:60])
