"""What is done to repositories: names, owners, and above all branches that move."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from pullwright.integrations.testing.forge_parts import ForgeParts
from pullwright.integrations.testing.forge_state import Repository
from pullwright.integrations.testing.github_documents import Document
from pullwright.integrations.testing.issue_acts import IssueActs
from pullwright.integrations.testing.pull_acts import PullActs
from pullwright.integrations.testing.review_records import Actor

NOTHING = "0" * 40
_HEADS = "refs/heads/"
_LISTED = 20

PushListener = Callable[[Repository, str, str, str, Actor], None]
"""Called with the repository, branch, commit before, commit after and who pushed."""


class RepositoryActs:
    """Acts on repositories."""

    def __init__(self, parts: ForgeParts, issues: IssueActs, pulls: PullActs) -> None:
        self._parts = parts
        self._issues = issues
        self._pulls = pulls
        self.listeners: list[PushListener] = []

    def rename(self, repository: Repository, actor: Actor, name: str) -> None:
        """Give a repository a new name; the old one redirects."""
        old, old_slug = repository.name, repository.slug
        repository.former_names.add(old.lower())
        repository.name = name
        self._renamed_in_tokens(old_slug, repository.slug)
        changes = {"repository": {"name": {"from": old}}}
        self._parts.announcer.tell(repository, "repository.renamed", actor.login, changes=changes)

    def _renamed_in_tokens(self, old: str, new: str) -> None:
        tokens = self._parts.state.tokens
        for token, rights in list(tokens.items()):
            if rights.app_id is not None and old in rights.repositories:
                names = tuple(new if name == old else name for name in rights.repositories)
                tokens[token] = replace(rights, repositories=names)

    def archive(self, repository: Repository, actor: Actor) -> None:
        """Make a repository read-only."""
        repository.archived = True
        self._parts.announcer.tell(repository, "repository.archived", actor.login)

    def pushed(self, repository: Repository, actor: Actor, ref: str, before: str, after: str) -> None:
        """Tell of a reference that has moved; an id of zeros stands for none."""
        created, deleted = before == NOTHING, after == NOTHING
        self._tell_push(repository, actor, ref, before, after)
        if created or deleted:
            self._tell_ref(repository, actor, ref, "create" if created else "delete")
        if not ref.startswith(_HEADS):
            return
        branch = ref.removeprefix(_HEADS)
        for pull in [p for p in repository.pulls.values() if p.branch == branch and p.issue.state == "open"]:
            if deleted:
                self._issues.set_state(repository, pull.issue, actor, "closed")
            else:
                self._pulls.synchronized(repository, pull, actor, before, after)
        if not deleted:
            for listener in tuple(self.listeners):
                listener(repository, branch, before, after, actor)

    def _tell_push(self, repository: Repository, actor: Actor, ref: str, before: str, after: str) -> None:
        bare = repository.bare
        created, deleted = before == NOTHING, after == NOTHING
        base = bare.resolve(f"{_HEADS}{repository.default_branch}") if created else before
        shas = [] if deleted else [sha for sha, _ in bare.commits(base or after, after)][-_LISTED:]
        commits = [self._commit(repository, sha) for sha in shas]
        compare = f"{self._parts.documents.web}/{repository.slug}/compare/{before[:12]}...{after[:12]}"
        members: dict[str, Any] = {
            "ref": ref,
            "before": before,
            "after": after,
            "created": created,
            "deleted": deleted,
            "forced": not (created or deleted or bare.is_ancestor(before, after)),
            "base_ref": None,
            "compare": compare,
            "commits": commits,
            "head_commit": None if deleted else self._commit(repository, after),
            "pusher": {"name": actor.login, "email": f"{actor.login}@users.noreply.localhost"},
        }
        self._parts.announcer.tell(repository, "push", actor.login, **members)

    def _commit(self, repository: Repository, sha: str) -> Document:
        info = repository.bare.commit_info(sha)
        parent = info.parents[0] if info.parents else repository.bare.empty_tree()
        files = repository.bare.changed_files(parent, sha)
        kinds = {"added": "added", "removed": "removed", "modified": "modified"}
        named = {kind: [f.path for f in files if f.status == status] for kind, status in kinds.items()}
        people = {
            side: {"name": who["name"], "email": who["email"]}
            for side, who in (("author", info.author), ("committer", info.committer))
        }
        url = f"{self._parts.documents.web}/{repository.slug}/commit/{sha}"
        shared = {"id": sha, "tree_id": info.tree, "message": info.message, "timestamp": info.committer["date"]}
        return {**shared, "distinct": True, "url": url, **people, **named}

    def _tell_ref(self, repository: Repository, actor: Actor, ref: str, event: str) -> None:
        _, kind, name = ref.split("/", 2)
        members: dict[str, Any] = {
            "ref": name,
            "ref_type": "tag" if kind == "tags" else "branch",
            "pusher_type": "user",
        }
        if event == "create":
            members |= {"master_branch": repository.default_branch, "description": None}
        self._parts.announcer.tell(repository, event, actor.login, **members)
