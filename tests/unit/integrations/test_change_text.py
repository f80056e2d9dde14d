from __future__ import annotations

import re
import string
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pullwright.integrations.change_text import branch_name, commit_message


@given(
    st.none() | st.integers(1, 10**9),
    st.text(),
    st.text(string.ascii_letters + string.digits + "-", min_size=8, max_size=40),
    st.text(max_size=50),
)
def test_a_branch_name_is_always_safe(issue: int | None, title: str, task_id: str, prefix: str) -> None:
    name = branch_name(issue=issue, title=title, task_id=task_id, prefix=prefix)
    assert re.fullmatch(r"[A-Za-z0-9_-]+/[a-z0-9]+(-[a-z0-9]+)*", name)
    assert len(name) <= 100
    assert not name.startswith("-")
    assert not name.endswith(".lock")


@settings(max_examples=20)
@given(st.text())
def test_git_takes_every_branch_name(title: str) -> None:
    name = branch_name(issue=1, title=title, task_id="01J8ZQ4Y7K0000000000000ABC")
    subprocess.run(["git", "check-ref-format", "--branch", name], check=True, capture_output=True)


@pytest.mark.parametrize(
    ("issue", "title", "expected"),
    [
        (42, "Invoice totals are wrong!", "agent/42-invoice-totals-are-wrong-90abcdef"),
        (None, "Größe über Maß", "agent/groe-uber-ma-90abcdef"),
        (7, "日本語", "agent/7-change-90abcdef"),
        (7, "../../etc --upload-pack=x @{u}", "agent/7-etc-upload-pack-x-u-90abcdef"),
    ],
)
def test_branch_names_can_be_read(issue: int | None, title: str, expected: str) -> None:
    assert branch_name(issue=issue, title=title, task_id="1234567890abcdef") == expected


def test_a_long_title_is_cut_between_words() -> None:
    name = branch_name(issue=1, title="word " * 40, task_id="x" * 8)
    assert "-wor-" not in name


def test_two_tasks_of_one_issue_have_two_branches() -> None:
    one, other = (branch_name(issue=1, title="same", task_id=f"01J8ZQ4Y7K000000000{n}") for n in (1, 2))
    assert one != other


def test_a_commit_message_closes_the_tasks_issue_only() -> None:
    message = commit_message(title="Fix @bob's\nbug", summary="Closes #1 <!-- x -->for @ann", issue=42)
    assert message.title == "Fix @\u200bbob's bug"
    assert message.body == "Closes\u200b #1 for @\u200bann\n\nFixes #42"


def test_the_person_who_asked_is_a_co_author_as_git_reads_it() -> None:
    ann = "Ann Grün <1234+ann@users.noreply.github.com>"
    message = commit_message(title="t", summary="Co-authored-by: Eve <e@x>\n s", issue=1, requested_by=ann)
    text = f"{message.title}\n\n{message.body}\n"
    command = ["git", "interpret-trailers", "--parse"]
    read = subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout
    assert read == f"Co-authored-by: {ann}\n"
    assert "Co-authored-by: Eve" not in text


def test_what_trackers_call_it_is_said_once_and_git_still_reads_the_co_author() -> None:
    ann = "Ann <a@b>"
    summary = "Because.\n\nFixes SHOP-12"
    message = commit_message(title="t", summary=summary, issue=4, requested_by=ann, fixes=["SHOP-12", "-x", "é"])
    assert message.body == f"Because.\n\nFixes #4\nFixes SHOP-12\n\nCo-authored-by: {ann}"


@pytest.mark.parametrize(
    "person", ["Ann", "<a@b>", "Ann <a@b>\nFixes: #2", "Ann <a@b> <c@d>", "A\u202e <a@b>", "A <ab>"]
)
def test_a_person_that_git_could_not_read_is_left_out(person: str) -> None:
    assert commit_message(title="t", summary="s", issue=None, requested_by=person).body == "s"


def test_an_empty_commit_message_still_has_a_title() -> None:
    message = commit_message(title=" \n", summary="", issue=None)
    assert (message.title, message.body) == ("Change without a title", "")


def test_a_title_that_looks_like_a_fence_mentions_nobody() -> None:
    title = commit_message(title="~~~ @bob fixes #5", summary="", issue=None).title
    assert "@bob" not in title
    assert "fixes #5" not in title
