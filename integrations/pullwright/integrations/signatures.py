"""Whether a webhook comes from whom it says: signatures over the bytes as they arrived. Pure.

Every rule fails closed. A connection without a secret can not be made, so nothing is ever accepted unsigned. A reverse
proxy in front must pass bodies on unchanged: a body that was unpacked or formatted anew has another signature.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from pullwright.agents.errors import ConfigError
from pullwright.agents.intake.door import Headers

SLACK_TOLERANCE = 300.0
LINEAR_TOLERANCE = 60.0
STANDARD_TOLERANCE = 300.0
STANDARD_ID = "webhook-id"
STANDARD_TIME = "webhook-timestamp"
STANDARD_SIGNATURE = "webhook-signature"

_LENGTHS = {"sha256": 64, "sha512": 128}
_HEX = re.compile(r"[0-9a-f]+", re.ASCII)
_SECONDS = re.compile(r"[0-9]{1,12}", re.ASCII)
_STANDARD_ID = re.compile(r"[!-\-/-~]{1,200}", re.ASCII)
"""Visible characters but the full stop, which separates what is signed."""
_STANDARD_SECRET = "whsec_"
_STANDARD_KEY_BYTES = range(24, 65)


class Problem(StrEnum):
    """Why a signature was not accepted. For the log: whoever sent it is not told."""

    MISSING = "no signature"
    REPEATED = "more than one signature"
    FORM = "the signature has the wrong form"
    METHOD = "the signature's method is not allowed"
    NO_TIME = "no usable time"
    NO_ID = "no usable id"
    STALE = "the time is too far from now"
    MISMATCH = "no secret fits"


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """One of the secrets of a connection; during a rotation there are two."""

    name: str
    """What people call it; it is logged."""
    value: str = field(repr=False)
    """Used as UTF-8, exactly as it is."""


def numbered(values: Iterable[str]) -> list[Secret]:
    """Return the secrets of a connection, called by their places in the settings."""
    return [Secret(name=f"secret {number}", value=value) for number, value in enumerate(values, start=1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What came of checking a signature."""

    problem: Problem | None = None
    secret: str = ""
    """Name of the secret that fits. Known for a stale delivery as well."""

    @property
    def accepted(self) -> bool:
        """Whether the body may be read."""
        return self.problem is None

    @property
    def objection(self) -> str:
        """The problem in words, for the log; empty when there is none."""
        return "" if self.problem is None else self.problem.value


class Secrets:
    """The active secrets of a connection."""

    def __init__(self, secrets: Iterable[Secret]) -> None:
        """Raise ConfigError without secrets, for a blank one and for two of one name."""
        self._secrets = tuple(secrets)
        names = [secret.name for secret in self._secrets]
        if not names:
            raise ConfigError("the connection has no webhook secret; set one, or remove the connection")
        blank = [secret.name for secret in self._secrets if not secret.value.strip()]
        if blank:
            raise ConfigError(f"the webhook secret {blank[0]!r} is empty; set it, or remove it")
        if len(set(names)) != len(names):
            raise ConfigError("two webhook secrets of a connection have the same name; rename one")

    def matching(self, signature: str, content: bytes, method: str) -> str:
        """Return the name of the secret that made a signature, or an empty string."""
        return self._first(lambda key: hmac.new(key, content, method).hexdigest().encode(), signature)

    def equal(self, value: str) -> str:
        """Return the name of the secret that a value is, or an empty string."""
        return self._first(bytes, value)

    def _first(self, expected: Callable[[bytes], bytes], given: str) -> str:
        # Bytes, because compare_digest raises for text beyond ASCII. All are compared, whichever fits.
        shown = given.encode("utf-8", "surrogatepass")
        fitting = [s.name for s in self._secrets if hmac.compare_digest(expected(s.value.encode()), shown)]
        return fitting[0] if fitting else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HmacScheme:
    """How one provider signs."""

    header: str
    prefix: str = ""
    """What the value must begin with, such as ``sha256=``."""
    methods: frozenset[str] = frozenset()
    """When given, the value is ``method=hex`` with one of these instead of a fixed prefix."""
    time_header: str = ""
    """A header with the time in seconds that is signed together with the body."""
    time_member: str = ""
    """A member of the signed JSON body with the time in milliseconds."""
    tolerance: float = 0.0
    """Seconds between that time and now."""


GITHUB = HmacScheme(header="X-Hub-Signature-256", prefix="sha256=")
JIRA = HmacScheme(header="X-Hub-Signature", methods=frozenset(_LENGTHS))
SENTRY = HmacScheme(header="Sentry-Hook-Signature")
"""Its ``Sentry-Hook-Timestamp`` is not signed, so it proves nothing and is not looked at."""
LINEAR = HmacScheme(header="Linear-Signature", time_member="webhookTimestamp", tolerance=LINEAR_TOLERANCE)
"""A delivery that Linear repeats later is ``STALE``, with the secret named; its key says whether to take it."""
SLACK = HmacScheme(
    header="X-Slack-Signature", prefix="v0=", time_header="X-Slack-Request-Timestamp", tolerance=SLACK_TOLERANCE
)


class HmacVerifier:
    """Checks the signatures of one connection."""

    def __init__(self, scheme: HmacScheme, secrets: Iterable[Secret]) -> None:
        """Raise ConfigError when there is no usable secret or an unknown method."""
        unknown = scheme.methods - set(_LENGTHS)
        if unknown or not scheme.header:
            raise ConfigError(f"a signature needs a header and one of {sorted(_LENGTHS)}, not {sorted(unknown)}")
        self._scheme = scheme
        self._secrets = Secrets(secrets)

    def check(self, headers: Headers, body: bytes, *, now: float) -> Verdict:
        """Check a delivery before anything of it is read.

        Args:
            headers: As they were received.
            body: The bytes as they were received.
            now: Seconds since 1970.
        """
        given, problem = _only(headers, self._scheme.header)
        if problem:
            return Verdict(problem=problem)
        method, signature, problem = self._parsed(given)
        if problem:
            return Verdict(problem=problem)
        stamp = ""
        if self._scheme.time_header:
            stamp, problem = _only(headers, self._scheme.time_header)
            if problem or not _SECONDS.fullmatch(stamp):
                return Verdict(problem=Problem.NO_TIME)
        content = f"v0:{stamp}:".encode() + body if stamp else body
        name = self._secrets.matching(signature, content, method)
        return self._in_time(name, stamp, body, now) if name else Verdict(problem=Problem.MISMATCH)

    def _parsed(self, given: str) -> tuple[str, str, Problem | None]:
        method, prefix = "sha256", self._scheme.prefix
        if self._scheme.methods:
            # Split at the first sign only; a method that nobody allowed is no method.
            method, sign, _ = given.partition("=")
            prefix = method + sign
            if not sign:
                return "", "", Problem.FORM
            if method not in self._scheme.methods:
                return "", "", Problem.METHOD
        signature = given.removeprefix(prefix)
        fits = given.startswith(prefix) and len(signature) == _LENGTHS[method] and _HEX.fullmatch(signature)
        return (method, signature, None) if fits else ("", "", Problem.FORM)

    def _in_time(self, name: str, stamp: str, body: bytes, now: float) -> Verdict:
        if not self._scheme.tolerance:
            return Verdict(secret=name)
        sent = float(stamp) if stamp else _time_in(body, self._scheme.time_member)
        if sent is None:
            return Verdict(problem=Problem.NO_TIME, secret=name)
        late = abs(now - sent) > self._scheme.tolerance
        return Verdict(problem=Problem.STALE if late else None, secret=name)


class SharedSecretVerifier:
    """For senders that can only send a fixed header, such as Jira Automation."""

    def __init__(self, header: str, secrets: Iterable[Secret]) -> None:
        """Raise ConfigError when there is no usable secret."""
        self._header = header
        self._secrets = Secrets(secrets)

    def check(self, headers: Headers, body: bytes, *, now: float) -> Verdict:
        """Check a delivery; the body and the time do not matter here."""
        given, problem = _only(headers, self._header)
        if problem:
            return Verdict(problem=problem)
        name = self._secrets.equal(given)
        return Verdict(secret=name) if name else Verdict(problem=Problem.MISMATCH)


class StandardVerifier:
    """Checks what is signed as the Standard Webhooks specification says, with shared secrets (``v1``).

    Signed are the id, the time and the body, joined by full stops. The signature header is a list, separated by
    spaces: during a rotation the sender signs with two secrets. Signatures of other versions in it are passed over.
    """

    def __init__(self, secrets: Iterable[Secret]) -> None:
        """Raise ConfigError when there is no usable secret; each is ``whsec_`` and 24 to 64 bytes in Base64."""
        given = tuple(secrets)
        Secrets(given)
        self._keys = tuple((secret.name, _standard_key(secret)) for secret in given)

    def check(self, headers: Headers, body: bytes, *, now: float) -> Verdict:
        """Check a delivery, as ``HmacVerifier.check``; the time is that of this attempt to deliver it."""
        given, problem = _only(headers, STANDARD_SIGNATURE)
        if problem:
            return Verdict(problem=problem)
        ident, problem = _only(headers, STANDARD_ID)
        if problem or not _STANDARD_ID.fullmatch(ident):
            return Verdict(problem=Problem.NO_ID)
        stamp, problem = _only(headers, STANDARD_TIME)
        if problem or not _SECONDS.fullmatch(stamp):
            return Verdict(problem=Problem.NO_TIME)
        shown = [one.encode("utf-8", "surrogatepass") for one in given.split(" ") if one.startswith("v1,")]
        if not shown:
            return Verdict(problem=Problem.METHOD)
        # All are compared, whichever fits.
        made = [(name, _standard_signature(key, ident, stamp, body)) for name, key in self._keys]
        fitting = [name for name, ours in made for one in shown if hmac.compare_digest(ours, one)]
        if not fitting:
            return Verdict(problem=Problem.MISMATCH)
        late = abs(now - float(stamp)) > STANDARD_TOLERANCE
        return Verdict(problem=Problem.STALE if late else None, secret=fitting[0])


def sign_standard(secret: str, ident: str, body: bytes, *, now: float) -> list[tuple[str, str]]:
    """Return the headers that a sender would add as Standard Webhooks says; for rehearsals."""
    stamp = str(int(now))
    signature = _standard_signature(_standard_key(Secret(name="own", value=secret)), ident, stamp, body)
    return [(STANDARD_ID, ident), (STANDARD_TIME, stamp), (STANDARD_SIGNATURE, signature.decode())]


def sign(scheme: HmacScheme, secret: str, body: bytes, *, now: float = 0.0) -> list[tuple[str, str]]:
    """Return the headers that a sender would add; for rehearsals."""
    stamp = str(int(now))
    content = f"v0:{stamp}:".encode() + body if scheme.time_header else body
    prefix = "sha256=" if scheme.methods else scheme.prefix
    signature = hmac.new(secret.encode(), content, hashlib.sha256).hexdigest()
    timed = [(scheme.time_header, stamp)] if scheme.time_header else []
    return [(scheme.header, prefix + signature), *timed]


def _standard_key(secret: Secret) -> bytes:
    encoded = secret.value.removeprefix(_STANDARD_SECRET)
    try:
        # Some tools leave the padding out.
        key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except ValueError:
        key = b""
    if not secret.value.startswith(_STANDARD_SECRET) or len(key) not in _STANDARD_KEY_BYTES:
        raise ConfigError(
            f"the webhook secret {secret.name!r} is no {_STANDARD_SECRET} and 24 to 64 bytes in Base64; make one with: "
            f'echo "{_STANDARD_SECRET}$(openssl rand -base64 32)"'
        )
    return key


def _standard_signature(key: bytes, ident: str, stamp: str, body: bytes) -> bytes:
    content = f"{ident}.{stamp}.".encode() + body
    return b"v1," + base64.b64encode(hmac.digest(key, content, hashlib.sha256))


def _only(headers: Headers, name: str) -> tuple[str, Problem | None]:
    values = [value for key, value in headers if key.lower() == name.lower()]
    if not values or not values[0]:
        return "", Problem.MISSING
    return (values[0], None) if len(values) == 1 else ("", Problem.REPEATED)


def _time_in(body: bytes, member: str) -> float | None:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return None
    stamp = document.get(member) if isinstance(document, dict) else None
    usable = isinstance(stamp, int | float) and not isinstance(stamp, bool) and abs(stamp) < 1e15
    return stamp / 1000 if usable and stamp is not None else None
