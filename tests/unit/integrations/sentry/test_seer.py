"""What Sentry's own agent says, in the shapes that it is known to have, and in any other."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pullwright.integrations.sentry.seer import LINE_LENGTH, LINES, Seer, read_seer

URL = "https://github.com/acme/shop/pull/2"


def of(**state: Any) -> Seer:
    return read_seer({"autofix": {"status": "COMPLETED", **state}})


def test_steps_say_cause_solution_and_pull_request() -> None:
    steps = [
        {
            "key": "root_cause_analysis",
            "causes": [
                {
                    "id": 0,
                    "description": "A gift has no price.",
                    "root_cause_reproduction": [{"title": "Add a gift", "code_snippet_and_analysis": "`cart.add`"}],
                }
            ],
        },
        {"key": "solution", "description": "Skip it.", "solution": [{"title": "In total()", "is_active": True}]},
        {"key": "changes", "changes": [{"repo_name": "acme/shop", "pull_request": {"pr_url": URL}}, None]},
    ]
    found = of(steps=steps)
    assert found.cause == ("A gift has no price.", "Add a gift", "`cart.add`")
    assert found.solution == ("Skip it.", "In total()")
    assert found.pull_requests == (URL,)


def test_blocks_say_the_same_in_another_way() -> None:
    cause = {"one_line_description": "No price.", "five_whys": ["Why?", 7], "reproduction_steps": ["Add a gift"]}
    solution = {"one_line_summary": "Skip it.", "steps": [{"title": "total()", "description": "if price"}]}
    artifacts = [{"key": "root_cause", "data": cause}, {"key": "solution", "data": solution}, {"key": "solution"}]
    found = of(blocks=[{"artifacts": artifacts}], repo_pr_states={"acme/shop": {"pr_url": URL}, "x": None})
    assert found.cause == ("No price.", "Why?", "Add a gift")
    assert found.solution == ("Skip it.", "total()", "if price")
    assert found.pull_requests == (URL,)


@pytest.mark.parametrize("document", [{}, {"autofix": None}, {"autofix": []}, {"autofix": {"steps": None}}])
def test_where_it_did_not_look_there_is_nothing(document: dict[str, Any]) -> None:
    assert read_seer(document) == Seer()


def test_it_is_bounded_and_no_address_is_taken_that_is_none() -> None:
    found = of(
        steps=[
            {"causes": [{"description": "x" * 9999}] * 99},
            {"changes": [{"pull_request": {"pr_url": "javascript:alert(1)"}}]},
        ]
    )
    assert (len(found.cause), len(found.cause[0])) == (LINES, LINE_LENGTH)
    assert found.pull_requests == ()


JSONS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["causes", "artifacts", "key", "data", "solution", "changes", "pull_request", "pr_url"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=10,
)


@given(st.dictionaries(st.sampled_from(["steps", "blocks", "repo_pr_states"]), JSONS))
def test_no_answer_raises(state: dict[str, Any]) -> None:
    assert isinstance(of(**state), Seer)
