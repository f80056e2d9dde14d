"""Answers the REST API of the rehearsal's Jira: Cloud (v3) and Data Center (v2)."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from pullwright.integrations.testing.jira_acts import JiraActs
from pullwright.integrations.testing.jira_documents import JiraDocuments
from pullwright.integrations.testing.jira_state import FIELD_NAMES, STATUSES, JiraPerson, JiraState, JiraTicket
from pullwright.integrations.testing.web_server import Request, Response, json_response

PAGE: Final = "<!DOCTYPE html><html><title>Sign in</title><body>Sign in to Jira</body></html>"
_WITHIN: Final = re.compile(r'updated >= "-(\d+)m"')
_PROJECTS: Final = re.compile(r"project in \(([^)]*)\)")
_FIELD: Final = {"required": True, "hasDefaultValue": False, "name": "Root cause", "operations": ["set"]}


class Refusal(Exception):
    """An error answer."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.response = json_response({"errorMessages": [message], "errors": {}}, status, headers)


@dataclass(frozen=True, slots=True)
class Call:
    """A request by somebody."""

    request: Request
    me: JiraPerson
    parts: tuple[str, ...]

    @property
    def query(self) -> Mapping[str, str]:
        """What follows the path."""
        return self.request.query

    def content(self) -> dict[str, Any]:
        """Return the body."""
        found = json.loads(self.request.content() or b"{}")
        if not isinstance(found, dict):
            raise Refusal(400, "Invalid request payload. Refer to the REST API documentation and try again.")
        return found


Endpoint = Callable[[Call], Response]


class JiraApi:
    """Answers requests below ``/rest/api`` and for attachments."""

    def __init__(
        self, state: JiraState, documents: JiraDocuments, acts: JiraActs, tokens: Mapping[str, JiraPerson], media: str
    ) -> None:
        """Take who has which token, and the address where attachments' bytes are."""
        self._state = state
        self._documents = documents
        self._acts = acts
        self._tokens = tokens
        self._media = media
        one = r"([^/]+)"
        self._routes: tuple[tuple[str, re.Pattern[str], Endpoint], ...] = tuple(
            (method, re.compile(pattern), endpoint)
            for method, pattern, endpoint in (
                ("GET", "myself", lambda call: json_response(documents.person(call.me))),
                ("GET", "field", self._fields),
                ("GET", "status", lambda call: json_response([documents.status(one[0]) for one in STATUSES])),
                ("GET", "mypermissions", self._permissions),
                ("GET", "search(?:/jql)?", self._search),
                ("GET", "user/groups", self._groups),
                ("GET", "user", self._user),
                ("GET", f"project/{one}/role", self._roles),
                ("GET", f"project/{one}/role/([0-9]+)", self._role),
                ("GET", f"issue/{one}", self._issue),
                ("GET", f"issue/{one}/comment", self._comments),
                ("POST", f"issue/{one}/comment", self._comment),
                ("PUT", f"issue/{one}/comment/{one}", self._change_comment),
                ("GET", f"issue/{one}/transitions", self._transitions),
                ("POST", f"issue/{one}/transitions", self._transition),
                ("GET", f"issue/{one}/remotelink", self._links),
                ("POST", f"issue/{one}/remotelink", self._link),
                ("PUT", f"issue/{one}/assignee", self._assign),
                ("GET", f"comment/{one}/properties/{one}", self._property),
                ("GET", f"attachment/content/{one}", self._attachment),
            )
        )

    def respond(self, request: Request) -> Response:
        """Answer a request."""
        with self._state.lock:
            try:
                return self._trouble() or self._route(request)
            except Refusal as refusal:
                return refusal.response

    def _trouble(self) -> Response | None:
        if self._state.trouble.page:
            return Response(headers={"Content-Type": "text/html;charset=UTF-8"}, body=PAGE.encode())
        return self._state.trouble.answers.pop(0) if self._state.trouble.answers else None

    def _route(self, request: Request) -> Response:
        if found := re.fullmatch(r"/media/([0-9]+)", request.path):
            return self._media_file(request, found[1])
        me = self._signed_in(request)
        if found := re.fullmatch(r"/secure/attachment/([0-9]+)/[^/]*", request.raw_path):
            return Response(body=self._content(found[1]))
        version = "3" if self._state.cloud else "2"
        found = re.fullmatch(rf"/rest/api/{version}/(.*)", request.path)
        path = found[1] if found else ""
        if path == "serverInfo":
            return json_response(self._server_info())
        if me is None:
            raise Refusal(401, "Client must be authenticated to access this resource.")
        for method, pattern, endpoint in self._routes:
            if method == request.method and (match := pattern.fullmatch(path)):
                return endpoint(Call(request, me, match.groups()))
        raise Refusal(404, "null for uri")

    def _signed_in(self, request: Request) -> JiraPerson | None:
        kind, _, value = request.headers.get("Authorization", "").partition(" ")
        if not value:
            return None
        if kind == "Basic" and not self._state.cloud:
            raise Refusal(403, "Basic Authentication has been disabled on this instance.")
        token = base64.b64decode(value).decode().partition(":")[2] if kind == "Basic" else value
        if token not in self._tokens:
            raise Refusal(401, "Unauthorized; the token is not known.")
        return self._tokens[token]

    def _server_info(self) -> dict[str, Any]:
        shown = {"baseUrl": self._documents.base, "serverTitle": "Jira"}
        if self._state.cloud:
            return {**shown, "deploymentType": "Cloud", "version": "1001.0.0", "versionNumbers": [1001, 0, 0]}
        return {**shown, "deploymentType": "Server", "version": "9.12.5", "versionNumbers": [9, 12, 5]}

    # What is asked

    def _fields(self, call: Call) -> Response:
        return json_response(
            [{"id": field, "name": name, "custom": "_" in field} for field, name in FIELD_NAMES.items()]
        )

    def _permissions(self, call: Call) -> Response:
        names = call.query.get("permissions", "").split(",")
        withheld = self._state.trouble.withheld
        shown = {name: {"key": name, "havePermission": name not in withheld} for name in names}
        return json_response({"permissions": shown})

    def _search(self, call: Call) -> Response:
        on_new = call.request.path.endswith("/jql")
        if self._state.cloud and not on_new:
            raise Refusal(410, "The requested API has been removed. Please migrate to the /rest/api/3/search/jql API.")
        if on_new and not self._state.cloud:
            raise Refusal(404, "null for uri")
        found = self._matching(call.query.get("jql", ""))
        start = int(call.query.get("nextPageToken") or call.query.get("startAt") or 0)
        size = int(call.query.get("maxResults", "50"))
        issues = [self._found(one, call.query.get("expand", "")) for one in found[start : start + size]]
        more = start + size < len(found)
        if self._state.cloud:
            next_page = {"nextPageToken": str(start + size)} if more else {}
            return json_response({"issues": issues, "isLast": not more, **next_page})
        return json_response({"startAt": start, "maxResults": size, "total": len(found), "issues": issues})

    def _matching(self, jql: str) -> list[JiraTicket]:
        within, projects = _WITHIN.search(jql), _PROJECTS.search(jql)
        if within is None:
            raise Refusal(400, f"Error in the JQL Query: {jql[:100]}")
        since = (self._state.clock() - timedelta(minutes=int(within[1]))).replace(second=0, microsecond=0)
        keys = {key.strip().strip('"') for key in projects[1].split(",")} if projects else None
        found = (ticket for ticket in self._state.tickets.values() if ticket.updated >= since)
        named = [ticket for ticket in found if keys is None or ticket.key.rpartition("-")[0] in keys]
        return sorted(named, key=lambda ticket: ticket.updated)

    def _found(self, ticket: JiraTicket, expand: str) -> dict[str, Any]:
        shown = self._documents.ticket(ticket, expand=expand)
        # A search shows only some of the comments.
        comments = [self._documents.comment(ticket, one) for one in ticket.comments[:2]]
        shown["fields"]["comment"] = {"comments": comments, "total": len(ticket.comments), "maxResults": 2}
        return shown

    def _groups(self, call: Call) -> Response:
        person = self._state.people.get(call.query.get("accountId", ""))
        if "USER_PICKER" in self._state.trouble.withheld:
            raise Refusal(403, "You need the global permission to browse users and groups.")
        if person is None or not self._state.cloud:
            raise Refusal(404, "The user does not exist.")
        return json_response([{"name": name, "groupId": name} for name in person.groups])

    def _user(self, call: Call) -> Response:
        person = self._state.people.get(call.query.get("username") or call.query.get("accountId", ""))
        if person is None:
            raise Refusal(404, "The user does not exist.")
        groups = {"size": len(person.groups), "items": [{"name": name} for name in person.groups]}
        return json_response({**(self._documents.person(person) or {}), "groups": groups})

    def _roles(self, call: Call) -> Response:
        base = f"{self._documents.api}/project/{call.parts[0]}/role"
        return json_response({name: f"{base}/{number}" for number, name in enumerate(self._state.roles, start=10_000)})

    def _role(self, call: Call) -> Response:
        name = list(self._state.roles)[int(call.parts[1]) - 10_000]
        return json_response({"name": name, "actors": [self._actor(one) for one in sorted(self._state.roles[name])]})

    def _actor(self, account: str) -> dict[str, Any]:
        if account.startswith("group:"):
            name = account.removeprefix("group:")
            return {"id": 2, "type": "atlassian-group-role-actor", "name": name, "actorGroup": {"name": name}}
        shown: dict[str, Any] = {"id": 1, "type": "atlassian-user-role-actor", "displayName": account}
        return {**shown, "actorUser": {"accountId": account}} if self._state.cloud else {**shown, "name": account}

    # Tickets

    def _ticket(self, call: Call) -> JiraTicket:
        ticket = self._state.find(call.parts[0])
        if ticket is None:
            raise Refusal(404, "Issue does not exist or you do not have permission to see it.")
        return ticket

    def _issue(self, call: Call) -> Response:
        return json_response(self._documents.ticket(self._ticket(call), expand=call.query.get("expand", "")))

    def _comments(self, call: Call) -> Response:
        ticket = self._ticket(call)
        # Older Data Centers do not know the order.
        newest_first = call.query.get("orderBy") == "-created" and self._state.cloud
        found = [self._documents.comment(ticket, one) for one in ticket.comments][:: -1 if newest_first else 1]
        start, size = int(call.query.get("startAt", "0")), int(call.query.get("maxResults", "50"))
        page = found[start : start + size]
        return json_response({"startAt": start, "maxResults": size, "total": len(found), "comments": page})

    def _comment(self, call: Call) -> Response:
        ticket, content = self._ticket(call), call.content()
        self._check_body(content)
        properties = {one["key"]: one["value"] for one in content.get("properties", [])}
        comment = self._acts.add_comment(ticket, call.me, content["body"], properties)
        return json_response(self._documents.comment(ticket, comment), 201)

    def _change_comment(self, call: Call) -> Response:
        ticket, content = self._ticket(call), call.content()
        self._check_body(content)
        comment = next((one for one in ticket.comments if one.id == call.parts[1]), None)
        if comment is None:
            raise Refusal(404, "Can not find a comment for the id: " + call.parts[1])
        comment.body, comment.updated = content["body"], self._state.clock()
        return json_response(self._documents.comment(ticket, comment))

    def _check_body(self, content: Mapping[str, Any]) -> None:
        body = content.get("body")
        fits = isinstance(body, dict) and body.get("type") == "doc" if self._state.cloud else isinstance(body, str)
        if not fits:
            raise Refusal(400, "Comment body is not valid!")

    def _transitions(self, call: Call) -> Response:
        ticket = self._ticket(call)
        required = {"customfield_1": _FIELD} if self._state.trouble.required_field else {}
        found = [
            {"id": f"1{number}", "name": f"To {name}", "to": self._documents.status(number), "fields": required}
            for number, name, _ in STATUSES
            if number != ticket.status
        ]
        return json_response({"transitions": found})

    def _transition(self, call: Call) -> Response:
        number = call.content()["transition"]["id"]
        status = str(number)[1:]
        if status not in {one[0] for one in STATUSES}:
            raise Refusal(400, "It seems that you have tried to perform a workflow operation that is not valid.")
        self._acts.set_status(self._ticket(call), call.me, status)
        return Response(status=204)

    def _links(self, call: Call) -> Response:
        return json_response(list(self._ticket(call).remote_links.values()))

    def _link(self, call: Call) -> Response:
        ticket, content = self._ticket(call), call.content()
        known = ticket.remote_links.get(content["globalId"])
        number = known["id"] if known else int(self._state.new_id())
        ticket.remote_links[content["globalId"]] = {**content, "id": number}
        address = f"{self._documents.api}/issue/{ticket.id}/remotelink/{number}"
        return json_response({"id": number, "self": address}, 200 if known else 201)

    def _assign(self, call: Call) -> Response:
        account = call.content().get("accountId" if self._state.cloud else "name", "")
        if account not in self._state.people:
            raise Refusal(400, "User does not exist.")
        self._acts.set_assignee(self._ticket(call), call.me, self._state.people[account])
        return Response(status=204)

    def _property(self, call: Call) -> Response:
        comments = (one for ticket in self._state.tickets.values() for one in ticket.comments)
        comment = next((one for one in comments if one.id == call.parts[0]), None)
        if comment is None or call.parts[1] not in comment.properties:
            raise Refusal(404, "The property does not exist.")
        return json_response({"key": call.parts[1], "value": comment.properties[call.parts[1]]})

    # Files

    def _attachment(self, call: Call) -> Response:
        self._content(call.parts[0])
        return Response(status=303, headers={"Location": f"{self._media}/media/{call.parts[0]}?token=signed"})

    def _media_file(self, request: Request, number: str) -> Response:
        if request.headers.get("Authorization"):
            raise Refusal(400, "A token was sent to the media host.")
        return Response(body=self._content(number))

    def _content(self, number: str) -> bytes:
        found = (one for ticket in self._state.tickets.values() for one in ticket.attachments if one.id == number)
        attachment = next(found, None)
        if attachment is None:
            raise Refusal(404, "The attachment does not exist.")
        return attachment.content
