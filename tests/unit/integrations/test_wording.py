from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from pullwright.agents.change import Evidence
from pullwright.agents.ports.code_host import ChangeReport
from pullwright.integrations.wording import ChangeWording

wording = ChangeWording()


@given(st.text(max_size=200), st.integers(1, 10**9))
def test_a_branch_is_always_a_valid_ref(title: str, issue: int) -> None:
    name = wording.branch(issue=issue, title=title, task_id="01k" + "x" * 23)
    assert re.fullmatch(r"agent/\d+(-[a-z0-9]+)+", name)
    assert len(name) <= 100


def test_the_commit_and_the_pull_request_close_the_tasks_own_issue_and_no_other() -> None:
    summary = "Done. Closes #7, thanks @team."
    commit = wording.commit(issue=42, title="Fix it", summary=summary)
    report = ChangeReport(
        task_id="t", title="Fix it", summary=summary, evidence=Evidence(chosen_by="agent"), issue_number=42
    )
    body = wording.pull_request(report)
    for text in (commit.body, body):
        assert "Fixes #42" in text
        assert not re.search(r"(?i)closes #7\b", text)
        assert "@team" not in text
    assert "Not verified" in body
