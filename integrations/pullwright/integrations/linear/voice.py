"""Says and does things on issues. What it writes has an id of its own making, by which it is found again."""

from __future__ import annotations

import hashlib
import hmac
import uuid
from collections.abc import Sequence
from typing import Final

from pullwright.agents.errors import AuthFailed, ConfigError, NotFound, RemoteRejected
from pullwright.agents.worker.outbox import Made
from pullwright.integrations.linear.answers import IssueStates
from pullwright.integrations.linear.api import LinearApi
from pullwright.integrations.linear.meanings import BotIdentity
from pullwright.integrations.linear.payloads import StatePart

_KEY_BYTES: Final = 16
_STARTED: Final = "started"
_NOT_BEGUN: Final = frozenset({"triage", "backlog", "unstarted"})


class LinearVoice:
    """Speaks on issues. Every method may raise ``IntegrationError``.

    Linear takes the id of a new comment from who writes it. Ours is a keyed digest over what is said where: it can not
    be made up without the key, and a second comment with the same can not come to be.
    """

    def __init__(self, api: LinearApi, bot: BotIdentity, key: bytes) -> None:
        """Raise ConfigError for a key of less than 16 bytes."""
        if len(key) < _KEY_BYTES:
            raise ConfigError(f"the key for marks needs {_KEY_BYTES} bytes; give it more")
        self._api = api
        self._bot = bot
        self._key = key

    async def comment(self, issue_id: str, what: str, text: str) -> Made:
        """Write a comment (Markdown); ``what`` names it among all that is ever said there."""
        return await self._api.comment(issue_id, self._id(issue_id, what), text)

    async def find(self, issue_id: str, what: str) -> Made | None:
        """Return the bot's own comment with that name."""
        found = await self._api.find_comment(self._id(issue_id, what))
        if found is None or found.user is None or found.user.id != self._bot.user:
            return None
        return Made(external_id=found.id, url=found.url)

    async def change(self, comment_id: str, text: str) -> None:
        """Change a comment of the bot.

        Raises:
            NotFound: Somebody has deleted it.
        """
        await self._api.change_comment(comment_id, text)

    async def begin(self, issue_id: str, states: Sequence[str] | None) -> None:
        """Put an issue that nobody has begun into the first of these states, or else into the first started one.

        One that is begun, or over, is left where it is; so it is with no states, and with names that there are not.
        """
        if states is not None and not states:
            return
        found = await self._api.states(issue_id)
        wanted = _named(found, states) if states is not None else _first(found, _STARTED)
        if wanted and found.state.kind in _NOT_BEGUN:
            await self._api.move(issue_id, wanted.id)

    async def move(self, issue_id: str, states: Sequence[str]) -> None:
        """Put an issue into the first of these states that its team has; twice is the same as once.

        One that is over is left where it is.
        """
        if not states:
            return
        found = await self._api.states(issue_id)
        wanted = _named(found, states)
        if wanted and wanted.id != found.state.id and not found.state.ended:
            await self._api.move(issue_id, wanted.id)

    async def link(self, issue_id: str, url: str, title: str) -> None:
        """Show a pull request on an issue; the same one again changes nothing."""
        await self._api.link(issue_id, url, title)

    async def act(self, session_id: str, what: str, kind: str, text: str) -> None:
        """Say something in an agent session, if there is one; it is only a courtesy beside the comment."""
        if not session_id:
            return
        try:
            await self._api.act(session_id, self._id(session_id, what), kind, text)
        except (AuthFailed, NotFound, RemoteRejected):
            return  # said already, or the session is over

    def _id(self, place: str, what: str) -> str:
        content = f"{place}\n{what}".encode("utf-8", "surrogatepass")
        digest = hmac.new(self._key, content, hashlib.sha256).digest()
        return str(uuid.UUID(bytes=digest[:16], version=4))


def _named(found: IssueStates, names: Sequence[str]) -> StatePart | None:
    for name in names:
        for state in found.team.states.nodes:
            if state.name.casefold() == name.strip().casefold():
                return state
    return None


def _first(found: IssueStates, kind: str) -> StatePart | None:
    of_kind = [state for state in found.team.states.nodes if state.kind == kind]
    return min(of_kind, key=lambda state: state.position, default=None)
