"""What git says when a remote refuses, as the errors of our ports. Pure, no I/O; the texts were measured (git 2.39)."""

from __future__ import annotations

import re

from pullwright.agents.errors import (
    AuthFailed,
    ConfigError,
    NotFound,
    PullwrightError,
    PushRejected,
    RemoteUnavailable,
)

_AUTH = re.compile(
    r"authentication failed|terminal prompts disabled|could not read (username|password)|access denied"
    r"|returned error: 401|invalid username or password|invalid username or token",
    re.IGNORECASE,
)
_FORBIDDEN = re.compile(
    r"returned error: 403|permission to .* denied|write access to repository not granted", re.IGNORECASE
)
_MISSING = re.compile(
    r"repository .*not found|returned error: (404|410)|does not appear to be a git repository"
    r"|no such file or directory",
    re.IGNORECASE,
)
_NO_REF = re.compile(r"couldn't find remote ref|not our ref|unadvertised object", re.IGNORECASE)
_REJECTED = re.compile(
    r"\[(remote )?rejected\]|hook declined|protected branch|GH0\d\d|non-fast-forward|stale info|refusing to allow",
    re.IGNORECASE,
)
_CERTIFICATE = re.compile(r"certificate|self.signed|CAfile", re.IGNORECASE)
_OWNER = re.compile(r"dubious ownership", re.IGNORECASE)
_PROTOCOL = re.compile(r"transport '[^']*' not allowed", re.IGNORECASE)

_HINTS = (
    (re.compile(r"GH006|protected branch", re.IGNORECASE), "the branch is protected: choose another branch prefix"),
    (re.compile(r"GH013|push protection|secret", re.IGNORECASE), "the host found a secret or a rule forbids it"),
    (re.compile(r"GH001|large file|exceeds .*file size", re.IGNORECASE), "a file is too large for the host"),
    (re.compile(r"workflow", re.IGNORECASE), "the token lacks the permission to change workflows"),
    (re.compile(r"stale info|non-fast-forward|fetch first", re.IGNORECASE), "the branch holds other commits"),
)


def redact(text: str, secret: str) -> str:
    """Return the text without a secret and without credentials in URLs."""
    if secret:
        text = text.replace(secret, "***")
    return re.sub(r"(\w+://)[^/@\s]+@", r"\1***@", text)


def remote_error(stderr: str, *, url: str, pushing: bool = False) -> PullwrightError:
    """Return the error for a failed fetch, ls-remote or push.

    Args:
        stderr: What git said, redacted.
        url: The remote, without credentials.
        pushing: Whether it was a push.
    """
    reason = first_reason(stderr)
    if _OWNER.search(stderr):
        return ConfigError(f"git refuses {url!r} because another user owns it: run as its owner")
    if _PROTOCOL.search(stderr):
        return ConfigError(f"git may not speak the protocol of {url!r}: use an https URL or an absolute path")
    if pushing and _REJECTED.search(stderr):
        hint = next((text for pattern, text in _HINTS if pattern.search(stderr)), "the host refused the branch")
        return PushRejected(f"push to {url!r} was rejected ({hint}): {reason}")
    if _AUTH.search(stderr):
        return AuthFailed(
            f"{url!r} refused the token or wants one: `agent doctor` says whose it is; make it valid for the repository"
        )
    if _FORBIDDEN.search(stderr):
        needed = "write to" if pushing else "read"
        return AuthFailed(f"token may not {needed} {url!r}: give it the permission 'Contents: read and write'")
    if _NO_REF.search(stderr):
        return NotFound(f"repository {url!r} has no such branch, tag or commit: {reason}")
    if _MISSING.search(stderr):
        return NotFound(f"no repository at {url!r}, or the token may not see it: check the name")
    if _CERTIFICATE.search(stderr):
        return ConfigError(
            f"certificate of {url!r} is not trusted: set SSL_CERT_FILE to your authority's file ({reason})"
        )
    return RemoteUnavailable(f"{url!r} could not be reached: {reason}")


def first_reason(stderr: str) -> str:
    """Return the line that says why, out of what git wrote."""
    lines = [" ".join(line.split()) for line in stderr.splitlines() if line.strip()]
    for mark in ("! [", "!\t", "remote: error", "error: GH", "fatal:", "error:"):
        found = next((line for line in lines if mark.strip() in line), None)
        if found:
            return found[:300]
    return lines[-1][:300] if lines else "git gave no reason"
