from __future__ import annotations

from typing import Any

import pytest

from pullwright.agents.errors import ConfigError
from pullwright.integrations.sentry.client import next_cursor
from pullwright.integrations.sentry.settings import SentrySettings

PREVIOUS = '<https://x>; rel="previous"; results="true"; cursor="a"'


def settings(**changes: Any) -> SentrySettings:
    return SentrySettings(**{"organization": "acme", "token": "t", **changes})


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://sentry.io", "sentry.io"),
        ("https://de.sentry.io/", "de.sentry.io"),
        ("https://sentry.acme.example:8443", "sentry.acme.example:8443"),
        ("https://acme.example/sentry/", "acme.example/sentry"),
        ("http://127.0.0.1:9000", "127.0.0.1:9000"),
    ],
)
def test_any_sentry_can_be_named(url: str, host: str) -> None:
    made = settings(url=url)
    assert made.host == host
    assert made.organization_path("issues", "1/../2") == "/api/0/organizations/acme/issues/1%2F..%2F2/"
    assert made.issue_url("7") == f"{url.rstrip('/')}/organizations/acme/issues/7/"


@pytest.mark.parametrize(
    "changes",
    [
        {"url": "http://sentry.acme.example"},
        {"url": "https://user:pw@sentry.io"},
        {"url": "https://sentry.io/api/0"},
        {"url": "https://sentry.io/?x=1"},
        {"url": "https://[::1"},
        {"url": "ftp://127.0.0.1"},
        {"url": ""},
        {"organization": "Acme Inc"},
        {"organization": "../x"},
        {"token": "two words"},
        {"token": "tökén"},
    ],
)
def test_what_can_not_be_right_is_said(changes: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="AGENT_SENTRY_"):
        settings(**changes)


def test_the_token_is_not_shown() -> None:
    assert "sntrys" not in repr(settings(token="sntrys_x"))


@pytest.mark.parametrize(
    ("link", "cursor"),
    [
        ('<https://x/?a=1>; rel="next"; results="true"; cursor="0:100:0"', "0:100:0"),
        (f'{PREVIOUS}, <https://x>; rel="next"; results="false"; cursor="b"', None),
        (f'{PREVIOUS}, <https://x>; rel="next"; results="true"; cursor="b"', "b"),
        ('<https://x>; rel="next"; cursor="b"', None),
        ("nonsense", None),
        ("<" * 10_000, None),
        ("", None),
    ],
)
def test_the_next_page_is_named_by_its_cursor(link: str, cursor: str | None) -> None:
    assert next_cursor(link) == cursor
