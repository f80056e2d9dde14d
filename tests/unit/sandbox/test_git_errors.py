from __future__ import annotations

import pytest

from pullwright.agents.errors import AuthFailed, ConfigError, NotFound, PushRejected, RemoteUnavailable
from pullwright.sandbox.git_errors import first_reason, redact, remote_error

URL = "https://github.com/o/n.git"


@pytest.mark.parametrize(
    ("text", "kind", "part"),
    [
        ("fatal: could not read Username for 'https://x': terminal prompts disabled", AuthFailed, "agent doctor"),
        ("fatal: Authentication failed for 'https://github.com/o/n.git/'", AuthFailed, "agent doctor"),
        ("fatal: unable to access 'x': The requested URL returned error: 403", AuthFailed, "read"),
        ("remote: Repository not found.\nfatal: repository 'https://x/' not found", NotFound, "check the name"),
        ("fatal: couldn't find remote ref refs/heads/x", NotFound, "no such branch"),
        ("fatal: unable to access 'x': Could not resolve host: x", RemoteUnavailable, "Could not resolve"),
        ("fatal: unable to access 'x': The requested URL returned error: 502", RemoteUnavailable, "502"),
        ("error: RPC failed; curl 56\nfatal: early EOF", RemoteUnavailable, "early EOF"),
        ("fatal: unable to access 'x': server certificate verification failed. CAfile: none", ConfigError, "SSL_CERT"),
        ("fatal: transport 'ext' not allowed", ConfigError, "https"),
        ("fatal: detected dubious ownership in repository at '/x'", ConfigError, "owner"),
        ("", RemoteUnavailable, "no reason"),
    ],
)
def test_what_a_fetch_says(text: str, kind: type[Exception], part: str) -> None:
    error = remote_error(text, url=URL)
    assert type(error) is kind
    assert part in str(error)
    assert URL in str(error)
    assert "\n" not in str(error)


@pytest.mark.parametrize(
    ("text", "kind", "part"),
    [
        ("!\tx:y\t[remote rejected] (protected branch hook declined)", PushRejected, "protected"),
        ("remote: error: GH006: Protected branch update failed\n ! [remote rejected]", PushRejected, "protected"),
        ("remote: error: GH013: Repository rule violations\n ! [remote rejected]", PushRejected, "secret"),
        ("remote: error: GH001: Large files detected.\n ! [remote rejected]", PushRejected, "too large"),
        ("!\tx:y\t[remote rejected] (refusing to allow ... to create or update workflow)", PushRejected, "workflows"),
        ("!\tx:y\t[rejected] (stale info)", PushRejected, "other commits"),
        ("fatal: unable to access 'x': The requested URL returned error: 403", AuthFailed, "write"),
        ("fatal: unable to access 'x': Connection refused", RemoteUnavailable, "refused"),
    ],
)
def test_what_a_push_says(text: str, kind: type[Exception], part: str) -> None:
    error = remote_error(text, url=URL, pushing=True)
    assert type(error) is kind
    assert part in str(error)


def test_secrets_are_taken_out() -> None:
    text = redact("fatal: https://user:s3cret@host/x and s3cret and https://tok@h/", "s3cret")
    assert "s3cret" not in text
    assert "tok" not in text


def test_the_line_that_says_why() -> None:
    assert first_reason("warning: a\nfatal: b\nhint: c") == "fatal: b"
    assert first_reason("only this") == "only this"
