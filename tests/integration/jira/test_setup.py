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
from tests.integration.jira.conftest import Office, repository

pytestmark = pytest.mark.anyio


@pytest.fixture
def facts(office: Office) -> SetupFacts:
    policy = AuthorityPolicy(roles=frozenset({"Developers"}))
    return replace(office.terms, bot=replace(office.bot, projects=frozenset({"SITE"})), policy=policy).facts


async def test_everything_is_in_place(office: Office, facts: SetupFacts) -> None:
    found = await check_setup(office.client, facts)
    assert [one for one in found if not one.good] == []
    assert {one.about for one in found} >= {
        "Jira",
        "account",
        "permissions in SITE",
        "fields",
        "roles in SITE",
        "search",
    }


async def test_what_is_missing_is_named(office: Office, facts: SetupFacts) -> None:
    wrong = replace(
        facts,
        bot=replace(facts.bot, account="somebody", statuses=frozenset({"Nowhere", "in review"})),
        terms=WorkTerms(in_progress=("Doing",)),
        policy=AuthorityPolicy(roles=frozenset({"Wizards"})),
        acceptance_field="Definition of done",
    )
    found = {one.about: one.says for one in await check_setup(office.client, wrong) if not one.good}
    assert f"AGENT_JIRA_ACCOUNT={office.jira.bot.account}" in found["account"]
    assert "Doing" in found["status for in progress"]
    assert "nowhere" in found["trigger statuses"]
    assert "In Review" in found["statuses"]
    assert "Definition of done".casefold() in found["fields"].casefold()
    assert "wizards" in found["roles in SITE"]
    assert overlap(facts) == []


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
            inbox=office.store,
            repository=repository,
            marker_key=b"k" * 16,
            redactor=Redactor(),
            clock=office.clock,
        )
