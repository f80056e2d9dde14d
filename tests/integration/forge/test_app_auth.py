from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from pullwright.agents.errors import AuthFailed, ConfigError, RemoteRejected, RemoteUnavailable
from pullwright.integrations.github import GitHubSettings
from pullwright.integrations.github.app_auth import AppCredentials, AppKey
from pullwright.integrations.github.authority import Permission
from pullwright.integrations.github.client import GitHubClient
from pullwright.integrations.github.collaborators import GitHubPermissions
from pullwright.integrations.github.credentials import FixedToken, Need, Step
from pullwright.integrations.github.operations import read_repository
from pullwright.integrations.github.tuning import GitHubTuning
from pullwright.integrations.testing.access import READ_ALL, TokenRights
from pullwright.integrations.testing.contract_gate import RecordedRequest
from pullwright.integrations.testing.faults import Fault
from pullwright.integrations.testing.forge import AGENT_TOKEN, RehearsalForge

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
TOKENS = "/access_tokens"
INSTALLATION = "/repos/acme/shop/installation"
NEED = Need(repository="acme/shop", step=Step.READ, installation_id=3)
TUNING = GitHubTuning(backoff=0, rate_limit_wait=1)


def pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    form = serialization.PrivateFormat.TraditionalOpenSSL
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


class Clock:
    def __init__(self) -> None:
        self.time = NOW

    def __call__(self) -> datetime:
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def settings(forge: RehearsalForge) -> GitHubSettings:
    forge.create_repository("acme", "shop", {"a.txt": "one\n"})
    return GitHubSettings(api_url=forge.api_url, ca_file=forge.ca_file)


@pytest.fixture
def app(settings: GitHubSettings, key: rsa.RSAPrivateKey, clock: Clock) -> AppCredentials:
    return AppCredentials(AppKey(app_id="Iv1.abc", private_key=pem(key)), settings, TUNING, now=clock)


def gives(token: str, minutes: int = 60, times: int = 1, since: datetime = NOW) -> Fault:
    expires = (since + timedelta(minutes=minutes)).isoformat().replace("+00:00", "Z")
    body = {"token": token, "expires_at": expires}
    return Fault(path=TOKENS, method="POST", status=201, body=body, times=times)


def asked(forge: RehearsalForge, path: str = TOKENS) -> list[RecordedRequest]:
    return [seen for seen in forge.requests if path in seen.path]


def test_a_jwt_is_what_github_wants(key: rsa.RSAPrivateKey) -> None:
    token = AppKey(app_id="Iv1.abc", private_key=pem(key)).token(NOW)
    claims = jwt.decode(
        token, key.public_key(), algorithms=["RS256"], options={"verify_exp": False, "verify_iat": False}
    )
    assert claims["iss"] == "Iv1.abc"
    assert claims["iat"] == int(NOW.timestamp()) - 60
    assert 0 < claims["exp"] - int(NOW.timestamp()) <= 600
    assert jwt.get_unverified_header(token)["alg"] == "RS256"


def test_a_key_on_one_line_is_understood_and_never_shown(key: rsa.RSAPrivateKey) -> None:
    app_key = AppKey(app_id="12345", private_key=pem(key).replace("\n", "\\n"))
    assert app_key.token(NOW)
    assert "PRIVATE" not in repr(app_key)


def test_what_is_no_private_rsa_key_is_refused(key: rsa.RSAPrivateKey) -> None:
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    for text in ("", "x", pem(key)[:300], pem(ec.generate_private_key(ec.SECP256R1())), public.decode()):
        with pytest.raises(ConfigError, match="AGENT_GITHUB_APP_PRIVATE_KEY") as caught:
            AppKey(app_id="1", private_key=text)
        assert caught.value.__cause__ is None
    for app_id in ("", "a b", "1\n"):
        with pytest.raises(ConfigError, match="AGENT_GITHUB_APP_ID"):
            AppKey(app_id=app_id, private_key=pem(key))


def test_a_token_is_narrowed_to_a_repository_and_a_step(forge: RehearsalForge, app: AppCredentials) -> None:
    forge.add_fault(gives("ghs_" + "a" * 36))
    forge.add_fault(gives("ghs_123_" + "b.c-" * 128))
    assert app.token(NEED) == "ghs_" + "a" * 36
    push = Need(repository="acme/shop", repository_id=5, step=Step.PUSH, installation_id=3)
    assert len(app.token(push)) == 520
    first, second = (seen.body for seen in asked(forge))
    assert b'"repositories": ["shop"]' in first
    assert b"write" not in first
    assert b'"repository_ids": [5]' in second
    assert b'"contents": "write"' in second
    assert b"issues" not in second


def test_a_token_is_kept_until_five_minutes_before_its_end(
    forge: RehearsalForge, app: AppCredentials, clock: Clock
) -> None:
    forge.add_fault(gives("ghs_first_token"))
    assert app.token(NEED) == "ghs_first_token"
    clock.time += timedelta(minutes=54, seconds=59)
    assert app.token(NEED) == "ghs_first_token"
    clock.time += timedelta(seconds=1)
    forge.add_fault(gives("ghs_second_token", since=clock.time))
    assert app.token(NEED) == "ghs_second_token"
    assert len(asked(forge)) == 2


def test_many_threads_ask_once(forge: RehearsalForge, app: AppCredentials) -> None:
    forge.add_fault(gives("ghs_only_token"))
    start = threading.Barrier(8)

    def ask() -> str:
        start.wait(10)
        return app.token(NEED)

    with ThreadPoolExecutor(8) as pool:
        tokens = {future.result() for future in [pool.submit(ask) for _ in range(8)]}
    assert tokens == {"ghs_only_token"}
    assert len(asked(forge)) == 1


def test_the_installation_is_looked_up_once(forge: RehearsalForge, app: AppCredentials) -> None:
    forge.add_fault(Fault(path=INSTALLATION, status=200, body={"id": 42}))
    forge.add_fault(gives("ghs_first_token", times=3))
    need = Need(repository="acme/shop", step=Step.READ)
    app.token(need)
    app.forget("ghs_first_token")
    app.token(need)
    assert len(asked(forge, INSTALLATION)) == 1
    assert {seen.path for seen in asked(forge)} == {"/app/installations/42/access_tokens"}
    app.forget_installation(42)
    forge.add_fault(Fault(path=INSTALLATION, status=200, body={"id": 42}))
    app.token(need)
    assert (len(asked(forge, INSTALLATION)), len(asked(forge))) == (2, 3)


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        ({"status": 401, "body": {"message": "JWT not decoded"}}, AuthFailed, "clock of this machine"),
        ({"status": 403, "body": {"message": "This installation has been suspended"}}, AuthFailed, "suspended"),
        ({"status": 404, "body": {"message": "Not Found"}}, AuthFailed, "any more"),
        ({"status": 422, "body": {"message": "not granted"}}, AuthFailed, "agent github setup"),
        ({"status": 502}, RemoteUnavailable, "in trouble"),
        ({"status": 201, "body": {"token": "x y" * 9, "expires_at": "2026-11-22T10:00Z"}}, RemoteRejected, "'token'"),
        ({"status": 201, "body": {"token": "ghs_abcdefgh", "expires_at": "soon"}}, RemoteRejected, "'expires_at'"),
    ],
)
def test_no_token_is_one_clear_line(
    forge: RehearsalForge, app: AppCredentials, fault: dict[str, object], kind: type[Exception], words: str
) -> None:
    forge.add_fault(Fault(path=TOKENS, **fault))  # type: ignore[arg-type]
    with pytest.raises(kind, match=words) as caught:
        app.token(NEED)
    assert "\n" not in str(caught.value)
    assert len(asked(forge)) == 1


def test_an_app_that_is_not_installed_says_so(forge: RehearsalForge, app: AppCredentials) -> None:
    forge.add_fault(Fault(path=INSTALLATION, status=404, body={"message": "Not Found"}))
    with pytest.raises(AuthFailed, match="not installed at 'acme/shop'"):
        app.token(Need(repository="acme/shop", step=Step.READ))


def test_an_installation_that_is_gone_is_looked_up_again(forge: RehearsalForge, app: AppCredentials) -> None:
    need = Need(repository="acme/shop", step=Step.READ)
    forge.add_fault(Fault(path=INSTALLATION, status=200, body={"id": 42}))
    forge.add_fault(Fault(path=TOKENS, status=404, body={"message": "Not Found"}))
    with pytest.raises(AuthFailed, match="any more"):
        app.token(need)
    forge.add_fault(Fault(path=INSTALLATION, status=200, body={"id": 43}))
    forge.add_fault(gives("ghs_next_token"))
    assert app.token(need) == "ghs_next_token"
    assert asked(forge)[-1].path == "/app/installations/43/access_tokens"


@pytest.mark.parametrize("repository", ["shop", "a/b/c", "a/..", "a b/c", "/x", "acme/"])
def test_a_need_is_for_a_repository(repository: str) -> None:
    with pytest.raises(ConfigError, match="owner/name"):
        Need(repository=repository, step=Step.READ)


def test_only_pushing_writes_code() -> None:
    assert {step for step in Step if step.permissions.get("contents") == "write"} == {Step.PUSH, Step.PUSH_WORKFLOWS}
    assert {step for step in Step if "workflows" in step.permissions} == {Step.PUSH_WORKFLOWS}


@pytest.mark.anyio
async def test_the_client_renews_a_refused_token_once(
    forge: RehearsalForge, app: AppCredentials, settings: GitHubSettings
) -> None:
    good = "ghs_good_one_0123456789"
    forge.add_token(good, TokenRights(user="pull-bot[bot]", permissions=READ_ALL))
    client = GitHubClient(settings, TUNING, app)
    work = partial(read_repository, slug="acme/shop")
    forge.add_fault(gives("ghs_revoked_0123456789"))
    forge.add_fault(gives(good))
    assert (await client.talk(work, need=NEED)).full_name == "acme/shop"
    app.forget(good)
    forge.add_fault(gives("ghs_revoked_0123456789", times=2))
    with pytest.raises(AuthFailed, match="refused"):
        await client.talk(work, need=NEED)
    app.forget("ghs_revoked_0123456789")
    forge.add_fault(gives("ghs_revoked_0123456789"))
    forge.add_fault(gives("ghs_revoked_too_0123456789"))
    with pytest.raises(AuthFailed, match="refused"):
        await client.talk(work, need=NEED, writes=True)
    assert len(asked(forge)) == 6
    with pytest.raises(ConfigError, match="which repository"):
        await client.talk(work)


@pytest.mark.anyio
async def test_a_fixed_token_goes_the_same_way(forge: RehearsalForge, settings: GitHubSettings) -> None:
    client = GitHubClient(settings, TUNING, FixedToken(AGENT_TOKEN))
    found = await client.talk(partial(read_repository, slug="acme/shop"), need=NEED)
    assert found.default_branch == "main"


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("answer", "permission"),
    [
        ({"body": {"permission": "admin", "role_name": "admin"}}, Permission.ADMIN),
        ({"body": {"permission": "write", "role_name": "maintain"}}, Permission.WRITE),
        ({"body": {"permission": "read", "role_name": "triage"}}, Permission.READ),
        ({"body": {"permission": "none"}}, Permission.NONE),
        ({"body": {"permission": "owner"}}, Permission.NONE),
        ({"status": 404, "body": {"message": "renovate[bot] is not a user"}}, Permission.NONE),
    ],
)
async def test_what_a_person_may_do_is_asked(
    forge: RehearsalForge, settings: GitHubSettings, answer: dict[str, object], permission: Permission
) -> None:
    path = "/repos/acme/shop/collaborators/"
    forge.add_fault(Fault(path=path, method="GET", **{"status": 200, **answer}))  # type: ignore[arg-type]
    source = GitHubPermissions(GitHubClient(settings, TUNING, FixedToken(AGENT_TOKEN)))
    assert await source.permission("acme/shop", "ann") is permission
    assert [seen.path for seen in asked(forge, path)] == [f"{path}ann/permission"]
