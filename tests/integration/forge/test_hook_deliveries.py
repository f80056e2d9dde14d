from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from urllib.parse import parse_qs

import pytest

from pullwright.integrations.signatures import GITHUB, HmacVerifier, Secret
from pullwright.integrations.testing.certificate import make_certificate
from pullwright.integrations.testing.forge_state import Repository
from pullwright.integrations.testing.hook_trouble import HookTrouble
from pullwright.integrations.testing.rehearsal import Rehearsal
from pullwright.integrations.testing.web_server import Request, Response, WebServer
from tests.integration.forge.app_client import app_jwt, ask, mint
from tests.integration.forge.receiver import Receiver, receiving


@pytest.fixture
def rehearsal() -> Iterator[Rehearsal]:
    with Rehearsal(permissions={"issues": "write", "repository_hooks": "write"}) as running:
        yield running
        assert running.forge.violations == []


@pytest.fixture
def receiver(rehearsal: Rehearsal) -> Iterator[Receiver]:
    with receiving() as found:
        rehearsal.send_hooks_to(found.url)
        yield found


@pytest.fixture
def shop(rehearsal: Rehearsal) -> Repository:
    return rehearsal.repository("shop", {"a.txt": "one\n"})


def test_a_failed_delivery_is_sent_again_with_the_same_id(
    rehearsal: Rehearsal, receiver: Receiver, shop: Repository
) -> None:
    receiver.status = 503
    rehearsal.person("ann").open_issue(shop, "Broken")
    rehearsal.wait_settled()
    listed = ask(rehearsal, "GET", "/app/hook/deliveries?per_page=5", app_jwt(rehearsal.app)).json()
    assert [(d["event"], d["action"], d["status_code"], d["redelivery"]) for d in listed] == [
        ("issues", "opened", 503, False)
    ]
    receiver.status = 202
    path = f"/app/hook/deliveries/{listed[0]['id']}"
    assert ask(rehearsal, "POST", f"{path}/attempts", app_jwt(rehearsal.app)).status_code == 202
    rehearsal.wait_settled()
    first, second = receiver.got
    assert (first.guid, first.body) == (second.guid, second.body)
    newest = ask(rehearsal, "GET", "/app/hook/deliveries", app_jwt(rehearsal.app)).json()[0]
    assert (newest["guid"], newest["status_code"], newest["redelivery"]) == (first.guid, 202, True)
    full = ask(rehearsal, "GET", path, app_jwt(rehearsal.app)).json()
    assert full["request"]["payload"] == first.payload
    assert full["response"]["headers"]["Content-Length"] == "0"


def test_deliveries_have_pages(rehearsal: Rehearsal, receiver: Receiver, shop: Repository) -> None:
    for number in range(5):
        rehearsal.person("ann").open_issue(shop, f"Issue {number}")
    rehearsal.wait_settled()
    path, seen = "/app/hook/deliveries?per_page=2", []
    while path:
        answer = ask(rehearsal, "GET", path, app_jwt(rehearsal.app))
        seen += [delivery["id"] for delivery in answer.json()]
        path = answer.links.get("next", {}).get("url", "").removeprefix(rehearsal.forge.api_url)
    assert seen == sorted((d.id for d in rehearsal.deliveries), reverse=True)
    assert len(seen) == 5


def test_a_hook_of_a_repository_by_the_api(rehearsal: Rehearsal, receiver: Receiver, shop: Repository) -> None:
    token, hooks = mint(rehearsal), "/repos/acme/shop/hooks"
    rehearsal.send_hooks_to("")
    wanted = {"config": {"url": receiver.url, "secret": "s3cret", "content_type": "form"}, "events": ["issues"]}
    made = ask(rehearsal, "POST", hooks, token, json=wanted).json()
    assert made["config"]["secret"] == "********"
    again = ask(rehearsal, "POST", hooks, token, json=wanted)
    assert (again.status_code, again.json()["errors"][0]["message"]) == (422, "Hook already exists on this repository")
    rehearsal.person("ann").open_issue(shop, "Broken")
    rehearsal.wait_settled()
    ping, opened = receiver.got
    verifier = HmacVerifier(GITHUB, [Secret(name="a", value="s3cret")])
    for received in (ping, opened):
        assert verifier.check(received.headers, received.body, now=0.0).accepted
        assert dict(received.headers)["Content-Type"] == "application/x-www-form-urlencoded"
    assert json.loads(parse_qs(opened.body.decode())["payload"][0])["issue"]["title"] == "Broken"
    one = f"{hooks}/{made['id']}"
    assert ask(rehearsal, "GET", hooks, token).json()[0]["last_response"]["code"] == 202
    assert ask(rehearsal, "PATCH", one, token, json={"active": False}).json()["active"] is False
    assert ask(rehearsal, "POST", f"{one}/pings", token).status_code == 204
    assert len(ask(rehearsal, "GET", f"{one}/deliveries", token).json()) == 3
    assert ask(rehearsal, "DELETE", one, token).status_code == 204
    assert ask(rehearsal, "GET", one, token).status_code == 404


def test_what_goes_wrong_is_decided_by_a_seed(rehearsal: Rehearsal, receiver: Receiver, shop: Repository) -> None:
    rehearsal.set_trouble(HookTrouble(seed=7, lost=0.2, duplicated=0.2, reordered=0.2, delayed=0.2))
    for number in range(40):
        rehearsal.person("ann").open_issue(shop, str(number))
    rehearsal.wait_settled()
    titles = [int(received.payload["issue"]["title"]) for received in receiver.got]
    counts = Counter(titles)
    lost = {d.guid for d in rehearsal.deliveries} - {received.guid for received in receiver.got}
    assert 0 < len(lost) == 40 - len(counts)
    assert set(counts.values()) == {1, 2}
    assert titles != sorted(titles)
    assert {d.status for d in rehearsal.deliveries if d.guid in lost} == {"failed to connect to host"}


def test_nobody_listening_is_logged(rehearsal: Rehearsal, shop: Repository) -> None:
    with receiving() as gone:
        rehearsal.send_hooks_to(gone.url)
    rehearsal.person("ann").open_issue(shop, "Broken")
    rehearsal.wait_settled()
    assert [(d.status_code, d.status) for d in rehearsal.deliveries] == [(0, "failed to connect to host")]


def test_hooks_go_over_tls(rehearsal: Rehearsal, shop: Repository) -> None:
    got: list[str] = []

    def take(request: Request) -> Response:
        got.append(request.headers["X-GitHub-Event"])
        return Response(status=202)

    certificate = make_certificate(rehearsal.forge.root)
    server = WebServer(take, certificate.server_context())
    try:
        rehearsal.send_hooks_to(f"https://127.0.0.1:{server.port}/hook")
        rehearsal.person("ann").open_issue(shop, "Broken")
        rehearsal.wait_settled()
    finally:
        server.close()
    assert got == ["issues"]
