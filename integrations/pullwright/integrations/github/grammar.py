"""What a comment on GitHub asks of the bot: a mention of its login, or a line that begins with ``/agent``. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

from pullwright.integrations import commands
from pullwright.integrations.commands import AgentRequest


def read_request(text: str, names: Iterable[str]) -> AgentRequest | None:
    """Return what a text asks of the bot; None when it does not speak to it.

    Args:
        text: Markdown of a comment, a review or an issue.
        names: What the bot is called, without the sign in front; ``slug[bot]`` stands for ``slug`` as well.
    """
    return commands.read_request(text, _mention(names))


def _mention(names: Iterable[str]) -> re.Pattern[str] | None:
    known = sorted({re.escape(name.removesuffix("[bot]")) for name in names} - {""}, key=len, reverse=True)
    if not known:
        return None
    # ``@name/team`` is a team of an organization of that name.
    return re.compile(rf"(?<![\w@/.-])@(?:{'|'.join(known)})(?:\[bot\])?(?![\w-]|/\w)", re.IGNORECASE)
