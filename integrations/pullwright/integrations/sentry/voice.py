"""What is said on Sentry: comments with a mark in their last line, by which they are found again."""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

from pullwright.agents.errors import ConfigError
from pullwright.agents.worker.outbox import Made
from pullwright.integrations.markdown import clip, close_code
from pullwright.integrations.sentry.api import NOTE_LIMIT, SentryApi

_KEY_BYTES: Final = 16
_DIGITS: Final = 32


class SentryVoice:
    """Says things on issues.

    The mark is a keyed digest over what was said and where, so it can not be made up, and one that was copied from
    another issue does not fit.
    """

    def __init__(self, api: SentryApi, key: bytes) -> None:
        """Raise ConfigError for a key of less than 16 bytes."""
        if len(key) < _KEY_BYTES:
            raise ConfigError(f"the key for marks needs {_KEY_BYTES} bytes; give it more")
        self._api = api
        self._key = key

    async def comment(self, issue_id: str, what: str, text: str) -> Made:
        """Write a comment; ``what`` names it among all that is ever said."""
        return await self._api.comment(issue_id, self._marked(issue_id, what, text))

    async def change(self, issue_id: str, what: str, text: str, comment_id: str) -> None:
        """Change a comment.

        Raises:
            NotFound: Somebody has deleted it.
        """
        await self._api.change_comment(issue_id, comment_id, self._marked(issue_id, what, text))

    async def find(self, issue_id: str, what: str) -> Made | None:
        """Return the comment with that name."""
        mark = self._mark(issue_id, what)
        async for note in self._api.comments(issue_id):
            if note.data.text.rstrip().endswith(mark):
                return Made(external_id=note.id)
        return None

    def _marked(self, issue_id: str, what: str, text: str) -> str:
        mark = self._mark(issue_id, what)
        return f"{close_code(clip(text, NOTE_LIMIT - len(mark) - 2))}\n\n{mark}"

    def _mark(self, issue_id: str, what: str) -> str:
        content = f"{issue_id}\n{what}".encode("utf-8", "surrogatepass")
        return f"pullwright:{hmac.new(self._key, content, hashlib.sha256).hexdigest()[:_DIGITS]}"
