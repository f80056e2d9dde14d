from __future__ import annotations

from typing import Any

import pytest

from pullwright.agents.errors import (
    AuthFailed,
    IntegrationError,
    NotFound,
    RemoteRateLimited,
    RemoteRejected,
    RemoteUnavailable,
)
from pullwright.integrations.github.failures import Refusal, to_error

SECONDARY = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."
EXISTS = {"resource": "PullRequest", "code": "custom", "message": "A pull request already exists for acme:agent/x."}


def refusal(status: int, message: Any = "", *, anonymous: bool = False, errors: Any = None, **headers: str) -> Refusal:
    return Refusal(
        status=status,
        headers={name.replace("_", "-"): value for name, value in headers.items()},
        document={"message": message, "errors": errors},
        host="github.com",
        action="reading issue 'acme/shop#4'",
        anonymous=anonymous,
    )


@pytest.mark.parametrize(
    ("given", "kind", "words"),
    [
        (refusal(401, "Bad credentials"), AuthFailed, "AGENT_GITHUB_TOKEN"),
        (refusal(401, "Requires authentication", anonymous=True), AuthFailed, "set AGENT_GITHUB_TOKEN"),
        (refusal(403, "Resource not accessible"), AuthFailed, "permissions"),
        (
            refusal(403, "Resource not accessible", x_accepted_github_permissions="pull_requests=write"),
            AuthFailed,
            "lacks the permission 'pull_requests=write'",
        ),
        (refusal(403, "Resource protected", x_github_sso="required; url=https://x"), AuthFailed, "single sign-on"),
        (refusal(403, "Must have admin rights", anonymous=True), AuthFailed, "set AGENT_GITHUB_TOKEN"),
        (refusal(403, "Repository was archived so is read-only."), RemoteRejected, "unarchive"),
        (refusal(404, "Not Found"), NotFound, "token may not see it"),
        (refusal(404, "Not Found", anonymous=True), NotFound, "set AGENT_GITHUB_TOKEN"),
        (refusal(410, "This issue was deleted"), NotFound, "deleted"),
        (refusal(422, "Validation Failed", errors=[EXISTS]), RemoteRejected, "A pull request already exists"),
        (
            refusal(422, "Validation Failed", errors=[{"field": "base", "code": "invalid"}]),
            RemoteRejected,
            "base is invalid",
        ),
        (refusal(422, "Validation Failed", errors=["text"]), RemoteRejected, "refused, text"),
        (refusal(451, "blocked"), RemoteRejected, "legal reasons"),
        (refusal(307, "Moved"), RemoteRejected, "another name"),
        (refusal(409, None), RemoteRejected, "status 409"),
        (refusal(502), RemoteUnavailable, "in trouble (502)"),
        (refusal(503, "two\nlines"), RemoteUnavailable, "two lines"),
    ],
)
def test_a_refusal_says_who_can_do_what(given: Refusal, kind: type[IntegrationError], words: str) -> None:
    error = to_error(given)
    assert type(error) is kind
    assert words in str(error)
    assert "reading issue 'acme/shop#4'" in str(error)
    assert "\n" not in str(error)


@pytest.mark.parametrize("document", [None, [], "text", {"message": 5}, {"errors": {"a": 1}}, b"<html>"])
def test_a_strange_document_is_no_problem(document: Any) -> None:
    strange = Refusal(status=500, headers={}, document=document, host="h", action="x", anonymous=False)
    assert isinstance(to_error(strange), RemoteUnavailable)
    assert not strange.pull_request_exists


def test_the_two_cases_of_422_that_can_be_mended_are_told_apart() -> None:
    exists = refusal(422, "Validation Failed", errors=[EXISTS])
    draft = refusal(422, "Draft pull requests are not supported in this repository.")
    assert (exists.pull_request_exists, exists.drafts_unsupported) == (True, False)
    assert (draft.pull_request_exists, draft.drafts_unsupported) == (False, True)


NOW = 1_800_000_000.0


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        (refusal(403, "API rate limit exceeded for 1.2.3.4", x_ratelimit_reset="1800000100", anonymous=True), 101),
        (refusal(403, "whatever", x_ratelimit_remaining="0", x_ratelimit_reset="1800000100"), 101),
        (refusal(429, "slow", x_ratelimit_remaining="0", x_ratelimit_reset="1800000100"), 101),
        (refusal(403, "whatever", x_ratelimit_remaining="0"), 60),
        (refusal(403, "whatever", x_ratelimit_remaining="0", x_ratelimit_reset="1"), 1),
        (refusal(403, "whatever", x_ratelimit_remaining="0", x_ratelimit_reset="9" * 11), 7200),
        (refusal(403, "whatever", x_ratelimit_remaining="0", x_ratelimit_reset="9" * 12), 60),
        (refusal(403, SECONDARY, retry_after="30"), 31),
        (refusal(403, SECONDARY), 60),
        (refusal(403, SECONDARY, x_ratelimit_remaining="4000", x_ratelimit_reset="1800003000"), 60),
        (refusal(429, "slow down"), 60),
        (refusal(429, "slow down", retry_after="Wed, 21 Oct 2026 07:28:00 GMT"), 60),
        (refusal(429, "slow down", retry_after="²"), 60),
        (refusal(429, None, retry_after="0"), 1),
    ],
)
def test_a_rate_limit_says_for_how_long(given: Refusal, seconds: float) -> None:
    error = to_error(given, NOW)
    assert type(error) is RemoteRateLimited
    assert error.retryable
    assert error.retry_after == seconds
    assert f"try again in {seconds} s, after 20" in str(error)
    assert ("AGENT_GITHUB_TOKEN" in str(error)) == given.anonymous


def test_a_refusal_that_is_no_rate_limit_is_none() -> None:
    assert not refusal(403, "Resource not accessible", x_ratelimit_remaining="10").rate_limited
    assert not refusal(404, "Not Found", x_ratelimit_remaining="0").rate_limited
