from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from pullwright.agents.errors import AuthFailed
from pullwright.integrations.github import GitHubSettings
from pullwright.integrations.github.app_auth import AppCredentials, AppKey
from pullwright.integrations.github.client import GitHubClient
from pullwright.integrations.github.credentials import FixedToken, Need, Step
from pullwright.integrations.github.setup_check import EVENTS, HookFacts, SetupFacts
from pullwright.integrations.github.setup_facts import read_app_facts, read_token_facts
from pullwright.integrations.github.tuning import GitHubTuning
from pullwright.integrations.testing.faults import Fault
from pullwright.integrations.testing.forge import AGENT_TOKEN, RehearsalForge

URL = "https://agent.example.test/webhooks/github/main"
TUNING = GitHubTuning(backoff=0, retries=0)
NEED = Need(repository="acme/shop", step=Step.READ)
CONFIG = {"url": URL, "content_type": "json", "insecure_ssl": "0", "secret": "********"}


def answers(forge: RehearsalForge, path: str, body: Any, status: int = 200) -> None:
    forge.add_fault(Fault(path=path, method="GET", status=status, body=body))


@pytest.fixture
def settings(forge: RehearsalForge) -> GitHubSettings:
    forge.create_repository("acme", "shop", {"a.txt": "one\n"})
    return GitHubSettings(api_url=forge.api_url, ca_file=forge.ca_file)


@pytest.fixture
def app(settings: GitHubSettings) -> AppCredentials:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    form = serialization.PrivateFormat.PKCS8
    pem = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()
    return AppCredentials(AppKey(app_id="Iv1.abc", private_key=pem), settings, TUNING)


@pytest.mark.parametrize(("deliveries", "last"), [([{"id": 1, "status_code": 401}], 401), ([], None)])
def test_an_app_sees_itself(forge: RehearsalForge, app: AppCredentials, deliveries: Any, last: int | None) -> None:
    answers(forge, "/api/v3/app", {"slug": "pull-bot", "events": list(EVENTS)})
    answers(forge, "/repos/acme/shop/installation", {"id": 3, "permissions": {"issues": "write"}, "suspended_at": None})
    answers(forge, "/app/hook/config", CONFIG)
    answers(forge, "/app/hook/deliveries", deliveries)
    facts = read_app_facts(app, SetupFacts(repository="acme/shop", is_app=True, expected_url=URL))
    assert facts == SetupFacts(
        repository="acme/shop",
        is_app=True,
        login="pull-bot[bot]",
        permissions={"issues": "write"},
        hook=HookFacts(url=URL, has_secret=True, events=EVENTS, last_status=last),
        expected_url=URL,
    )


def test_an_app_that_is_not_installed_or_suspended(forge: RehearsalForge, app: AppCredentials) -> None:
    for status, body in ((404, {"message": "Not Found"}), (200, {"id": 3, "suspended_at": "2026-01-05T09:00:00Z"})):
        answers(forge, "/api/v3/app", {"slug": "pull-bot"})
        answers(forge, "/repos/acme/shop/installation", body, status)
        facts = read_app_facts(app, SetupFacts(repository="acme/shop", is_app=True))
        assert (facts.seen, facts.suspended) == (status == 200, status == 200)


def test_an_app_with_another_key_is_an_error(forge: RehearsalForge, app: AppCredentials) -> None:
    known = forge.acts.apps.create("pull-bot", owner="acme", permissions={}, events=())
    known.client_id = "Iv1.abc"
    with pytest.raises(AuthFailed, match="clock"):
        read_app_facts(app, SetupFacts(repository="acme/shop", is_app=True))


async def token_facts(settings: GitHubSettings) -> SetupFacts:
    client = GitHubClient(settings, TUNING, FixedToken(AGENT_TOKEN))
    start = SetupFacts(repository="acme/shop", is_app=False, expected_url=URL)
    return await client.talk(lambda session: read_token_facts(session, start), need=NEED)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("hooks", "status", "hook", "readable"),
    [
        ([{"config": CONFIG, "events": ["issues"], "last_response": {"code": 202}}], 200, True, True),
        ([{"config": {"url": "https://other.test"}}], 200, False, True),
        ({"message": "Not Found"}, 404, False, False),
        ({"message": "Resource not accessible by personal access token"}, 403, False, False),
    ],
)
async def test_a_token_sees_what_it_may(
    forge: RehearsalForge, settings: GitHubSettings, hooks: Any, status: int, hook: bool, readable: bool
) -> None:
    answers(forge, "/repos/acme/shop/hooks", hooks, status)
    facts = await token_facts(settings)
    assert (facts.login, facts.seen, facts.hook_readable) == ("pullwright-agent", True, readable)
    assert facts.hook == (HookFacts(url=URL, has_secret=True, events=("issues",), last_status=202) if hook else None)
    assert facts.rate_limit == 5000
    assert facts.rate_remaining


@pytest.mark.anyio
async def test_a_repository_that_a_token_does_not_see(forge: RehearsalForge, settings: GitHubSettings) -> None:
    answers(forge, "/repos/acme/shop", {"message": "Not Found"}, 404)
    assert not (await token_facts(settings)).seen
    answers(forge, "/repos/acme/shop", {"archived": True, "permissions": {"push": False}})
    answers(forge, "/repos/acme/shop/hooks", [])
    facts = await token_facts(settings)
    assert (facts.archived, facts.may_push, facts.hook) == (True, False, None)
