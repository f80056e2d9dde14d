"""What a comment in Jira asks of the bot: a mention of its account, or a line that begins with ``/agent``. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import lru_cache

from pullwright.integrations.commands import AgentRequest, read_request
from pullwright.integrations.jira.adf import to_markdown
from pullwright.integrations.jira.escaping import address
from pullwright.integrations.jira.wiki import wiki_to_markdown


def as_markdown(body: object, files: Collection[str] = ()) -> str:
    """Return a text of Jira as Markdown: a document, wiki markup, or nothing; ``files`` are those of the ticket."""
    return wiki_to_markdown(body) if isinstance(body, str) else to_markdown(body, files=files)


def request_in(body: object, account: str) -> AgentRequest | None:
    """Return what a comment asks of the bot with this account; None when it does not speak to it.

    A mention counts by the account that it leads to, never by the name that is shown.
    """
    return read_request(as_markdown(body).replace("\\\n", "\n"), _mention(account))


@lru_cache(maxsize=8)
def _mention(account: str) -> re.Pattern[str]:
    target = re.escape(address(f"mention:{account}"))
    # Brackets that somebody typed are escaped, so this can not be written by hand.
    return re.compile(rf"\[@(?:[^\]\\\n]|\\.){{0,300}}\]\({target}\)", re.IGNORECASE)
