"""What happens to the tickets of the rehearsal's Jira, and how hooks tell of it."""

from __future__ import annotations

from typing import Any

from pullwright.integrations.testing.jira_documents import JiraDocuments
from pullwright.integrations.testing.jira_hooks import JiraHooks
from pullwright.integrations.testing.jira_state import (
    STATUSES,
    JiraAttachment,
    JiraChange,
    JiraComment,
    JiraPerson,
    JiraState,
    JiraTicket,
)

Json = dict[str, Any]


class JiraActs:
    """Changes tickets; everything is told to the hooks."""

    def __init__(self, state: JiraState, documents: JiraDocuments, hooks: JiraHooks) -> None:
        self._state = state
        self._documents = documents
        self._hooks = hooks

    def create(self, project: str, reporter: JiraPerson, summary: str, description: str, **more: Any) -> JiraTicket:
        """Make a ticket; ``description`` is wiki markup, or a document on Cloud."""
        with self._state.lock:
            now = self._state.clock()
            ticket = JiraTicket(
                id=self._state.new_id(),
                key=self._state.next_key(project),
                summary=summary,
                description=self._documents.body(description) if isinstance(description, str) else description,
                reporter=reporter,
                created=now,
                updated=now,
                **more,
            )
            self._state.tickets[ticket.id] = ticket
            self._tell("jira:issue_created", "issue_created", reporter, ticket)
        return ticket

    def set_labels(self, ticket: JiraTicket, by: JiraPerson, labels: list[str]) -> None:
        """Replace the labels."""
        before, ticket.labels = list(ticket.labels), labels
        self._changed(ticket, by, "issue_updated", _item("labels", None, " ".join(before), None, " ".join(labels)))

    def set_status(self, ticket: JiraTicket, by: JiraPerson, status: str) -> None:
        """Move it."""
        names = {number: name for number, name, _ in STATUSES}
        before, ticket.status = ticket.status, status
        self._changed(ticket, by, "issue_generic", _item("status", before, names[before], status, names[status]))

    def set_assignee(self, ticket: JiraTicket, by: JiraPerson, to: JiraPerson | None) -> None:
        """Give it to somebody."""
        before, ticket.assignee = ticket.assignee, to
        item = _item("assignee", *self._named(before), *self._named(to))
        self._changed(ticket, by, "issue_assigned", item)

    def set_summary(self, ticket: JiraTicket, by: JiraPerson, summary: str) -> None:
        """Rename it."""
        before, ticket.summary = ticket.summary, summary
        self._changed(ticket, by, "issue_updated", _item("summary", None, before, None, summary))

    def set_description(self, ticket: JiraTicket, by: JiraPerson, text: str) -> None:
        """Describe it anew."""
        before = self._documents.wiki(ticket.description)
        ticket.description = self._documents.body(text)
        self._changed(ticket, by, "issue_updated", _item("description", None, before, None, text))

    def move(self, ticket: JiraTicket, by: JiraPerson, project: str) -> None:
        """Move it to another project: it gets another key, and keeps its id."""
        before, ticket.key = ticket.key, self._state.next_key(project)
        self._changed(ticket, by, "issue_moved", _item("Key", None, before, None, ticket.key))

    def delete(self, ticket: JiraTicket, by: JiraPerson) -> None:
        """Delete it."""
        with self._state.lock:
            self._tell("jira:issue_deleted", None, by, ticket)
            del self._state.tickets[ticket.id]

    def say(self, ticket: JiraTicket, by: JiraPerson, wiki: str) -> JiraComment:
        """Comment as a person does."""
        return self.add_comment(ticket, by, self._documents.body(wiki), {})

    def add_comment(self, ticket: JiraTicket, by: JiraPerson, body: Any, properties: Json) -> JiraComment:
        """Comment with a body as the API takes it."""
        with self._state.lock:
            now = self._state.clock()
            comment = JiraComment(self._state.new_id(), by, body, now, now, properties)
            ticket.comments.append(comment)
            ticket.updated = now
            shown = self._documents.comment(ticket, comment, hook=True)
            if self._state.cloud:
                self._hooks.send(
                    {**self._head("comment_created"), "comment": shown, "issue": self._documents.slim(ticket)}
                )
            else:
                # Data Center says it twice, and names no ticket the first time.
                self._hooks.send({**self._head("comment_created"), "comment": shown})
                self._tell("jira:issue_updated", "issue_commented", by, ticket, comment=shown)
        return comment

    def edit_comment(self, ticket: JiraTicket, by: JiraPerson, comment: JiraComment, wiki: str) -> None:
        """Change what a comment says, as its author or an administrator can."""
        with self._state.lock:
            comment.body, comment.editor, comment.updated = self._documents.body(wiki), by, self._state.clock()
            ticket.updated = comment.updated
            shown = self._documents.comment(ticket, comment, hook=True)
            issue = {"issue": self._documents.slim(ticket)} if self._state.cloud else {}
            self._hooks.send({**self._head("comment_updated"), "comment": shown, **issue})

    def delete_comment(self, ticket: JiraTicket, by: JiraPerson, comment: JiraComment) -> None:
        """Delete a comment."""
        with self._state.lock:
            ticket.comments.remove(comment)
            shown = self._documents.comment(ticket, comment, hook=True)
            issue = {"issue": self._documents.slim(ticket)} if self._state.cloud else {}
            self._hooks.send({**self._head("comment_deleted"), "comment": shown, **issue})

    def attach(
        self, ticket: JiraTicket, filename: str, content: bytes, kind: str = "application/octet-stream"
    ) -> JiraAttachment:
        """Hang a file on a ticket; no hook tells of it here."""
        with self._state.lock:
            attachment = JiraAttachment(self._state.new_id(), filename, content, self._state.clock(), kind)
            ticket.attachments.append(attachment)
            return attachment

    def _changed(self, ticket: JiraTicket, by: JiraPerson, kind: str, *items: Json) -> None:
        with self._state.lock:
            ticket.updated = self._state.clock()
            change = JiraChange(self._state.new_id(), by, ticket.updated, items)
            ticket.changes.append(change)
            changelog = {"id": change.id, "items": list(items)}
            self._tell("jira:issue_updated", kind, by, ticket, changelog=changelog)

    def _tell(self, event: str, kind: str | None, by: JiraPerson, ticket: JiraTicket, **more: Any) -> None:
        kinds = {"issue_event_type_name": kind} if kind else {}
        body = {**self._head(event), **kinds, "user": self._documents.person(by)}
        self._hooks.send({**body, "issue": self._documents.ticket(ticket, hook=True), **more})

    def _head(self, event: str) -> Json:
        return {"timestamp": int(self._state.clock().timestamp() * 1000), "webhookEvent": event}

    def _named(self, person: JiraPerson | None) -> tuple[str | None, str | None]:
        if person is None:
            return None, None
        return (person.account if self._state.cloud else f"KEY-{person.account}"), person.name


def _item(field: str, old: str | None, old_text: str | None, new: str | None, new_text: str | None) -> Json:
    shown: Json = {"field": field, "fieldtype": "jira", "fieldId": field}
    return {**shown, "from": old, "fromString": old_text, "to": new, "toString": new_text}
