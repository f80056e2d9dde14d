"""The rehearsal's records as the JSON documents that GitHub's REST API sends."""

from __future__ import annotations

import hashlib
import html
import re
from collections import Counter
from typing import Any
from urllib.parse import quote

from pullwright.integrations.testing.addresses import repository_addresses, repository_facts, user_addresses
from pullwright.integrations.testing.forge_state import ForgeState, IssueRecord, PullRecord, Repository
from pullwright.integrations.testing.hook_records import AppRecord
from pullwright.integrations.testing.review_records import REACTIONS, Comment, Reaction

Document = dict[str, Any]
_CREATED = "2026-01-05T09:00:00Z"
_ASSET = re.compile(r"/user-attachments/assets/(?P<uuid>[0-9a-f-]{36})(?![\w?-])")


def image_signature(uuid: str) -> str:
    """Return what the signed address of a picture carries."""
    return hashlib.sha256(f"rehearsal {uuid}".encode()).hexdigest()[:32]


def user_id(login: str) -> int:
    """Return the id of a user; the same name has the same one at every forge."""
    return int(hashlib.sha256(login.encode()).hexdigest()[:8], 16)


class Documents:
    """Renders records; ``web`` is the address that people would open."""

    def __init__(self, state: ForgeState, web: str) -> None:
        self._state = state
        self.web = web
        self.api = f"{web}/api/v3"

    def user(self, login: str) -> Document:
        """Return a user."""
        kind = "Bot" if login.endswith("[bot]") else "User"
        number = user_id(login)
        address = f"{self.api}/users/{login}"
        return {
            "login": login,
            "id": number,
            "node_id": f"U_{number}",
            "avatar_url": f"{self.web}/avatars/{login}",
            "gravatar_id": "",
            "url": address,
            "html_url": f"{self.web}/{login}",
            **user_addresses(quote(address, safe=":/")),
            "type": kind,
            "site_admin": False,
        }

    def repository(self, repository: Repository) -> Document:
        """Return a repository."""
        api, html_url = f"{self.api}/repos/{repository.slug}", f"{self.web}/{repository.slug}"
        return {
            "id": repository.id,
            "node_id": f"R_{repository.id}",
            "name": repository.name,
            "full_name": repository.slug,
            "owner": self.user(repository.owner),
            "private": repository.private,
            "archived": repository.archived,
            "url": api,
            "html_url": html_url,
            "clone_url": f"{html_url}.git",
            "git_url": f"git{html_url.removeprefix('https')}.git",
            "ssh_url": f"ssh{html_url.removeprefix('https')}.git",
            "svn_url": html_url,
            "default_branch": repository.default_branch,
            "visibility": "private" if repository.private else "public",
            "created_at": _CREATED,
            "updated_at": _CREATED,
            "pushed_at": _CREATED,
            **repository_addresses(api),
            **repository_facts(),
        }

    def branch(self, repository: Repository, name: str, sha: str) -> Document:
        """Return a branch."""
        commit = {"sha": sha, "url": f"{self.api}/repos/{repository.slug}/commits/{sha}"}
        return {"name": name, "commit": commit, "protected": name == repository.default_branch}

    def reference(self, repository: Repository, name: str, sha: str) -> Document:
        """Return a git reference to a branch."""
        base = f"{self.api}/repos/{repository.slug}/git"
        ref = f"refs/heads/{name}"
        target = {"type": "commit", "sha": sha, "url": f"{base}/commits/{sha}"}
        return {"ref": ref, "node_id": ref, "url": f"{base}/{ref}", "object": target}

    def label(self, repository: Repository, name: str) -> Document:
        """Return a label."""
        url = f"{self.api}/repos/{repository.slug}/labels/{name}"
        number = int(hashlib.sha256(name.encode()).hexdigest()[:8], 16)
        shown = {"name": name, "color": "ededed", "default": False, "description": None}
        return {"id": number, "node_id": url, "url": url, **shown}

    def reactions(self, address: str, reactions: list[Reaction]) -> Document:
        """Return the sum of reactions to something."""
        counts = Counter(reaction.content for reaction in reactions)
        numbers = {content: counts[content] for content in REACTIONS}
        return {"url": f"{address}/reactions", "total_count": len(reactions), **numbers}

    def reaction(self, reaction: Reaction) -> Document:
        """Return one reaction."""
        shown = {"user": self.user(reaction.user), "content": reaction.content, "created_at": reaction.created}
        return {"id": reaction.id, "node_id": f"REA_{reaction.id}", **shown}

    def via(self, app_id: int | None) -> Document | None:
        """Return the App that something was written through, or None for a person."""
        app = self._state.app(app_id)
        return None if app is None else self.app(app)

    def app(self, app: AppRecord) -> Document:
        """Return an App."""
        return {
            "id": app.id,
            "client_id": app.client_id,
            "slug": app.slug,
            "node_id": f"A_{app.id}",
            "owner": self.user(app.owner),
            "name": app.slug,
            "description": "",
            "external_url": self.web,
            "html_url": f"{self.web}/apps/{app.slug}",
            "created_at": app.created,
            "updated_at": app.created,
            "permissions": app.permissions,
            "events": list(app.events),
        }

    def issue(self, repository: Repository, issue: IssueRecord) -> Document:
        """Return an issue; one that belongs to a pull request says so."""
        url = f"{self.api}/repos/{repository.slug}/issues/{issue.number}"
        pull = repository.pulls.get(issue.number)
        people = [self.user(login) for login in issue.assignees]
        document = {
            "id": repository.id * 100_000 + issue.number,
            "node_id": f"I_{repository.id}_{issue.number}",
            "number": issue.number,
            "title": issue.title,
            "body": issue.body,
            "user": self.user(issue.author),
            "state": issue.state,
            "state_reason": issue.reason,
            "locked": issue.locked,
            "active_lock_reason": None,
            "labels": [self.label(repository, name) for name in issue.labels],
            "assignee": people[0] if people else None,
            "assignees": people,
            "milestone": None,
            "comments": len(issue.comments),
            "author_association": repository.association(issue.author),
            "created_at": issue.created,
            "updated_at": issue.updated or issue.created,
            "closed_at": issue.closed or None,
            "url": url,
            "html_url": f"{self.web}/{repository.slug}/{'pull' if pull else 'issues'}/{issue.number}",
            "repository_url": f"{self.api}/repos/{repository.slug}",
            "labels_url": f"{url}/labels{{/name}}",
            "comments_url": f"{url}/comments",
            "events_url": f"{url}/events",
            "timeline_url": f"{url}/timeline",
            "reactions": self.reactions(url, issue.reactions),
            "performed_via_github_app": self.via(issue.app_id),
        }
        if pull:
            document |= {"draft": pull.draft, "pull_request": self._pull_of_issue(repository, pull)}
        return document

    def _pull_of_issue(self, repository: Repository, pull: PullRecord) -> Document:
        page = f"{self.web}/{repository.slug}/pull/{pull.number}"
        return {
            "url": f"{self.api}/repos/{repository.slug}/pulls/{pull.number}",
            "html_url": page,
            "diff_url": f"{page}.diff",
            "patch_url": f"{page}.patch",
            "merged_at": pull.merged_at or None,
        }

    def comment(self, repository: Repository, issue: IssueRecord, comment: Comment) -> Document:
        """Return a comment."""
        issue_url = f"{self.api}/repos/{repository.slug}/issues/{issue.number}"
        url = f"{self.api}/repos/{repository.slug}/issues/comments/{comment.id}"
        kind = "pull" if issue.number in repository.pulls else "issues"
        return {
            "id": comment.id,
            "node_id": f"IC_{comment.id}",
            "url": url,
            "html_url": f"{self.web}/{repository.slug}/{kind}/{issue.number}#issuecomment-{comment.id}",
            "issue_url": issue_url,
            "body": comment.body,
            "user": self.user(comment.author),
            "author_association": repository.association(comment.author),
            "created_at": comment.created,
            "updated_at": comment.edited or comment.created,
            "reactions": self.reactions(url, comment.reactions),
            "performed_via_github_app": self.via(comment.app_id),
        }

    def rendered(self, document: Document) -> Document:
        """Add what the ``full`` media type adds: the body as HTML, with signed addresses of its pictures."""
        body = str(document.get("body") or "")
        signed = _ASSET.sub(self._signed, self._as_html(body))
        return {**document, "body_text": body, "body_html": signed}

    def _as_html(self, body: str) -> str:
        """Render the two ways of writing a picture, and everything else as one paragraph."""
        text = re.sub(r"&lt;(img\b.*?)&gt;", r"<\1>", html.escape(body, quote=False))
        return "<p>" + re.sub(r"!\[([^\]]*)\]\(([^)\s]+)[^)]*\)", r'<img src="\2" alt="\1"/>', text) + "</p>"

    def _signed(self, found: re.Match[str]) -> str:
        uuid = found["uuid"]
        return f"{found[0]}?jwt={image_signature(uuid)}" if uuid in self._state.images else found[0]
