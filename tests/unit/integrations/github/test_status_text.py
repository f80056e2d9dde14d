from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pullwright.agents.task import TaskStatus
from pullwright.integrations.commands import Verb
from pullwright.integrations.github.grammar import read_request
from pullwright.integrations.github.markers import MarkerKey, holds_marker
from pullwright.integrations.github.status_text import BotTexts, StatusReport
from pullwright.integrations.github.text import BODY_LIMIT
from pullwright.integrations.markdown import Kind, segments
from pullwright.integrations.markers import Marker
from pullwright.integrations.redaction import REDACTED, Redactor
from pullwright.integrations.status_words import MOST_STEPS

KEY = MarkerKey(b"k" * 16)
PLACE = "github.com/5#7"
MARKER = KEY.make(Marker(task_id="01J8ZC", step="status"), work_key=PLACE)
TEXTS = BotTexts(Redactor(["s3cret-value"]), name="pull-bot[bot]")
HOSTILE = st.lists(
    st.sampled_from(
        [
            "@ann",
            "`",
            "```\n",
            "~~~\n",
            "<!--",
            "-->",
            "fixes #1",
            "![x](https://a)",
            "\n",
            "<img src=x>",
            "[",
            "\u202e",
        ]
    )
    | st.text(max_size=10),
    max_size=12,
).map("".join)
STEPS = st.lists(st.tuples(HOSTILE, st.sampled_from(["open", "doing", "done", "dropped"])), max_size=5)
REPORTS = st.builds(
    StatusReport, status=st.sampled_from(list(TaskStatus)), requester=HOSTILE, detail=HOSTILE, plan=STEPS,
    branch=HOSTILE, ahead=st.integers(0, 9), doing=HOSTILE, verified=st.sampled_from([None, True, False]),
    pull_request_url=HOSTILE, details_url=HOSTILE, cost=HOSTILE,
)  # fmt: skip


def harmless(text: str) -> None:
    prose = "".join(piece.text for piece in segments(text) if piece.kind is Kind.PROSE)
    assert not re.search(r"(?<![A-Za-z0-9_])@[A-Za-z0-9]", prose)
    assert not re.search(r"(?i)\bfix(es|ed)?:?\s+#\d", prose)
    assert "![" not in prose
    assert "<img" not in prose


@given(REPORTS)
def test_a_status_is_harmless_and_keeps_its_marker(report: StatusReport) -> None:
    text = TEXTS.status(report, MARKER)
    assert text.endswith(f"\n\n{MARKER}")
    assert KEY.find(text, work_key=PLACE) == Marker(task_id="01J8ZC", step="status")
    pieces = segments(text)
    assert [piece.text for piece in pieces if piece.kind is Kind.COMMENT] == [MARKER]
    harmless(text)
    assert "/agent" in text


@given(HOSTILE)
def test_answers_are_harmless(words: str) -> None:
    for text in (TEXTS.refusal(words, MARKER), TEXTS.unclear(words, MARKER), TEXTS.help(MARKER)):
        assert text.endswith(MARKER)
        assert holds_marker(text)
        harmless(text)


def test_a_status_says_all_there_is() -> None:
    report = StatusReport(
        status=TaskStatus.RUNNING,
        requester="ann",
        detail="Running the tests.",
        plan=[
            ("Read `a.py`", "done"),
            ("Change it", "doing"),
            ("Test it", "open"),
            ("Rewrite it", "dropped"),
        ],
        branch="agent/7-x",
        pull_request_url="https://github.com/acme/shop/pull/9",
        details_url="https://agent.example.test/tasks/01J8ZC",
        cost="12,345 tokens in 7 steps",
    )
    assert TEXTS.status(report, MARKER) == (
        "🔨 **Working on it.**\n\n"
        "Running the tests.\n\n"
        "- Pull request: https://github.com/acme/shop/pull/9\n"
        "- Branch: `agent/7-x`\n"
        "- Asked for by `ann`\n"
        "- Cost so far: 12,345 tokens in 7 steps\n"
        "- [The whole run](https://agent.example.test/tasks/01J8ZC)\n\n"
        "### Plan\n\n"
        "- [x] Read 'a.py'\n"
        "- [ ] **now:** Change it\n"
        "- [ ] Test it\n"
        "- [x] (not needed) Rewrite it\n\n"
        "To stop me write `/agent stop` on a line of its own.\n\n"
        f"{MARKER}"
    )


def test_a_change_is_named_with_what_ran_on_it() -> None:
    ran = [("make x", 0), ("slow", None), *[("more", 1)] * 5]
    report = StatusReport(status=TaskStatus.SUCCEEDED, verified=False, checks=ran, commit="0123456789abcdef")
    said = TEXTS.status(report, MARKER)
    assert "- Commit: 0123456789abcdef\n" in said
    assert "passed in a fresh container: `make x` (exit code 0), `slow` (it took too long), `more` (exit" in said
    assert "and 2 more" in said
    proven = TEXTS.status(replace(report, verified=True, checks=ran[:1], tests_fail_alone=True), MARKER)
    assert "`make x` (exit code 0); its tests fail without the change\n" in proven
    assert "Commit" not in TEXTS.status(replace(report, commit="@ann"), MARKER)


def test_a_question_says_how_to_answer() -> None:
    text = TEXTS.status(StatusReport(status=TaskStatus.WAITING, detail="Which rounding?"), MARKER)
    assert "Which rounding?" in text
    assert "`@pull-bot` or `/agent answer`" in text
    assert "/agent retry" in TEXTS.status(StatusReport(status=TaskStatus.FAILED), MARKER)
    assert "`@" not in BotTexts(Redactor(), name="").status(StatusReport(status=TaskStatus.WAITING), MARKER)


def test_what_it_writes_asks_for_nothing() -> None:
    for status in TaskStatus:
        assert read_request(TEXTS.status(StatusReport(status=status), MARKER), ["pull-bot"]) is None
    assert read_request(TEXTS.help(MARKER), ["pull-bot"]) is None


def test_help_names_every_verb() -> None:
    text = TEXTS.help(MARKER)
    assert [verb for verb in Verb if f"`/agent {verb}`" not in text] == []


@pytest.mark.parametrize("detail", ["x" * 200_000, "```\n" + "y\n" * 100_000, "é\n" * 100_000, "`" * 100_000])
def test_long_texts_are_cut_where_it_is_safe(detail: str) -> None:
    plan = [("z " * 500, "open") for _ in range(200)]
    text = TEXTS.status(StatusReport(status=TaskStatus.FAILED, detail=detail, plan=plan), MARKER)
    assert len(text) <= BODY_LIMIT
    assert text.endswith(MARKER)
    assert [piece.text for piece in segments(text) if piece.kind is Kind.COMMENT] == [MARKER]
    assert "/agent retry" in text
    assert f"… and {200 - MOST_STEPS} more" in text


def test_secrets_are_taken_out_everywhere() -> None:
    token = "ghs_1234_" + "eyJ" + "a" * 500
    report = StatusReport(
        status=TaskStatus.FAILED,
        detail=f"s3cret-value `{token}`",
        plan=[("s3cret-value", "open")],
        branch="s3cret-value",
    )
    text = TEXTS.status(report, MARKER) + TEXTS.refusal("s3cret-value", MARKER)
    assert "s3cret" not in text
    assert "ghs_" not in text
    assert text.count(REDACTED) == 5


@pytest.mark.parametrize("url", ["javascript:alert(1)", "https://a b", "https://a)x", "https://a`x", "x"])
def test_only_plain_addresses_become_links(url: str) -> None:
    text = TEXTS.status(StatusReport(status=TaskStatus.SUCCEEDED, pull_request_url=url, details_url=url), MARKER)
    assert url not in text
