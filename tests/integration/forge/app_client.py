"""An App's own view of a rehearsal: its JWT, its tokens, plain requests, and PyGithub."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import github
import jwt
import requests

from pullwright.integrations.testing.hook_records import AppRecord
from pullwright.integrations.testing.rehearsal import Rehearsal


def app_jwt(app: AppRecord, *, key: str = "", **claims: Any) -> str:
    now = int(time.time())
    wanted = {"iat": now - 60, "exp": now + 540, "iss": app.client_id, **claims}
    return jwt.encode(wanted, key or app.private_key, algorithm="RS256")


def ask(rehearsal: Rehearsal, method: str, path: str, token: str = "", **options: Any) -> requests.Response:
    """Send one request as a bot would, without following redirects."""
    headers = {"Accept": "application/vnd.github+json", **options.pop("headers", {})}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    base = rehearsal.forge.web_url if path.startswith("/api/") else rehearsal.forge.api_url
    return requests.request(
        method,
        base + path,
        headers=headers,
        verify=str(rehearsal.forge.ca_file),
        timeout=30,
        allow_redirects=False,
        **options,
    )


def mint(rehearsal: Rehearsal, **wanted: Any) -> str:
    path = f"/app/installations/{rehearsal.installation.id}/access_tokens"
    answer = ask(rehearsal, "POST", path, app_jwt(rehearsal.app), json=wanted)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["token"])


@contextmanager
def pygithub(rehearsal: Rehearsal, token: str) -> Iterator[github.Github]:
    with github.Github(
        auth=github.Auth.Token(token), base_url=rehearsal.forge.api_url, verify=str(rehearsal.forge.ca_file),
        retry=None, seconds_between_requests=0, seconds_between_writes=0,
    ) as client:  # fmt: skip
        yield client
