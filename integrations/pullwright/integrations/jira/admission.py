"""Whether a delivery comes from the Jira that it claims: one way for each sort of hook. Pure, and fails closed.

Source: Atlassian's pages on webhooks, on Automation's web requests and on JSON web tokens of Connect.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Sequence
from typing import Final, Protocol

import jwt
from jwt.types import Options

from pullwright.agents.errors import ConfigError
from pullwright.agents.intake.door import PATH_SECRET, Headers
from pullwright.integrations.signatures import JIRA, HmacVerifier, Secret, SharedSecretVerifier

AUTOMATION_HEADER: Final = "X-Pullwright-Secret"
"""What a rule of Automation is told to send its secret in."""

LEEWAY_SECONDS: Final = 30.0
LONGEST_TOKEN: Final = 10_000


class Admission(Protocol):
    """One way to prove it."""

    def problem(self, headers: Headers, body: bytes, *, now: float) -> str:
        """Say for the log why the bytes are not to be read; empty when they are authentic."""
        ...


class SignedAdmission:
    """For webhooks that an administrator made with a secret: the body is signed."""

    def __init__(self, secrets: Iterable[Secret]) -> None:
        """Raise ConfigError without a usable secret."""
        self._verifier = HmacVerifier(JIRA, secrets)

    def problem(self, headers: Headers, body: bytes, *, now: float) -> str:
        return self._verifier.check(headers, body, now=now).objection


class HeaderAdmission:
    """For rules of Automation: they send a secret in a header."""

    def __init__(self, secrets: Iterable[Secret], header: str = AUTOMATION_HEADER) -> None:
        """Raise ConfigError without a usable secret."""
        self._verifier = SharedSecretVerifier(header, secrets)

    def problem(self, headers: Headers, body: bytes, *, now: float) -> str:
        return self._verifier.check(headers, body, now=now).objection


class PathAdmission:
    """For Data Center, which signs nothing in its older lines: the address ends with a secret."""

    def __init__(self, secrets: Iterable[Secret]) -> None:
        """Raise ConfigError without a usable secret."""
        self._verifier = SharedSecretVerifier(PATH_SECRET, secrets)

    def problem(self, headers: Headers, body: bytes, *, now: float) -> str:
        return self._verifier.check(headers, body, now=now).objection


class TokenAdmission:
    """For the hooks of OAuth and Connect apps: a JSON web token, made with the app's client secret.

    The token does not cover the body; that it is sent over TLS, and soon expires, is all the protection there is.
    """

    def __init__(self, secrets: Iterable[Secret], path: str = "") -> None:
        """Make one.

        Args:
            secrets: Client secrets of the app.
            path: The path that the app told Jira to call, below its base address. A token that names an address
                (``qsh``) must name this one; without a path, such a token is not accepted.

        Raises:
            ConfigError: There is no usable secret.
        """
        self._secrets = _usable(secrets)
        self._path = path

    def problem(self, headers: Headers, body: bytes, *, now: float) -> str:
        tokens = [value for name, value in headers if name.lower() == "authorization"]
        if len(tokens) != 1:
            return "no token" if not tokens else "more than one token"
        kind, _, token = tokens[0].partition(" ")
        if kind.lower() not in ("bearer", "jwt") or not token.isascii() or len(token) > LONGEST_TOKEN:
            return "the token has the wrong form"
        problems = [self._with(secret, token.strip(), now) for secret in self._secrets]
        return "" if "" in problems else problems[0]

    def _with(self, secret: Secret, token: str, now: float) -> str:
        unchecked = Options(verify_aud=False, verify_exp=False, verify_iat=False, verify_nbf=False)
        try:
            claims = jwt.decode(token, secret.value.encode(), algorithms=["HS256"], options=unchecked)
        except jwt.PyJWTError as exc:
            return f"the token is not accepted ({type(exc).__name__})"
        # The time is the caller's: a test, or a replay, has its own.
        if not _is_time(claims.get("exp")) or claims["exp"] < now - LEEWAY_SECONDS:
            return "the token has expired, or never does"
        if "nbf" in claims and (not _is_time(claims["nbf"]) or claims["nbf"] > now + LEEWAY_SECONDS):
            return "the token is not valid yet"
        return self._address_problem(claims.get("qsh"))

    def _address_problem(self, named: object) -> str:
        if named is None:
            return ""
        meant = hashlib.sha256(f"POST&{self._path}&".encode()).hexdigest()
        fits = self._path and isinstance(named, str) and hmac.compare_digest(named.encode(), meant.encode())
        return "" if fits else "the token is for another address"


def _usable(secrets: Iterable[Secret]) -> Sequence[Secret]:
    found = tuple(secrets)
    if not found or any(not secret.value.strip() for secret in found):
        raise ConfigError("the app has no client secret, or an empty one; set it, or remove the connection")
    return found


def _is_time(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
