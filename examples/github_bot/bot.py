"""The bot on GitHub, for real: from a label to a merged pull request, with a review and a red check on the way.

Everything but the code host is what you will run yourself: ``agent serve`` with its webhook door and its workers, a
GitHub App with its key and its short-lived tokens, signed webhooks, the container engine, git over HTTPS. The code
host is a rehearsal on this machine that checks each request against GitHub's own document. The model is the one behind
AGENT_ENDPOINT_URL if you set it, otherwise a scripted one.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from examples.serving import SECONDS, Server, clean_up, endpoint, environment, say, serving
from pullwright.integrations.testing.forge_state import PullRecord, Repository
from pullwright.integrations.testing.github_documents import user_id
from pullwright.integrations.testing.pipelines import Pipeline
from pullwright.integrations.testing.rehearsal import SECRET, Rehearsal
from pullwright.integrations.testing.sample_repositories import SAMPLES
from pullwright.integrations.testing.story import Story

SCRIPT = Path(__file__).with_name("script.json")
ISSUE = 42
STYLE = "! grep -nE '.{101,}' invoice/*.py"
REMARK = "@pull-bot please say in the docstring which amounts this is good for"


def main() -> int:
    sample = SAMPLES["invoice"]()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pullwright-bot-")))
        url = endpoint(stack, SCRIPT, "demo-bot")
        rehearsal = stack.enter_context(Rehearsal(folder / "forge"))
        pipeline = Pipeline(checks={"tests": sample.check, "style": STYLE})
        shop = rehearsal.repository("invoice", sample, checks=[pipeline])
        variables = environment(rehearsal, folder, url, _settings(rehearsal, sample.check))
        stack.callback(clean_up, variables)
        server = stack.enter_context(serving(variables))
        rehearsal.send_hooks_to(f"{server.url}/webhooks/github/main")
        say(f"agent serve listens at {server.url}; {rehearsal.forge.web_url} is the rehearsal's GitHub.\n")
        story = stack.enter_context(Story(rehearsal, shop, say).told())
        stage = Stage(rehearsal, shop, story, server)
        failed = play(stage)
        if not failed:
            show(rehearsal, stage.pull)
    if failed:
        print(f"\ndemo-bot: {failed}; agent serve said:\n{server.said}", file=sys.stderr)
        return 1
    return 0


@dataclass(frozen=True)
class Stage:
    """Everything that takes part."""

    rehearsal: Rehearsal
    shop: Repository
    story: Story
    server: Server

    def wait(self, until: Callable[[], bool]) -> bool:
        """Whether something became so in time."""
        return self.story.wait(until, SECONDS, self.server.alive)

    @property
    def pull(self) -> PullRecord:
        """The pull request."""
        (pull,) = self.shop.pulls.values()
        return pull

    @property
    def head(self) -> str:
        """The commit at its head."""
        return self.shop.head_sha(self.pull)

    def checks(self, sha: str) -> str | None:
        """Return what became of the checks of a commit; None while they run."""
        found = [suite.conclusion for suite in self.shop.suites if suite.sha == sha and suite.workflow]
        return found[0] if found and None not in found else None


def from_label_to_pull_request(stage: Stage) -> str:
    """Act 1."""
    stage.story.act(f"Ann wants issue #{ISSUE} fixed, and sets the label `agent`.")
    stage.rehearsal.person("ann").label(stage.shop, ISSUE, "agent")
    if not stage.wait(lambda: bool(stage.shop.pulls)):
        return "no pull request was opened"
    comments = stage.shop.issues[ISSUE].comments
    if not stage.wait(lambda: any("/pull/" in comment.body for comment in comments)):
        return "the status comment does not name the pull request"
    return "" if stage.wait(lambda: stage.checks(stage.head) == "success") else "its checks did not become green"


def from_review_to_commit(stage: Stage) -> str:
    """Act 2."""
    stage.story.act("Ann reads it and wants one thing said in the code.")
    first, ann = stage.head, stage.rehearsal.person("ann")
    ann.review_comment(stage.shop, stage.pull.number, "invoice/money.py", 6, REMARK)
    if not stage.wait(lambda: stage.head != first):
        return "no commit answered the review comment"
    (remark, *_) = stage.pull.review_comments
    done = stage.wait(lambda: any(reaction.content == "rocket" for reaction in remark.reactions))
    return "" if done else "nothing at the review comment says that it is done"


def from_red_to_green(stage: Stage) -> str:
    """Act 3."""
    red = stage.head
    if not stage.wait(lambda: stage.checks(red) == "failure"):
        return "the check that looks at the length of lines did not become red"
    stage.story.act("A check is red: that line is too long. Nobody has to say so.")
    if not stage.wait(lambda: stage.head != red):
        return "no commit repaired the red check"
    return "" if stage.wait(lambda: stage.checks(stage.head) == "success") else "the checks did not become green again"


def from_green_to_merged(stage: Stage) -> str:
    """Act 4."""
    stage.story.act("All checks are green.")
    if not stage.wait(lambda: not stage.pull.draft):
        return "the pull request is a draft still"
    ann = stage.rehearsal.person("ann")
    ann.approve(stage.shop, stage.pull.number, "Thank you.")
    ann.merge(stage.shop, stage.pull.number)
    return "" if stage.wait(lambda: stage.pull.merged) else "it could not be merged"


ACTS = (from_label_to_pull_request, from_review_to_commit, from_red_to_green, from_green_to_merged)


def play(stage: Stage) -> str:
    """Play all acts; return what did not happen."""
    for act in ACTS:
        if failed := act(stage):
            return failed
    stage.rehearsal.wait_settled()
    if violations := stage.rehearsal.forge.violations:
        return f"{len(violations)} requests were not as GitHub's document wants them, such as {violations[0]}"
    return ""


def show(rehearsal: Rehearsal, pull: PullRecord) -> None:
    """Say what to look at."""
    say(f"\nWhat a reviewer sees: #{pull.number} {pull.issue.title}\n")
    for line in (pull.issue.body or "").splitlines():
        say(f"  | {line}")
    print("\n" + rehearsal.forge.pull_request_diff("acme", "invoice", pull.number).decode("utf-8", "replace"))
    count = len(rehearsal.forge.requests)
    say(f"{len(rehearsal.deliveries)} webhooks were sent, {count} requests came back, all as GitHub's document wants.")
    say("To look at: the story above, the body of the pull request, and docs/github.md for doing this at your GitHub.")


def _settings(rehearsal: Rehearsal, check: str) -> dict[str, str]:
    return {
        "AGENT_GITHUB_WEBHOOK_SECRETS": json.dumps([SECRET]),
        "AGENT_GITHUB_BOT_LOGIN": rehearsal.app.login,
        "AGENT_GITHUB_BOT_ID": str(user_id(rehearsal.app.login)),
        # A minute by default; here all checks have ended in seconds.
        "AGENT_GITHUB_SETTLE_SECONDS": "3",
        "AGENT_CHECKS": json.dumps([check]),
    }


if __name__ == "__main__":
    sys.exit(main())
