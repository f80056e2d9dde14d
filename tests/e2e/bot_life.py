"""The life of issues at the rehearsal, with the real server and a model that knows the answers.

Each issue asks for a file with a greeting. A person then wants everybody greeted, which the model first does in a line
that a check finds too long, and then in two.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pullwright.agents.testing.endpoint_script import by_turn, first_user_text
from pullwright.agents.testing.scripted_endpoint import ScriptedEndpoint
from pullwright.agents.testing.scripted_model import Reply
from pullwright.integrations.testing.bare_repository import CommitInfo
from pullwright.integrations.testing.forge_state import IssueRecord, PullRecord, Repository
from pullwright.integrations.testing.github_documents import user_id
from pullwright.integrations.testing.people import Person
from pullwright.integrations.testing.pipelines import Pipeline
from pullwright.integrations.testing.rehearsal import SECRET, Rehearsal
from pullwright.integrations.testing.review_records import Comment, Reaction, ReviewComment
from tests.e2e.bot_server import BotServer
from tests.e2e.stage import Stage, prune

BOT = "pull-bot[bot]"
CHECK = "sh check.sh"
SHORT = "! grep -E '.{41,}' *.txt"
FIRST = "Good morning from {name}.\n"
LONG = "Good morning from {name} to everybody who reads this.\n"
LAST = "Good morning from {name}\nto everybody who reads this.\n"
REMARK = "@pull-bot please greet everybody in {name}.txt"
SECONDS = 150.0
EVERY = 0.05


def replies(file: str, content: str, title: str) -> list[Reply]:
    """Return the turns of a model that writes one file."""
    write = {"path": file, "content": content}
    finish = {"title": title, "summary": f"{file} is as asked.", "checks": [CHECK]}
    return [Reply(calls=(("write", write),)), Reply(calls=(("finish", finish),))]


Meanwhile = dict[str, Callable[[], object]]
"""Name → what happens, once, while the model works on its issue or pull request."""


def script(names: tuple[str, ...], meanwhile: Meanwhile) -> Callable[[Mapping[str, Any]], Reply]:
    """Answer by what a conversation is about."""
    first = {f"Issue {name}": replies(f"{name}.txt", FIRST.format(name=name), f"Greet from {name}") for name in names}
    asked = {
        f"greet everybody in {name}.txt": replies(f"{name}.txt", LONG.format(name=name), f"Greet all from {name}")
        for name in names
    }
    repair = {f"{name}.txt": replies(f"{name}.txt", LAST.format(name=name), f"Two lines from {name}") for name in names}
    of_repair, of_others = by_turn(repair), by_turn({**asked, **first})

    def answer(request: Mapping[str, Any]) -> Reply:
        begun = any(message["role"] == "assistant" for message in request["messages"])
        for name in names if begun else ():
            if f"{name}.txt" in first_user_text(request):
                meanwhile.pop(name, lambda: None)()
        return (of_repair if "Checks of pull request" in first_user_text(request) else of_others)(request)

    return answer


@dataclass(kw_only=True)
class BotLife:
    """The rehearsal, the server, and everything that can be seen of what they do."""

    rehearsal: Rehearsal
    shop: Repository
    server: BotServer
    meanwhile: Meanwhile
    issues: dict[str, int] = field(default_factory=dict)
    """Name → number."""
    asked: set[str] = field(default_factory=set)
    """Names of those that somebody labelled."""

    def open_issue(self, name: str) -> int:
        number = self.ann.open_issue(self.shop, f"Issue {name}", f"Write `{name}.txt`, please.").number
        self.issues[name] = number
        return number

    def ask(self, name: str) -> None:
        """Label an issue."""
        self.asked.add(name)
        self.ann.label(self.shop, self.issues[name], "agent")

    @property
    def ann(self) -> Person:
        return self.rehearsal.forge.person("ann")

    def issue(self, name: str) -> IssueRecord:
        return self.shop.issues[self.issues[name]]

    def pulls(self, name: str) -> list[PullRecord]:
        start = f"agent/{self.issues[name]}-"
        return [pull for pull in self.shop.pulls.values() if pull.branch.startswith(start)]

    def pull(self, name: str) -> PullRecord:
        (pull,) = self.pulls(name)
        return pull

    def head(self, name: str) -> str:
        return self.shop.head_sha(self.pull(name))

    def shas(self, name: str) -> list[str]:
        """The commits that the pull request adds, oldest first."""
        head, base = self.head(name), self.shop.bare.require("refs/heads/main")
        return self.shop.bare.git("rev-list", "--reverse", f"{base}..{head}").decode().split()

    def commits(self, name: str) -> list[CommitInfo]:
        """What they say of themselves."""
        return [self.shop.bare.commit_info(sha) for sha in self.shas(name)]

    def greeting(self, name: str) -> str:
        return self.shop.bare.read(self.head(name), f"{name}.txt".encode()).decode()

    def checked(self, sha: str) -> str | None:
        """What became of the checks of a commit; None while they run."""
        (suite,) = [one for one in self.shop.suites if one.sha == sha and one.workflow]
        return suite.conclusion

    def wait(self, until: Callable[[], object], what: str, seconds: float = SECONDS) -> None:
        """Wait until something is so at the rehearsal."""
        end, lock = time.monotonic() + seconds, self.rehearsal.forge.state.lock
        while time.monotonic() < end:
            with lock:
                if until():
                    return
            time.sleep(EVERY)
        raise AssertionError(f"{what}: not after {seconds:g} s; agent serve said:\n{self.server.said[-4000:]}")

    def ask_for_more(self, name: str) -> ReviewComment:
        return self.ann.review_comment(self.shop, self.pull(name).number, f"{name}.txt", 1, REMARK.format(name=name))

    def said_on(self, issue: IssueRecord) -> list[Comment]:
        """The bot's comments."""
        return [comment for comment in issue.comments if comment.author == BOT]


def signs(reactions: list[Reaction]) -> list[str]:
    """Return the bot's reactions in order."""
    return [reaction.content for reaction in reactions if reaction.user == BOT]


def is_over(life: BotLife, name: str) -> bool:
    """Whether the last words of a life are said."""
    for pull in life.pulls(name):
        said = life.said_on(pull.issue)
        done = len(said) > 1 and all("**Done.**" in comment.body for comment in said)
        return done and not pull.draft and "rocket" in signs(pull.issue.reactions)
    return False


@contextmanager
def bot_life(folder: Path, *names: str, slots: int = 2, **settings: str) -> Iterator[BotLife]:
    """Set everything up; the issues are there, and nobody has asked for anything."""
    with ExitStack() as stack:
        stack.callback(prune, folder / "agent-home")
        rehearsal = stack.enter_context(Rehearsal(folder / "forge"))
        pipeline = Pipeline(checks={"tests": CHECK, "style": SHORT})
        shop = rehearsal.repository("shop", {"check.sh": "ls\n", "hello.txt": "Hello.\n"}, checks=[pipeline])
        rehearsal.person("ann")
        meanwhile: Meanwhile = {}
        endpoint = stack.enter_context(ScriptedEndpoint(script(names, meanwhile)))
        (folder / "agent-home").mkdir()
        environment = environment_of(rehearsal, folder, endpoint.url) | settings
        server = stack.enter_context(BotServer(environment, folder, slots=slots))
        rehearsal.send_hooks_to(f"{server.url}/webhooks/github/main")
        life = BotLife(rehearsal=rehearsal, shop=shop, server=server, meanwhile=meanwhile)
        for name in names:
            life.open_issue(name)
        yield life


def environment_of(rehearsal: Rehearsal, folder: Path, url: str) -> dict[str, str]:
    """Return the settings of an ordinary installation."""
    stage = Stage(folder=folder, forge=rehearsal.forge, endpoint=_Address(url), token="")
    return {
        **stage.environment,
        **rehearsal.environment(),
        "AGENT_API_TOKEN": "t" * 32,
        "AGENT_GITHUB_WEBHOOK_SECRETS": json.dumps([SECRET]),
        "AGENT_GITHUB_BOT_LOGIN": BOT,
        "AGENT_GITHUB_BOT_ID": str(user_id(BOT)),
        "AGENT_GITHUB_SETTLE_SECONDS": "2",
        "AGENT_CHECKS": json.dumps([CHECK]),
    }


@dataclass(frozen=True)
class _Address:
    url: str
