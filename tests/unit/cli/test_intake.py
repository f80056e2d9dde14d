from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from pullwright.agents.change import Change, PullRequest, RepositoryRef
from pullwright.agents.errors import ConfigError
from pullwright.agents.ports.code_host import Access, CodeHost, Issue
from pullwright.agents.ports.mirror import Credential
from pullwright.cli.intake import IssueRef, Origin, RunRequest, find_issue, moment, specify
from pullwright.cli.settings import Settings

REMOTE = RepositoryRef(url="https://github.com/acme/shop", host="github.com", owner="acme", name="shop")
pytestmark = pytest.mark.anyio


class OneIssue:
    """A code host with a single issue."""

    def __init__(self, token: str = "") -> None:
        self._token = token

    async def default_branch(self, repository: RepositoryRef) -> str:
        return "main"

    async def get_issue(self, repository: RepositoryRef, number: int) -> Issue:
        return Issue(
            number=number, title="Broken", body="It is.", author="ann", url="", work_key=f"github.com/5#{number}"
        )

    async def open_pull_request(self, change: Change, *, body: str) -> PullRequest:
        raise AssertionError("nothing is published here")

    async def find_pull_request(self, repository: RepositoryRef, branch: str) -> PullRequest | None:
        return None

    async def open_pull_requests_for(self, repository: RepositoryRef, issue_number: int) -> Sequence[PullRequest]:
        return []

    async def credential(self, repository: RepositoryRef, need: Access) -> Credential | None:
        assert repository == REMOTE
        return Credential(token=self._token) if self._token else None

    def forget(self, credential: Credential) -> None:
        raise AssertionError("nothing is refused here")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("fix issue #42", IssueRef(number=42)),
        ("please fix #7, it is urgent", IssueRef(number=7)),
        ("acme/shop#9", IssueRef(number=9, slug="acme/shop")),
        ("see https://github.com/acme/shop/issues/12#issuecomment-3", IssueRef(number=12, slug="acme/shop")),
        ("use the colour &#123; or abc#12 or #abc", None),
        ("add a README", None),
    ],
)
def test_the_issue_is_found_in_the_words(text: str, found: IssueRef | None) -> None:
    assert find_issue(text) == found


async def spec_for(instruction: str, host: CodeHost | None, origin: Origin, **request: object):  # type: ignore[no-untyped-def]  # noqa: ANN201
    made = RunRequest(instruction=instruction, **request)  # type: ignore[arg-type]
    return await specify(made, Settings(), origin, host, lambda issue: f"ISSUE {issue.body}")


async def test_with_a_token_the_remote_is_the_source_and_a_pull_request_the_end() -> None:
    spec = await spec_for("fix #42", OneIssue("t"), Origin(remote=REMOTE, checkout=Path("/c")))
    assert (spec.repository, spec.publish, spec.checkout) == (REMOTE, True, "")
    assert (spec.title, spec.context, spec.issue_number) == ("Broken", "ISSUE It is.", 42)
    assert spec.work_key == "github.com/5#42"


@pytest.mark.parametrize(("token", "no_pr"), [("", False), ("t", True)])
async def test_without_one_or_with_no_pr_the_checkout_is_source_and_end(token: str, no_pr: bool) -> None:
    origin = Origin(remote=REMOTE, checkout=Path("/c"))
    spec = await spec_for("fix #42", OneIssue(token), origin, no_pr=no_pr)
    assert (spec.repository.url, spec.repository.slug) == ("/c", "acme/shop")
    assert (spec.publish, spec.checkout) == (False, "/c")


async def test_words_alone_need_no_code_host() -> None:
    spec = await spec_for("add a README", None, Origin(remote=None, checkout=Path("/c/shop")))
    assert (spec.repository.url, spec.repository.slug, spec.publish) == ("/c/shop", "shop", False)


@pytest.mark.parametrize(
    ("instruction", "origin", "message"),
    [
        ("fix #1", Origin(remote=None, checkout=Path("/c")), "git remote add"),
        ("fix other/repo#1", Origin(remote=REMOTE, checkout=Path("/c")), "--repo https://github.com/other/repo"),
        ("fix #1", Origin(remote=REMOTE, checkout=Path("/c")), "AGENT_GITHUB_API_URL"),
    ],
)
async def test_an_issue_that_can_not_be_read_says_what_to_do(instruction: str, origin: Origin, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        await spec_for(instruction, None, origin)


async def test_the_command_line_wins_over_the_settings() -> None:
    origin = Origin(remote=None, checkout=Path("/c"))
    settings = Settings(checks=("a",), max_steps=5, max_minutes=2)
    request = RunRequest(instruction="x", checks=("b",), max_steps=7)
    spec = await specify(request, settings, origin, None, str)
    assert (spec.checks, spec.budget.max_steps, spec.budget.max_seconds) == (("b",), 7, 120)


HERE = timezone(timedelta(hours=2))
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=HERE)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("+2h", datetime(2026, 11, 20, 12, 0, tzinfo=UTC)),
        ("+1.5h", datetime(2026, 11, 20, 11, 30, tzinfo=UTC)),
        ("+90s", datetime(2026, 11, 20, 10, 1, 30, tzinfo=UTC)),
        (" +30m ", datetime(2026, 11, 20, 10, 30, tzinfo=UTC)),
        ("+3d", datetime(2026, 11, 23, 10, 0, tzinfo=UTC)),
        ("2026-12-24T18:00", datetime(2026, 12, 24, 16, 0, tzinfo=UTC)),
        ("2026-12-24", datetime(2026, 12, 23, 22, 0, tzinfo=UTC)),
        ("2026-12-24T18:00:00Z", datetime(2026, 12, 24, 18, 0, tzinfo=UTC)),
        ("2026-12-24T18:00:00-05:00", datetime(2026, 12, 24, 23, 0, tzinfo=UTC)),
    ],
)
def test_a_moment_is_from_now_or_by_the_clock_on_the_wall(text: str, meant: datetime) -> None:
    assert moment(text, NOW) == meant


@pytest.mark.parametrize(
    "text",
    ["2h", "+2", "+h", "tomorrow", "", "+9999999d", "2026-13-01", "9999-12-31T23:59-14:00", "9999-12-31T23:59Z"],
)
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="is no moment"):
        moment(text, NOW)


async def test_limits_and_order_of_a_run_are_the_typed_ones_before_the_configured_ones() -> None:
    origin = Origin(remote=REMOTE, checkout=None)
    spec = await spec_for(
        "do it", None, origin, max_tokens=10, max_fresh_tokens=5, max_cost=0.5, priority=-3, not_before=NOW
    )
    budget = spec.budget
    assert (budget.max_tokens, budget.max_fresh_tokens, budget.max_cost) == (10, 5, 0.5)
    assert (spec.priority, spec.not_before) == (-3, NOW)
    settings = Settings(max_tokens=7, max_fresh_tokens=6, max_cost=2.5)
    plain = await specify(RunRequest(instruction="do it"), settings, origin, None, lambda _: "")
    assert (plain.budget.max_tokens, plain.budget.max_fresh_tokens, plain.budget.max_cost) == (7, 6, 2.5)
    assert (plain.priority, plain.not_before) == (0, None)
