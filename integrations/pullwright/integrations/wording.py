"""The ``Wording`` port for code hosts that speak GitHub's Markdown.

What it needs is imported when it is used, at the end of a run: its patterns take time to compile, and a run should
not wait for them before it asks the model.
"""

from __future__ import annotations

from pullwright.agents.ports.code_host import ChangeReport, CommitMessage


class ChangeWording:
    """How a change presents itself."""

    def branch(self, *, issue: int | None, title: str, task_id: str) -> str:
        from pullwright.integrations.change_text import branch_name

        return branch_name(issue=issue, title=title, task_id=task_id)

    def commit(
        self, *, issue: int | None, title: str, summary: str, requested_by: str = "", fixes: tuple[str, ...] = ()
    ) -> CommitMessage:
        from pullwright.integrations.change_text import commit_message

        return commit_message(title=title, summary=summary, issue=issue, requested_by=requested_by, fixes=fixes)

    def pull_request(self, report: ChangeReport) -> str:
        from pullwright.integrations.pull_request_body import pull_request_body

        return pull_request_body(report)
