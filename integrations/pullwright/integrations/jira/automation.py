"""What a rule of Jira's Automation says when it sends a web request. Pure.

The body that we ask for is ``{"key": "{{issue.key}}", "id": "{{issue.id}}", "actor": "{{initiator.accountId}}",
"rule": "…", "updated": "{{issue.updated}}", "instruction": "…"}``; the ticket in Automation's own format is understood
as well. Nothing but the key and who started the rule is believed: the ticket is read again.
"""

from __future__ import annotations

from collections.abc import Mapping

from pullwright.integrations.commands import INSTRUCTION_LIMIT, AgentRequest, Verb
from pullwright.integrations.jira.deliveries import JiraDelivery
from pullwright.integrations.jira.meanings import (
    Actor,
    BotIdentity,
    Cause,
    Ignored,
    Meaning,
    TicketFacts,
    WorkRequested,
)
from pullwright.integrations.jira.payloads import AutomationPayload
from pullwright.integrations.untrusted import sanitise


def interpret_automation(delivery: JiraDelivery, bot: BotIdentity) -> Meaning:
    """Return what a rule asks for; ``Ignored`` when the body names no ticket.

    Raises:
        ValidationError: The body has another form.
    """
    document = delivery.document
    if not isinstance(document.get("key"), str) or not ("rule" in document or "fields" in document):
        return Ignored(delivery_id=delivery.id, reason="the body is neither an event nor a ticket")
    said = AutomationPayload.model_validate({**_in_fields(document), **document})
    ticket = TicketFacts(id=said.id or "", key=said.key, project=said.key.rpartition("-")[0].upper())
    # Without an id the key has to do: the handler looks the id up.
    work_key = bot.work_key(said.id or said.key)
    actor = Actor(account=said.actor) if said.actor else None
    if bot.is_me(actor):
        return Ignored(delivery_id=delivery.id, reason="done by the bot itself")
    words = sanitise(said.instruction)[:INSTRUCTION_LIMIT].strip()
    return WorkRequested(
        delivery_id=delivery.id,
        ticket=ticket,
        actor=actor,
        work_key=work_key,
        semantic_key=f"automation:{work_key}:{said.rule}:{said.updated or delivery.id}",
        cause=Cause.AUTOMATION,
        request=AgentRequest(verb=Verb.RUN, instruction=words),
    )


def _in_fields(document: Mapping[str, object]) -> dict[str, object]:
    fields = document.get("fields")
    return {"updated": fields.get("updated")} if isinstance(fields, Mapping) and fields.get("updated") else {}
