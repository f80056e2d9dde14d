from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pullwright.agents.egress import EgressPolicy
from pullwright.sandbox.egress import EgressGateway, EgressSession, Upstreams
from pullwright.sandbox.egress.gateway import NPM_PORT
from pullwright.sandbox.egress.npm import ABBREVIATED
from tests.unit.sandbox.egress.harness import Answer, Reply, Upstream, get

pytestmark = [pytest.mark.anyio]

OLD = "2020-01-01T00:00:00.000Z"


def packument(name: str, tarball: str) -> Answer:
    body = {
        "name": name,
        "dist-tags": {"latest": "2.0.0", "next": "2.0.0"},
        "versions": {version: {"dist": {"tarball": tarball % version}} for version in ("1.0.0", "1.1.0-rc1", "2.0.0")},
        "time": {"created": OLD, "1.0.0": OLD, "1.1.0-rc1": OLD, "2.0.0": datetime.now(UTC).isoformat()},
    }
    return Answer(json.dumps(body).encode(), headers={"Content-Type": ABBREVIATED})


@pytest.fixture
async def gateway(registry: Upstream, tmp_path: Path) -> AsyncIterator[EgressGateway]:
    upstreams = Upstreams(npm=f"{registry.url}/api/npm", npm_scopes={"@mine": f"{registry.url}/mine"})
    registry.answers["/api/npm/demo"] = packument("demo", f"{registry.url}/api/npm/demo/-/demo-%s.tgz")
    registry.answers["/api/npm/@scope%2fdemo"] = packument(
        "@scope/demo", f"{registry.url}/download/@scope/demo/%s/x.tgz"
    )
    registry.answers["/mine/@mine%2fdemo"] = packument("@mine/demo", "http://169.254.169.254/download/demo-%s.tgz")
    for path in (
        "/api/npm/demo/-/demo-1.0.0.tgz",
        "/download/@scope/demo/1.0.0/x.tgz",
        "/mine/@mine/demo/-/demo-1.0.0.tgz",
    ):
        registry.answers[path] = Answer(path.encode())
    async with EgressGateway(upstreams, cache=tmp_path / "cache") as found:
        yield found


async def ask(session: EgressSession, target: str, accept: str = "*/*") -> Reply:
    return await get(session.ports[NPM_PORT], target, accept)


async def test_packuments_are_passed_on_unchanged(gateway: EgressGateway, registry: Upstream) -> None:
    session = gateway.session(EgressPolicy())
    reply = await ask(session, "/demo", f"{ABBREVIATED}; q=1.0, application/json; q=0.8, */*")
    assert reply.body == registry.answers["/api/npm/demo"].body
    assert reply.headers["content-type"] == ABBREVIATED
    assert registry.requests[-1][1]["accept"] == ABBREVIATED
    await ask(session, "/demo", "application/json")
    assert registry.requests[-1][1]["accept"] == "application/json"
    for target in ("/@scope%2fdemo", "/@scope%2Fdemo", "/@scope/demo"):
        assert (await ask(session, target)).status == 200
    assert {item.target for item in session.drain()} == {"index of demo", "index of @scope/demo"}


@pytest.mark.parametrize(
    ("first", "tarball", "upstream", "target"),
    [
        ("", "/demo/-/demo-1.0.0.tgz", "/api/npm/demo/-/demo-1.0.0.tgz", "demo 1.0.0"),
        ("", "/api/npm/demo/-/demo-1.0.0.tgz", "/api/npm/demo/-/demo-1.0.0.tgz", "demo 1.0.0"),
        ("", "/@mine/demo/-/demo-1.0.0.tgz", "/mine/@mine/demo/-/demo-1.0.0.tgz", "@mine/demo 1.0.0"),
        ("/@scope%2fdemo", "/download/@scope/demo/1.0.0/x.tgz", "/download/@scope/demo/1.0.0/x.tgz", "@scope/demo x"),
    ],
    ids=["usual", "below the registry's path", "scope with a registry", "unusual address"],
)
async def test_tarballs_are_found_where_the_registry_has_them(
    gateway: EgressGateway, first: str, tarball: str, upstream: str, target: str
) -> None:
    session = gateway.session(EgressPolicy())
    if first:
        assert (await ask(session, tarball)).status == 403  # nobody named it yet
        await ask(session, first)
        session.drain()
    reply = await ask(session, tarball)
    assert (reply.status, reply.body) == (200, upstream.encode())
    assert [(item.target, item.allowed) for item in session.drain()] == [(target, True)]


async def test_an_address_inside_that_a_packument_names_is_not_followed(gateway: EgressGateway) -> None:
    session = gateway.session(EgressPolicy())
    await ask(session, "/@mine%2fdemo")
    assert (await ask(session, "/download/demo-1.0.0.tgz")).status == 403


async def test_search_and_audit_are_not_there_and_nobody_is_told(gateway: EgressGateway) -> None:
    session = gateway.session(EgressPolicy())
    assert (await ask(session, "/-/v1/search?text=x")).status == 404
    assert (await ask(session, "/-/all")).status == 404
    audit = await get(session.ports[NPM_PORT], "/-/npm/v1/security/advisories/bulk", method="POST")
    assert audit.status == 405
    assert session.drain() == ()
    assert (await get(session.ports[NPM_PORT], "/demo", method="PUT")).status == 405
    assert len(session.drain()) == 1


@pytest.mark.parametrize(
    "target", ["/", "/a/b/c", "/@scope", "/demo/-/", "/.hidden", "/demo?write=true", "/a/-/../b.tgz"]
)
async def test_nothing_else_is_served(gateway: EgressGateway, registry: Upstream, target: str) -> None:
    assert (await ask(gateway.session(EgressPolicy()), target)).status in (400, 403)
    assert not registry.requests


async def test_a_minimum_age_hides_young_versions(gateway: EgressGateway, registry: Upstream, tmp_path: Path) -> None:
    async with EgressGateway(
        Upstreams(npm=f"{registry.url}/api/npm"), cache=tmp_path / "other", min_age=timedelta(days=3)
    ) as strict:
        session = strict.session(EgressPolicy())
        page = json.loads((await ask(session, "/demo", ABBREVIATED)).body)
        assert list(page["versions"]) == ["1.0.0", "1.1.0-rc1"]
        assert page["dist-tags"] == {"latest": "1.0.0"}
        assert (await ask(session, "/demo/-/demo-1.0.0.tgz")).status == 200
        refused = await ask(session, "/demo/-/demo-2.0.0.tgz")
        assert (refused.status, refused.body) == (
            403,
            b"blocked by Pullwright: this version is younger than packages must be here\n",
        )
