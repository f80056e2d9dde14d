"""Real package clients against real registries, through the gateway's handlers on real loopback listeners."""

from __future__ import annotations

import json
import os
import pwd
import re
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import anyio
import pytest
from anyio.abc import SocketAttribute, SocketStream
from anyio.streams.stapled import MultiListener

from pullwright.agents.egress import EgressDecision, EgressPolicy
from pullwright.sandbox.egress import EgressGateway, EgressSession, host_upstreams
from tests.means import missing

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(300)]


@dataclass(frozen=True)
class Client:
    """Runs programs as a sandbox would: they know the gateway's ports and nothing of this host's configuration."""

    session: EgressSession
    variables: Mapping[str, str]
    ports: Mapping[int, int]
    folder: Path

    async def run(self, *command: str, **more: str) -> tuple[int, str, tuple[EgressDecision, ...]]:
        home = self.folder / "client-home"
        home.mkdir(exist_ok=True)
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "PIP_CONFIG_FILE": os.devnull,
            "UV_NO_CONFIG": "1",
            "npm_config_userconfig": os.devnull,
            "npm_config_cache": str(home / "npm"),
            **self.variables,
            **more,
        }
        done = await anyio.run_process(command, check=False, env=environment, cwd=self.folder, stderr=subprocess.STDOUT)
        decisions = self.session.drain()
        for decision in decisions:
            if "could not be reached" in decision.rule:
                pytest.skip(f"registry not reachable: {decision.target}: {decision.rule}")
        return done.returncode, done.stdout.decode(errors="replace"), decisions

    def moved(self, text: str) -> str:
        """Put the ports of the listeners in the place of those inside a container."""
        return moved(text, self.ports)


def moved(text: str, ports: Mapping[int, int]) -> str:
    return re.sub(r"127\.0\.0\.1:(\d+)", lambda match: f"127.0.0.1:{ports[int(match[1])]}", text)


Serve = Callable[[EgressPolicy], Awaitable[Client]]


@pytest.fixture
async def serve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Serve]:
    # Registries are those of whoever runs the test, although other settings are not.
    monkeypatch.setenv("HOME", pwd.getpwuid(os.getuid()).pw_dir)
    upstreams = await anyio.to_thread.run_sync(host_upstreams)
    listeners: list[MultiListener[SocketStream]] = []
    async with EgressGateway(upstreams, cache=tmp_path / "cache") as gateway, anyio.create_task_group() as tasks:

        async def start(policy: EgressPolicy) -> Client:
            session = gateway.session(policy, root=True)
            ports: dict[int, int] = {}
            for port, handler in session.ports.items():
                listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
                listeners.append(listener)
                ports[port] = listener.extra(SocketAttribute.local_port)
                tasks.start_soon(listener.serve, handler)
            variables = {name: moved(value, ports) for name, value in session.variables.items()}
            return Client(session, variables, ports, tmp_path)

        yield start
        tasks.cancel_scope.cancel()
    for listener in listeners:
        await listener.aclose()


async def test_pip_downloads_with_dependencies_and_again_from_the_cache(tmp_path: Path, serve: Serve) -> None:
    inside = await serve(EgressPolicy())
    pip = [sys.executable, "-m", "pip", "download", "--no-cache-dir", "--dest", "wheels"]
    code, output, decisions = await inside.run(*pip, "colorama==0.4.6", "jinja2==3.1.6")
    assert code == 0, output
    targets = [decision.target for decision in decisions]
    assert {"index of colorama", "colorama 0.4.6", "index of jinja2", "jinja2 3.1.6"} <= set(targets)
    assert all(decision.allowed and decision.received for decision in decisions)
    shutil.rmtree(tmp_path / "wheels")
    code, output, _ = await inside.run(*pip, "--no-deps", "jinja2==3.1.6")
    assert code == 0, output


async def test_pip_shows_why_something_is_refused(tmp_path: Path, serve: Serve) -> None:
    inside = await serve(EgressPolicy(max_bytes=100_000))
    code, output, decisions = await inside.run(sys.executable, "-m", "pip", "download", "--no-deps", "jinja2==3.1.6")
    assert code != 0
    assert "byte budget used up" in output
    assert decisions[-1].rule == "byte budget used up"


async def test_uv_compiles_and_installs(tmp_path: Path, serve: Serve) -> None:
    uv = shutil.which("uv", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if uv is None:
        missing("uv is not installed")
    (tmp_path / "requirements.in").write_text("jinja2==3.1.6\n")
    inside = await serve(EgressPolicy())
    python = ["--python", sys.executable]
    code, output, decisions = await inside.run(
        uv, "pip", "compile", *python, "--generate-hashes", "-o", "requirements.txt", "requirements.in"
    )
    assert code == 0, output
    assert "markupsafe==" in (tmp_path / "requirements.txt").read_text()
    assert all(decision.allowed for decision in decisions)
    code, output, _ = await inside.run(
        uv, "pip", "install", *python, "--target", "installed", "--require-hashes", "-r", "requirements.txt"
    )
    assert code == 0, output
    assert (tmp_path / "installed" / "jinja2" / "__init__.py").is_file()


async def test_npm_installs_and_writes_public_addresses_into_its_lock(tmp_path: Path, serve: Serve) -> None:
    if shutil.which("npm") is None:
        missing("npm is not installed")
    (tmp_path / "package.json").write_text('{"name": "x", "version": "1.0.0"}')
    inside = await serve(EgressPolicy())
    # The host's own npm configuration may leave the addresses out of lock files.
    code, output, decisions = await inside.run(
        "npm",
        "install",
        "is-odd@3.0.1",
        "@sindresorhus/is@7.0.1",
        npm_config_omit_lockfile_registry_resolved="false",
    )
    assert code == 0, output
    assert {"is-odd 3.0.1", "is-number 6.0.0", "@sindresorhus/is 7.0.1"} <= {item.target for item in decisions}
    lock = json.loads((tmp_path / "package-lock.json").read_text())
    resolved = [package["resolved"] for package in lock["packages"].values() if "resolved" in package]
    assert resolved
    assert not any("127.0.0.1" in url for url in resolved)
    shutil.rmtree(tmp_path / "node_modules")
    code, output, _ = await inside.run("npm", "ci", "--cache", "another")
    assert code == 0, output


async def test_apt_updates_and_downloads_without_a_mirror_of_its_own(tmp_path: Path, serve: Serve) -> None:
    if shutil.which("apt-get") is None:
        missing("apt is not installed")
    keyring = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
    if not keyring.is_file():
        missing("Debian's keyring is not installed")
    inside = await serve(EgressPolicy())
    for name in ("lists/partial", "archives/partial"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "sources.list").write_text(
        f"deb [signed-by={keyring}] http://deb.debian.org/debian-security bookworm-security main\n"
    )
    configuration = tmp_path / "apt.conf"
    configuration.write_text(
        inside.moved(inside.session.apt_conf)
        + f'Dir::Etc::sourcelist "{tmp_path}/sources.list"; Dir::Etc::sourceparts "-"; Dir::State::status "";\n'
        + f'Dir::State::lists "{tmp_path}/lists"; Dir::Cache "{tmp_path}"; APT::Sandbox::User "root";\n'
    )
    code, output, decisions = await inside.run("apt-get", "update", APT_CONFIG=str(configuration))
    assert code == 0, output
    assert "index of bookworm-security" in [decision.target for decision in decisions if decision.allowed]
    code, output, decisions = await inside.run("apt-get", "download", "tzdata", APT_CONFIG=str(configuration))
    assert code == 0, output
    assert list(tmp_path.glob("tzdata_*.deb"))
    assert any(decision.target.startswith("tzdata ") for decision in decisions)
