from __future__ import annotations

from pathlib import Path

import pytest

from pullwright.agents.errors import ConfigError
from pullwright.sandbox.engine_dial import CERTIFICATES, DEFAULT_SOCKET, EngineAddress


def test_a_unix_socket() -> None:
    address = EngineAddress.parse("unix:///run/user/1/docker.sock", {})
    assert (address.scheme, address.path) == ("unix", "/run/user/1/docker.sock")


def test_without_an_address_the_usual_sockets(tmp_path: Path) -> None:
    found = EngineAddress.parse("", {"XDG_RUNTIME_DIR": str(tmp_path)})
    assert found.url == f"unix://{DEFAULT_SOCKET}"
    (tmp_path / "docker.sock").touch()
    expected = DEFAULT_SOCKET if Path(DEFAULT_SOCKET).exists() else str(tmp_path / "docker.sock")
    assert EngineAddress.parse("", {"XDG_RUNTIME_DIR": str(tmp_path)}).path == expected


def test_ssh() -> None:
    address = EngineAddress.parse("ssh://me@engine.example:2222", {})
    assert address.ssh_pipe().command[-9:] == [
        *("-p", "2222", "-l", "me", "--", "engine.example", "docker", "system", "dial-stdio"),
    ]
    assert "-p" not in EngineAddress.parse("ssh://engine.example", {}).ssh_pipe().command


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "127.9.9.9"])
def test_plain_tcp_is_for_loopback(host: str) -> None:
    address = EngineAddress.parse(f"tcp://{host}:2375", {})
    assert (address.scheme, address.host, address.port) == ("tcp", host.strip("[]"), 2375)
    assert address.certificates is None


@pytest.mark.parametrize("host", ["10.0.0.1", "engine.example", "localhost.example", "[2001:db8::1]", "0.0.0.0"])
def test_plain_tcp_to_another_host_is_refused(host: str) -> None:
    with pytest.raises(ConfigError, match=r"ssh://USER@.*DOCKER_TLS_VERIFY"):
        EngineAddress.parse(f"tcp://{host}:2375", {})


def test_tls_needs_all_of_its_files(tmp_path: Path) -> None:
    environment = {"DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": str(tmp_path)}
    for name in CERTIFICATES:
        with pytest.raises(ConfigError, match=name):
            EngineAddress.parse("tcp://engine.example:2376", environment)
        (tmp_path / name).touch()
    assert EngineAddress.parse("tcp://engine.example:2376", environment).certificates == tmp_path


@pytest.mark.parametrize(
    "url",
    [
        "unix://relative/path",
        "unix://",
        "tcp://",
        "tcp://127.0.0.1:port",
        "tcp://127.0.0.1:99999",
        "http://127.0.0.1:2375",
        "npipe:////./pipe/docker_engine",
        "fd://",
        "ssh://",
        "ssh://host/run/docker.sock",
        "ssh://me:secret@host",
        "tcp://[::1",
        "nonsense",
    ],
)
def test_what_is_no_address_is_refused_in_one_line(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        EngineAddress.parse(url, {})
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)
