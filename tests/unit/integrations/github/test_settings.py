from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pullwright.agents.change import RepositoryRef
from pullwright.agents.errors import ConfigError
from pullwright.agents.ports.code_host import Access
from pullwright.integrations.github import GitHubCodeHost, GitHubSettings


def ref(url: str, host: str = "github.com") -> RepositoryRef:
    return RepositoryRef(url=url, host=host, owner="acme", name="shop")


@pytest.mark.parametrize(
    ("api_url", "web_host"),
    [
        ("https://api.github.com", "github.com"),
        ("https://api.github.com/", "github.com"),
        ("https://API.GitHub.com:443", "github.com"),
        ("https://api.acme.ghe.com", "acme.ghe.com"),
        ("https://git.acme.example/api/v3", "git.acme.example"),
        ("https://api.acme.example/api/v3/", "api.acme.example"),
        ("https://127.0.0.1:8443/api/v3", "127.0.0.1:8443"),
        ("https://[::1]:8443/api/v3", "[::1]:8443"),
    ],
)
def test_the_web_host_follows_from_the_api(api_url: str, web_host: str) -> None:
    settings = GitHubSettings(api_url=api_url)
    assert settings.web_host == web_host
    assert settings.clone_url("a", "b") == f"https://{web_host}/a/b.git"


@pytest.mark.parametrize(
    "api_url",
    [
        "",
        "github.com",
        "https://github.com",
        "https://git.acme.example",
        "https://git.acme.example/api/v4",
        "https://git.acme.example/api/v3?x=1",
        "http://git.acme.example/api/v3",
        "https://bob:secret@git.acme.example/api/v3",
        "https://git.acme.example:99999/api/v3",
        "https://[broken/api/v3",
        "https:///api/v3",
        "https://git acme/api/v3",
        "file:///api/v3",
    ],
)
def test_an_unusable_api_url_is_one_clear_line(api_url: str) -> None:
    with pytest.raises(ConfigError, match="AGENT_GITHUB_API_URL") as caught:
        GitHubSettings(api_url=api_url)
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.anyio
async def test_the_token_shows_nowhere() -> None:
    settings = GitHubSettings(token=" ghp_verysecret\n")
    assert settings.token == "ghp_verysecret"
    host = GitHubCodeHost(settings)
    credential = await host.credential(ref("https://github.com/acme/shop.git"), Access.PUSH)
    assert credential is not None
    assert credential.token == "ghp_verysecret"
    assert "verysecret" not in f"{settings!r}{host!r}{credential!r}"
    with pytest.raises(ConfigError) as caught:
        GitHubSettings(token="ghp_very secret")
    assert "very" not in str(caught.value)


@pytest.mark.anyio
async def test_without_a_token_there_is_no_credential() -> None:
    host = GitHubCodeHost(GitHubSettings())
    assert await host.credential(ref("https://github.com/acme/shop.git"), Access.READ) is None


@pytest.mark.anyio
async def test_a_key_of_an_app_is_a_key_with_an_id(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="AGENT_GITHUB_APP_ID"):
        GitHubSettings(app_key="x")
    with pytest.raises(ConfigError, match="AGENT_GITHUB_APP_PRIVATE_KEY_FILE"):
        GitHubSettings(app_id="7")
    assert not GitHubSettings(app_id="7", token="t0ken").is_app
    binary = tmp_path / "key"
    binary.write_bytes(b"\xff")
    for file, words in ((tmp_path / "missing", "No such file"), (tmp_path, "directory"), (binary, "no text")):
        host = GitHubCodeHost(GitHubSettings(app_id="7", app_key_file=file))
        with pytest.raises(ConfigError, match=words) as caught:
            await host.credential(ref("https://github.com/acme/shop.git"), Access.READ)
        assert "AGENT_GITHUB_APP_PRIVATE_KEY_FILE" in str(caught.value)


def test_a_key_shows_nowhere() -> None:
    assert "verysecret" not in repr(GitHubSettings(app_id="7", app_key="verysecret"))


def test_certificates_that_are_not_there_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not exist"):
        GitHubSettings(ca_file=tmp_path / "missing")


@pytest.mark.parametrize(
    "url",
    [
        "https://github.com/acme/shop.git",
        "https://github.com:443/acme/shop",
        "https://GitHub.com/acme/shop",
    ],
)
def test_a_repository_of_this_host_matches(url: str) -> None:
    assert GitHubSettings().matches(ref(url))


@pytest.mark.parametrize(
    "repository",
    [
        ref("https://example.org/acme/shop.git"),
        ref("https://github.com/acme/shop.git", host="example.org"),
        ref("https://github.com.example.org/acme/shop.git"),
        ref("https://api.github.com/acme/shop.git"),
        ref("https://github.com@example.org/acme/shop.git"),
        ref("https://bob@github.com/acme/shop.git"),
        ref("https://github.com\\@example.org/acme/shop.git"),
        ref("https://github.com:8443/acme/shop.git"),
        ref("https://github.com:nonsense/acme/shop.git"),
        ref("https://github.com\n.example.org/acme/shop.git"),
        ref("http://github.com/acme/shop.git"),
        ref("git@github.com:acme/shop.git"),
        ref("ssh://github.com/acme/shop.git"),
        ref("ext::sh -c true github.com"),
        ref("/srv/shop", host=""),
        ref(""),
        RepositoryRef(url="https://github.com/acme/shop.git", host="github.com"),
    ],
    ids=lambda repository: f"{repository.url} at {repository.host}",
)
def test_no_other_repository_gets_the_token(repository: RepositoryRef) -> None:
    assert not GitHubSettings().matches(repository)


@pytest.mark.anyio
async def test_a_repository_of_another_host_is_refused_without_a_request() -> None:
    host = GitHubCodeHost(GitHubSettings(token="t0ken"))
    with pytest.raises(ConfigError, match="AGENT_GITHUB_API_URL"):
        await host.default_branch(ref("https://example.org/acme/shop.git", host="example.org"))


def test_nothing_heavy_is_imported_before_the_first_request() -> None:
    program = (
        "import anyio, sys; from pullwright.agents.change import RepositoryRef; "
        "from pullwright.agents.ports.code_host import Access; "
        "from pullwright.integrations.github import GitHubCodeHost, GitHubSettings; "
        "shop = RepositoryRef(url='https://github.com/a/b', host='github.com', owner='a', name='b'); "
        "anyio.run(GitHubCodeHost(GitHubSettings(token='t')).credential, shop, Access.PUSH); "
        "sys.exit(str(sorted({'github', 'requests', 'urllib3', 'pydantic', 'openapi_core'} & set(sys.modules))))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": ":".join(sys.path)},
    )
    assert done.stderr.strip() == "[]"
