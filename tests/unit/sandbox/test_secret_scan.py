from __future__ import annotations

import base64
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pullwright.sandbox.secret_scan import OURS, SHORTEST_SECRET, Added, Finding, SecretScanner

BODY = "aB3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0eF3hJ6kM9nP2rS5tU8wX1zA4cD7fG0iL3oQ6uV9yB2eH5jN8"
HEX = "0a9b8c7d6e5f4a3b2c1d0e9f8a7b6c5d4e3f2a1b0c9d8e7f6a5b4c3d2e1f0a9b"
SCANNER = SecretScanner()


def find(text: str | bytes, scanner: SecretScanner = SCANNER) -> Finding | None:
    content = text.encode() if isinstance(text, str) else text
    return scanner.find(Added.between(b"", content))


@pytest.mark.parametrize(
    ("token", "kind"),
    [
        ("ghp_" + BODY[:36], "GitHub"),
        ("github_pat_" + BODY[:40], "GitHub"),
        ("glpat-" + BODY[:20], "GitLab"),
        ("xoxb-" + "2048-4096-" + BODY[:24], "Slack"),
        ("sk-proj-" + BODY[:48], "model provider"),
        ("sk-ant-api03-" + BODY[:60], "model provider"),
        ("sk-" + HEX[:32], "model provider"),
        ("hf_" + BODY[:34], "Hugging Face"),
        ("AKIA" + "Q3EGRB5T7VKJ2WMX", "AWS access"),
        ('AWS_SECRET_ACCESS_KEY = "' + BODY[:40] + '"', "AWS secret"),
        ("DefaultEndpoint;AccountKey=" + (BODY + BODY)[:86] + "==", "Azure"),
        ("AIza" + BODY[:35], "Google"),
        ("npm_" + BODY[:36], "npm"),
        ("pypi-AgEIcHlwaS5vcmc" + BODY[:60], "PyPI"),
        ("sk_live_" + BODY[:24], "Stripe"),
        ("SG." + BODY[:22] + "." + BODY[:43], "SendGrid"),
        ("dop_v1_" + HEX, "DigitalOcean"),
        ("AGE-SECRET-KEY-1" + BODY.upper()[:58], "age"),
        ("-----BEGIN RSA PRIVATE KEY-----\n" + BODY[:64] + "\n", "private key"),
        ("-----BEGIN PGP PRIVATE KEY BLOCK-----\n\n" + BODY[:64] + "\n", "private key"),
        ('"-----BEGIN EC PRIVATE KEY-----\\n' + BODY[:64] + '\\n"', "private key"),
    ],
)
def test_well_known_tokens_are_found_with_their_line(token: str, kind: str) -> None:
    found = find(f"one\ntwo {token}\nthree\n")
    assert found is not None
    assert found.line == 2
    assert kind in found.kind


@pytest.mark.parametrize(
    "text",
    [
        "AKIAIOSFODNN7EXAMPLE",
        "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        "ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        "ghp_" + "a" * 36,
        "ghp_" + "a1B2" * 9,
        "ghp_1234567890abcdefghijklmnopqrstuvwxyz",
        "github_pat_your_token_goes_right_here",
        "AccountKey=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==",
        'if line.startswith("-----BEGIN PRIVATE KEY-----"): key = read()',
        ".sk-folding-cube-with-a-very-long-name { color: red }",
        "postgres://user:password@localhost/db",
        "Authorization: Bearer abcdefghijklmnop",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N",
        "glpat-something-without-sense-at-all",
    ],
)
def test_placeholders_and_ordinary_code_are_not(text: str) -> None:
    assert find(text) is None


def test_only_what_is_added_counts() -> None:
    token = b"ghp_" + BODY[:36].encode()
    old = b"a\n" + token + b"\nb\n"
    assert Added.between(old, b"b\nnew\na\n") == Added(lines=(b"new\n",), numbers=(2,))
    assert SCANNER.find(Added.between(old, b"first\n" + old)) is None
    edited = Added.between(old, old.replace(token, b"x = " + token))
    assert SCANNER.find(edited) is not None
    assert SCANNER.find(edited, [old]) is None


SECRETS = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S"]), min_size=SHORTEST_SECRET, max_size=60)


OUR_WORDS = "Finding(kind='a secret of this installation', line="
"""What a finding says anyway; any part of it may happen to be the secret."""


@given(SECRETS, st.binary(max_size=40), st.binary(max_size=40))
def test_our_secrets_are_found_in_every_form_and_never_shown(secret: str, before: bytes, after: bytes) -> None:
    scanner = SecretScanner([secret])
    raw = secret.encode()
    for form in (raw, quote(secret, safe="").encode(), base64.b64encode(before + raw), base64.urlsafe_b64encode(raw)):
        found = find(before.replace(b"\r", b"\n") + b"\n" + form + b"\n" + after, scanner)
        assert found is not None
        assert secret not in repr(found) or secret in OUR_WORDS


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_any_two_contents_can_be_compared(old: bytes, new: bytes) -> None:
    added = Added.between(old, new)
    lines = new.splitlines(keepends=True)
    assert all(lines[number - 1] == line for line, number in zip(added.lines, added.numbers, strict=True))
    found = SecretScanner(["long enough to count"]).find(added)
    assert found is None or 1 <= found.line <= len(lines)


def test_short_values_of_ours_are_words() -> None:
    assert find("the key is EMPTY", SecretScanner(["EMPTY", ""])) is None
    found = find("a\nthis is long enough", SecretScanner(["is long enough"]))
    assert found == Finding(kind=OURS, line=2)
