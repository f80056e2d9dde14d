"""Takes secrets out of texts: the ones we hold, in every form they may take, and whatever looks like a token. Pure."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus

REDACTED = "[redacted]"
_SHORTEST = 4
"""Shorter values are words, not secrets, and taking them out would make a text unreadable."""
_SHORTEST_ENCODED = 8

_PATTERNS = (
    r"gh[pousr]_[A-Za-z0-9._-]{20,}",
    r"github_pat_[A-Za-z0-9_]{20,}",
    r"glpat-[A-Za-z0-9_-]{20,}",
    r"ATATT[A-Za-z0-9_=+/-]{20,}",
    r"sntry[su]_[A-Za-z0-9+/=_-]{20,}",
    r"xox[a-z]-[A-Za-z0-9-]{10,}",
    r"xapp-[A-Za-z0-9-]{10,}",
    r"(?<![A-Za-z0-9])sk-[A-Za-z0-9_-]{20,}",
    r"(?<![A-Za-z0-9])hf_[A-Za-z0-9]{30,}",
    r"(?<![A-Za-z0-9])(?:AKIA|ASIA)[A-Z0-9]{16}(?![A-Za-z0-9])",
    r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----.*?(?:-----END [A-Z ]{0,30}PRIVATE KEY-----|\Z)",
    r"(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}",
    r"(?<=://)[^\s/@:\"'<>]{0,200}:[^\s/@\"'<>]{1,2000}(?=@)",
    r"(?<=[Aa]uthorization: )(?:[A-Za-z]{1,20} )?[^\s\"']{8,}",
    r"(?<=aws_secret_access_key=)\S{30,}",
)
_TOKENS = re.compile("|".join(f"(?:{pattern})" for pattern in _PATTERNS), re.DOTALL)


class Redactor:
    """Takes a fixed set of secrets out of many texts."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        forms = {form for secret in secrets for form in _forms(secret)}
        # The longest first, because one form may begin with another.
        ordered = sorted(forms, key=lambda form: (-len(form), form))
        self._forms = re.compile("|".join(map(re.escape, ordered))) if ordered else None

    def __call__(self, text: str) -> str:
        """Return the text without secrets and tokens."""
        if self._forms is not None:
            text = self._forms.sub(REDACTED, text)
        return _TOKENS.sub(REDACTED, text)


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """Return a text without the given secrets and without anything that looks like a token."""
    return Redactor(secrets)(text)


def _forms(secret: str) -> Iterator[str]:
    if len(secret) < _SHORTEST:
        return
    yield secret
    yield json.dumps(secret)[1:-1]
    yield json.dumps(secret, ensure_ascii=False)[1:-1]
    yield from _url_forms(secret)
    if len(secret) >= _SHORTEST_ENCODED:
        yield from _base64_forms(secret.encode("utf-8", "surrogatepass"))
    yield from (line for line in secret.splitlines() if len(line) >= 2 * _SHORTEST_ENCODED)


def _url_forms(secret: str) -> Iterator[str]:
    for form in (
        quote(secret, safe="", errors="replace"),
        quote(secret, errors="replace"),
        quote_plus(secret, errors="replace"),
    ):
        yield form
        yield re.sub(r"%[0-9A-F]{2}", lambda found: found[0].lower(), form)


def _base64_forms(secret: bytes) -> Iterator[str]:
    """Yield what a secret looks like inside base64, at each of the three places where it may begin in a group.

    The characters at both ends also depend on the neighbours, so they are no part of it.
    """
    for before in range(3):
        encoded = base64.b64encode(b"\0" * before + secret).decode().rstrip("=")
        last = len(encoded) - (1 if (before + len(secret)) % 3 else 0)
        core = encoded[(0, 2, 3)[before] : last]
        yield core
        yield core.translate(str.maketrans("+/", "-_"))
