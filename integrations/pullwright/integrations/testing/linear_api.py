"""Answers the GraphQL API of the rehearsal's Linear; ``graphql-core`` reads, checks and carries out every request.

What the schema does not have, and what costs too much, is refused as Linear refuses it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from pullwright.integrations.testing.linear_acts import LinearActs
from pullwright.integrations.testing.linear_schema import SCHEMA
from pullwright.integrations.testing.linear_state import (
    LinearComment,
    LinearIssue,
    LinearPerson,
    LinearState,
    LinearTeam,
    WorkflowState,
    shown,
)
from pullwright.integrations.testing.web_server import CloseConnection, Request, Response, json_response

if TYPE_CHECKING:
    import graphql

COMPLEXITY: Final = 10_000
"""Most points of one request: a tenth for a value, one for an object, times the length of each list around it."""
_USUAL_LENGTH: Final = 50
_PAGE: Final = "<!DOCTYPE html><html><title>Linear</title><body>Sign in</body></html>"

Json = dict[str, Any]


class LinearApi:
    """Answers requests to ``/graphql`` and for uploaded files."""

    def __init__(self, state: LinearState, acts: LinearActs, tokens: Mapping[str, LinearPerson]) -> None:
        """Take who has which value of ``Authorization``."""
        self._state = state
        self._acts = acts
        self._tokens = tokens
        self.queries: list[str] = []
        """Every query that was asked."""

    def respond(self, request: Request) -> Response:
        """Answer a request."""
        with self._state.lock:
            trouble = self._state.trouble
            if trouble.page:
                return Response(headers={"Content-Type": "text/html; charset=utf-8"}, body=_PAGE.encode())
            if trouble.answers:
                return trouble.answers.pop(0)
            me = self._tokens.get(request.headers.get("Authorization", ""))
            if me is None:
                return _refusal(401, "Authentication required, not authenticated", "AUTHENTICATION_ERROR")
            if request.method == "GET" and request.path in self._state.uploads:
                return Response(body=self._state.uploads[request.path])
            if request.path != "/graphql" or request.method != "POST":
                return Response(status=404, body=b"Not found")
            return self._graphql(json.loads(request.content()), me)

    def _graphql(self, content: Json, me: LinearPerson) -> Response:
        import graphql

        text, variables = str(content.get("query", "")), content.get("variables") or {}
        self.queries.append(text)
        try:
            document = graphql.parse(text)
            problems = graphql.validate(_schema(), document)
        except graphql.GraphQLSyntaxError as exc:
            problems = [exc]
        if problems:
            return _refusal(400, problems[0].message, "GRAPHQL_VALIDATION_FAILED")
        cost = complexity(document, variables)
        if cost > COMPLEXITY:
            return _refusal(400, f"Query too complex: {cost:.0f}", "INPUT_ERROR")
        done = graphql.execute_sync(_schema(), document, root_value=self._root(me), variable_values=variables)
        if self._state.trouble.lost and "mutation" in text:
            self._state.trouble.lost = False
            raise CloseConnection
        errors = [{"message": one.message, "extensions": one.extensions or {}} for one in done.errors or ()]
        return json_response({"data": done.data, **({"errors": errors} if errors else {})})

    def _root(self, me: LinearPerson) -> Json:
        return {
            "viewer": _person(me, self._state),
            "issue": lambda info, id: self._issue(self._known(id)),
            "issues": self._issues,
            "comments": self._comments,
            "users": self._users,
            "teams": lambda info, **_: {"nodes": [_team(team) for team in self._state.teams.values()]},
            "issueLabels": self._labels,
            "commentCreate": lambda info, input: self._comment_create(me, input),
            "commentUpdate": lambda info, id, input: self._comment_update(me, id, input),
            "issueUpdate": lambda info, id, input: self._issue_update(me, id, input),
            "attachmentCreate": lambda info, input: self._attachment_create(input),
            "agentActivityCreate": lambda info, input: self._activity_create(input),
        }

    # What is asked

    def _known(self, reference: str) -> LinearIssue:
        issue = self._state.find(reference)
        if issue is None:
            raise _error("Entity not found: Issue - Could not find referenced Issue.")
        return issue

    def _issues(self, info: object, filter: Json | None = None, **page: Any) -> Json:
        found = [issue for issue in self._state.issues.values() if self._fits(issue, filter or {})]
        found.sort(key=lambda issue: issue.updated, reverse=True)
        return _paged(found, self._issue, page)

    def _fits(self, issue: LinearIssue, wanted: Json) -> bool:
        tests: dict[str, Callable[[Any], bool]] = {
            "updatedAt": lambda one: issue.updated >= datetime.fromisoformat(one["gte"]),
            "labels": lambda one: one["name"]["eqIgnoreCase"].lower() in {name.lower() for name in issue.labels},
            "assignee": lambda one: issue.assignee is not None and issue.assignee.id == one["id"]["eq"],
            "delegate": lambda one: issue.delegate is not None and issue.delegate.id == one["id"]["eq"],
            "state": lambda one: issue.state.kind in one["type"]["in"],
            "or": lambda several: any(self._fits(issue, one) for one in several),
        }
        return all(tests[name](value) for name, value in wanted.items())

    def _comments(self, info: object, filter: Json | None = None, **page: Any) -> Json:
        every = (one for issue in self._state.issues.values() for one in issue.comments)
        found = [one for one in every if _fits_comment(one, filter or {})]
        found.sort(key=lambda one: one.created, reverse=True)
        return _paged(found, self._comment, page)

    def _users(self, info: object, filter: Json | None = None, **page: Any) -> Json:
        wanted = (filter or {}).get("id", {}).get("eq")
        found = [one for one in self._state.people.values() if wanted in (None, one.id)]
        return {"nodes": [_person(one, self._state) for one in found]}

    def _labels(self, info: object, filter: Json, **page: Any) -> Json:
        wanted = filter["name"]["eqIgnoreCase"].lower()
        return {"nodes": [_label(name, id_) for name, id_ in self._state.labels.items() if name.lower() == wanted]}

    # What is done

    def _comment_create(self, me: LinearPerson, content: Json) -> Json:
        issue = self._known(content["issueId"])
        if content.get("id") and self._state.comment(content["id"]):
            raise _error("A comment with that id exists already")
        if not content.get("body"):
            raise _error("body should not be empty")
        made = self._acts.comment(issue, me, content["body"], comment_id=content.get("id", ""))
        return {"success": True, "comment": self._comment(made)}

    def _comment_update(self, me: LinearPerson, id_: str, content: Json) -> Json:
        comment = self._state.comment(id_)
        if comment is None:
            raise _error("Entity not found: Comment - Could not find referenced Comment.")
        self._acts.edit(comment, me, content["body"])
        return {"success": True, "comment": self._comment(comment)}

    def _issue_update(self, me: LinearPerson, id_: str, content: Json) -> Json:
        issue = self._known(id_)
        state = next((one for one in issue.team.states if one.id == content["stateId"]), None)
        if state is None:
            raise _error("Entity not found: WorkflowState")
        self._acts.set_state(issue, me, state.name)
        return {"success": True, "issue": self._issue(issue)}

    def _attachment_create(self, content: Json) -> Json:
        issue, url = self._known(content["issueId"]), content["url"]
        known = issue.attachments.get(url)
        number = known[0] if known else f"attachment-{len(issue.attachments) + 1}"
        issue.attachments[url] = (number, content["title"], self._state.clock())
        return {"success": True, "attachment": {"id": number, "url": url, "title": content["title"]}}

    def _activity_create(self, content: Json) -> Json:
        if content["id"] in self._state.activities:
            raise _error("An activity with that id exists already")
        self._state.activities[content["id"]] = content
        return {"success": True}

    # How it is shown; what is costly or leads in circles is only made when somebody asks

    def _issue(self, issue: LinearIssue) -> Json:
        links = [
            {"id": id_, "title": title, "url": url, "createdAt": shown(at)}
            for url, (id_, title, at) in issue.attachments.items()
        ]
        below = (one for one in self._state.issues.values() if one.parent is issue)
        return {
            "id": issue.id,
            "identifier": issue.identifier,
            "title": issue.title,
            "description": issue.description or None,
            "url": issue.url,
            "trashed": issue.trashed or None,
            "createdAt": shown(issue.created),
            "completedAt": shown(issue.ended) if issue.state.kind == "completed" else None,
            "canceledAt": shown(issue.ended) if issue.state.kind == "canceled" else None,
            "state": _state(issue.state),
            "team": _team(issue.team),
            "project": {"id": "p", "name": issue.project} if issue.project else None,
            "parent": lambda info: self._issue(issue.parent) if issue.parent else None,
            "creator": _person(issue.creator, self._state),
            "assignee": _person(issue.assignee, self._state) if issue.assignee else None,
            "delegate": _person(issue.delegate, self._state) if issue.delegate else None,
            "labels": _nodes(_label(name, self._state.label_id(name)) for name in issue.labels),
            "attachments": _nodes(links),
            "children": lambda info, **page: _paged(list(below), self._issue, page),
            "relations": _nodes([]),
            "history": _nodes(self._history(issue)),
            "comments": lambda info, **page: _paged(issue.comments[::-1], self._comment, page),
        }

    def _history(self, issue: LinearIssue) -> Iterable[Json]:
        for one in reversed(issue.history):
            to = one.what.get("toDelegate")
            moment = {"createdAt": shown(one.at), "updatedAt": shown(one.at)}
            more = {"toDelegate": _person(to, self._state) if to else None}
            yield {"id": one.id, "actor": _person(one.actor, self._state), **moment, **one.what, **more}

    def _comment(self, comment: LinearComment) -> Json:
        return {
            "id": comment.id,
            "body": comment.body,
            "createdAt": shown(comment.created),
            "editedAt": shown(comment.edited),
            "url": f"{comment.issue.url}#comment-{comment.id[:8]}",
            "user": _person(comment.author, self._state),
            "issue": lambda info: self._issue(comment.issue),
        }


def _fits_comment(comment: LinearComment, wanted: Json) -> bool:
    tests: dict[str, Callable[[Any], bool]] = {
        "id": lambda one: comment.id == one["eq"],
        "createdAt": lambda one: comment.created >= datetime.fromisoformat(one["gte"]),
        "body": lambda one: one["containsIgnoreCase"].lower() in comment.body.lower(),
        "or": lambda several: any(_fits_comment(comment, one) for one in several),
    }
    return all(tests[name](value) for name, value in wanted.items())


def _person(person: LinearPerson, state: LinearState) -> Json:
    return {
        "id": person.id,
        "name": person.name,
        "displayName": person.name.lower().replace(" ", "-"),
        "email": person.email,
        "url": person.url,
        "active": person.active,
        "guest": person.guest,
        "app": person.app,
        "teams": lambda info, **page: {"nodes": [_team(state.team(key)) for key in person.teams]},
    }


def _team(team: LinearTeam) -> Json:
    return {"id": team.id, "key": team.key, "name": team.name, "states": _nodes(_state(one) for one in team.states)}


def _state(state: WorkflowState) -> Json:
    return {"id": state.id, "name": state.name, "type": state.kind, "position": state.position}


def _label(name: str, id_: str) -> Json:
    return {"id": id_, "name": name}


def _nodes(found: Iterable[Json]) -> Callable[..., Json]:
    every = list(found)
    return lambda info, **page: {"nodes": every[: page.get("first") or _USUAL_LENGTH]}


def _paged(found: list[Any], show: Callable[[Any], Json], page: Mapping[str, Any]) -> Json:
    start, size = int(page.get("after") or 0), int(page.get("first") or _USUAL_LENGTH)
    more = start + size < len(found)
    info = {"hasNextPage": more, "endCursor": str(start + size)}
    return {"nodes": [show(one) for one in found[start : start + size]], "pageInfo": info}


def _error(message: str) -> graphql.GraphQLError:
    import graphql

    extensions = {"code": "INPUT_ERROR", "type": "invalid input", "userError": True, "userPresentableMessage": message}
    return graphql.GraphQLError(message, extensions=extensions)


def _refusal(status: int, message: str, code: str) -> Response:
    return json_response({"errors": [{"message": message, "extensions": {"code": code}}]}, status)


@cache
def _schema() -> graphql.GraphQLSchema:
    import graphql

    return graphql.build_schema(SCHEMA)


def complexity(document: graphql.DocumentNode, variables: Mapping[str, Any]) -> float:
    """Return the points that a query costs, by Linear's rule."""
    asked: list[Any] = list(document.definitions)
    return sum(_cost_of(one, variables) for operation in asked for one in operation.selection_set.selections)


def _cost_of(node: Any, variables: Mapping[str, Any]) -> float:
    if not getattr(node, "selection_set", None):
        return 0.1
    inside = sum(_cost_of(one, variables) for one in node.selection_set.selections)
    if not any(getattr(one, "name", None) and one.name.value == "nodes" for one in node.selection_set.selections):
        return 1 + inside
    given = {one.name.value: one.value for one in node.arguments or ()}
    first = given.get("first")
    if first is None:
        return inside * _USUAL_LENGTH
    return inside * int(variables[first.name.value] if hasattr(first, "name") else first.value)
