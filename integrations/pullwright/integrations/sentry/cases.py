"""Gathers what Sentry knows of an issue; what it does not know, or is too old to say, is left out."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Final

from pullwright.agents.errors import AuthFailed, NotFound, RemoteRejected
from pullwright.integrations.sentry.api import LATEST, OLDEST, SentryApi
from pullwright.integrations.sentry.brief import Case, Commit, Release
from pullwright.integrations.sentry.gate import IssueFacts, Route
from pullwright.integrations.sentry.incident import Incident
from pullwright.integrations.sentry.root_cause import fingerprint
from pullwright.integrations.sentry.voice import SentryVoice

SPREAD: Final = ("environment", "release", "browser", "os")
"""Tags of which all values are told, not only that of one event."""


class Cases:
    """Reads issues. Every method may raise ``IntegrationError``, but not because something is not there."""

    def __init__(self, api: SentryApi, voice: SentryVoice) -> None:
        self._api = api
        self._voice = voice

    async def issue(self, issue_id: str) -> IssueFacts | None:
        """Return an issue, if there is one that can be seen."""
        try:
            return await self._api.issue(issue_id)
        except NotFound:
            return None

    async def incident(self, issue_id: str, event_id: str = "") -> Incident | None:
        """Return one event of an issue, or else the latest, if there is any."""
        for which in filter(None, (event_id, LATEST)):
            try:
                return await self._api.event(issue_id, which)
            except NotFound:
                continue
        return None

    async def cause(self, issue_id: str, incident: Incident | None) -> str:
        """Return the fingerprint of an issue's cause; empty where neither a comment nor an event says what it is.

        What was said once on the issue holds for good. Before that it is taken from the oldest event, because that one
        stays the same while new ones come, until Sentry drops it.
        """
        if known := await self._voice.cause(issue_id):
            return known
        try:
            return fingerprint(await self._api.event(issue_id, OLDEST))
        except NotFound:
            return fingerprint(incident) if incident else ""

    async def case(self, issue: IssueFacts, incident: Incident, route: Route, *, rule: str = "") -> Case:
        """Return everything that is known."""
        commits = [*await self._suspects(issue, incident), *await self._new_commits(incident)]
        distinct = {commit.id: commit for commit in reversed(commits)}
        return Case(
            issue=issue,
            incident=incident,
            route=replace(route, mappings=tuple(await self._api.mappings(issue.project, route.repository.slug))),
            release=await self._release(incident),
            commits=tuple(reversed(distinct.values())),
            spread=tuple([spread async for spread in self._spread(issue.id)]),
            seer=await self._api.seer(issue.id),
            rule=rule,
        )

    async def _suspects(self, issue: IssueFacts, incident: Incident) -> Sequence[Commit]:
        return await self._api.suspects(issue.project, incident.event_id) if incident.event_id else ()

    async def _new_commits(self, incident: Incident) -> Sequence[Commit]:
        return await self._api.release_commits(incident.release) if incident.release else ()

    async def _spread(self, issue_id: str) -> AsyncIterator[tuple[str, str]]:
        for key in SPREAD:
            values = [f"{one.value} ({one.count})" for one in await self._api.tag(issue_id, key)]
            if values:
                yield key, ", ".join(values)

    async def _release(self, incident: Incident) -> Release:
        if not incident.release:
            return Release()
        try:
            return await self._api.release(incident.release)
        except (NotFound, AuthFailed, RemoteRejected):
            return Release(version=incident.release)
