"""Branches, references, commits, files and people of a repository in the rehearsal's REST API."""

from __future__ import annotations

import base64
from typing import Any

from pullwright.agents.errors import ConfigError
from pullwright.integrations.testing.forge_parts import ForgeParts
from pullwright.integrations.testing.forge_state import ROLES
from pullwright.integrations.testing.github_calls import ApiError, Call, Table, not_found, page
from pullwright.integrations.testing.github_documents import Document
from pullwright.integrations.testing.repository_acts import NOTHING, RepositoryActs
from pullwright.integrations.testing.web_server import Response, json_response

_HEADS = "refs/heads/"


class CodeEndpoints:
    """What is read from, and written to, the repository itself."""

    def __init__(self, parts: ForgeParts, acts: RepositoryActs) -> None:
        self._documents = parts.documents
        self._pulls = parts.pulls
        self._acts = acts

    def table(self) -> Table:
        """Return the operations."""
        branch = "/branches/(?P<branch>.+?)"
        return (
            ("GET", "", self.repository, "metadata"),
            ("GET", "/branches", self.branches, "contents"),
            ("GET", f"{branch}/protection", self.protection, "administration"),
            ("GET", "/branches/(?P<branch>.+)", self.branch, "contents"),
            ("GET", "/rules/branches/(?P<branch>.+)", self.rules, "metadata"),
            ("GET", "/git/ref/heads/(?P<branch>.+)", self.reference, "contents"),
            ("GET", "/git/matching-refs/heads/(?P<branch>.*)", self.matching_references, "contents"),
            ("POST", "/git/refs", self.create_reference, "contents"),
            ("PATCH", "/git/refs/heads/(?P<branch>.+)", self.move_reference, "contents"),
            ("DELETE", "/git/refs/heads/(?P<branch>.+)", self.delete_reference, "contents"),
            ("GET", "/commits", self.commits, "contents"),
            ("GET", "/compare/(?P<base>.+)\\.\\.\\.(?P<head>.+)", self.compare, "contents"),
            ("GET", "/contents/(?P<path>.+)", self.contents, "contents"),
            ("GET", "/collaborators/(?P<login>[^/]+)", self.collaborator, "metadata"),
            ("GET", "/collaborators/(?P<login>[^/]+)/permission", self.permission, "metadata"),
            ("GET", "/commits/(?P<ref>[^/]+)", self.commit, "contents"),
        )

    def repository(self, call: Call) -> Response:
        """Answer ``GET /repos/{owner}/{repo}``, with what the one who asks may do there."""
        rights, repository = call.rights, call.repository
        writes = rights is not None and rights.may("contents", "write")
        admin = rights is not None and rights.admin
        shown = {"admin": admin, "maintain": admin, "push": writes, "triage": writes, "pull": True}
        return json_response({**self._documents.repository(repository), "permissions": shown})

    def _tip(self, call: Call, missing: str) -> str:
        sha = call.repository.bare.resolve(_HEADS + call.match["branch"])
        if not sha:
            raise ApiError(404, missing)
        return sha

    def branch(self, call: Call) -> Response:
        """Answer ``GET /repos/{owner}/{repo}/branches/{branch}``."""
        sha = self._tip(call, "Branch not found")
        return json_response(self._documents.branch(call.repository, call.match["branch"], sha))

    def branches(self, call: Call) -> Response:
        """Answer ``GET /repos/{owner}/{repo}/branches``."""
        items = call.repository.bare.branches().items()
        found = [self._documents.branch(call.repository, name, sha) for name, sha in items]
        return page(call, found, self._documents.api)

    def protection(self, call: Call) -> Response:
        """Answer ``GET /repos/{owner}/{repo}/branches/{branch}/protection``."""
        self._tip(call, "Branch not found")
        if call.match["branch"] != call.repository.default_branch:
            raise ApiError(404, "Branch not protected")
        off = {"enabled": False}
        return json_response({"enforce_admins": off, "allow_force_pushes": off, "allow_deletions": off})

    def rules(self, call: Call) -> Response:
        """Answer ``GET /repos/{owner}/{repo}/rules/branches/{branch}``."""
        protected = call.match["branch"] == call.repository.default_branch
        slug = call.repository.slug
        source = {"ruleset_source_type": "Repository", "ruleset_source": slug, "ruleset_id": 1}
        return page(call, [{"type": "pull_request", **source}] if protected else [], self._documents.api)

    def reference(self, call: Call) -> Response:
        """Answer ``GET /repos/{owner}/{repo}/git/ref/heads/{branch}``."""
        sha = self._tip(call, "Not Found")
        return json_response(self._documents.reference(call.repository, call.match["branch"], sha))

    def matching_references(self, call: Call) -> Response:
        """Answer ``GET /repos/{owner}/{repo}/git/matching-refs/heads/{prefix}``."""
        items = call.repository.bare.branches().items()
        found: list[Any] = [
            self._documents.reference(call.repository, name, sha)
            for name, sha in items
            if name.startswith(call.match["branch"])
        ]
        return json_response(found)

    def create_reference(self, call: Call) -> Response:
        """Answer ``POST /repos/{owner}/{repo}/git/refs``, for branches."""
        ref, sha = str(call.fields().get("ref", "")), str(call.fields().get("sha", ""))
        bare = call.repository.bare
        if not ref.startswith(_HEADS) or not bare.resolve(sha):
            raise ApiError(422, "Object does not exist" if ref.startswith(_HEADS) else "Reference name is not valid")
        if bare.resolve(ref):
            raise ApiError(422, "Reference already exists")
        self._move(call, ref, NOTHING, sha)
        return json_response(self._documents.reference(call.repository, ref.removeprefix(_HEADS), sha), 201)

    def move_reference(self, call: Call) -> Response:
        """Answer ``PATCH /repos/{owner}/{repo}/git/refs/heads/{branch}``."""
        before, fields = self._tip(call, "Reference does not exist"), call.fields()
        after = call.repository.bare.resolve(str(fields.get("sha", "")))
        if not after:
            raise ApiError(422, "Object does not exist")
        if not fields.get("force") and not call.repository.bare.is_ancestor(before, after):
            raise ApiError(422, "Update is not a fast forward")
        self._move(call, _HEADS + call.match["branch"], before, after)
        return json_response(self._documents.reference(call.repository, call.match["branch"], after))

    def delete_reference(self, call: Call) -> Response:
        """Answer ``DELETE /repos/{owner}/{repo}/git/refs/heads/{branch}``."""
        before = call.repository.bare.resolve(_HEADS + call.match["branch"])
        if not before:
            raise ApiError(422, "Reference does not exist")
        self._move(call, _HEADS + call.match["branch"], before, NOTHING)
        return Response(status=204)

    def _move(self, call: Call, ref: str, before: str, after: str) -> None:
        if ref == _HEADS + call.repository.default_branch and not (call.rights and call.rights.admin):
            raise ApiError(422, "Changes must be made through a pull request.")
        call.repository.bare.git("update-ref", ref, after, before)
        self._acts.pushed(call.repository, call.actor, ref, before, after)

    def commit(self, call: Call) -> Response:
        """Answer ``GET /repos/{owner}/{repo}/commits/{ref}``."""
        repository, sha = call.repository, call.repository.bare.resolve(call.match["ref"])
        if not sha:
            raise ApiError(422, f"No commit found for SHA: {call.match['ref']}")
        parents = repository.bare.commit_info(sha).parents
        files = self._pulls.files(repository, parents[0] if parents else repository.bare.empty_tree(), sha)
        return json_response({**self._pulls.commit(repository, sha), "files": files})

    def commits(self, call: Call) -> Response:
        """Answer ``GET /repos/{owner}/{repo}/commits``, newest first."""
        repository, ref = call.repository, call.request.query.get("sha") or call.repository.default_branch
        if not repository.bare.resolve(ref):
            raise not_found()
        shas = repository.bare.git("rev-list", repository.bare.require(ref)).decode().split()
        return page(call, [self._pulls.commit(repository, sha) for sha in shas], self._documents.api)

    def compare(self, call: Call) -> Response:
        """Answer ``GET /repos/{owner}/{repo}/compare/{base}...{head}``."""
        repository, bare = call.repository, call.repository.bare
        base, head = (bare.resolve(call.match[side].rpartition(":")[2]) for side in ("base", "head"))
        if not (base and head):
            raise not_found()
        fork = bare.merge_base(base, head)
        ahead, behind = len(bare.commits(base, head)), len(bare.commits(head, base))
        names = {(False, False): "identical", (True, False): "ahead", (False, True): "behind"}
        document: Document = {
            "url": f"{self._documents.api}/repos/{repository.slug}/compare/{base}...{head}",
            "status": names.get((ahead > 0, behind > 0), "diverged"),
            "ahead_by": ahead,
            "behind_by": behind,
            "total_commits": ahead,
            "base_commit": self._pulls.commit(repository, base),
            "merge_base_commit": self._pulls.commit(repository, fork),
            "commits": [self._pulls.commit(repository, sha) for sha, _ in bare.commits(base, head)],
            "files": self._pulls.files(repository, fork, head),
        }
        return json_response(document)

    def contents(self, call: Call) -> Response:
        """Answer ``GET /repos/{owner}/{repo}/contents/{path}``, for files."""
        repository, path = call.repository, call.match["path"]
        ref = call.request.query.get("ref") or repository.default_branch
        try:
            content = repository.bare.read(repository.bare.require(ref), path.encode())
        except ConfigError:
            raise not_found() from None
        if "raw" in call.request.headers.get("Accept", ""):
            return Response(headers={"Content-Type": "application/vnd.github.raw"}, body=content)
        sha = repository.bare.git("rev-parse", f"{ref}:{path}").decode().strip()
        url = f"{self._documents.api}/repos/{repository.slug}/contents/{path}?ref={ref}"
        encoded = {"encoding": "base64", "content": base64.encodebytes(content).decode()}
        named = {"type": "file", "name": path.rpartition("/")[2], "path": path, "size": len(content), "sha": sha}
        return json_response({**named, **encoded, "url": url})

    def collaborator(self, call: Call) -> Response:
        """Answer ``GET /repos/{owner}/{repo}/collaborators/{username}``."""
        if not call.repository.role(call.match["login"]):
            raise not_found()
        return Response(status=204)

    def permission(self, call: Call) -> Response:
        """Answer ``GET /repos/{owner}/{repo}/collaborators/{username}/permission``."""
        login = call.match["login"]
        if login.endswith("[bot]"):
            raise ApiError(404, f"{login} is not a user")
        role = call.repository.role(login) or ("none" if call.repository.private else "read")
        user = {**self._documents.user(login), "role_name": role}
        return json_response({"permission": ROLES.get(role, "none"), "role_name": role, "user": user})
