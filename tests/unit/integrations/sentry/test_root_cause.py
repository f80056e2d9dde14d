from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pullwright.integrations.sentry.event_reading import read_event
from pullwright.integrations.sentry.root_cause import cause_of, fingerprint
from tests.unit.integrations.sentry.samples import event, frame, raised

LIBRARY = {"in_app": False, "filename": "site-packages/lib.py", "module": "lib"}


def of(*values: dict[str, Any], **more: Any) -> str:
    return fingerprint(read_event(event(*values, **more)))


BASE = of(raised("ValueError", "no price", frame("main", 1), frame("total", 42)))


def test_lines_messages_releases_and_libraries_do_not_count() -> None:
    assert of(raised("ValueError", "no price for 7", frame("main", 9), frame("total", 57)), release="2") == BASE
    assert of(raised("ValueError", "x", frame("main", 1), frame("total", 42), frame("call", 3, **LIBRARY))) == BASE
    recursion = [frame("total", number) for number in range(30)]
    assert of(raised("ValueError", "x", frame("main", 1), *recursion)) == BASE


def test_type_and_own_code_count() -> None:
    assert of(raised("KeyError", "no price", frame("main", 1), frame("total", 42))) != BASE
    assert of(raised("ValueError", "no price", frame("main", 1), frame("other", 42))) != BASE
    assert of(raised("ValueError", "no price", frame("main", 1), frame("total", 42, module="shop.tax"))) != BASE


def test_a_cause_that_the_code_names_is_the_cause() -> None:
    inner = raised("KeyError", "price", frame("price", 3), mechanism={"source": "__cause__"})
    one = raised("ShopError", "a", frame("checkout", 10))
    other = raised("ApiError", "b", frame("respond", 20))
    assert of(inner, one) == of(inner, other)
    found = cause_of(read_event(event(inner, one)))
    assert found is not None
    assert found.type == "KeyError"
    # What merely happened before is no cause.
    before = {**inner, "mechanism": {"source": "__context__"}}
    assert of(before, one) != of(before, other)


def test_names_of_builds_do_not_count() -> None:
    def built(digest: str) -> str:
        return of(raised("TypeError", "x", frame("t", 1, module=None, filename=f"/static/main.{digest}.css?v=3")))

    assert built("0a1b2c3d") == built("ffffeeee")


def test_without_frames_the_words_count_but_not_their_numbers() -> None:
    assert of(raised("E", "job 17 of 0xbeef failed")) == of(raised("E", "job 4 of 0xcafe failed"))
    assert of(raised("E", "job 17 failed")) != of(raised("E", "user 17 failed"))
    assert of() == of()
    assert of(message="a") != of(message="b")


@given(st.lists(st.text(min_size=1, max_size=8), max_size=6), st.integers(0, 9), st.integers(0, 9))
def test_it_is_the_same_for_the_same_code(names: list[str], one: int, other: int) -> None:
    def at(line: int) -> str:
        return of(raised("E", str(line), *(frame(name, line) for name in names)), title="t")

    if names:
        assert at(one) == at(other)
    assert len(at(one)) == 32
