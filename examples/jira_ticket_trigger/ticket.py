"""A ticket becomes a pull request: a label in Jira, and the ticket is in review with its pull request linked.

Everything but the sites is what you will run yourself: ``agent serve`` with its webhook door and its workers, signed
webhooks, the container engine, git over HTTPS. Jira and the code host are rehearsals on this machine that check each
request against the real ones' own documents. The model is the one behind AGENT_ENDPOINT_URL if you set it, otherwise a
scripted one.
"""

from __future__ import annotations

import json
import secrets
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from examples.serving import Server, clean_up, endpoint, environment, say, serving, wait
from pullwright.integrations.testing.forge_state import Repository
from pullwright.integrations.testing.jira_site import BOT_EMAIL, BOT_TOKEN, RehearsalJira
from pullwright.integrations.testing.jira_state import STATUSES, JiraTicket
from pullwright.integrations.testing.rehearsal import Rehearsal
from pullwright.integrations.testing.sample_repositories import SAMPLES

SCRIPT = Path(__file__).with_name("script.json")
STATUS_NAMES = {number: name for number, name, _ in STATUSES}


def main() -> int:
    sample, secret = SAMPLES["invoice"](), secrets.token_hex(16)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pullwright-jira-")))
        url = endpoint(stack, SCRIPT, "demo-jira")
        rehearsal = stack.enter_context(Rehearsal(folder / "forge"))
        invoice = rehearsal.repository("invoice", sample.files)
        jira = stack.enter_context(RehearsalJira())
        settings = settings_of(jira, secret, sample.check)
        variables = environment(rehearsal, folder, url, settings, jira.ca_file)
        stack.callback(clean_up, variables)
        server = stack.enter_context(serving(variables))
        jira.send_hooks_to(f"{server.url}/webhooks/jira/main", secret=secret)
        say(f"agent serve listens at {server.url}; {jira.url} is the rehearsal's Jira.\n")
        failed = play(jira, invoice, server, sample.issue.title, sample.issue.body)
        if not failed:
            print(rehearsal.forge.pull_request_diff("acme", "invoice", *invoice.pulls).decode("utf-8", "replace"))
            say(f"{len(jira.requests)} requests went to Jira, all as its document wants.")
    if failed:
        print(f"\ndemo-jira: {failed}; agent serve said:\n{server.said}", file=sys.stderr)
    return 1 if failed else 0


def settings_of(jira: RehearsalJira, secret: str, check: str) -> dict[str, str]:
    """Return what has to be set for Jira; the code host needs no webhook."""
    return {
        "AGENT_JIRA_URL": jira.url,
        "AGENT_JIRA_CLOUD": "true",
        "AGENT_JIRA_EMAIL": BOT_EMAIL,
        "AGENT_JIRA_TOKEN": BOT_TOKEN,
        "AGENT_JIRA_ACCOUNT": jira.bot.account,
        "AGENT_JIRA_WEBHOOK_SECRETS": json.dumps([secret]),
        "AGENT_JIRA_GROUPS": json.dumps(["developers"]),
        "AGENT_JIRA_REPOSITORIES": json.dumps([{"repository": "acme/invoice", "project": "BILL"}]),
        "AGENT_CHECKS": json.dumps([check]),
    }


def play(jira: RehearsalJira, invoice: Repository, server: Server, title: str, body: str) -> str:
    """Let Ann ask, and watch; return what did not happen."""
    ann = jira.person("557058:ann", name="Ann", groups=("developers",))
    ticket = jira.acts.create("BILL", ann, title, body)
    say(f"Ann wants {ticket.key} done, “{title}”, and sets the label `agent`.")
    jira.acts.set_labels(ticket, ann, ["agent"])
    if not wait(server, lambda: STATUS_NAMES[ticket.status] != "To Do"):
        return "the ticket was not moved when work began"
    say(f"{ticket.key} is {STATUS_NAMES[ticket.status]}")
    if not wait(server, lambda: STATUS_NAMES[ticket.status] == "In Review"):
        return "the ticket is not in review"
    say(f"{ticket.key} is In Review")
    if not wait(server, lambda: any("/pull/" in text for text in said(jira, ticket))):
        return "the comment on the ticket does not name the pull request"
    for link in ticket.remote_links.values():
        say(f"{ticket.key} links {link['object']['url']}")
    for text in said(jira, ticket):
        say(f"\nThe one comment of the bot on {ticket.key}:\n")
        say("\n".join(f"  | {line}" for line in text.splitlines()))
    (pull,) = invoice.pulls.values()
    say(f"\nWhat a reviewer sees: #{pull.number} {pull.issue.title}\n")
    return f"{len(jira.violations)} requests were not as Jira's document wants them" if jira.violations else ""


def said(jira: RehearsalJira, ticket: JiraTicket) -> list[str]:
    """Return what the bot said on the ticket, as people type it."""
    return [jira.documents.wiki(one.body) for one in ticket.comments if one.author == jira.bot]


if __name__ == "__main__":
    sys.exit(main())
