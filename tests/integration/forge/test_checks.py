"""What is read of checks, of pull requests and of reviews, against the rehearsal."""

from __future__ import annotations

import pytest

from pullwright.agents.errors import NotFound, RemoteRateLimited
from pullwright.integrations.github.check_verdict import CheckKind, Verdict, verdict
from pullwright.integrations.github.checks import GitHubChecks
from pullwright.integrations.github.client import GitHubClient
from pullwright.integrations.github.collaborators import GitHubTeams
from pullwright.integrations.github.markers import MarkerKey
from pullwright.integrations.github.meanings import BotIdentity, RepositoryFacts
from pullwright.integrations.github.pull_reading import GitHubPullRequests
from pullwright.integrations.github.pulls import Where
from pullwright.integrations.github.settings import GitHubSettings
from pullwright.integrations.github.speaking import GitHubVoice
from pullwright.integrations.github.tuning import GitHubTuning
from pullwright.integrations.github.voice import Place
from pullwright.integrations.testing.check_records import ACTIONS_APP
from pullwright.integrations.testing.faults import Fault
from pullwright.integrations.testing.forge import AGENT_TOKEN, RehearsalForge
from pullwright.integrations.testing.github_documents import user_id
from pullwright.integrations.testing.review_records import Actor

pytestmark = pytest.mark.anyio

AGENT = "pullwright-agent"
BRANCH = "agent/1-x"
CI = Actor(login="ci")


class Scene:
    """A pull request of the bot, and what reads it."""

    def __init__(self, forge: RehearsalForge) -> None:
        self.forge = forge
        self.shop = forge.create_repository("acme", "shop", {"a.txt": "one\n"})
        self.head = forge.person(AGENT).push(self.shop, BRANCH, {"a.txt": "two\n"})
        self.pull = forge.person(AGENT).open_pull_request(self.shop, BRANCH, "Fix", draft=True)
        apps = forge.acts.apps
        self.own, self.other = (
            apps.create(slug, owner="acme", permissions={"checks": "write"}, events=()).id for slug in ("bot", "ci")
        )
        settings = GitHubSettings(api_url=forge.api_url, token=AGENT_TOKEN, ca_file=forge.ca_file)
        self.client = client = GitHubClient(settings, GitHubTuning(backoff=0, rate_limit_wait=1))
        bot = BotIdentity(host=forge.host, login=AGENT, user_id=user_id(AGENT), app_id=self.own)
        self.checks = GitHubChecks(client, bot)
        self.pulls = GitHubPullRequests(client, bot)
        self.voice = GitHubVoice(client, bot, MarkerKey(b"k" * 16))
        self.where = Where(repository=RepositoryFacts(id=self.shop.id, full_name="acme/shop", private=True))

    def check(self, name: str, conclusion: str, *, app: int = 0, sha: str = "", log: str = "", **output: object) -> int:
        """Let an App tell a check; without a conclusion it runs."""
        acts = self.forge.acts.checks
        with self.forge.state.lock:
            suite = acts.suite_for(self.shop, app or self.other, sha or self.head)
            run = acts.add_run(self.shop, suite, name, CI, output=output, status="in_progress")
            run.log = log
            if conclusion:
                acts.complete(self.shop, suite, run, CI, conclusion)
            if app == ACTIONS_APP and suite.workflow is None:
                acts.start_workflow(self.shop, suite, Actor(login="ann"), "CI")
        return run.id

    def status(self, context: str, state: str) -> None:
        """Set a commit status."""
        with self.forge.state.lock:
            self.forge.acts.checks.add_status(self.shop, CI, self.head, {"state": state, "context": context})


@pytest.fixture
def scene(forge: RehearsalForge) -> Scene:
    return Scene(forge)


async def judged(scene: Scene) -> Verdict:
    return verdict(await scene.checks.read(scene.where, scene.head))


async def test_checks_and_statuses_count_and_our_own_do_not(scene: Scene) -> None:
    assert await judged(scene) is Verdict.NOTHING
    scene.check("ours", "", app=scene.own)
    scene.status("agent", "pending")
    assert await judged(scene) is Verdict.NOTHING
    scene.check("theirs", "success")
    assert await judged(scene) is Verdict.GREEN
    scene.status("deploy", "pending")
    assert await judged(scene) is Verdict.RUNNING
    scene.status("deploy", "success")
    assert await judged(scene) is Verdict.GREEN
    scene.status("deploy", "error")
    assert await judged(scene) is Verdict.RED


async def test_a_failed_check_is_explained(scene: Scene) -> None:
    base = scene.shop.bare.require("refs/heads/main")
    notes = [
        {"path": "a.txt", "start_line": 1, "end_line": 1, "annotation_level": "failure", "message": "not two"},
    ]
    scene.check("theirs", "failure", title="1 problem", summary="It is two.", annotations=notes)
    scene.check("theirs", "failure", sha=base)
    job = scene.check("job", "failure", app=ACTIONS_APP, log="x" * 30_000 + "\nError: no\n")
    facts = await scene.checks.read(scene.where, scene.head)
    assert [starter.login for starter in facts.starters] == ["ann"]
    one, other = await scene.checks.explain(scene.where, facts.red, base)
    assert (one.check.id, one.check.is_job, one.on_base) == (job, True, False)
    assert one.log.endswith("Error: no\n")
    assert len(one.log) == 20_000
    assert (other.check.title, other.check.summary) == ("1 problem", "It is two.")
    assert other.annotations == ("a.txt:1 not two",)
    assert (other.on_base, other.log) == (True, "")


async def test_a_log_that_is_gone_is_no_obstacle(scene: Scene) -> None:
    scene.check("job", "failure", app=ACTIONS_APP, log="Error")
    facts = await scene.checks.read(scene.where, scene.head)
    scene.forge.add_fault(Fault(path="/logs", status=410))
    [one] = await scene.checks.explain(scene.where, facts.red, scene.head)
    assert one.log == ""
    scene.forge.add_fault(Fault(path="/actions-results/", status=500))
    [one] = await scene.checks.explain(scene.where, facts.red, scene.head)
    assert one.log == ""


async def test_a_workflow_without_a_job_counts_itself(scene: Scene) -> None:
    with scene.forge.state.lock:
        acts = scene.forge.acts.checks
        suite = acts.add_suite(scene.shop, ACTIONS_APP, scene.head, BRANCH)
        acts.start_workflow(scene.shop, suite, CI, "CI")
    facts = await scene.checks.read(scene.where, scene.head)
    assert [(one.kind, one.conclusion) for one in facts.checks] == [(CheckKind.WORKFLOW, "")]


async def test_a_pull_request_is_read_with_its_commits(scene: Scene) -> None:
    found = await scene.pulls.read(scene.where, scene.pull.number)
    assert (found.own, found.here, found.open, found.draft) == (True, True, True, True)
    assert (found.branch, found.head_sha, found.base_ref) == (BRANCH, scene.head, "main")
    assert list(await scene.pulls.with_commit(scene.where, scene.head)) == [scene.pull.number]
    theirs = scene.forge.person("ann").push(scene.shop, BRANCH, {"b.txt": "b"})
    commits = await scene.pulls.commits(scene.where, scene.pull.number)
    assert [commit.sha for commit in commits] == [scene.head, theirs]
    assert not commits[1].own
    with pytest.raises(NotFound):
        await scene.pulls.read(scene.where, 99)


async def test_remarks_come_with_their_threads(scene: Scene) -> None:
    ann, eve = scene.forge.person("ann"), scene.forge.person("eve")
    first = ann.review_comment(scene.shop, scene.pull.number, "a.txt", 1, "why?")
    answer = eve.reply(scene.shop, scene.pull.number, first, "because")
    ann.review_comment(scene.shop, scene.pull.number, "a.txt", 1, "something else")
    found = await scene.pulls.remarks(scene.where, scene.pull.number, first.review_id)
    assert [(one.id, one.author) for one in found] == [(first.id, "ann"), (answer.id, "eve")]
    assert {one.thread for one in found} == {first.id}
    assert (found[0].path, found[0].line) == ("a.txt", 1)
    assert "+two" in found[0].hunk


@pytest.mark.parametrize(
    ("status", "state", "member"), [(200, "active", True), (200, "pending", False), (404, "", False)]
)
async def test_a_team_has_its_active_members(scene: Scene, status: int, state: str, member: bool) -> None:
    scene.forge.add_fault(Fault(path="/orgs/acme/teams/core/memberships/ann", status=status, body={"state": state}))
    assert await GitHubTeams(scene.client).is_member("acme/core", "ann", repository="acme/shop") is member


async def test_a_draft_is_made_ready_once(scene: Scene) -> None:
    place = Place(repository="acme/shop", number=scene.pull.number, work_key="w")
    limited = {"errors": [{"type": "RATE_LIMITED", "message": "slow down"}]}
    scene.forge.add_fault(Fault(path="/graphql", status=200, body=limited))
    with pytest.raises(RemoteRateLimited):
        await scene.voice.mark_ready(place)
    assert scene.pull.draft
    for _ in range(2):
        await scene.voice.mark_ready(place)
    assert not scene.pull.draft
    assert len(scene.forge.graphql_requests) == 2
