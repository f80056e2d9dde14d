from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pullwright.agents.egress import EgressMode, EgressPolicy
from pullwright.sandbox.egress import EgressGateway, EgressSession, Upstreams
from pullwright.sandbox.egress.gateway import APT_PORT, CONNECT_PORT, NPM_PORT, PYPI_PORT
from tests.unit.sandbox.egress.harness import Answer, Upstream, get

pytestmark = [pytest.mark.anyio]

DEB = "/pool/main/g/g++/g++_4%3a12.2.0-3_amd64.deb"
HASHED = "/dists/bookworm/main/binary-amd64/by-hash/SHA256/"


@pytest.fixture
async def gateway(registry: Upstream, tmp_path: Path) -> AsyncIterator[EgressGateway]:
    upstreams = Upstreams(apt={"http://deb.debian.org/debian": f"{registry.url}/mirror/debian"})
    registry.answers["/mirror/debian/dists/bookworm/InRelease"] = Answer(b"release")
    registry.answers["/mirror/debian/pool/main/g/g++/g++_4:12.2.0-3_amd64.deb"] = Answer(b"deb")
    async with EgressGateway(upstreams, cache=tmp_path / "cache") as found:
        yield found


@pytest.fixture
def session(gateway: EgressGateway) -> EgressSession:
    return gateway.session(EgressPolicy(), root=True)


async def test_public_archives_are_served_from_the_hosts_mirror(session: EgressSession) -> None:
    port = session.ports[APT_PORT]
    assert (await get(port, "http://deb.debian.org/debian/dists/bookworm/InRelease")).body == b"release"
    assert (await get(port, f"http://deb.debian.org:80/debian{DEB}")).body == b"deb"
    assert [item.target for item in session.drain()] == ["index of bookworm", "g++ 4:12.2.0-3"]


async def test_a_file_by_its_hash_must_have_it(session: EgressSession, registry: Upstream) -> None:
    right, wrong = hashlib.sha256(b"Packages").hexdigest(), "0" * 64
    for digest in (right, wrong):
        registry.answers[f"/mirror/debian{HASHED}{digest}"] = Answer(b"Packages")
    port = session.ports[APT_PORT]
    assert (await get(port, f"http://deb.debian.org/debian{HASHED}{right}")).body == b"Packages"
    assert (await get(port, f"http://deb.debian.org/debian{HASHED}{wrong}")).status == 502


@pytest.mark.parametrize(
    "target",
    [
        "http://evil.example/debian/dists/x/InRelease", "http://deb.debian.org/other/dists/x", "/debian/dists/x",
        "http://deb.debian.org/debian/", "http://deb.debian.org/debian/README", "http://deb.debian.org/debian/pool/",
        "http://deb.debian.org/debian/dists/../../x", "http://deb.debian.org/debian-security/dists/x",
        "http://deb.debian.org:8080/debian/dists/x", "https://deb.debian.org/debian/dists/x",
        "http://user@deb.debian.org/debian/dists/x", "http://deb.debian.org/debian/dists/x?y", "http://169.254.169.254/",
        "http://deb.debian.org/debian/dists/%2e%2e/x", "http://deb.debian.org.evil.example/debian/dists/x",
    ],
)  # fmt: skip
async def test_nothing_else_is_served(session: EgressSession, registry: Upstream, target: str) -> None:
    assert (await get(session.ports[APT_PORT], target)).status in (400, 403)
    assert not registry.requests
    assert [item.allowed for item in session.drain()] == [False]


def test_each_mode_has_its_ports(gateway: EgressGateway) -> None:
    none = gateway.session(EgressPolicy(mode=EgressMode.NONE), root=True)
    assert (dict(none.ports), dict(none.variables), none.apt_conf) == ({}, {}, "")
    packages = gateway.session(EgressPolicy())
    assert set(packages.ports) == {PYPI_PORT, NPM_PORT}
    assert packages.variables["npm_config_replace_registry_host"] == "always"
    assert "HTTPS_PROXY" not in packages.variables
    wide = gateway.session(EgressPolicy(mode=EgressMode.ALLOWLIST, hosts=("a.example",)), root=True)
    assert set(wide.ports) == {PYPI_PORT, NPM_PORT, APT_PORT, CONNECT_PORT}
    assert wide.variables["HTTPS_PROXY"].endswith(f":{CONNECT_PORT}")
    assert f'Acquire::http::Proxy "http://127.0.0.1:{APT_PORT}"' in wide.apt_conf
