"""Which open pull requests say that they solve an issue; runs on a thread of the client."""

from __future__ import annotations

import re
from typing import Final

from pullwright.integrations.github.client import Session
from pullwright.integrations.github.operations import read_repository
from pullwright.integrations.github.payloads import PullPayload

PAGES: Final = 3
"""Most pages of a hundred that are looked through, newest first."""

_CLOSES: Final = re.compile(
    r"(?<![\w-])(?:close[sd]?|fix(?:e[sd])?|resolve[sd]?)\b:?[ \t]{1,4}"
    r"(?:(?P<slug>[\w.-]{1,100}/[\w.-]{1,100})?#|https?://[^\s/]{1,200}/(?P<path>[\w.-]{1,100}/[\w.-]{1,100})/issues/)"
    r"(?P<number>\d{1,10})(?!\w)",
    re.IGNORECASE,
)


class OpenPullPayload(PullPayload):
    """A pull request with its words."""

    title: str
    body: str | None = None


def pull_requests_for(session: Session, slug: str, number: int) -> list[PullPayload]:
    """Return the open pull requests that close an issue by their words, or have a branch of ours for it."""
    repository = read_repository(session, slug)
    found: list[PullPayload] = []
    for page in range(1, PAGES + 1):
        pulls = session.get(
            list[OpenPullPayload],
            f"/repos/{repository.full_name}/pulls",
            action=f"looking for pull requests for issue {f'{slug}#{number}'!r}",
            parameters={"state": "open", "sort": "created", "direction": "desc", "per_page": 100, "page": page},
        )
        found += [pull for pull in pulls if _is_for(pull, repository.full_name, number)]
        if len(pulls) < 100:
            break
    return found


def closed_issues(text: str, slug: str) -> frozenset[int]:
    """Return the issues of a repository that a text closes, as GitHub reads it."""
    mentioned = ((found["slug"] or found["path"] or slug, int(found["number"])) for found in _CLOSES.finditer(text))
    return frozenset(number for named, number in mentioned if named.lower() == slug.lower())


def _is_for(pull: OpenPullPayload, slug: str, number: int) -> bool:
    own = (pull.head.label or "").partition(":")[0].lower() == slug.partition("/")[0].lower()
    branch = own and pull.head.ref.startswith(f"agent/{number}-")
    return branch or number in closed_issues(f"{pull.title}\n{pull.body or ''}", slug)
