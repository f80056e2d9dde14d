"""What secrets look like: well-known tokens by their form, and a given secret in the forms that it may take. Pure.

The forms are the ones that their makers document, or that secret scanners in wide use (GitHub's push protection,
gitleaks) agree on.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, quote_plus

_SHORTEST = 4
"""Shorter values are words, not secrets."""
_SHORTEST_ENCODED = 8


@dataclass(frozen=True, slots=True)
class TokenPattern:
    """The form of one kind of token."""

    kind: str
    """What it is, for people: "a GitHub token"."""
    pattern: str
    """A regular expression of ASCII characters."""


TOKENS: Final = (
    TokenPattern("a GitHub token", r"gh[pousr]_[A-Za-z0-9._-]{20,}"),
    TokenPattern("a GitHub token", r"github_pat_[A-Za-z0-9_]{20,}"),
    TokenPattern(
        "a GitLab token", r"gl(?:pat|oas|dt|rt|rtr|cbt|ptt|ft|imt|agent|soat|ffct)-[A-Za-z0-9_-]{20,}(?:\.[a-z0-9.]+)?"
    ),
    TokenPattern("an Atlassian token", r"ATATT[A-Za-z0-9_=+/-]{20,}"),
    TokenPattern("a Sentry token", r"sntry[su]_[A-Za-z0-9+/=_-]{20,}"),
    TokenPattern("a Slack token", r"xox[a-z]-[A-Za-z0-9-]{10,}"),
    TokenPattern("a Slack token", r"xapp-[A-Za-z0-9-]{10,}"),
    TokenPattern(
        "an API key of a model provider",
        r"(?<![A-Za-z0-9])sk-(?:(?:proj|svcacct|admin|ant-api\d\d|ant-admin\d\d|or-v1)-[A-Za-z0-9_-]{20,}|[A-Za-z0-9]{32,})",
    ),
    TokenPattern("a Hugging Face token", r"(?<![A-Za-z0-9])hf_[A-Za-z0-9]{30,}"),
    TokenPattern("an AWS access key", r"(?<![A-Za-z0-9])(?:AKIA|ASIA)[A-Z0-9]{16}(?![A-Za-z0-9])"),
    TokenPattern("an Azure storage key", r"AccountKey=[A-Za-z0-9+/]{86}=="),
    TokenPattern("a Google API key", r"(?<![A-Za-z0-9_-])AIza[A-Za-z0-9_-]{35}(?![A-Za-z0-9_-])"),
    TokenPattern("a Google client secret", r"GOCSPX-[A-Za-z0-9_-]{28}"),
    TokenPattern("an npm token", r"(?<![A-Za-z0-9])npm_[A-Za-z0-9]{36}(?![A-Za-z0-9])"),
    TokenPattern("a PyPI token", r"pypi-AgE[A-Za-z0-9_-]{50,}"),
    TokenPattern("a Docker Hub token", r"dckr_(?:pat|oat)_[A-Za-z0-9_-]{27,}"),
    TokenPattern("a Stripe key", r"(?<![A-Za-z0-9])[sr]k_live_[A-Za-z0-9]{20,}"),
    TokenPattern("a SendGrid key", r"(?<![A-Za-z0-9])SG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}"),
    TokenPattern("a DigitalOcean token", r"do[opr]_v1_[a-f0-9]{64}"),
    TokenPattern("a Vault token", r"(?<![A-Za-z0-9])hv[sb]\.[A-Za-z0-9_-]{24,}"),
    TokenPattern("a Shopify token", r"shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}"),
    TokenPattern("a Linear key", r"lin_(?:api|oauth)_[A-Za-z0-9]{32,}"),
    TokenPattern("an age key", r"AGE-SECRET-KEY-1[0-9A-Z]{58}"),
)
"""Tokens whose form alone gives them away."""

IN_CONTEXT: Final = (
    TokenPattern(
        "an AWS secret key",
        r"(?i:aws_?secret_?access_?key)[\"']?\s{0,4}[:=]\s{0,4}[\"']?[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+=])",
    ),
    TokenPattern("a private key", r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY(?: BLOCK)?-----.{0,200}?[A-Za-z0-9+/]{40}"),
)
"""Secrets that are told by what stands before them. Of a private key the marks alone are none: code is full of them."""

LOOKALIKES: Final = (
    r"(?<![A-Za-z0-9])sk-[A-Za-z0-9_-]{20,}",
    r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY(?: BLOCK)?-----.*?(?:-----END [A-Z ]{0,30}PRIVATE KEY(?: BLOCK)?-----|\Z)",
    r"(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}",
    r"(?<=://)[^\s/@:\"'<>]{0,200}:[^\s/@\"'<>]{1,2000}(?=@)",
    r"(?<=[Aa]uthorization: )(?:[A-Za-z]{1,20} )?[^\s\"']{8,}",
    r"(?<=aws_secret_access_key=)\S{30,}",
    r"(?<![A-Za-z0-9.])v1\.[0-9a-f]{40}(?![0-9a-f])",  # of an App, as older GitHub servers make them
)
"""What may be a secret: worth taking out of a text that is shown, too common in code to refuse a change for."""


def secret_forms(secret: str) -> Iterator[str]:
    """Yield a secret as it is, in JSON, in URLs, in hex and inside base64; nothing for one as short as a word."""
    if len(secret) < _SHORTEST:
        return
    yield secret
    yield json.dumps(secret)[1:-1]
    yield json.dumps(secret, ensure_ascii=False)[1:-1]
    yield from _url_forms(secret)
    if len(secret) >= _SHORTEST_ENCODED:
        content = secret.encode("utf-8", "surrogatepass")
        yield from _base64_forms(content)
        yield from (content.hex(), content.hex().upper())
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
