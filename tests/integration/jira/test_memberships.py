"""Groups and roles, as Jira tells them; and that a request which Atlassian does not allow is noticed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from pullwright.agents.errors import RemoteRejected
from pullwright.integrations.jira.client import JiraClient, Session
from pullwright.integrations.jira.memberships import JiraMemberships
from pullwright.integrations.jira.ticket_reading import TicketReader
from pullwright.integrations.testing.contract_gate import ContractGate
from pullwright.integrations.testing.jira_gate import JIRA
from pullwright.integrations.testing.jira_site import RehearsalJira
from pullwright.integrations.testing.web_server import json_response
from tests.means import NO_DOCUMENTS

pytestmark = pytest.mark.anyio

WANTED = frozenset({"developers", "managers"})


async def test_groups_and_roles(jira: RehearsalJira) -> None:
    jira.person("ann", groups=("staff", "Payments"))
    jira.person("eve")
    jira.state.roles = {"Developers": {"eve"}, "Managers": {"group:staff"}, "Watchers": {"ann"}}
    memberships = JiraMemberships(JiraClient(jira.settings, jira.tuning))
    assert await memberships.groups("ann") == {"staff", "Payments"}
    assert await memberships.groups("nobody") == frozenset()
    assert await memberships.roles("ann", "SHOP", WANTED) == {"Managers"}
    assert await memberships.roles("eve", "SHOP", WANTED) == {"Developers"}
    assert await memberships.roles("nobody", "SHOP", WANTED) == frozenset()


@pytest.mark.parametrize("jira", ["cloud"], indirect=True)
@pytest.mark.skipif(not ContractGate(JIRA).active, reason=NO_DOCUMENTS)
async def test_the_gate_knows_what_atlassian_allows(jira: RehearsalJira) -> None:
    client = JiraClient(jira.settings, jira.tuning)
    ticket = jira.acts.create("SHOP", jira.bot, "Broken", "")
    path = f"issue/{ticket.id}/transitions"

    def move(number: object) -> Callable[[Session], object]:
        return lambda session: session.send("POST", path, {"transition": {"id": number}}, action="moving it")

    await client.talk(move("13"))
    assert jira.violations == []
    await client.talk(move(13))
    [violation] = jira.violations
    assert violation.request == f"POST /rest/api/3/{path}"
    jira.violations.clear()


@pytest.mark.parametrize("fields", [{"labels": 5}, {"attachment": [{"id": "x"}]}, {"status": "Done"}])
async def test_a_ticket_of_no_known_form(jira: RehearsalJira, fields: dict[str, object]) -> None:
    client = JiraClient(jira.settings, jira.tuning)
    await client.facts()
    jira.state.trouble.answers.append(json_response({"id": "1", "key": "A-1", "fields": fields}))
    with pytest.raises(RemoteRejected, match="has no usable"):
        await TicketReader(client).read("1", datetime.now(UTC))
