"""Every query is one that Linear's types allow, and far from what it would refuse as too costly."""

from __future__ import annotations

import graphql
import pytest

from pullwright.integrations.linear import queries
from pullwright.integrations.testing.linear_api import COMPLEXITY, complexity
from pullwright.integrations.testing.linear_schema import SCHEMA

QUERIES = {name: text for name, text in vars(queries).items() if name.isupper() and not name.startswith("_")}
TYPES = graphql.build_schema(SCHEMA)


@pytest.mark.parametrize("name", QUERIES)
def test_it_is_valid_and_cheap(name: str) -> None:
    document = graphql.parse(QUERIES[name])
    assert graphql.validate(TYPES, document) == []
    # Only the setup, which runs now and then by hand, reads every state of every team.
    most = COMPLEXITY if name == "TEAMS" else COMPLEXITY / 2
    assert complexity(document, {"comments": 100}) < most


def test_what_costs_is_counted() -> None:
    costly = "query Q($n: Int!) { issues(first: $n) { nodes { id comments { nodes { body } } } } }"
    assert complexity(graphql.parse(costly), {"n": 10}) == pytest.approx(10 * (1.1 + 50 * 1.1))
