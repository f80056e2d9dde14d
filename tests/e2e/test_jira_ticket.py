"""A ticket with everything real but the model and the sites: labelled, worked on, and in review with its link."""

from __future__ import annotations

from pathlib import Path

import pytest

from pullwright.agents.testing.scripted_model import Reply
from pullwright.integrations.testing.jira_site import BOT_EMAIL, BOT_TOKEN, RehearsalJira
from tests.e2e.tracker_life import listed, tracker_life

pytestmark = pytest.mark.docker

SECRET = "the secret of the webhook"
CHECK = "grep -q morning greeting.txt"
GREETING = "Good morning.\n"
REPLIES = [
    Reply(calls=(("write", {"path": "greeting.txt", "content": GREETING}),)),
    Reply(calls=(("finish", {"title": "Greet people", "summary": "As the ticket says.", "checks": [CHECK]}),)),
]
IN_REVIEW = "10001"


@pytest.mark.parametrize("cloud", [True, False], ids=["cloud", "data center"])
def test_from_a_label_to_review(tmp_path: Path, cloud: bool) -> None:
    with RehearsalJira(cloud=cloud) as jira:
        ann = jira.person("557058:ann" if cloud else "ann", name="Ann", groups=("developers",))
        settings = {
            "AGENT_JIRA_URL": jira.url,
            "AGENT_JIRA_CLOUD": str(cloud).lower(),
            "AGENT_JIRA_EMAIL": BOT_EMAIL if cloud else "",
            "AGENT_JIRA_TOKEN": BOT_TOKEN,
            "AGENT_JIRA_ACCOUNT": jira.bot.account,
            "AGENT_JIRA_ACCOUNT_KEY": "" if cloud else f"KEY-{jira.bot.account}",
            "AGENT_JIRA_WEBHOOK_SECRETS" if cloud else "AGENT_JIRA_PATH_SECRETS": listed(SECRET.replace(" ", "-")),
            "AGENT_JIRA_GROUPS": listed("developers"),
            "AGENT_JIRA_REPOSITORIES": listed({"repository": "acme/shop", "project": "SHOP"}),
            "AGENT_CHECKS": listed(CHECK),
        }
        replies = {"Nobody is greeted": REPLIES}
        with tracker_life(tmp_path, {"hello.txt": "Hello.\n"}, replies, settings, jira.ca_file) as life:
            door = f"{life.server.url}/webhooks/jira/main"
            secret = SECRET.replace(" ", "-")
            jira.send_hooks_to(door if cloud else f"{door}-path/{secret}", secret=secret if cloud else "")
            ticket = jira.acts.create("SHOP", ann, "Nobody is greeted", "Write greeting.txt, please.")
            jira.acts.set_labels(ticket, ann, ["agent"])
            life.wait(lambda: ticket.status == IN_REVIEW, "the ticket is in review")

            def said() -> list[str]:
                return [jira.documents.wiki(one.body) for one in ticket.comments if one.author == jira.bot]

            life.wait(lambda: any("/pull/" in text for text in said()), "the comment names the pull request")
            assert life.read("greeting.txt") == GREETING
            [comment] = said()
            assert "Done" in comment
            [link] = ticket.remote_links.values()
            assert link["object"]["url"].endswith(f"/acme/shop/pull/{life.pull.number}")
            moves = [item["toString"] for one in ticket.changes for item in one.items if item["field"] == "status"]
            assert moves == ["In Progress", "In Review"]
            jira.hooks.settle()
            assert {sent.status for sent in jira.hooks.sent} == {202}
            assert len(life.shop.pulls) == 1
        assert jira.violations == []
        assert life.rehearsal.forge.violations == []
        assert "Traceback" not in life.server.said
        assert secret not in life.server.said
        assert BOT_TOKEN not in life.server.said
