"""An issue with everything real but the model and the sites: labelled, worked on, and in review with its link."""

from __future__ import annotations

from pathlib import Path

import pytest

from pullwright.agents.testing.scripted_model import Reply
from pullwright.integrations.testing.linear_workspace import BOT_KEY, RehearsalLinear
from tests.e2e.tracker_life import listed, tracker_life

pytestmark = pytest.mark.docker

SECRET = "the secret of the webhook"
CHECK = "grep -q morning greeting.txt"
GREETING = "Good morning.\n"
REPLIES = [
    Reply(calls=(("write", {"path": "greeting.txt", "content": GREETING}),)),
    Reply(calls=(("finish", {"title": "Greet people", "summary": "As the issue says.", "checks": [CHECK]}),)),
]


def test_from_a_label_to_review(tmp_path: Path) -> None:
    with RehearsalLinear() as linear:
        ann = linear.person("Ann", teams=("ENG",))
        settings = {
            "AGENT_LINEAR_TOKEN": BOT_KEY,
            "AGENT_LINEAR_API_URL": linear.url,
            "AGENT_LINEAR_USER": linear.bot.id,
            "AGENT_LINEAR_WEBHOOK_SECRETS": listed(SECRET),
            "AGENT_LINEAR_REPOSITORIES": listed({"repository": "acme/shop", "team": "ENG"}),
            "AGENT_CHECKS": listed(CHECK),
        }
        replies = {"Nobody is greeted": REPLIES}
        with tracker_life(tmp_path, {"hello.txt": "Hello.\n"}, replies, settings, linear.ca_file) as life:
            linear.send_hooks_to(f"{life.server.url}/webhooks/linear/main", secret=SECRET)
            issue = linear.acts.create("ENG", ann, "Nobody is greeted", "Write greeting.txt, please.")
            linear.acts.set_labels(issue, ann, ["agent"])
            life.wait(lambda: issue.state.name == "In Review", "the issue is in review")
            life.wait(
                lambda: any("/pull/" in text for text in linear.said(issue)), "the comment names the pull request"
            )
            assert life.read("greeting.txt") == GREETING
            [comment] = linear.said(issue)
            assert "**Done.**" in comment
            [link] = issue.attachments
            assert link.endswith(f"/acme/shop/pull/{life.pull.number}")
            linear.hooks.settle()
            assert {sent.status for sent in linear.hooks.sent} == {200}
            assert len(life.shop.pulls) == 1
            assert f"Fixes {issue.identifier}" in (life.pull.issue.body or "")
        assert life.rehearsal.forge.violations == []
        assert "Traceback" not in life.server.said
        assert SECRET not in life.server.said
        assert BOT_KEY not in life.server.said
