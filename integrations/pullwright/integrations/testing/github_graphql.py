"""GitHub's GraphQL API as far as REST leaves a gap: drafts, review threads, and when a text was edited."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pullwright.integrations.testing.access import TokenRights
from pullwright.integrations.testing.forge_parts import ForgeParts
from pullwright.integrations.testing.forge_state import IssueRecord, PullRecord, Repository
from pullwright.integrations.testing.github_calls import ApiError, Call
from pullwright.integrations.testing.graphql_text import Field, GraphQLError, parse_operation, select
from pullwright.integrations.testing.pull_acts import PullActs, thread_node
from pullwright.integrations.testing.review_records import Comment, ReviewComment
from pullwright.integrations.testing.web_server import Response, json_response

_Object = dict[str, Any]
_Arguments = Mapping[str, Any]


class GraphQLEndpoint:
    """Answers ``POST /api/graphql``."""

    def __init__(self, parts: ForgeParts, acts: PullActs) -> None:
        self._parts = parts
        self._acts = acts

    def respond(self, call: Call) -> Response:
        """Answer a query or mutation; errors come with status 200, as GitHub's do."""
        if call.rights is None:
            raise ApiError(401, "This endpoint requires you to be authenticated.")
        body = call.fields()
        try:
            operation = parse_operation(str(body.get("query", "")), body.get("variables") or {})
            roots = self._queries(call.rights) if operation.kind == "query" else self._mutations(call)
            data = select(roots, operation.fields)
        except GraphQLError as exc:
            return json_response({"errors": [{"message": str(exc)}]})
        except _Refused as exc:
            error = {"type": exc.kind, "path": [field_name(operation.fields)], "message": str(exc)}
            return json_response({"data": None, "errors": [error]})
        return json_response({"data": data})

    def _queries(self, rights: TokenRights) -> _Object:
        viewer = {"__typename": "User", "login": rights.user}
        return {
            "__typename": "Query",
            "viewer": viewer,
            "repository": lambda arguments: self._repository_of(rights, arguments),
            "node": lambda arguments: self._node(rights, str(arguments.get("id"))),
        }

    def _mutations(self, call: Call) -> _Object:
        def of_pull(draft: bool) -> Callable[[_Arguments], _Object]:
            def change(arguments: _Arguments) -> _Object:
                given = arguments["input"]
                repository, pull = self._pull(call, str(given.get("pullRequestId")))
                self._acts.set_draft(repository, pull, call.actor, draft=draft)
                shown = self._pull_object(repository, pull)
                return {"clientMutationId": given.get("clientMutationId"), "pullRequest": shown}

            return change

        def of_thread(resolved: bool) -> Callable[[_Arguments], _Object]:
            def change(arguments: _Arguments) -> _Object:
                given = arguments["input"]
                repository, pull, first = self._thread(call, str(given.get("threadId")))
                self._acts.resolve_thread(repository, pull, call.actor, first.id, resolved=resolved)
                shown = self._thread_object(repository, pull, first)
                return {"clientMutationId": given.get("clientMutationId"), "thread": shown}

            return change

        return {
            "__typename": "Mutation",
            "convertPullRequestToDraft": of_pull(True),
            "markPullRequestReadyForReview": of_pull(False),
            "resolveReviewThread": of_thread(True),
            "unresolveReviewThread": of_thread(False),
        }

    def _pull(self, call: Call, node: str) -> tuple[Repository, PullRecord]:
        for repository in self._seen(call.rights):
            for pull in repository.pulls.values():
                if f"PR_{repository.id}_{pull.number}" == node:
                    _require(call.rights)
                    return repository, pull
        raise _Refused("NOT_FOUND", f"Could not resolve to a node with the global id of '{node}'")

    def _thread(self, call: Call, node: str) -> tuple[Repository, PullRecord, ReviewComment]:
        for repository in self._seen(call.rights):
            for pull in repository.pulls.values():
                for comment in pull.review_comments:
                    if comment.reply_to is None and thread_node(comment.id) == node:
                        _require(call.rights)
                        return repository, pull, comment
        raise _Refused("NOT_FOUND", f"Could not resolve to a node with the global id of '{node}'")

    def _seen(self, rights: TokenRights | None) -> list[Repository]:
        return [r for r in self._parts.state.repositories if rights is not None and rights.sees(r.slug)]

    def _repository_of(self, rights: TokenRights, arguments: _Arguments) -> _Object:
        found = self._parts.state.find(str(arguments.get("owner")), str(arguments.get("name")))
        if found is None or found not in self._seen(rights):
            slug = f"{arguments.get('owner')}/{arguments.get('name')}"
            raise _Refused("NOT_FOUND", f"Could not resolve to a Repository with the name '{slug}'.")
        repository = found

        def pull(asked: _Arguments) -> _Object | None:
            record = repository.pulls.get(int(asked["number"]))
            return None if record is None else self._pull_object(repository, record)

        def issue(asked: _Arguments) -> _Object | None:
            record = repository.issues.get(int(asked["number"]))
            return None if record is None else self._issue_object(repository, record)

        return {
            "__typename": "Repository",
            "id": f"R_{repository.id}",
            "databaseId": repository.id,
            "nameWithOwner": repository.slug,
            "pullRequest": pull,
            "issue": issue,
            "issueOrPullRequest": lambda asked: pull(asked) or issue(asked),
        }

    def _node(self, rights: TokenRights, node: str) -> _Object:
        for repository in self._seen(rights):
            for issue in repository.issues.values():
                if f"I_{repository.id}_{issue.number}" == node:
                    return self._issue_object(repository, issue)
                for comment in issue.comments:
                    if f"IC_{comment.id}" == node:
                        return _comment_object(comment)
            for pull in repository.pulls.values():
                if f"PR_{repository.id}_{pull.number}" == node:
                    return self._pull_object(repository, pull)
        raise _Refused("NOT_FOUND", f"Could not resolve to a node with the global id of '{node}'")

    def _issue_object(self, repository: Repository, issue: IssueRecord) -> _Object:
        document = self._parts.documents.issue(repository, issue)
        return {
            "__typename": "Issue",
            "id": document["node_id"],
            "databaseId": document["id"],
            "number": issue.number,
            "title": issue.title,
            "body": issue.body or "",
            "state": issue.state.upper(),
            "url": document["html_url"],
            "createdAt": issue.created,
            "updatedAt": document["updated_at"],
            "lastEditedAt": issue.edited or None,
            "author": {"__typename": "User", "login": issue.author},
            "comments": _connection([_comment_object(comment) for comment in issue.comments]),
        }

    def _pull_object(self, repository: Repository, pull: PullRecord) -> _Object:
        firsts = [comment for comment in pull.review_comments if comment.reply_to is None]
        threads = [self._thread_object(repository, pull, first) for first in firsts]
        return {
            **self._issue_object(repository, pull.issue),
            "__typename": "PullRequest",
            "id": f"PR_{repository.id}_{pull.number}",
            "databaseId": repository.id * 200_000 + pull.number,
            "state": "MERGED" if pull.merged else pull.issue.state.upper(),
            "isDraft": pull.draft,
            "merged": pull.merged,
            "headRefName": pull.branch,
            "headRefOid": repository.head_sha(pull),
            "baseRefName": pull.base,
            "reviewThreads": _connection(threads),
        }

    def _thread_object(self, repository: Repository, pull: PullRecord, first: ReviewComment) -> _Object:
        comments = [c for c in pull.review_comments if first.id in (c.id, c.reply_to)]
        return {
            "__typename": "PullRequestReviewThread",
            "id": thread_node(first.id),
            "isResolved": first.id in pull.resolved,
            "isOutdated": first.commit != repository.head_sha(pull),
            "path": first.path,
            "line": first.line,
            "comments": _connection([_comment_object(comment) for comment in comments]),
        }


class _Refused(Exception):
    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


def field_name(fields: tuple[Field, ...]) -> str:
    """Return the name under which the first field of an operation is answered."""
    return fields[0].alias if fields else ""


def _require(rights: TokenRights | None) -> None:
    if rights is None or not rights.may("pull_requests", "write"):
        raise _Refused("FORBIDDEN", "Resource not accessible by integration")


def _comment_object(comment: Comment) -> _Object:
    return {
        "__typename": "PullRequestReviewComment" if isinstance(comment, ReviewComment) else "IssueComment",
        "id": f"{'PRRC' if isinstance(comment, ReviewComment) else 'IC'}_{comment.id}",
        "databaseId": comment.id,
        "body": comment.body,
        "createdAt": comment.created,
        "updatedAt": comment.edited or comment.created,
        "lastEditedAt": comment.edited or None,
        "author": {"__typename": "User", "login": comment.author},
    }


def _connection(items: list[_Object]) -> Callable[[_Arguments], _Object]:
    """Return a connection whose cursors are positions."""

    def page(arguments: _Arguments) -> _Object:
        start = int(arguments.get("after") or 0)
        end = min(start + int(arguments.get("first") or 100), len(items))
        info = {"hasNextPage": end < len(items), "endCursor": str(end)}
        return {"totalCount": len(items), "nodes": items[start:end], "pageInfo": info}

    return page
