from __future__ import annotations

from pathlib import Path

import pytest

from pullwright.agents.change import RepositoryRef
from pullwright.agents.errors import ConfigError
from pullwright.sandbox.checkout import parse_remote, redacted
from pullwright.sandbox.mirror_place import checked_ref, full_sha, mirror_path, protocols

ROOT = Path("/m")


def test_every_repository_has_a_place_of_its_own() -> None:
    hosted = parse_remote("https://ghe.example.com:8443/Acme/shop.git")
    assert mirror_path(ROOT, hosted) == ROOT / "ghe.example.com_8443" / "Acme" / "shop.git"
    one, two = (mirror_path(ROOT, parse_remote(path)) for path in ("/a/shop", "/b/shop"))
    assert one != two
    assert one.parent == ROOT / "local"


@pytest.mark.parametrize("owner", ["..", ".", "", "a/../b", "a b", "-x/..", "a\nb"])
def test_no_name_leads_out_of_the_root(owner: str) -> None:
    with pytest.raises(ConfigError):
        mirror_path(ROOT, RepositoryRef(url="https://h/x/y", host="h", owner=owner, name="n"))


@pytest.mark.parametrize(
    ("url", "host", "spoken"),
    [
        ("https://github.com/o/n.git", "github.com", ("https",)),
        ("http://127.0.0.1:8080/o/n.git", "127.0.0.1:8080", ("http",)),
        ("http://localhost/o/n.git", "localhost", ("http",)),
        ("/srv/n", "", ("file",)),
    ],
)
def test_which_protocol_may_be_spoken(url: str, host: str, spoken: tuple[str, ...]) -> None:
    assert protocols(RepositoryRef(url=url, host=host, owner="o", name="n")) == spoken


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("http://github.com/o/n", "github.com"),
        ("ssh://git@github.com/o/n", "github.com"),
        ("ext::sh -c id", "x"),
        ("https://tok@github.com/o/n", "github.com"),
        ("https://u:p@github.com/o/n", "github.com"),
        ("relative/path", ""),
        ("-upload-pack=id", ""),
    ],
)
def test_other_ways_are_refused(url: str, host: str) -> None:
    with pytest.raises(ConfigError) as caught:
        protocols(RepositoryRef(url=url, host=host, owner="o", name="n"))
    assert "u:p" not in str(caught.value)


@pytest.mark.parametrize("name", ["main", "feature/x-1", "v1.2", "a" * 100, "fix#3", "ä"])
def test_names_that_are_names(name: str) -> None:
    assert checked_ref(name) == name


@pytest.mark.parametrize(
    "name", ["", "-x", "--upload-pack=id", "a..b", "a b", "a~1", "a^", "a:b", "a?", "a*", "a[", "a\\b", "a\nb", "/a",
             "a/", "a//b", "a.lock", "a.lock/b", ".a", "a/.b", "a.", "@{u}", "@", "a@{1}", "a" * 201, "a\x7f"],
)  # fmt: skip
def test_names_that_are_none(name: str) -> None:
    with pytest.raises(ConfigError):
        checked_ref(name)


def test_a_commit_id_is_whole() -> None:
    assert full_sha("a" * 40)
    assert not full_sha("a" * 39)
    assert not full_sha("A" * 40)


@pytest.mark.parametrize(
    ("url", "host", "slug", "fetched"),
    [
        ("https://github.com/o/n.git", "github.com", "o/n", "https://github.com/o/n.git"),
        ("https://github.com/o/n/", "github.com", "o/n", "https://github.com/o/n.git"),
        ("https://user:tok@ghe.corp:8443/o/n", "ghe.corp:8443", "o/n", "https://ghe.corp:8443/o/n.git"),
        ("git@github.com:o/n.git", "github.com", "o/n", "https://github.com/o/n.git"),
        ("github.com:o/n", "github.com", "o/n", "https://github.com/o/n.git"),
        ("ssh://git@ghe.corp:2222/o/n.git", "ghe.corp", "o/n", "https://ghe.corp/o/n.git"),
        ("git@gitlab.com:group/sub/n.git", "gitlab.com", "group/sub/n", "https://gitlab.com/group/sub/n.git"),
        ("http://127.0.0.1:99/o/n.git", "127.0.0.1:99", "o/n", "http://127.0.0.1:99/o/n.git"),
        ("https://[::1]:99/o/n.git", "[::1]:99", "o/n", "https://[::1]:99/o/n.git"),
        ("/srv/git/n.git", "", "n", "/srv/git/n.git"),
        ("file:///srv/n", "", "n", "/srv/n"),
    ],
)
def test_what_a_remote_means(url: str, host: str, slug: str, fetched: str) -> None:
    found = parse_remote(url)
    assert (found.host, found.slug, found.url) == (host, slug, fetched)


@pytest.mark.parametrize("url", ["", "x", "https://github.com", "https://github.com/o", "ext::sh -c id", "../x"])
def test_what_names_no_repository(url: str) -> None:
    with pytest.raises(ConfigError):
        parse_remote(url)


def test_messages_hold_no_credentials() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_remote("https://user:tok@github.com/only")
    assert "tok" not in str(caught.value)
    assert redacted("https://a:b@h/x") == "https://h/x"
