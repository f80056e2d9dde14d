"""Everything that the rehearsal's Jira says, as Cloud (v3) and Data Center (v2) write it."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import quote

from pullwright.integrations.jira.adf import to_markdown
from pullwright.integrations.jira.adf_writing import to_adf
from pullwright.integrations.jira.wiki import wiki_to_markdown
from pullwright.integrations.jira.wiki_writing import to_wiki
from pullwright.integrations.testing.jira_state import (
    FIELD_NAMES,
    STATUSES,
    JiraAttachment,
    JiraChange,
    JiraComment,
    JiraPerson,
    JiraState,
    JiraTicket,
)

Json = dict[str, Any]


class JiraDocuments:
    """Writes documents; ``base`` is the site's address."""

    def __init__(self, state: JiraState, base: str) -> None:
        self._state = state
        self.base = base
        self.api = f"{base}/rest/api/{3 if state.cloud else 2}"

    # Texts

    def body(self, wiki: str) -> Any:
        """Return what a person typed, in wiki markup, as the API has it."""
        if not self._state.cloud:
            return wiki
        return to_adf(wiki_to_markdown(wiki), people=self._state.people)

    def wiki(self, body: Any) -> str:
        """Return a text as hooks have it: wiki markup, on Cloud as well."""
        if isinstance(body, str) or body is None:
            return body or ""
        shown = to_wiki(to_markdown(body), people=self._state.people)
        return shown.replace("[~", "[~accountid:")

    # Things

    def person(self, person: JiraPerson | None) -> Json | None:
        if person is None:
            return None
        shown: Json = {"displayName": person.name, "active": True, "timeZone": "Etc/UTC"}
        if self._state.cloud:
            return {**shown, "accountId": person.account, "accountType": person.kind}
        return {**shown, "name": person.account, "key": f"KEY-{person.account}", "emailAddress": "x@example.invalid"}

    def status(self, number: str) -> Json:
        name, category = next((name, category) for known, name, category in STATUSES if known == number)
        return {"id": number, "name": name, "statusCategory": {"id": 2, "key": category, "name": category}}

    def project(self, key: str) -> Json:
        kind = "service_desk" if key in self._state.service_desks else "software"
        return {"id": "10000", "key": key, "name": key.title(), "projectTypeKey": kind}

    def comment(self, ticket: JiraTicket, comment: JiraComment, *, hook: bool = False) -> Json:
        shown: Json = {
            "self": f"{self.base}/rest/api/2/issue/{ticket.id}/comment/{comment.id}",
            "id": comment.id,
            "author": self.person(comment.author),
            "updateAuthor": self.person(comment.editor or comment.author),
            "body": self.wiki(comment.body) if hook else comment.body,
            "created": stamp(comment.created),
            "updated": stamp(comment.updated),
        }
        if self._state.cloud:
            shown["jsdPublic"] = "sd.public.comment" not in comment.properties
        if not hook and not self._state.trouble.forgets_properties:
            shown["properties"] = [{"key": key, "value": value} for key, value in comment.properties.items()]
        return shown

    def attachment(self, attachment: JiraAttachment) -> Json:
        content = f"{self.base}/secure/attachment/{attachment.id}/{quote(attachment.filename, safe='')}"
        if self._state.cloud:
            content = f"{self.api}/attachment/content/{attachment.id}"
        return {
            "id": attachment.id,
            "filename": attachment.filename,
            "mimeType": attachment.kind,
            "size": len(attachment.content),
            "content": content,
            "created": stamp(attachment.created),
        }

    def change(self, change: JiraChange) -> Json:
        created = stamp(change.created)
        return {"id": change.id, "author": self.person(change.author), "created": created, "items": list(change.items)}

    def fields(self, ticket: JiraTicket, *, hook: bool = False) -> Json:
        return {
            "summary": ticket.summary,
            "description": self.wiki(ticket.description) if hook else ticket.description,
            "labels": list(ticket.labels),
            "components": [{"id": "1", "name": name} for name in ticket.components],
            "status": self.status(ticket.status),
            "project": self.project(ticket.key.rpartition("-")[0]),
            "issuetype": {"id": "10001", "name": "Story"},
            "reporter": self.person(ticket.reporter),
            "creator": self.person(ticket.reporter),
            "assignee": self.person(ticket.assignee),
            "created": stamp(ticket.created),
            "updated": stamp(ticket.updated),
            "attachment": [self.attachment(one) for one in ticket.attachments],
            "issuelinks": [self._link(how, key) for how, key in ticket.linked],
            "subtasks": [],
            **ticket.custom,
        }

    def ticket(self, ticket: JiraTicket, *, expand: str = "", hook: bool = False) -> Json:
        shown: Json = {
            "id": ticket.id,
            "key": ticket.key,
            "self": f"{self.api}/issue/{ticket.id}",
            "fields": self.fields(ticket, hook=hook),
        }
        if "names" in expand:
            shown["names"] = FIELD_NAMES
        if "changelog" in expand:
            found = [self.change(one) for one in reversed(ticket.changes)]
            shown["changelog"] = {"startAt": 0, "maxResults": 100, "total": len(found), "histories": found}
        return shown

    def slim(self, ticket: JiraTicket) -> Json:
        """Return a ticket as Cloud's hooks about comments have it."""
        kept = ("summary", "issuetype", "project", "assignee", "status")
        fields = {name: value for name, value in self.fields(ticket, hook=True).items() if name in kept}
        return {"id": ticket.id, "key": ticket.key, "self": f"{self.api}/issue/{ticket.id}", "fields": fields}

    def _link(self, how: str, key: str) -> Json:
        other = self._state.find(key)
        shown: Json = {"key": key, "fields": {"summary": other.summary if other else ""}}
        if other:
            shown["fields"]["status"] = self.status(other.status)
        return {"id": "1", "type": {"name": "Link", "inward": f"is {how} by", "outward": how}, "outwardIssue": shown}


def stamp(moment: datetime) -> str:
    """Return a time as Jira writes it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}+0000"
