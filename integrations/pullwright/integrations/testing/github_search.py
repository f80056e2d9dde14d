"""The search for issues and pull requests, with the qualifiers that bots use."""

from __future__ import annotations

import shlex

from pullwright.integrations.testing.access import TokenRights
from pullwright.integrations.testing.forge_parts import ForgeParts
from pullwright.integrations.testing.forge_state import IssueRecord, Repository
from pullwright.integrations.testing.github_calls import ApiError, Call
from pullwright.integrations.testing.web_server import Response, json_response


def search_issues(parts: ForgeParts, call: Call) -> Response:
    """Answer ``GET /search/issues``: ``repo:``, ``is:``, ``state:``, ``label:``, ``author:``, ``head:`` and words."""
    try:
        terms = shlex.split(call.request.query.get("q", ""))
    except ValueError:
        raise ApiError(422, "Validation Failed") from None
    found = [
        parts.documents.issue(repository, issue)
        for repository in parts.state.repositories
        if _seen(repository, call.rights)
        for issue in repository.issues.values()
        if all(_fits(term, repository, issue) for term in terms)
    ]
    size = min(max(int(call.request.query.get("per_page", "30")), 1), 100)
    return json_response({"total_count": len(found), "incomplete_results": False, "items": found[:size]})


def _seen(repository: Repository, rights: TokenRights | None) -> bool:
    return not repository.private or (rights is not None and rights.sees(repository.slug))


def _fits(term: str, repository: Repository, issue: IssueRecord) -> bool:
    name, colon, value = term.partition(":")
    pull = repository.pulls.get(issue.number)
    match name if colon else "":
        case "repo":
            return value.lower() == repository.slug.lower()
        case "is" | "type" | "state":
            kinds = {"pr" if pull else "issue", issue.state, "merged" if pull and pull.merged else "unmerged"}
            return value in kinds
        case "label":
            return value.lower() in {label.lower() for label in issue.labels}
        case "author":
            return value == issue.author
        case "head":
            return pull is not None and pull.branch.startswith(value)
        case "in" | "sort":
            return True
        case _:
            return term.lower() in f"{issue.title}\n{issue.body or ''}".lower()
