"""The whole life of an issue with everything real but the model: from a label to a pull request that is ready."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.bot_life import BOT, FIRST, LAST, LONG, BotLife, bot_life, signs

pytestmark = pytest.mark.docker


def test_from_a_label_over_a_review_and_a_red_check_to_ready(tmp_path: Path) -> None:
    with bot_life(tmp_path, "one") as life:
        life.ann.label(life.shop, life.issues["one"], "agent")
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
        assert_as_it_should_be(life, "one")
        assert life.rehearsal.forge.violations == []
        assert "Traceback" not in life.server.said


def assert_as_it_should_be(life: BotLife, name: str) -> None:
    """Check what there is at the end of a life, which is the same whatever happened on the way."""
    pull, issue = life.pull(name), life.issue(name)
    assert life.greeting(name) == LAST.format(name=name)
    commits = life.commits(name)
    assert len(commits) == 3
    for commit in commits:
        assert commit.author["name"] == "Pullwright"
        assert "Co-authored-by: ann <" in commit.message
    (on_issue,) = life.said_on(issue)
    assert "Done." in on_issue.body
    assert f"/pull/{pull.number}" in on_issue.body
    answered = life.said_on(pull.issue)
    assert ["Done." in comment.body for comment in answered] == [True, True]
    assert signs(issue.reactions) == ["eyes", "rocket"]
    (remark,) = pull.review_comments
    assert signs(remark.reactions) == ["eyes", "rocket"]
    assert pull.issue.author == BOT
