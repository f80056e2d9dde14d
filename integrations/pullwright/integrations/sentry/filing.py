"""Makes the task for an issue, and the comment that says so."""

from __future__ import annotations

import secrets
from functools import partial

from anyio import to_thread

from pullwright.agents.intake.decisions import File
from pullwright.integrations.deciding import comment
from pullwright.integrations.sentry.brief import Case
from pullwright.integrations.sentry.cases import Cases
from pullwright.integrations.sentry.earlier import came_back
from pullwright.integrations.sentry.found import Found
from pullwright.integrations.sentry.gate import GateRules
from pullwright.integrations.sentry.incident import Incident
from pullwright.integrations.sentry.requested_work import Order, WorkTerms, specify
from pullwright.integrations.sentry.scrubbing import Scrubber
from pullwright.integrations.sentry.texts import SentryTexts
from pullwright.integrations.sentry.voice import SentryVoice


class Filing:
    """Files tasks."""

    def __init__(
        self,
        rules: GateRules,
        cases: Cases,
        voice: SentryVoice,
        texts: SentryTexts,
        scrubber: Scrubber,
        terms: WorkTerms,
        *,
        acknowledges: bool,
    ) -> None:
        """Make one; ``acknowledges`` says whether a comment says that work begins."""
        self._rules = rules
        self._cases = cases
        self._voice = voice
        self._texts = texts
        self._scrubber = scrubber
        self._terms = terms
        self._acknowledges = acknowledges

    async def case(self, found: Found, incident: Incident, *, rule: str = "") -> Case:
        """Return everything that is known of an issue whose project has a route.

        Raises:
            IntegrationError: It may be known later.
        """
        route = self._rules.routes[found.issue.project]
        return await self._cases.case(found.issue, incident, route, rule=rule)

    async def file(self, found: Found, case: Case, *, words: str = "", base: str = "") -> File:
        """Return the decision to make a task of a case.

        Args:
            found: The issue.
            case: What is known of it.
            words: Of the person who asks; empty where nobody did, or not in words.
            base: The branch that they want.
        """
        parent = found.before
        returned = parent is not None and came_back(parent, found.issue)
        order = Order(
            work_key=found.root_key,
            boundary=secrets.token_hex(16),
            words=words,
            may_ask=bool(words),
            parent=parent,
            returned=returned,
            base=base,
        )
        # An event may have megabytes, and every text of it is looked through.
        spec = await to_thread.run_sync(partial(specify, case, order, self._terms, self._scrubber))
        text = self._texts.taken(case.route.repository, again=parent.pull_request_url if parent and returned else "")
        said = self._voice.with_cause(found.issue.id, text, found.cause)
        reply = comment(said) if self._acknowledges else None
        return File(spec=spec, words=words, reply=reply)
