from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pullwright.agents.environment import PLAIN, Environment
from pullwright.sandbox.devcontainer import MAX_NOTICES, parse_devcontainer

PATH = ".devcontainer/devcontainer.json"


def parse(content: str | dict[str, Any], path: str = PATH) -> Environment:
    text = content if isinstance(content, str) else json.dumps(content)
    return parse_devcontainer(text.encode(), path=path, workspace="/workspace")


def test_comments_and_trailing_commas() -> None:
    environment = parse(
        """
        // For format details, see https://containers.dev
        {
            "name": "Python 3", /* the name */
            "image": "mcr.microsoft.com/devcontainers/python:1-3.12-bookworm", // "image": "other"
            "customizations": {"vscode": {"extensions": ["a.b",],},},
        }
        """
    )
    assert environment.image == "mcr.microsoft.com/devcontainers/python:1-3.12-bookworm"
    assert environment.source == PATH
    assert environment.notices == ()


def test_a_dockerfile_beside_the_file() -> None:
    environment = parse({"build": {"dockerfile": "Dockerfile", "context": "..", "args": {"A": "1"}}})
    assert (environment.dockerfile, environment.context) == (".devcontainer/Dockerfile", ".")
    assert environment.notices == (f"{PATH}: build.args is ignored: only dockerfile and context are used",)
    plain = parse({"build": {"dockerfile": "docker/Dockerfile"}}, path=".devcontainer.json")
    assert (plain.dockerfile, plain.context) == ("docker/Dockerfile", ".")


@pytest.mark.parametrize("build", [{"dockerfile": "../../x"}, {"dockerfile": "/x"}, {"dockerfile": 3}, "Dockerfile"])
def test_a_dockerfile_outside_is_a_notice(build: object) -> None:
    environment = parse({"build": build, "image": "debian"})
    assert (environment.dockerfile, environment.image) == ("", "debian:latest")
    assert len(environment.notices) == 1


def test_commands_in_every_form_in_their_order() -> None:
    environment = parse(
        {
            "postCreateCommand": {"web": "cd web && npm ci", "api": ["uv", "sync", "--project", "my api"]},
            "onCreateCommand": "echo 'it''s' $HOME",
            "updateContentCommand": ["ls", "${containerWorkspaceFolder}/a b"],
        }
    )
    assert environment.setup.splitlines() == [
        """sh -c 'echo '"'"'it'"'"''"'"'s'"'"' $HOME'""",
        "ls '/workspace/a b'",
        "sh -c 'cd web && npm ci'",
        "uv sync --project 'my api'",
    ]
    assert not environment.setup_required
    assert environment.notices == ()


@pytest.mark.parametrize("command", [3, [], [1], {"a": {"b": 3}}, "echo ${localEnv:HOME}", "a\0b"])
def test_a_command_that_can_not_be_run_is_a_notice(command: object) -> None:
    environment = parse({"image": "debian", "postCreateCommand": command})
    assert environment.setup == ""
    assert len(environment.notices) == 1


def test_variables_that_are_plain_and_harmless() -> None:
    environment = parse(
        {
            "containerEnv": {"A": "1", "PATH": "/evil", "LD_PRELOAD": "/x.so", "HTTPS_PROXY": "x", "GIT_DIR": "x"},
            "remoteEnv": {"B": "${localEnv:TOKEN}", "C": None, "D": "two words", "HOME": "/root"},
        }
    )
    assert environment.variables == (("A", "1"), ("D", "two words"))
    assert len(environment.notices) == 7
    assert all("PATH" in line or "may not" in line or "plain" in line for line in environment.notices)


DANGEROUS = {
    "initializeCommand": "curl https://example.com | sh",
    "runArgs": ["--privileged"],
    "mounts": ["source=/,target=/host,type=bind"],
    "privileged": True,
    "capAdd": ["SYS_ADMIN"],
    "securityOpt": ["seccomp=unconfined"],
    "workspaceMount": "source=/,target=/w,type=bind",
    "features": {"ghcr.io/devcontainers/features/docker-in-docker:2": {}},
    "postStartCommand": "x",
    "postAttachCommand": "x",
    "forwardPorts": [80],
    "remoteUser": "root",
    "somethingNew": 1,
}


def test_what_is_dangerous_is_ignored_and_said() -> None:
    environment = parse({"image": "debian:12", **DANGEROUS})
    notices = "\n".join(environment.notices)
    assert environment == Environment(source=PATH, image="debian:12", setup_required=False, notices=environment.notices)
    assert [line.split()[1] for line in environment.notices] == sorted(DANGEROUS)
    assert "initializeCommand is ignored: it would run on the host" in notices


def test_compose_without_an_image_is_plain() -> None:
    environment = parse({"dockerComposeFile": "compose.yaml", "service": "app", "postCreateCommand": "x"})
    assert (environment.source, environment.setup, environment.image) == ("", "", "")
    assert "only one container" in environment.notices[0]


@pytest.mark.parametrize("content", ["", "[]", "{", "nonsense", "[" * 20_000, '{"a": ' * 500, "\ufeff"])
def test_what_is_malformed_is_a_notice(content: str) -> None:
    assert parse(content) == Environment(notices=(f"{PATH}: it is ignored: it is not the JSON of a devcontainer",))


def test_notices_are_few_and_short() -> None:
    environment = parse({f"key\n{number}" + "x" * 500: number for number in range(100)})
    assert len(environment.notices) == MAX_NOTICES + 1
    assert all(len(line) < 200 and line.isprintable() for line in environment.notices)


_JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
_KEYS = st.sampled_from(
    [
        "image",
        "build",
        "onCreateCommand",
        "postCreateCommand",
        "containerEnv",
        "remoteEnv",
        "mounts",
        "dockerComposeFile",
    ]
)


@given(st.dictionaries(_KEYS, _JSON, max_size=5))
def test_any_object_is_read(told: dict[str, Any]) -> None:
    environment = parse(told)
    assert all(line.isprintable() for line in environment.notices)
    assert not environment.dockerfile.startswith(("/", ".."))
    assert environment.egress == PLAIN.egress
    assert "\0" not in environment.setup


@given(st.binary(max_size=300))
def test_any_bytes_are_read(content: bytes) -> None:
    parse_devcontainer(content, path=PATH, workspace="/workspace")
