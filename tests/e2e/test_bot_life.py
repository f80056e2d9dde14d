"""The whole life of an issue with everything real but the model: from a label to a pull request that is ready."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.bot_life import BOT, FIRST, LONG, bot_life, is_over, signs
from tests.e2e.bot_verdict import limit_runs, most_at_once, wrong_with

pytestmark = [pytest.mark.docker, pytest.mark.timeout(400)]


def test_from_a_label_over_a_review_and_a_red_check_to_ready(tmp_path: Path) -> None:
    with bot_life(tmp_path, "one") as life:
        life.ask("one")
        life.wait(lambda: "rocket" in signs(life.issue("one").reactions), "the pull request is opened")
        pull, (first,) = life.pull("one"), life.commits("one")
        assert pull.draft
        assert life.greeting("one") == FIRST.format(name="one")

        remark = life.ask_for_more("one")
        life.wait(lambda: "rocket" in signs(remark.reactions), "the review is answered")
        assert life.commits("one")[:-1] == [first]
        assert life.greeting("one") == LONG.format(name="one")
        red = life.head("one")

        life.wait(lambda: life.checked(red) == "failure", "the check is red")
        assert pull.draft
        life.wait(lambda: life.head("one") != red, "the check is repaired")
        life.wait(lambda: not pull.draft, "the pull request is ready")
        assert life.checked(life.head("one")) == "success"
        life.rehearsal.wait_settled()
        assert wrong_with(life) == []


def test_several_issues_at_once_share_the_places_of_their_repository(tmp_path: Path) -> None:
    names = ("one", "two", "three")
    with bot_life(tmp_path, *names, slots=3) as life:
        limit_runs(life.server.home, f"{life.rehearsal.forge.host}/acme/shop", 2)
        for name in names:
            life.ask(name)
        for name in names:
            life.ann.label(life.shop, life.issues[name], "urgent")
            life.ann.assign(life.shop, life.issues[name], BOT)
        life.wait(lambda: all(life.pulls(name) for name in names), "all pull requests are opened")
        for name in names:
            life.ask_for_more(name)
        life.wait(lambda: all(is_over(life, name) for name in names), "all are ready")
        life.rehearsal.wait_settled()
        assert wrong_with(life) == []
        assert most_at_once(life.server.home) == 2
