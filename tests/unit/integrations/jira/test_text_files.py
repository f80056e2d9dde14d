"""What is text is told by bytes, and a long text keeps its beginning and its end."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pullwright.integrations.jira.attachments import base_name
from pullwright.integrations.jira.text_files import is_text, text_of


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"", True),
        (b"plain", True),
        ("grün\tand\r\nmore\f".encode(), True),
        ("grün".encode("utf-8-sig"), True),
        ("grün".encode("utf-16"), True),
        ("a log cut in a sign ü".encode()[:-1], True),
        (b"\x1b[31mred\x1b[0m", True),
        ("grün".encode("latin-1") * 50, False),
        (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3", False),
        (b"PK\x03\x04\x14\x00", False),
        (b"\x00\x01\x02\x03", False),
        (b"\x7fELF", False),
    ],
)
def test_texts(head: bytes, expected: bool) -> None:
    assert is_text(head) is expected


@given(st.binary(max_size=200), st.integers(0, 50))
def test_anything_can_be_read(content: bytes, limit: int) -> None:
    is_text(content)
    text, left_out = text_of(content, limit)
    assert len(text) <= limit + 60
    assert bool(left_out) == ("characters were left out" in text)


def test_the_middle_goes() -> None:
    text, left_out = text_of(b"begin\r\n" + b"x" * 1000 + b"\nend", 90)
    assert text.startswith("begin\nxxx")
    assert text.endswith("xxx\nend")
    assert left_out == 1010 - 90
    assert f"… {left_out} characters were left out …" in text


def test_hostile_files_take_no_time() -> None:
    begun = time.monotonic()
    for piece in (b"\x1b[", b"\x1b[0;", b"\xff", b"\xe2\x82"):
        text_of(piece * (4_000_000 // len(piece)), 100)
    assert time.monotonic() - begun < 8


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.log", "a.log"),
        ("../../etc/passwd", "passwd"),
        ("C:\\x\\y.txt", "y.txt"),
        ("a\nb\u202etxt", "a btxt"),
        (".env", ".env"),
        ("/", "file"),
        ("..", "file"),
        ("n" * 300, "n" * 100),
    ],
)
def test_names_hold_no_folder(name: str, expected: str) -> None:
    assert base_name(name) == expected
