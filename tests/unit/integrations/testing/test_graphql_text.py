from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pullwright.integrations.testing.graphql_text import GraphQLError, parse_operation, select

THING = {"__typename": "Thing", "name": "x", "parts": lambda asked: [{"id": n} for n in range(asked["first"])]}


def answer(text: str, **variables: object) -> object:
    return select({"thing": THING}, parse_operation(text, variables).fields)


def test_what_is_selected_is_answered() -> None:
    text = "query Q($n: Int!) { it: thing { name # why\n parts(first: $n) { id } } }"
    assert answer(text, n=2) == {"it": {"name": "x", "parts": [{"id": 0}, {"id": 1}]}}
    assert answer("{ thing { ... on Thing { name } } }") == {"thing": {"name": "x"}}


def test_arguments_are_values_of_json() -> None:
    operation = parse_operation('mutation { do(input: {a: "b\\"", c: [1, -2], d: true, e: null, f: ENUM}) { x } }', {})
    assert operation.kind == "mutation"
    assert operation.fields[0].arguments == {"input": {"a": 'b"', "c": [1, -2], "d": True, "e": None, "f": "ENUM"}}


@pytest.mark.parametrize(
    "text", ["", "{", "{ thing { name }", "subscription { a }", "{ a } { b }", "{ a(b) }", "{ \\ }"]
)
def test_what_can_not_be_read_is_an_error(text: str) -> None:
    with pytest.raises(GraphQLError):
        parse_operation(text, {})


def test_what_there_is_not_is_an_error() -> None:
    with pytest.raises(GraphQLError, match="Field 'age' doesn't exist on type 'Thing'"):
        answer("{ thing { age } }")


@given(st.text(alphabet='{}()[]:!$=@",. abq1-\\\n', max_size=60))
def test_nothing_else_is_raised(text: str) -> None:
    with contextlib.suppress(GraphQLError):
        parse_operation(text, {})
