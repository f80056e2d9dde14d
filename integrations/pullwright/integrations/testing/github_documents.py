"""The rehearsal's records as the JSON documents that GitHub's REST API sends."""

from __future__ import annotations

import hashlib
import html
import re
from typing import Any

from pullwright.integrations.testing.forge_state import Comment, ForgeState, IssueRecord, PullRecord, Repository

Document = dict[str, Any]
_ASSET = re.compile(r"/user-attachments/assets/(?P<uuid>[0-9a-f-]{36})(?![\w?-])")


def image_signature(uuid: str) -> str:
    """Return what the signed address of a picture carries."""
    return hashlib.sha256(f"rehearsal {uuid}".encode()).hexdigest()[:32]


class Documents:
    """Renders records; ``web`` is the address that people would open."""

    def __init__(self, state: ForgeState, web: str) -> None:
        self._state = state
        self.web = web
        self.api = f"{web}/api/v3"

    def user(self, login: str) -> Document:
        """Return a user."""
        kind = "Bot" if login.endswith("[bot]") else "User"
        number = int(hashlib.sha256(login.encode()).hexdigest()[:8], 16)
        return {
            "login": login,
            "id": number,
            "node_id": f"U_{number}",
            "avatar_url": f"{self.web}/avatars/{login}",
            "url": f"{self.api}/users/{login}",
            "html_url": f"{self.web}/{login}",
            "type": kind,
            "site_admin": False,
        }

    def repository(self, repository: Repository) -> Document:
        """Return a repository."""
        return {
            "id": repository.id,
            "node_id": f"R_{repository.id}",
            "name": repository.name,
            "full_name": repository.slug,
            "owner": self.user(repository.owner),
            "private": repository.private,
            "archived": repository.archived,
            "disabled": False,
            "fork": False,
            "description": None,
            "url": f"{self.api}/repos/{repository.slug}",
            "html_url": f"{self.web}/{repository.slug}",
            "clone_url": f"{self.web}/{repository.slug}.git",
            "default_branch": repository.default_branch,
            "visibility": "private" if repository.private else "public",
            "has_issues": True,
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
        shown = {"name": name, "color": "ededed", "default": False, "description": ""}
        return {"id": number, "node_id": url, "url": url, **shown}

    def issue(self, repository: Repository, issue: IssueRecord) -> Document:
        """Return an issue; one that belongs to a pull request says so."""
        url = f"{self.api}/repos/{repository.slug}/issues/{issue.number}"
        pull = repository.pulls.get(issue.number)
        document = {
            "id": repository.id * 100_000 + issue.number,
            "node_id": f"I_{repository.id}_{issue.number}",
            "number": issue.number,
            "title": issue.title,
            "body": issue.body,
            "user": self.user(issue.author),
            "state": issue.state,
            "locked": False,
            "labels": [self.label(repository, name) for name in issue.labels],
            "assignee": None,
            "assignees": [],
            "milestone": None,
            "comments": len(issue.comments),
            "author_association": "MEMBER",
            "created_at": issue.created,
            "updated_at": issue.comments[-1].created if issue.comments else issue.created,
            "closed_at": None,
            "url": url,
            "html_url": f"{self.web}/{repository.slug}/{'pull' if pull else 'issues'}/{issue.number}",
            "repository_url": f"{self.api}/repos/{repository.slug}",
            "comments_url": f"{url}/comments",
        }
        if pull:
            address = f"{self.api}/repos/{repository.slug}/pulls/{issue.number}"
            document["pull_request"] = {"url": address, "html_url": document["html_url"]}
        return document

    def comment(self, repository: Repository, issue: IssueRecord, comment: Comment) -> Document:
        """Return a comment."""
        issue_url = f"{self.api}/repos/{repository.slug}/issues/{issue.number}"
        return {
            "id": comment.id,
            "node_id": f"IC_{comment.id}",
            "url": f"{self.api}/repos/{repository.slug}/issues/comments/{comment.id}",
            "html_url": f"{self.web}/{repository.slug}/issues/{issue.number}#issuecomment-{comment.id}",
            "issue_url": issue_url,
            "body": comment.body,
            "user": self.user(comment.author),
            "author_association": "MEMBER",
            "created_at": comment.created,
            "updated_at": comment.created,
        }

    def pull(self, repository: Repository, pull: PullRecord) -> Document:
        """Return a pull request; the head is where the branch is now."""
        issue = self.issue(repository, pull.issue)
        head, base = repository.head_sha(pull), repository.bare.resolve(f"refs/heads/{pull.base}") or pull.base_sha
        fork_point = repository.bare.merge_base(base, head)
        files = repository.bare.changed_files(fork_point, head)
        address = f"{self.api}/repos/{repository.slug}/pulls/{pull.number}"
        copied = ("number", "title", "body", "user", "state", "locked", "labels", "assignee", "assignees", "milestone")
        return {
            **{key: issue[key] for key in (*copied, "author_association", "created_at", "updated_at", "html_url")},
            "id": repository.id * 200_000 + pull.number,
            "node_id": f"PR_{repository.id}_{pull.number}",
            "url": address,
            "diff_url": f"{issue['html_url']}.diff",
            "patch_url": f"{issue['html_url']}.patch",
            "issue_url": issue["url"],
            "commits_url": f"{address}/commits",
            "comments_url": issue["comments_url"],
            "draft": pull.draft,
            "merged": pull.merged,
            "merged_at": pull.issue.created if pull.merged else None,
            "closed_at": pull.issue.created if pull.issue.state == "closed" else None,
            "mergeable": None,
            "comments": len(pull.issue.comments),
            "commits": len(repository.bare.commits(base, head)),
            "additions": sum(file.additions for file in files),
            "deletions": sum(file.deletions for file in files),
            "changed_files": len(files),
            "head": self._side(repository, pull.branch, head),
            "base": self._side(repository, pull.base, base),
        }

    def _side(self, repository: Repository, branch: str, sha: str) -> Document:
        return {
            "label": f"{repository.owner}:{branch}",
            "ref": branch,
            "sha": sha,
            "user": self.user(repository.owner),
            "repo": self.repository(repository),
        }

    def files(self, repository: Repository, pull: PullRecord) -> list[Document]:
        """Return the files of a pull request, computed from the repository."""
        head = repository.head_sha(pull)
        base = repository.bare.merge_base(repository.bare.resolve(f"refs/heads/{pull.base}") or pull.base_sha, head)
        return [
            {
                "sha": file.sha,
                "filename": file.path,
                "status": file.status,
                "additions": file.additions,
                "deletions": file.deletions,
                "changes": file.additions + file.deletions,
                "blob_url": f"{self.web}/{repository.slug}/blob/{head}/{file.path}",
                "raw_url": f"{self.web}/{repository.slug}/raw/{head}/{file.path}",
                "contents_url": f"{self.api}/repos/{repository.slug}/contents/{file.path}?ref={head}",
                **({"patch": file.patch} if file.patch else {}),
            }
            for file in repository.bare.changed_files(base, head)
        ]

    def commits(self, repository: Repository, pull: PullRecord) -> list[Document]:
        """Return the commits of a pull request, computed from the repository."""
        base = repository.bare.resolve(f"refs/heads/{pull.base}") or pull.base_sha
        found = repository.bare.commits(base, repository.head_sha(pull))
        address = f"{self.api}/repos/{repository.slug}/commits"
        return [
            {"sha": sha, "url": f"{address}/{sha}", "commit": {"message": message}, "parents": []}
            for sha, message in found
        ]

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
