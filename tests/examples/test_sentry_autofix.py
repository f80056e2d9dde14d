from __future__ import annotations

import pytest

from tests.examples.playing import play

pytestmark = pytest.mark.docker


def test_it_is_played_and_told() -> None:
    play(
        "examples.sentry_autofix.alert",
        tells=(
            "In production happens: TypeError",
            "Sentry makes SHOP-1 of it",
            "answered with 202",
            "pullwright comments on SHOP-1",
            "SHOP-1 shows acme/shop#1 in its sidebar",
            "a draft, #1 Count items without a price as free",
            "Fixes SHOP-1",
            "ann merges #1.",
            "was merged. The issue is resolved in the next release.",
        ),
        changes="+    return sum(price for price in prices if price is not None)",
    )
