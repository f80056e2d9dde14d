"""As whom we act: an App before a token, a token before nobody; and where the App is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pullwright.agents.errors import AuthFailed, RemoteUnavailable
from pullwright.agents.ports.code_host import Access
from pullwright.integrations.github import GitHubCodeHost, GitHubSettings
from pullwright.integrations.github.app_auth import AppCredentials
from pullwright.integrations.github.credentials import FixedToken, Need, Step
from pullwright.integrations.github.identity import sign_in
from pullwright.integrations.github.tuning import GitHubTuning
from pullwright.integrations.github.watched import FRESH_SECONDS, Watched
from pullwright.integrations.github.whoami import whoami
from pullwright.integrations.testing.faults import Fault
from pullwright.integrations.testing.forge import AGENT_TOKEN
from pullwright.integrations.testing.rehearsal import Rehearsal

TUNING = GitHubTuning(backoff=0, rate_limit_wait=1, retries=0)


@pytest.fixture
def rehearsal() -> Iterator[Rehearsal]:
    with Rehearsal() as running:
        yield running
        assert running.forge.violations == []


def known(rehearsal: Rehearsal, **more: object) -> GitHubSettings:
    forge = rehearsal.forge
    return GitHubSettings(api_url=forge.api_url, ca_file=forge.ca_file, **more)  # type: ignore[arg-type]


def as_app(rehearsal: Rehearsal, tmp_path: Path) -> GitHubSettings:
    key = tmp_path / "app.pem"
    key.write_text(rehearsal.app.private_key)
    return known(rehearsal, app_id=str(rehearsal.app.id), app_key_file=key, token=AGENT_TOKEN)


def test_an_app_goes_before_a_token_and_that_before_nobody(rehearsal: Rehearsal, tmp_path: Path) -> None:
    assert whoami(as_app(rehearsal, tmp_path)) == f"the App 'pull-bot' at {rehearsal.forge.host}"
    by_token = known(rehearsal, token=AGENT_TOKEN)
    assert whoami(by_token) == f"the user 'pullwright-agent' at {rehearsal.forge.host}, by a token"
    assert whoami(known(rehearsal)) == ""
    assert isinstance(sign_in(by_token), FixedToken)
    with pytest.raises(AuthFailed, match="AGENT_GITHUB_TOKEN") as caught:
        whoami(known(rehearsal, token="ghp_revoked_0123456789"))
    assert "\n" not in str(caught.value)


@pytest.mark.anyio
async def test_where_the_app_is_is_asked_now_and_then(rehearsal: Rehearsal, tmp_path: Path) -> None:
    for name in ("one", "two"):
        rehearsal.repository(name, {"a.txt": "1\n"})
    app = sign_in(as_app(rehearsal, tmp_path), TUNING)
    assert isinstance(app, AppCredentials)
    now = [0.0]
    watched = Watched((), app, monotonic=lambda: now[0])
    assert await watched() == ["acme/one", "acme/two"]
    rehearsal.repository("three", {"a.txt": "1\n"})
    assert len(await watched()) == 2
    now[0] += FRESH_SECONDS
    assert len(await watched()) == 3
    rehearsal.forge.acts.apps.suspend(rehearsal.installation)
    now[0] += FRESH_SECONDS
    assert await watched() == []
    rehearsal.forge.add_fault(Fault(path="/app/installations", status=502))
    now[0] += FRESH_SECONDS
    with pytest.raises(RemoteUnavailable):
        await watched()
    assert await Watched(("acme/one",), None, monotonic=lambda: 0.0)() == ("acme/one",)


@pytest.mark.anyio
async def test_only_who_lets_workflows_be_changed_asks_for_that_right(rehearsal: Rehearsal, tmp_path: Path) -> None:
    rehearsal.repository("shop", {"a.txt": "1\n"})
    settings = replace(as_app(rehearsal, tmp_path), workflows=True)
    ref = rehearsal.forge.ref("acme", "shop")
    assert await GitHubCodeHost(settings, TUNING).credential(ref, Access.READ) is not None
    with pytest.raises(AuthFailed, match="agent github setup"):  # the App was not granted it
        await GitHubCodeHost(settings, TUNING).credential(ref, Access.PUSH)
    assert await GitHubCodeHost(replace(settings, workflows=False), TUNING).credential(ref, Access.PUSH) is not None


def test_a_repository_is_found_by_a_name_that_it_had(rehearsal: Rehearsal, tmp_path: Path) -> None:
    rehearsal.repository("shop", {"a.txt": "1\n"})
    rehearsal.forge.rename_repository("acme", "shop", "store")
    app = sign_in(as_app(rehearsal, tmp_path), TUNING)
    assert app.token(Need(repository="acme/shop", step=Step.READ)).startswith("ghs_")
    asked = [seen.json() for seen in rehearsal.forge.requests if seen.path.endswith("/access_tokens")]
    number = rehearsal.forge.repository("acme", "store").id
    assert [one.get("repository_ids", one.get("repositories")) for one in asked] == [["shop"], None, [number]]
    assert asked[1]["permissions"] == {"metadata": "read"}
