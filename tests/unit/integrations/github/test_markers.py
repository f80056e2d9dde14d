from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pullwright.agents.errors import ConfigError
from pullwright.integrations.github.markers import MarkerKey, holds_marker
from pullwright.integrations.markers import Marker
from pullwright.integrations.pull_request_body import marker as pull_request_marker

KEY = MarkerKey(b"k" * 16)
PLACE = "github.com/5#7"
MARKER = Marker(task_id="01J8ZC", step="status")
IDS = st.from_regex(r"[A-Za-z0-9_.:]{1,60}", fullmatch=True)
STEPS = st.from_regex(r"[a-z0-9-]{1,20}", fullmatch=True)


@given(IDS, STEPS, st.text(max_size=30), st.text(max_size=50), st.text(max_size=50))
def test_a_marker_is_found_again(task_id: str, step: str, place: str, before: str, after: str) -> None:
    marker = Marker(task_id=task_id, step=step)
    line = KEY.make(marker, work_key=place)
    text = f"{before}\n\n{line}{after}"
    assert KEY.find(text, work_key=place) == marker
    assert KEY.find(text, work_key=place + "0") is None
    assert MarkerKey(b"other key, also long").find(text, work_key=place) is None
    assert holds_marker(text)
    assert line.endswith("-->")
    assert "--" not in line.removeprefix("<!--").removesuffix("-->").replace(step, "")


@given(st.integers(0, 200), st.sampled_from("0aZ:. -=<>\n"))
def test_a_changed_marker_is_none(position: int, letter: str) -> None:
    line = KEY.make(MARKER, work_key=PLACE)
    position %= len(line)
    changed = line[:position] + letter + line[position + 1 :]
    assert changed == line or KEY.find(changed, work_key=PLACE) is None


def test_one_marker_can_not_be_made_from_others() -> None:
    joined = KEY.make(Marker(task_id="a", step="b"), work_key="c")
    assert KEY.find(joined.replace("task=a", "task=x"), work_key="c") is None
    assert joined != KEY.make(Marker(task_id="a", step="b"), work_key="d")


def test_the_last_good_one_counts() -> None:
    first = KEY.make(MARKER, work_key=PLACE)
    second = KEY.make(Marker(task_id="2", step="status"), work_key=PLACE)
    forged = f"<!-- pullwright:task=3 step=status key={'0' * 32} -->"
    assert KEY.find(first + second + forged, work_key=PLACE) == Marker(task_id="2", step="status")


@pytest.mark.parametrize("text", ["<!-- agent:task=1 step=2 -->", "<!--  PULLWRIGHT:task=x", pull_request_marker("T1")])
def test_anything_that_looks_like_ours_silences(text: str) -> None:
    assert holds_marker(f"hello {text}")
    assert KEY.find(text, work_key=PLACE) is None


@pytest.mark.parametrize("text", ["", "task=1", "<!-- task=1 -->", "pullwright:task=1"])
def test_other_texts_do_not(text: str) -> None:
    assert not holds_marker(text)


@pytest.mark.parametrize(
    ("task_id", "step"), [("", "a"), ("a", ""), ("a b", "a"), ("a--b", "a"), ("a", "A"), ("é", "a")]
)
def test_what_a_marker_can_not_hold_is_refused(task_id: str, step: str) -> None:
    with pytest.raises(ValueError, match="can not hold"):
        KEY.make(Marker(task_id=task_id, step=step), work_key=PLACE)


def test_a_short_key_is_refused() -> None:
    with pytest.raises(ConfigError, match="16"):
        MarkerKey(b"short")
