"""A ticket with everything real but the model and the sites: assigned, asked about, worked on, reviewed and merged."""

from __future__ import annotations

from pathlib import Path

import pytest

from pullwright.agents.testing.scripted_model import Reply
from pullwright.integrations.testing.github_documents import user_id
from pullwright.integrations.testing.jira_site import BOT_EMAIL, BOT_TOKEN, RehearsalJira
from pullwright.integrations.testing.rehearsal import SECRET as HOOK_SECRET
from tests.e2e.tracker_life import listed, tracker_life

pytestmark = pytest.mark.docker

SECRET = "the secret of the webhook"
CHECK = "grep -q morning greeting.txt"
GREETING = "Good morning.\n"
BOT = "pull-bot[bot]"
REPLIES = [
    Reply(calls=(("ask", {"question": "Good morning, or good evening?"}),)),
    Reply(calls=(("write", {"path": "greeting.txt", "content": GREETING}),)),
    Reply(calls=(("finish", {"title": "Greet people", "summary": "As the ticket says.", "checks": [CHECK]}),)),
]
IN_REVIEW, DONE = "10001", "10002"


@pytest.mark.parametrize("cloud", [True, False], ids=["cloud", "data center"])
def test_from_an_assignment_to_done(tmp_path: Path, cloud: bool) -> None:
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
            "AGENT_JIRA_DONE": listed("Done"),
            "AGENT_CHECKS": listed(CHECK),
            "AGENT_GITHUB_WEBHOOK_SECRETS": listed(HOOK_SECRET),
            "AGENT_GITHUB_BOT_LOGIN": BOT,
            "AGENT_GITHUB_BOT_ID": str(user_id(BOT)),
        }
        replies = {"Nobody is greeted": REPLIES}
        with tracker_life(tmp_path, {"hello.txt": "Hello.\n"}, replies, settings, jira.ca_file) as life:
            door = f"{life.server.url}/webhooks/jira/main"
            secret = SECRET.replace(" ", "-")
            jira.send_hooks_to(door if cloud else f"{door}-path/{secret}", secret=secret if cloud else "")
            life.rehearsal.send_hooks_to(f"{life.server.url}/webhooks/github/main")
            ticket = jira.acts.create("SHOP", ann, "Nobody is greeted", "Write greeting.txt, please.")
            jira.acts.set_assignee(ticket, ann, jira.bot)

            def said() -> list[str]:
                return [jira.documents.wiki(one.body) for one in ticket.comments if one.author == jira.bot]

            # Whoever can answer has the ticket while the question waits.
            life.wait(lambda: ticket.assignee == ann, "the ticket is given back with the question")
            life.wait(lambda: any("good evening" in text for text in said()), "the question is in the ticket")
            jira.acts.say(ticket, ann, "/agent continue good morning")
            life.wait(lambda: ticket.status == IN_REVIEW, "the ticket is in review")
            assert ticket.assignee == jira.bot
            life.wait(lambda: any("/pull/" in text for text in said()), "the comment names the pull request")
            assert life.read("greeting.txt") == GREETING
            [comment] = said()
            assert "Done" in comment
            [link] = ticket.remote_links.values()
            assert link["object"]["url"].endswith(f"/acme/shop/pull/{life.pull.number}")
            assert link["object"]["status"] == {"resolved": False}
            # By its key Jira's own app for the code host finds all three.
            branch, title = life.pull.branch, life.pull.issue.title
            commit = life.shop.bare.commit_info(life.shop.head_sha(life.pull)).message
            assert [ticket.key in text for text in (branch.upper(), title, commit)] == [True] * 3
            life.rehearsal.person("ann").merge(life.shop, life.pull.number)
            life.wait(lambda: ticket.status == DONE, "the ticket is done by the merge")
            [comment] = said()
            assert "Merged" in comment
            [link] = ticket.remote_links.values()
            assert link["object"]["status"] == {"resolved": True}
            moves = [item["toString"] for one in ticket.changes for item in one.items if item["field"] == "status"]
            assert moves == ["In Progress", "In Review", "Done"]
            jira.hooks.settle()
            assert {sent.status for sent in jira.hooks.sent} == {202}
            assert len(life.shop.pulls) == 1
        assert jira.violations == []
        assert life.rehearsal.forge.violations == []
        assert "Traceback" not in life.server.said
        assert secret not in life.server.said
        assert BOT_TOKEN not in life.server.said
