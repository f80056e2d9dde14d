from __future__ import annotations

import pytest

from tests.examples.playing import play

pytestmark = pytest.mark.docker


def test_it_is_played_and_told() -> None:
    play(
        "examples.jira_ticket_trigger.ticket",
        tells=(
            "BILL-1 done",
            "In Progress",
            "BILL-1 is In Review",
            "BILL-1 links https://",
            "The one comment of the bot",
            "Round percentages half up",
            "all as its document wants",
        ),
        changes="+    return (amount * percent + 50) // 100",
    )
