from __future__ import annotations

import base64
import json
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pullwright.integrations.redaction import REDACTED, Redactor, redact

SECRETS = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S"]), min_size=8, max_size=60)
AROUND = st.text(st.characters(codec="utf-8"), max_size=40)


@given(SECRETS, AROUND, AROUND)
def test_a_secret_is_gone_in_every_form(secret: str, before: str, after: str) -> None:
    assume(secret not in REDACTED)
    for form in (secret, quote(secret, safe=""), quote(secret), quote_plus(secret), json.dumps(secret)):
        result = redact(before + form + after, [secret])
        assert form not in result or form in before + after
        assert REDACTED in result


@given(SECRETS, st.binary(max_size=5), st.binary(max_size=5))
def test_a_secret_is_gone_inside_base64(secret: str, before: bytes, after: bytes) -> None:
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        text = encode(before + secret.encode() + after).decode()
        result = redact(f"Basic {text}.", [secret])
        assert REDACTED in result
        assert len(result.replace(REDACTED, "")) < len(f"Basic {text}.") - len(secret)


@given(AROUND, st.lists(SECRETS, max_size=3))
def test_the_rest_stays(text: str, secrets: list[str]) -> None:
    assume(not any(secret in text for secret in secrets))
    assume(redact(text) == text)
    assert redact(text, ["abc", "", *secrets]) in (text, redact(text, secrets))


@pytest.mark.parametrize(
    "token",
    [
        "ghp_" + "a1B2" * 9,
        "ghs_" + "x9" * 18,
        "ghs_123456_eyJhbGciOi." + "Ab-_" * 120 + ".sig" + "Z" * 40,
        "gho_" + "a1B2" * 9,
        "ghu_" + "a1B2" * 9,
        "ghr_" + "a1B2" * 19,
        "v1." + "0123456789abcdef0123" * 2,
        "github_pat_11ABC" + "d" * 70,
        "ATATT3xFfGF0" + "q" * 60,
        "sntrys_" + "eyJ" + "p" * 60,
        "xoxb-1234567890-abcdef",
        "sk-proj-" + "k" * 40,
        "AKIA" + "IOSFODNN7EXAMPLE",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N",
    ],
)
def test_what_looks_like_a_token_is_gone(token: str) -> None:
    assert redact(f"before {token} after") == f"before {REDACTED} after"


WORDS = "abcXYZ0189"


@given(
    st.sampled_from(["ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"]),
    st.text(WORDS, min_size=36, max_size=90),
    st.sampled_from(["", " ", "=", '"', "\n", "(", "token:", "https://x-access-token:", "Authorization: Bearer "]),
    st.sampled_from(["", " ", '"', "\n", ")", "@github.com/a/b", ",", "'"]),
)
def test_no_form_of_githubs_tokens_is_left_anywhere(prefix: str, secret: str, before: str, after: str) -> None:
    assert secret[:8] not in redact(f"{before}{prefix}{secret}{after}")


@given(st.integers(1, 10**9), st.lists(st.text(WORDS + "-_", min_size=30, max_size=250), min_size=3, max_size=3))
def test_no_part_of_a_long_installation_token_is_left(app: int, parts: list[str]) -> None:
    token = f"ghs_{app}_{'.'.join(parts)}"
    for text in (f"remote: {token}", f"https://x-access-token:{token}@h/a.git", f'{{"token": "{token}"}}'):
        assert not any(part in redact(text) for part in parts)


def test_a_private_key_is_gone_even_when_it_is_cut_off() -> None:
    key = "-----BEGIN RSA PRIVATE KEY-----\nMIIE\nabc"
    assert redact(f"x {key}\n-----END RSA PRIVATE KEY----- y") == f"x {REDACTED} y"
    assert redact(f"x {key}") == f"x {REDACTED}"


def test_the_user_part_of_a_url_is_gone() -> None:
    assert redact("clone https://bob:hunter2@example.org/a.git") == f"clone https://{REDACTED}@example.org/a.git"


def test_a_line_of_a_long_secret_is_gone() -> None:
    secret = "first line that is long enough\nsecond line that is long enough"
    assert REDACTED in redact("saw: second line that is long enough!", [secret])


def test_ordinary_text_stays() -> None:
    text = "task-force made disk-images at https://example.org:8080/a@b; ask ghost_writer, sk-short, eyJ no."
    assert Redactor(["tok"])(text) == text


STATELESS = "ghs_1234567_" + ".".join(("eyJhbGciOiJSUzI1NiJ9", "eyJpc3MiOi" + "Ab3-_" * 60, "Zz9_-" * 37))
"""The form that GitHub's installation tokens have since 2026."""


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "token {}\n",
        '{{"token": "{}"}}',
        "'{}',",
        "https://x-access-token:{}@github.com/acme/shop",
        "https://api.github.com/?access_token={}&x=1",
        "Authorization: token {}",
        "authorization: Bearer {}",
        "fatal: could not read from {}: 403",
        "<{}>",
        "`{}`",
    ],
)
def test_a_token_of_five_hundred_characters_is_gone_whole(text: str) -> None:
    assert 500 < len(STATELESS) < 540
    result = redact(text.format(STATELESS))
    assert REDACTED in result
    for start in range(0, len(STATELESS) - 12, 12):
        assert STATELESS[start : start + 12] not in result


def test_the_json_web_token_of_an_app_is_gone() -> None:
    token = "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.eyJpYXQiOjE3OTAwMDAwMDB9." + "sIg-_" * 60
    assert redact(f"Bearer {token}!") == f"Bearer {REDACTED}!"


def test_a_known_token_is_gone_inside_a_header_of_git() -> None:
    header = base64.b64encode(f"x-access-token:{STATELESS}".encode()).decode()
    result = redact(f"extraHeader {header}", [STATELESS])
    assert REDACTED in result
    assert len(result) < 60
