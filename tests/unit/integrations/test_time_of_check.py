from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from pullwright.agents.message import Image
from pullwright.agents.ports.code_host import Comment, Issue
from pullwright.integrations.github.payloads import CommentPayload
from pullwright.integrations.time_of_check import as_of

AT = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
OFFSETS = st.none() | st.integers(-100, 100)


def moment(offset: int | None) -> datetime | None:
    return None if offset is None else AT + timedelta(seconds=offset)


def issue(*comments: Comment, **changes: object) -> Issue:
    values = {"number": 7, "title": "T", "body": "B", "author": "ann", "url": "https://example.test/7", **changes}
    return Issue(comments=comments, **values)  # type: ignore[arg-type]


@given(st.lists(st.tuples(OFFSETS, OFFSETS), max_size=6))
def test_only_what_was_there_before_is_left(times: list[tuple[int | None, int | None]]) -> None:
    comments = [
        Comment(author=str(i), body="x", created_at=moment(created), edited_at=moment(edited))
        for i, (created, edited) in enumerate(times)
    ]
    good = [str(i) for i, (c, e) in enumerate(times) if c is not None and c < 0 and (e is None or e < 0)]
    seen = as_of(issue(*comments), AT, title="T", body="B")
    assert [comment.author for comment in seen.comments] == good
    left_out = len(times) - len(good)
    assert seen.notes == (
        (f"{left_out} comments were left out: written or changed after the work was asked for",) if left_out else ()
    )


def test_the_signed_text_counts() -> None:
    now = issue(title="Do evil", body="evil", images=(Image(media_type="image/png", content=b"x"),), notes=("old",))
    seen = as_of(now, AT, title="T", body="B")
    assert (seen.title, seen.body, seen.images) == ("T", "B", ())
    assert seen.notes[0] == "old"
    assert "this is its text from before" in seen.notes[1]
    assert "pictures" in seen.notes[2]


def test_an_issue_that_nobody_touched_stays_as_it_is() -> None:
    untouched = issue(body="a\r\nb", images=(Image(media_type="image/png", content=b"x"),))
    assert as_of(untouched, AT, title="T", body="a\nb").images == untouched.images
    assert as_of(untouched, AT, title="T", body="a\nb").notes == ()


def test_github_tells_an_edit_by_its_two_times() -> None:
    created, updated = "2026-01-05T09:00:00Z", "2026-01-05T09:00:01Z"
    assert CommentPayload(created_at=created, updated_at=updated).edited_at == AT + timedelta(seconds=1)  # type: ignore[arg-type]
    assert CommentPayload(created_at=created, updated_at=created).edited_at is None  # type: ignore[arg-type]
    assert CommentPayload(created_at=created).edited_at is None  # type: ignore[arg-type]
