"""The API of the rehearsal's Sentry: what the adapter asks and does, with Sentry's paths, paging and refusals."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import unquote

from pullwright.integrations.testing.sentry_state import Issue, Note, SentryState, api_event, tags_of
from pullwright.integrations.testing.web_server import Request, Response, json_response

PAGE: Final = 2
"""Members of a page: few, so that paging is always in use."""

_PART: Final = r"([^/]+)"


class SentryRefusal(Exception):
    """The answer is an error."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status


class SentryApiServer:
    """Answers requests on a state."""

    def __init__(self, state: SentryState) -> None:
        self._state = state
        self.requests: list[str] = []
        """Method and path of everything that was asked."""
        org = f"organizations/{state.organization}"
        self._routes: list[tuple[str, re.Pattern[str], Callable[..., Response]]] = [
            ("GET", re.compile("/api/0/"), self._index),
            ("GET", _path(org), self._organization),
            ("GET", _path(f"{org}/projects"), self._projects),
            ("GET", _path(f"{org}/issues"), self._issues),
            ("GET", _path(f"{org}/issues/{_PART}"), self._issue),
            ("PUT", _path(f"{org}/issues/{_PART}"), self._change),
            ("GET", _path(f"{org}/issues/{_PART}/events/{_PART}"), self._event),
            ("GET", _path(f"{org}/issues/{_PART}/tags/{_PART}"), self._tag),
            ("GET", _path(f"{org}/issues/{_PART}/autofix"), self._autofix),
            ("GET", _path(f"{org}/code-mappings"), self._mappings),
            ("GET", _path(f"{org}/releases/{_PART}"), self._release),
            ("GET", _path(f"{org}/releases/{_PART}/commits"), self._commits),
            ("GET", _path(f"projects/{state.organization}/{_PART}/events/{_PART}/committers"), self._committers),
            ("GET", _path(f"issues/{_PART}/comments"), self._notes),
            ("POST", _path(f"issues/{_PART}/comments"), self._note),
            ("PUT", _path(f"issues/{_PART}/comments/{_PART}"), self._renote),
            ("POST", _path(f"sentry-app-installations/{_PART}/external-issues"), self._link),
        ]

    def __call__(self, request: Request) -> Response:
        """Answer a request."""
        with self._state.lock:
            self.requests.append(f"{request.method} {request.raw_path}")
            try:
                self._admit(request)
                return self._routed(request)
            except SentryRefusal as refusal:
                return json_response({"detail": str(refusal)}, refusal.status)

    def _admit(self, request: Request) -> None:
        if request.headers.get("Authorization") != f"Bearer {self._state.token}":
            raise SentryRefusal(401, "Invalid token")
        needed = "event:read" if request.method == "GET" else "event:write"
        if needed not in self._state.scopes:
            raise SentryRefusal(403, "You do not have permission to perform this action.")

    def _routed(self, request: Request) -> Response:
        for method, pattern, handler in self._routes:
            if method == request.method and (found := pattern.fullmatch(request.raw_path)):
                return handler(request, *(unquote(part) for part in found.groups()))
        raise SentryRefusal(404, "The requested resource does not exist")

    def _index(self, request: Request) -> Response:
        return json_response({"version": "0", "auth": {"scopes": sorted(self._state.scopes)}, "user": None})

    def _organization(self, request: Request) -> Response:
        return json_response({"id": "1", "slug": self._state.organization, "name": "Acme"})

    def _projects(self, request: Request) -> Response:
        return _paged(request, [{"id": str(id_), "slug": slug} for slug, id_ in self._state.projects.items()])

    def _issues(self, request: Request) -> Response:
        query = request.query.get("query", "")
        wanted = re.search(r"project:\[([^\]]*)\]", query)
        slugs = wanted[1].split(",") if wanted else list(self._state.projects)
        found = [
            one
            for one in self._state.issues.values()
            if one.project in slugs and ("is:unresolved" not in query or one.status == "unresolved")
        ]
        found.sort(key=lambda one: one.last_seen, reverse=True)
        return _paged(request, [self._state.document(one) for one in found])

    def _issue(self, request: Request, id_: str) -> Response:
        issue = self._known(id_)
        return json_response({**self._state.document(issue), "activity": issue.activity})

    def _change(self, request: Request, id_: str) -> Response:
        issue, content = self._known(id_), _content(request)
        status = content.get("status", issue.status)
        if status not in ("resolved", "resolvedInNextRelease", "unresolved", "ignored"):
            raise SentryRefusal(400, "Invalid status")
        if "status" in content:
            issue.in_next_release = status == "resolvedInNextRelease"
            issue.status, issue.substatus = "resolved" if status.startswith("resolved") else status, ""
        if "assignedTo" in content:
            kind, _, number = str(content["assignedTo"]).partition(":")
            issue.assignee = {"type": kind, "id": number, "name": "x"}
        return json_response(self._state.document(issue))

    def _event(self, request: Request, id_: str, which: str) -> Response:
        issue = self._known(id_)
        events = {event.id: event for event in issue.events}
        named = {"latest": issue.events[-1:], "recommended": issue.events[-1:], "oldest": issue.events[:1]}
        event = next(iter(named.get(which, [])), None) or events.get(which)
        if event is None:
            raise SentryRefusal(404, "No matching event")
        return json_response(api_event(event, issue))

    def _tag(self, request: Request, id_: str, key: str) -> Response:
        issue = self._known(id_)
        found = Counter(value for event in issue.events for name, value in tags_of(event) if name == key)
        if not found:
            raise SentryRefusal(404, "The requested resource does not exist")
        top = [{"value": value, "count": count, "name": value} for value, count in found.most_common()]
        return json_response({"key": key, "totalValues": found.total(), "topValues": top})

    def _autofix(self, request: Request, id_: str) -> Response:
        return json_response({"autofix": self._known(id_).seer})

    def _mappings(self, request: Request) -> Response:
        return _paged(request, self._state.mappings)

    def _release(self, request: Request, version: str) -> Response:
        release = self._state.releases.get(version)
        if release is None:
            raise SentryRefusal(404, "The requested resource does not exist")
        return json_response({"version": version, **release})

    def _commits(self, request: Request, version: str) -> Response:
        return json_response(self._state.releases.get(version, {}).get("commits", []))

    def _committers(self, request: Request, project: str, event: str) -> Response:
        for issue in self._state.issues.values():
            if issue.committers and any(one.id == event for one in issue.events):
                return json_response({"committers": issue.committers})
        raise SentryRefusal(404, "No Commits found for Event")

    def _notes(self, request: Request, id_: str) -> Response:
        return _paged(request, [_note(note) for note in reversed(self._known(id_).notes)])

    def _note(self, request: Request, id_: str) -> Response:
        issue, content = self._known(id_), _content(request)
        text = content.get("text")
        if not isinstance(text, str) or not text:
            raise SentryRefusal(400, "text: This field is required.")
        note = Note(id=next(self._state.numbers), text=text, author="pullwright")
        issue.notes.append(note)
        return json_response(_note(note), 201)

    def _renote(self, request: Request, id_: str, note_id: str) -> Response:
        note = next((one for one in self._known(id_).notes if str(one.id) == note_id), None)
        if note is None:
            raise SentryRefusal(404, "The requested resource does not exist")
        note.text = _content(request)["text"]
        return json_response(_note(note))

    def _link(self, request: Request, installation: str) -> Response:
        content = _content(request)
        issue = self._known(str(content.get("issueId")))
        if installation != self._state.installation or not content.get("webUrl"):
            raise SentryRefusal(400, "issueId, webUrl, project and identifier are required")
        issue.links[f"{content['project']}#{content['identifier']}"] = content["webUrl"]
        return json_response({"id": str(len(issue.links)), "issueId": str(issue.id), "webUrl": content["webUrl"]})

    def _known(self, id_: str) -> Issue:
        issue = self._state.issue(id_)
        if issue is None:
            raise SentryRefusal(404, "The requested resource does not exist")
        return issue


def _path(path: str) -> re.Pattern[str]:
    return re.compile(rf"/api/0/{path}/")


def _content(request: Request) -> Mapping[str, Any]:
    content = json.loads(request.content() or b"{}")
    if not isinstance(content, dict):
        raise SentryRefusal(400, "an object is expected")
    return content


def _note(note: Note) -> dict[str, Any]:
    return {"id": str(note.id), "type": "note", "user": {"name": note.author}, "data": {"text": note.text}}


def _paged(request: Request, members: list[Any]) -> Response:
    start = int(request.query.get("cursor", "0:0:0").split(":")[1])
    more = start + PAGE < len(members)
    link = (
        f'<https://elsewhere.example/?cursor=0:0:1>; rel="previous"; results="{str(start > 0).lower()}"; '
        f'cursor="0:{max(start - PAGE, 0)}:1", <https://elsewhere.example/?cursor=0>; rel="next"; '
        f'results="{str(more).lower()}"; cursor="0:{start + PAGE}:0"'
    )
    return json_response(members[start : start + PAGE], headers={"Link": link})
