"""The bot on GitHub, for real: from a label to a merged pull request, with a review and a red check on the way.

Everything but the code host is what you will run yourself: ``agent serve`` with its webhook door and its workers, a
GitHub App with its key and its short-lived tokens, signed webhooks, the container engine, git over HTTPS. The code
host is a rehearsal on this machine that checks each request against GitHub's own document. The model is the one behind
AGENT_ENDPOINT_URL if you set it, otherwise a scripted one.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from pullwright.agents.testing.endpoint_script import read_script
from pullwright.agents.testing.scripted_endpoint import ScriptedEndpoint
from pullwright.integrations.testing.forge_state import PullRecord, Repository
from pullwright.integrations.testing.github_documents import user_id
from pullwright.integrations.testing.pipelines import Pipeline
from pullwright.integrations.testing.rehearsal import SECRET, Rehearsal
from pullwright.integrations.testing.sample_repositories import SAMPLES
from pullwright.integrations.testing.story import Story

SCRIPT = Path(__file__).with_name("script.json")
ISSUE = 42
SECONDS = float(os.environ.get("BOT_DEMO_SECONDS", "240"))
"""Most seconds for each act."""
STYLE = "! grep -nE '.{101,}' invoice/*.py"
REMARK = "@pull-bot please say in the docstring which amounts this is good for"
START_SECONDS = 120.0


def main() -> int:
    sample = SAMPLES["invoice"]()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pullwright-bot-")))
        url = os.environ.get("AGENT_ENDPOINT_URL") or _scripted(stack)
        rehearsal = stack.enter_context(Rehearsal(folder / "forge"))
        pipeline = Pipeline(checks={"tests": sample.check, "style": STYLE})
        shop = rehearsal.repository("invoice", sample, checks=[pipeline])
        environment = _environment(rehearsal, folder, url, sample.check)
        stack.callback(_clean_up, environment)
        server = stack.enter_context(serving(environment))
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


def say(text: str) -> None:
    """Print something for people."""
    print(text, file=sys.stderr, flush=True)


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


class Server:
    """``agent serve`` in a process of its own."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._lines: list[str] = []
        self._listening = threading.Event()
        self.url = ""
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    @property
    def said(self) -> str:
        """The end of what it said."""
        return "".join(self._lines[-40:])

    def alive(self) -> bool:
        """Whether it runs."""
        return self._process.poll() is None

    def wait_until_it_listens(self) -> None:
        """Wait for its address."""
        if not self._listening.wait(START_SECONDS) or not self.url:
            raise SystemExit(f"demo-bot: agent serve did not start:\n{self.said}")

    def end(self) -> None:
        """Let it end."""
        self._process.terminate()
        try:
            self._process.wait(60)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join()

    def _read(self) -> None:
        assert self._process.stderr is not None
        with self._process.stderr as stream:
            for line in stream:
                self._lines.append(line)
                if found := re.search(r"serving on (http://\S+)", line):
                    self.url = found[1]
                    self._listening.set()
        self._listening.set()


@contextmanager
def serving(environment: dict[str, str]) -> Iterator[Server]:
    """Run ``agent serve`` for the length of a block."""
    command = [sys.executable, "-P", "-m", "pullwright.cli", "serve", "--port", "0", "--slots", "2"]
    say("$ agent serve")
    with subprocess.Popen(
        command, env=environment, cwd=environment["AGENT_HOME"], stderr=subprocess.PIPE, text=True
    ) as process:
        server = Server(process)
        try:
            server.wait_until_it_listens()
            yield server
        finally:
            server.end()


def _scripted(stack: ExitStack) -> str:
    say("The model is scripted: it plays back examples/github_bot/script.json.")
    say("For a real one: AGENT_ENDPOINT_URL=http://HOST:PORT/v1 AGENT_ENDPOINT_PROFILE=vllm make demo-bot\n")
    endpoint = stack.enter_context(ScriptedEndpoint(read_script(SCRIPT)))
    os.environ["AGENT_ENDPOINT_PROFILE"] = "vllm"
    return endpoint.url


def _environment(rehearsal: Rehearsal, folder: Path, url: str, check: str) -> dict[str, str]:
    home = folder / "agent-home"
    home.mkdir()
    return {
        **os.environ,
        # The App's id and key, the API's address, and the rehearsal's own certificate, which a real code host has not.
        **rehearsal.environment(),
        "GIT_SSL_CAINFO": str(rehearsal.forge.ca_file),
        "AGENT_HOME": str(home),
        "AGENT_API_TOKEN": secrets.token_hex(32),
        "AGENT_ENDPOINT_URL": url,
        "AGENT_GITHUB_WEBHOOK_SECRETS": json.dumps([SECRET]),
        "AGENT_GITHUB_BOT_LOGIN": rehearsal.app.login,
        "AGENT_GITHUB_BOT_ID": str(user_id(rehearsal.app.login)),
        # A minute by default; here all checks have ended in seconds.
        "AGENT_GITHUB_SETTLE_SECONDS": "3",
        "AGENT_CHECKS": json.dumps([check]),
        "PYTHONSAFEPATH": "1",
    }


def _clean_up(environment: dict[str, str]) -> None:
    """The clean base that runs share is worth keeping, but not for a home that ends with the demo."""
    command = [sys.executable, "-P", "-m", "pullwright.cli", "sandbox", "prune"]
    subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=False)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    sys.exit(main())
