from __future__ import annotations

import pytest

from tests.examples.playing import play

pytestmark = pytest.mark.docker


def test_the_whole_life_is_played_and_told() -> None:
    play(
        "examples.github_bot.bot",
        tells=(
            "ann has labeled issue #42 'agent'",
            "pull-bot[bot] reacts with eyes to issue #42",
            "pull-bot[bot] opens pull request #43",
            "pull request #43 is a draft",
            "now says on issue #42",
            "ann at invoice/money.py:6 of pull request #43",
            "pull request #43 is at commit",
            "check 'style' at",
            "failure",
            "pull request #43 is at commit",
            "pull request #43 is ready for review",
            "pull request #43 is merged by ann",
            "all as GitHub's document wants",
        ),
        changes="+    return (amount * percent + 50) // 100",
    )
