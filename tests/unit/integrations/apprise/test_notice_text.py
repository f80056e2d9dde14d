"""Notices in words."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pullwright.agents.ports.notice import Moment, Notice
from pullwright.integrations.apprise.notice_text import NoticeTexts, harmless
from pullwright.integrations.redaction import Redactor

SECRET = "correct horse battery 9"
TEXTS = NoticeTexts(Redactor([SECRET]))
URL = "https://forge.example/acme/shop/pull/7"


def notice(moment: Moment = Moment.QUESTION, **changes: object) -> Notice:
    values: dict[str, object] = {"title": "Round up", "repository": "acme/shop", "words": "Up or down?", "url": URL}
    return Notice(moment=moment, task_id="01abc", **{**values, **changes})  # type: ignore[arg-type]  # as they are named


def test_a_question_says_how_to_answer() -> None:
    text = TEXTS.of(notice())
    assert text.title == "Question: Round up"
    assert text.plain.split("\n\n") == [
        "acme/shop, task 01abc",
        "Up or down?",
        'Answer where it was asked for, or with: agent answer 01abc "…"',
        URL,
    ]
    assert text.markdown.endswith(f"[{URL}]({URL})")


@pytest.mark.parametrize(
    ("moment", "changes", "title"),
    [
        (Moment.STARTED, {}, "Started: Round up"),
        (Moment.PULL_REQUEST, {}, "Pull request: Round up"),
        (Moment.PULL_REQUEST, {"continues": True}, "New commits in the pull request: Round up"),
        (Moment.FAILED, {}, "Failed: Round up"),
        (Moment.DONE, {}, "Done, without a pull request: Round up"),
        (Moment.CANCELED, {"title": ""}, "Canceled: a task without a title"),
    ],
)
def test_titles(moment: Moment, changes: dict[str, object], title: str) -> None:
    assert TEXTS.of(notice(moment, **changes)).title == title


def test_secrets_do_not_leave() -> None:
    token = "ghp_" + "a1B2" * 9
    text = TEXTS.of(
        notice(title=f"use {SECRET}", words=f"is {token} or {SECRET} right?", url=f"https://x.example/{token}")
    )
    said = f"{text.title}{text.plain}{text.markdown}"
    assert SECRET not in said
    assert token not in said
    assert "[redacted]" in said


@pytest.mark.parametrize("live", ["@everyone", "<!channel>", "<@U123>", "<at>bob</at>", "[x](https://evil.example)"])
def test_nothing_pings_or_hides_a_link(live: str) -> None:
    text = TEXTS.of(notice(title=live, repository=live, words=f"see {live}"))
    for said in (text.title, text.plain, text.markdown.rpartition("\n")[0]):
        assert live not in said


@given(st.text(alphabet="@<>!([])a1 \n&;:`", max_size=60))
def test_whatever_is_said_nothing_lives_in_it(words: str) -> None:
    assert not re.search(r"@\S(?<!\u200b)|<\S(?<!\u200b)|\]\(", harmless(words))
    text = TEXTS.of(notice(words=words))
    assert not re.search(r"@\S(?<!\u200b)|<\S(?<!\u200b)|\]\(", text.plain)


@given(st.text(max_size=3000), st.text(max_size=3000), st.text(max_size=3000), st.text(max_size=300))
def test_it_is_short(title: str, repository: str, words: str, url: str) -> None:
    text = TEXTS.of(notice(title=title, repository=repository, words=words, url=url))
    assert "\n" not in text.title
    assert len(text.title.replace("\u200b", "")) <= 160
    assert len(text.plain.replace("\u200b", "")) <= 1000


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "https://x.example/a b", "https://x.example/(a)", "<https://x>"]
)
def test_an_address_that_is_none_is_left_out(url: str) -> None:
    assert url not in TEXTS.of(notice(words="", url=url)).plain
