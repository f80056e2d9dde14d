from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pullwright.integrations.github.pull_requests import closed_issues


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("Fixes #1", {1}),
        ("closes: #1, resolved #2 and Fix #3", {1, 2, 3}),
        ("fixes Acme/Shop#4; fixes other/shop#5", {4}),
        ("close https://github.com/acme/shop/issues/6", {6}),
        ("fixes #7x, prefixes #8, fixes#9, fixed by #10, see #11", set()),
        ("`re-fixes #12`", set()),
        ("", set()),
    ],
)
def test_a_text_closes_what_github_says_that_it_closes(text: str, numbers: set[int]) -> None:
    assert closed_issues(text, "acme/shop") == numbers


@given(st.text())
def test_any_text_can_be_read(text: str) -> None:
    assert closed_issues(text, "acme/shop") is not None
