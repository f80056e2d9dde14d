"""What is said on Sentry: comments with marks, by which they, and the cause of an issue, are known again."""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import Final

from pullwright.agents.errors import ConfigError, NotFound
from pullwright.agents.worker.outbox import Made
from pullwright.integrations.markdown import clip, close_code
from pullwright.integrations.sentry.api import NOTE_LIMIT, SentryApi

_KEY_BYTES: Final = 16
_DIGITS: Final = 32
_CAUSE: Final = "pullwright-cause:"
_SAID: Final = re.compile(rf"^{_CAUSE}([0-9a-f]{{32}}):([0-9a-f]{{32}})\s*$", re.ASCII | re.MULTILINE)


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

    def with_cause(self, issue_id: str, text: str, cause: str) -> str:
        """Return a comment's text with a line by which the fingerprint of the issue's cause is known for good.

        Sentry drops events when they are old, and what is left of an issue may look like another cause.
        """
        return f"{text}\n\n{_CAUSE}{cause}:{self._digest(issue_id, f'cause:{cause}')}" if cause else text

    async def cause(self, issue_id: str) -> str:
        """Return the fingerprint that was said first of an issue's cause; empty where none was said."""
        try:
            said = [found async for note in self._api.comments(issue_id) for found in _SAID.finditer(note.data.text)]
        except NotFound:
            return ""
        for found in reversed(said):
            if hmac.compare_digest(found[2], self._digest(issue_id, f"cause:{found[1]}")):
                return found[1]
        return ""

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
        return f"pullwright:{self._digest(issue_id, what)}"

    def _digest(self, issue_id: str, what: str) -> str:
        content = f"{issue_id}\n{what}".encode("utf-8", "surrogatepass")
        return hmac.new(self._key, content, hashlib.sha256).hexdigest()[:_DIGITS]
