from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pullwright.integrations.fixed_issues import MOST, fixes_lines, without_lines
from pullwright.integrations.markdown import defuse

LINES = ("Fixes #42", "Fixes SHOP-12")


@pytest.mark.parametrize("name", ["", "-1", "_x", "A B", "a.b", "x`", "SHOP-1\n", "SHÖP-1", "x" * 101, "@bob", "#1"])
def test_what_is_no_name_is_left_out(name: str) -> None:
    assert fixes_lines(None, [name, "SHOP-12"]) == ("Fixes SHOP-12",)


def test_names_are_said_in_order_once_and_not_without_end() -> None:
    assert fixes_lines(42, ["B-1", "A-1", "B-1"]) == ("Fixes #42", "Fixes B-1", "Fixes A-1")
    assert fixes_lines(None, []) == ()
    assert len(fixes_lines(None, [f"A-{number}" for number in range(100)])) == MOST


@pytest.mark.parametrize(
    "line",
    ["Fixes SHOP-12", "fix shop-12", "Fixed: SHOP-12.", "  **Fixes**  `SHOP-12`  ", "Fixes #42", "_Fixes SHOP-12_\r"],
)
def test_a_line_that_is_said_anyway_is_dropped(line: str) -> None:
    assert without_lines(defuse(f"Done.\n\n{line}\n"), LINES) == "Done."


@pytest.mark.parametrize(
    "line", ["Fixes SHOP-123", "Fixes #421", "This fixes SHOP-12", "Fixes SHOP-12 and more", "SHOP-12", "Fixes"]
)
def test_any_other_line_stays(line: str) -> None:
    assert without_lines(f"Done.\n\n{line}\n", LINES) == f"Done.\n\n{line}\n"


@given(st.text(st.sampled_from("Fixes#42SHOP-1 \n*`_:."), max_size=200))
def test_nothing_else_is_lost(text: str) -> None:
    kept = without_lines(text, LINES)
    assert set(kept.split("\n")) <= {line.strip() for line in text.split("\n")} | set(text.split("\n"))
    assert without_lines(kept, LINES) == kept
