"""Pull requests, their files, commits and reviews as GitHub's documents, computed from the real repositories."""

from __future__ import annotations

from pullwright.integrations.testing.forge_state import PullRecord, Repository
from pullwright.integrations.testing.github_documents import Document, Documents
from pullwright.integrations.testing.review_records import ReviewComment, ReviewRecord

_COPIED = (
    "number",
    "title",
    "body",
    "user",
    "state",
    "locked",
    "active_lock_reason",
    "labels",
    "assignee",
    "assignees",
    "milestone",
    "author_association",
    "created_at",
    "updated_at",
    "closed_at",
    "html_url",
    "comments",
)
_LINKS = {
    "self": "url",
    "html": "html_url",
    "issue": "issue_url",
    "comments": "comments_url",
    "review_comments": "review_comments_url",
    "review_comment": "review_comment_url",
    "commits": "commits_url",
    "statuses": "statuses_url",
}


class PullDocuments:
    """Renders what belongs to pull requests."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents

    def pull(self, repository: Repository, pull: PullRecord) -> Document:
        """Return a pull request; the head is where the branch is now."""
        documents = self._documents
        issue = documents.issue(repository, pull.issue)
        base, head = _sides(repository, pull)
        document = {
            **{key: issue[key] for key in _COPIED},
            **self._addresses(repository, pull, issue, head),
            "id": repository.id * 200_000 + pull.number,
            "node_id": f"PR_{repository.id}_{pull.number}",
            "draft": pull.draft,
            "merged": pull.merged,
            "merged_at": (pull.merged_at or issue["updated_at"]) if pull.merged else None,
            "merged_by": documents.user(pull.merged_by) if pull.merged_by else None,
            "merge_commit_sha": pull.merge_sha or None,
            "mergeable": None,
            "rebaseable": None,
            "mergeable_state": "draft" if pull.draft else "unknown",
            "maintainer_can_modify": False,
            "auto_merge": None,
            "requested_reviewers": [documents.user(login) for login in pull.requested],
            "requested_teams": [],
            "review_comments": len(pull.review_comments),
            **_counts(repository, base, head),
            "head": self._side(repository, pull.branch, head),
            "base": self._side(repository, pull.base, base),
        }
        return {**document, "_links": {name: {"href": document[key]} for name, key in _LINKS.items()}}

    def _addresses(self, repository: Repository, pull: PullRecord, issue: Document, head: str) -> Document:
        api = f"{self._documents.api}/repos/{repository.slug}"
        address = f"{api}/pulls/{pull.number}"
        return {
            "url": address,
            "diff_url": f"{issue['html_url']}.diff",
            "patch_url": f"{issue['html_url']}.patch",
            "issue_url": issue["url"],
            "commits_url": f"{address}/commits",
            "review_comments_url": f"{address}/comments",
            "review_comment_url": f"{api}/pulls/comments{{/number}}",
            "comments_url": issue["comments_url"],
            "statuses_url": f"{api}/statuses/{head}",
        }

    def _side(self, repository: Repository, branch: str, sha: str) -> Document:
        return {
            "label": f"{repository.owner}:{branch}",
            "ref": branch,
            "sha": sha,
            "user": self._documents.user(repository.owner),
            "repo": self._documents.repository(repository),
        }

    def linked(self, repository: Repository, pull: PullRecord) -> Document:
        """Return a pull request as checks name it."""
        base, head = _sides(repository, pull)
        api = f"{self._documents.api}/repos/{repository.slug}"
        repo = {"id": repository.id, "url": api, "name": repository.name}
        return {
            "id": repository.id * 200_000 + pull.number,
            "number": pull.number,
            "url": f"{api}/pulls/{pull.number}",
            "head": {"ref": pull.branch, "sha": head, "repo": repo},
            "base": {"ref": pull.base, "sha": base, "repo": repo},
        }

    def files(self, repository: Repository, base: str, head: str) -> list[Document]:
        """Return the files that differ between two commits."""
        web, api = f"{self._documents.web}/{repository.slug}", f"{self._documents.api}/repos/{repository.slug}"
        return [
            {
                "sha": file.sha,
                "filename": file.path,
                "status": file.status,
                "additions": file.additions,
                "deletions": file.deletions,
                "changes": file.additions + file.deletions,
                "blob_url": f"{web}/blob/{head}/{file.path}",
                "raw_url": f"{web}/raw/{head}/{file.path}",
                "contents_url": f"{api}/contents/{file.path}?ref={head}",
                **({"patch": file.patch} if file.patch else {}),
            }
            for file in repository.bare.changed_files(base, head)
        ]

    def files_of(self, repository: Repository, pull: PullRecord) -> list[Document]:
        """Return the files of a pull request."""
        base, head = _sides(repository, pull)
        return self.files(repository, repository.bare.merge_base(base, head), head)

    def commits_of(self, repository: Repository, pull: PullRecord) -> list[Document]:
        """Return the commits of a pull request, oldest first."""
        base, head = _sides(repository, pull)
        return [self.commit(repository, sha) for sha, _ in repository.bare.commits(base, head)]

    def commit(self, repository: Repository, sha: str) -> Document:
        """Return a commit."""
        api = f"{self._documents.api}/repos/{repository.slug}"
        info = repository.bare.commit_info(sha)
        tree = {"sha": info.tree, "url": f"{api}/git/trees/{info.tree}"}
        parents = [{"sha": parent, "url": f"{api}/commits/{parent}"} for parent in info.parents]
        commit = {"message": info.message, "author": info.author, "committer": info.committer, "tree": tree}
        return {
            "sha": sha,
            "node_id": f"C_{sha}",
            "url": f"{api}/commits/{sha}",
            "html_url": f"{self._documents.web}/{repository.slug}/commit/{sha}",
            "commit": {**commit, "url": f"{api}/git/commits/{sha}", "comment_count": 0},
            "author": None,
            "committer": None,
            "parents": parents,
        }

    def review(self, repository: Repository, pull: PullRecord, review: ReviewRecord) -> Document:
        """Return a review with its state as the REST API writes it."""
        page = f"{self._documents.web}/{repository.slug}/pull/{pull.number}#pullrequestreview-{review.id}"
        address = f"{self._documents.api}/repos/{repository.slug}/pulls/{pull.number}"
        return {
            "id": review.id,
            "node_id": f"PRR_{review.id}",
            "user": self._documents.user(review.author),
            "body": review.body,
            "state": review.state.upper(),
            "commit_id": review.commit,
            "submitted_at": review.submitted,
            "html_url": page,
            "pull_request_url": address,
            "author_association": repository.association(review.author),
            "_links": {"html": {"href": page}, "pull_request": {"href": address}},
        }

    def review_comment(self, repository: Repository, pull: PullRecord, comment: ReviewComment) -> Document:
        """Return a comment at a line."""
        api = f"{self._documents.api}/repos/{repository.slug}/pulls"
        url, address = f"{api}/comments/{comment.id}", f"{api}/{pull.number}"
        page = f"{self._documents.web}/{repository.slug}/pull/{pull.number}#discussion_r{comment.id}"
        place = {"line": comment.line, "original_line": comment.line, "side": "RIGHT", "position": 1}
        document = {
            "id": comment.id,
            "node_id": f"PRRC_{comment.id}",
            "url": url,
            "html_url": page,
            "pull_request_url": address,
            "pull_request_review_id": comment.review_id,
            "diff_hunk": comment.hunk,
            "path": comment.path,
            **place,
            "original_position": 1,
            "start_line": None,
            "original_start_line": None,
            "start_side": None,
            "commit_id": comment.commit,
            "original_commit_id": comment.commit,
            "user": self._documents.user(comment.author),
            "body": comment.body,
            "created_at": comment.created,
            "updated_at": comment.edited or comment.created,
            "author_association": repository.association(comment.author),
            "reactions": self._documents.reactions(url, comment.reactions),
            "_links": {"self": {"href": url}, "html": {"href": page}, "pull_request": {"href": address}},
        }
        return document if comment.reply_to is None else {**document, "in_reply_to_id": comment.reply_to}


def _sides(repository: Repository, pull: PullRecord) -> tuple[str, str]:
    """Return base and head; a merged pull request keeps the base that it was merged into."""
    now = "" if pull.merged else repository.bare.resolve(f"refs/heads/{pull.base}")
    return now or pull.base_sha, repository.head_sha(pull)


def _counts(repository: Repository, base: str, head: str) -> Document:
    files = repository.bare.changed_files(repository.bare.merge_base(base, head), head)
    return {
        "commits": len(repository.bare.commits(base, head)),
        "additions": sum(file.additions for file in files),
        "deletions": sum(file.deletions for file in files),
        "changed_files": len(files),
    }
