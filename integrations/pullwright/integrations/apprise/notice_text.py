"""What people are told, in words. Pure; whatever is not ours is redacted, cut and made harmless.

Places differ in what they make of a text, so it is made harmless for all of them at once: a zero-width space takes what
would ping people (``@everyone``, ``<!channel>``, ``<at>``), what would be a tag, and what would be a link that looks
like another one, apart.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from pullwright.agents.ports.notice import Moment, Notice
from pullwright.integrations.markdown import ZERO_WIDTH_SPACE, clip
from pullwright.integrations.redaction import Redactor
from pullwright.integrations.untrusted import sanitise, sanitise_line

TITLE_LIMIT: Final = 120
REPOSITORY_LIMIT: Final = 120
WORDS_LIMIT: Final = 500
"""Characters of a question or a reason. All together stays below the 1000 that Teams takes."""

_URL: Final = re.compile(r"https?://[^\s<>()\[\]\"'`\\@]{1,200}")
_LIVE: Final = re.compile(r"@(?=\S)|<(?=\S)|\](?=[(\[:])")

_HEADLINES: Final = {
    Moment.STARTED: "Started",
    Moment.QUESTION: "Question",
    Moment.PULL_REQUEST: "Pull request",
    Moment.FAILED: "Failed",
    Moment.DONE: "Done, without a pull request",
    Moment.CANCELED: "Canceled",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeText:
    """A notice in words."""

    title: str
    plain: str
    markdown: str
    """The same for places that know nothing but Markdown."""


class NoticeTexts:
    """Puts notices into words."""

    def __init__(self, redactor: Redactor) -> None:
        self._redact = redactor

    def of(self, notice: Notice) -> NoticeText:
        """Return a notice in words."""
        again = notice.moment is Moment.PULL_REQUEST and notice.continues
        headline = "New commits in the pull request" if again else _HEADLINES[notice.moment]
        repository = self._line(notice.repository, REPOSITORY_LIMIT)
        about = f"{repository}, task {notice.task_id}"
        words = harmless(clip(sanitise(self._redact(notice.words)).strip(), WORDS_LIMIT))
        hint = f'Answer where it was asked for, or with: agent answer {notice.task_id} "…"'
        url = notice.url if _URL.fullmatch(notice.url) and self._redact(notice.url) == notice.url else ""
        paragraphs = [about, words, hint if notice.moment is Moment.QUESTION else ""]
        return NoticeText(
            title=f"{headline}: {self._line(notice.title, TITLE_LIMIT) or 'a task without a title'}",
            plain=_joined([*paragraphs, url]),
            markdown=_joined([*paragraphs, f"[{url}]({url})" if url else ""]),
        )

    def test(self) -> NoticeText:
        """Return what is said to find out whether it arrives."""
        words = "This is where Pullwright tells people about its tasks. Nothing has happened; somebody tests it."
        return NoticeText(title="Test", plain=words, markdown=words)

    def _line(self, text: str, limit: int) -> str:
        return harmless(sanitise_line(self._redact(text), limit))


def harmless(text: str) -> str:
    """Return a text that pings nobody and hides no link, wherever it is shown."""
    return _LIVE.sub(lambda live: f"{live[0]}{ZERO_WIDTH_SPACE}", text)


def _joined(paragraphs: list[str]) -> str:
    return "\n\n".join(paragraph for paragraph in paragraphs if paragraph)
