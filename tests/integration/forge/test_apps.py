from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pullwright.integrations.github import GitHubSettings
from pullwright.integrations.github.app_auth import AppCredentials, AppKey
from pullwright.integrations.github.authority import Permission
from pullwright.integrations.github.client import GitHubClient
from pullwright.integrations.github.collaborators import GitHubPermissions
from pullwright.integrations.github.credentials import Need, Step
from pullwright.integrations.github.settings import APP_ID_VARIABLE, APP_KEY_VARIABLE
from pullwright.integrations.github.setup_check import SetupFacts
from pullwright.integrations.github.setup_facts import read_app_facts
from pullwright.integrations.github.tuning import GitHubTuning
from pullwright.integrations.testing.forge_state import Repository
from pullwright.integrations.testing.rehearsal import Rehearsal
from tests.integration.forge.app_client import app_jwt, ask, mint
from tests.integration.forge.conftest import GitClient

COMMENTS = "/repos/acme/shop/issues/1/comments"


@pytest.fixture
def rehearsal() -> Iterator[Rehearsal]:
    with Rehearsal() as running:
        yield running
        assert running.forge.violations == []


@pytest.fixture
def shop(rehearsal: Rehearsal) -> Repository:
    made = rehearsal.repository("shop", {"a.txt": "one\n"})
    rehearsal.person("ann").open_issue(made, "Broken")
    return made


def test_a_jwt_is_verified(rehearsal: Rehearsal) -> None:
    app, now = rehearsal.app, int(time.time())
    assert ask(rehearsal, "GET", "/app", app_jwt(app)).json()["slug"] == "pull-bot"
    assert ask(rehearsal, "GET", "/app", app_jwt(app, iss=str(app.id))).status_code == 200
    with rehearsal.forge.state.lock:
        other = rehearsal.forge.acts.apps.create("other", owner="x", permissions={}, events=())
    wrong = {
        app_jwt(app, key=other.private_key): (401, "could not be decoded"),
        app_jwt(app, exp=now + 900): (401, "too far in the future"),
        app_jwt(app, exp=now - 1): (401, "numeric value"),
        app_jwt(app, iat=now + 300): (401, "'Issued at'"),
        app_jwt(app, iss="nobody"): (404, "Integration not found"),
        "ghs_x": (401, "could not be decoded"),
    }
    for token, (status, words) in wrong.items():
        answer = ask(rehearsal, "GET", "/app", token)
        assert (answer.status_code, words in answer.json()["message"]) == (status, True)


def test_a_token_is_narrowed_and_that_is_enforced(rehearsal: Rehearsal, shop: Repository) -> None:
    rehearsal.repository("other", {"b.txt": "b\n"})
    token = mint(rehearsal, repositories=["shop"], permissions={"issues": "read"})
    assert 450 < len(token) < 620
    assert token.startswith(f"ghs_{rehearsal.app.id}_eyJ")
    seen = ask(rehearsal, "GET", "/installation/repositories", token).json()
    assert [found["full_name"] for found in seen["repositories"]] == ["acme/shop"]
    assert ask(rehearsal, "GET", "/repos/acme/other", token).status_code == 404
    assert ask(rehearsal, "GET", COMMENTS, token).status_code == 200
    refused = ask(rehearsal, "POST", COMMENTS, token, json={"body": "x"})
    assert (refused.status_code, refused.json()["message"]) == (403, "Resource not accessible by integration")
    assert refused.headers["X-Accepted-GitHub-Permissions"] == "issues=write"
    assert ask(rehearsal, "GET", "/user", token).status_code == 403


def test_no_more_is_given_than_was_granted(rehearsal: Rehearsal, shop: Repository) -> None:
    path = f"/app/installations/{rehearsal.installation.id}/access_tokens"
    for wanted in ({"permissions": {"administration": "write"}}, {"repositories": ["nowhere"]}):
        assert ask(rehearsal, "POST", path, app_jwt(rehearsal.app), json=wanted).status_code == 422
    headers = {"X-GitHub-Stateless-S2S-Token": "disabled"}
    old = ask(rehearsal, "POST", path, app_jwt(rehearsal.app), json={}, headers=headers).json()["token"]
    assert len(old) == 40


def test_a_permission_for_pull_requests_opens_no_issue(rehearsal: Rehearsal, shop: Repository) -> None:
    ann = rehearsal.person("ann")
    ann.push(shop, "agent/1", {"a.txt": "two\n"})
    number = ann.open_pull_request(shop, "agent/1", "Fix").number
    token = mint(rehearsal, permissions={"pull_requests": "write"})
    body = {"body": "x"}
    assert ask(rehearsal, "POST", f"/repos/acme/shop/issues/{number}/comments", token, json=body).status_code == 201
    assert ask(rehearsal, "POST", COMMENTS, token, json=body).status_code == 403


def test_tokens_end(rehearsal: Rehearsal, shop: Repository) -> None:
    token = mint(rehearsal)
    assert rehearsal.revoke_tokens() == 1
    assert ask(rehearsal, "GET", COMMENTS, token).json()["message"] == "Bad credentials"
    token = mint(rehearsal)
    rehearsal.forge.state.now = lambda: datetime.now(UTC) + timedelta(minutes=61)
    assert ask(rehearsal, "GET", COMMENTS, token).status_code == 401
    rehearsal.forge.state.now = lambda: datetime.now(UTC)
    with rehearsal.forge.state.lock:
        rehearsal.forge.acts.apps.suspend(rehearsal.installation)
    assert "suspended" in ask(rehearsal, "GET", COMMENTS, token).json()["message"]
    with rehearsal.forge.state.lock:
        rehearsal.forge.acts.apps.uninstall(rehearsal.installation)
    assert ask(rehearsal, "GET", COMMENTS, token).status_code == 401
    assert ask(rehearsal, "GET", "/repos/acme/shop/installation", app_jwt(rehearsal.app)).status_code == 404


def test_a_token_survives_a_new_name(rehearsal: Rehearsal, shop: Repository) -> None:
    token = mint(rehearsal, repositories=["shop"])
    rehearsal.person("ann").rename_repository(shop, "store")
    assert ask(rehearsal, "GET", "/repos/acme/store", token).status_code == 200
    moved = ask(rehearsal, "GET", "/repos/acme/shop", token)
    assert (moved.status_code, moved.headers["Location"].endswith(f"/repositories/{shop.id}")) == (301, True)


def test_workflows_need_their_own_permission(rehearsal: Rehearsal, shop: Repository, tmp_path: Path) -> None:
    git, clone = GitClient(rehearsal.forge.ca_file, tmp_path), tmp_path / "clone"
    token = mint(rehearsal, permissions={"contents": "write"})
    git("clone", "-q", rehearsal.forge.clone_url("acme", "shop"), str(clone), token=token)
    (clone / ".github" / "workflows").mkdir(parents=True)
    (clone / ".github" / "workflows" / "ci.yml").write_text("on: push\n")
    git("checkout", "-q", "-b", "agent/1", cwd=clone)
    git("add", ".", cwd=clone)
    git("commit", "-qm", "CI", cwd=clone)
    refused = git("push", "origin", "agent/1", cwd=clone, token=token)
    assert refused.returncode != 0
    assert "refusing to allow a GitHub App to create or update workflow `.github/workflows/ci.yml`" in refused.stderr
    rehearsal.installation.permissions["workflows"] = "write"
    assert git("push", "origin", "agent/1", cwd=clone, token=mint(rehearsal)).returncode == 0


def test_only_apps_write_check_runs(rehearsal: Rehearsal, shop: Repository) -> None:
    sha, path = shop.bare.require("refs/heads/main"), "/repos/acme/shop/check-runs"
    wanted = {"name": "pullwright", "head_sha": sha, "status": "in_progress", "external_id": "t1"}
    token = mint(rehearsal, permissions={"checks": "write"})
    run = ask(rehearsal, "POST", path, token, json=wanted).json()
    done = {"conclusion": "success", "output": {"title": "Done", "summary": "All of it."}}
    ended = ask(rehearsal, "PATCH", f"{path}/{run['id']}", token, json=done).json()
    assert (ended["status"], ended["conclusion"], ended["external_id"]) == ("completed", "success", "t1")
    runs = ask(rehearsal, "GET", f"/repos/acme/shop/commits/{sha}/check-runs?check_name=pullwright", token).json()
    assert (runs["total_count"], runs["check_runs"][0]["app"]["id"]) == (1, rehearsal.app.id)


@pytest.fixture
def credentials(rehearsal: Rehearsal) -> AppCredentials:
    known = rehearsal.environment()
    key = AppKey(app_id=known[APP_ID_VARIABLE], private_key=known[APP_KEY_VARIABLE])
    settings = GitHubSettings(api_url=rehearsal.forge.api_url, ca_file=rehearsal.forge.ca_file)
    return AppCredentials(key, settings, GitHubTuning(backoff=0, rate_limit_wait=1))


def test_the_adapter_gets_its_tokens_here(rehearsal: Rehearsal, shop: Repository, credentials: AppCredentials) -> None:
    push = credentials.token(Need(repository="acme/shop", step=Step.PUSH))
    rights = rehearsal.forge.state.tokens[push]
    assert (rights.repositories, rights.permissions) == (("acme/shop",), {"metadata": "read", "contents": "write"})
    facts = read_app_facts(credentials, SetupFacts(repository="acme/shop", is_app=True))
    assert (facts.seen, facts.login, facts.permissions) == (True, "pull-bot[bot]", rehearsal.app.permissions)


@pytest.mark.anyio
async def test_the_adapter_reads_permissions_here(
    rehearsal: Rehearsal, shop: Repository, credentials: AppCredentials
) -> None:
    settings = GitHubSettings(api_url=rehearsal.forge.api_url, ca_file=rehearsal.forge.ca_file)
    source = GitHubPermissions(GitHubClient(settings, GitHubTuning(backoff=0, rate_limit_wait=1), credentials))
    wanted = {"ann": Permission.WRITE, "eve": Permission.NONE, "acme": Permission.ADMIN}
    assert {login: await source.permission("acme/shop", login) for login in wanted} == wanted
