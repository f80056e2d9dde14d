"""What ``agent jira setup`` finds."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pullwright.agents.errors import ConfigError
from pullwright.integrations.jira.adapter import JiraAdapter
from pullwright.integrations.jira.authority import AuthorityPolicy
from pullwright.integrations.jira.requested_work import WorkTerms
from pullwright.integrations.jira.setup_check import SetupFacts, check_setup, overlap
from pullwright.integrations.redaction import Redactor
from tests.integration.jira.conftest import Office
from tests.integration.tracker_office import repository

pytestmark = pytest.mark.anyio


@pytest.fixture
def facts(office: Office) -> SetupFacts:
    policy = AuthorityPolicy(roles=frozenset({"Developers"}), groups=frozenset({"developers"}))
    return replace(office.terms, bot=replace(office.bot, projects=frozenset({"SITE"})), policy=policy).facts


async def test_everything_is_in_place(office: Office, facts: SetupFacts) -> None:
    found = await check_setup(office.client, facts)
    assert [one for one in found if not one.good] == []
    assert {one.about for one in found} >= {
        "Jira",
        "account",
        "permissions in SITE",
        "fields",
        "groups",
        "roles in SITE",
        "search",
    }


async def test_what_is_missing_is_named(office: Office, facts: SetupFacts) -> None:
    wrong = replace(
        facts,
        bot=replace(facts.bot, account="somebody", statuses=frozenset({"Nowhere", "in review"})),
        terms=WorkTerms(in_progress=("Doing",), done=("Shipped",)),
        policy=AuthorityPolicy(roles=frozenset({"Wizards"})),
        acceptance_field="Definition of done",
    )
    found = {one.about: one.says for one in await check_setup(office.client, wrong) if not one.good}
    assert f"AGENT_JIRA_ACCOUNT={office.jira.bot.account}" in found["account"]
    assert "Doing" in found["status for in progress"]
    assert "Shipped" in found["status for done"]
    assert "nowhere" in found["trigger statuses"]
    assert "In Review" in found["statuses"]
    assert "Definition of done".casefold() in found["fields"].casefold()
    assert "wizards" in found["roles in SITE"]
    assert overlap(facts) == []


async def test_what_the_bot_may_not_do_is_named(office: Office, facts: SetupFacts) -> None:
    office.jira.state.trouble.withheld = frozenset({"ASSIGN_ISSUES", "USER_PICKER"})
    found = {one.about: one.says for one in await check_setup(office.client, facts) if not one.good}
    assert "give a ticket back while a question waits" in found["permissions in SITE"]
    assert ("browse users and groups" in found.get("groups", "")) is office.jira.state.cloud
    keeping = replace(facts, terms=WorkTerms(give_back=False))
    assert "permissions in SITE" not in {one.about for one in await check_setup(office.client, keeping) if not one.good}


@pytest.mark.parametrize("jira", ["data center"], indirect=True)
async def test_the_key_of_the_bot_is_told(office: Office, facts: SetupFacts) -> None:
    nameless = replace(facts, bot=replace(facts.bot, key=""))
    found = {one.about: one.says for one in await check_setup(office.client, nameless)}
    assert f"AGENT_JIRA_ACCOUNT_KEY=KEY-{office.jira.bot.account}" in found["account"]


@pytest.mark.parametrize("started_by", [("category:indeterminate",), ("3",), ("in progress",)])
async def test_a_status_that_is_named_in_two_ways_is_one(
    office: Office, facts: SetupFacts, started_by: tuple[str, ...]
) -> None:
    """What starts work must be no status that the bot moves tickets to, whatever either is called."""
    circular = replace(facts, bot=replace(facts.bot, statuses=frozenset(started_by)))
    found = {one.about: one.says for one in await check_setup(office.client, circular) if not one.good}
    assert "In Progress" in found["statuses"]


async def test_a_jira_that_does_not_answer_is_said_so(office: Office, facts: SetupFacts) -> None:
    office.jira.state.trouble.page = True
    [finding] = await check_setup(office.client, facts)
    assert not finding.good
    assert "a page for people" in finding.says


async def test_statuses_that_go_round_in_circles_are_refused(office: Office) -> None:
    circular = replace(office.terms, work=WorkTerms(review=("agent",)))
    with pytest.raises(ConfigError, match="starts work"):
        JiraAdapter(
            circular,
            store=office.store,
            repository=repository,
            marker_key=b"k" * 16,
            redactor=Redactor(),
            clock=office.clock,
        )
