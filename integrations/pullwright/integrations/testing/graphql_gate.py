"""Holds every GraphQL request against GitHub's own schema, when schema and ``graphql-core`` are at hand.

``graphql-core`` is a test-only dependency, so it is imported when the first request is checked and not before.
"""

from __future__ import annotations

import functools
import gzip
import importlib.util
from pathlib import Path
from typing import Any

from pullwright.integrations.testing.contract_gate import RecordedRequest, Violation, contracts_folder

_SCHEMA = Path("github") / "graphql-schema.graphql.gz"


class GraphQLGate:
    """Checks recorded requests; ``active`` says whether there is a schema to check with."""

    def __init__(self, folder: Path | None = None) -> None:
        self._file = (folder or contracts_folder()) / _SCHEMA

    @property
    def active(self) -> bool:
        """Whether schema and library are there."""
        return self._file.is_file() and importlib.util.find_spec("graphql") is not None

    def check(self, request: RecordedRequest) -> Violation | None:
        """Return what is wrong with a query; None when nothing is, or when the gate is off."""
        if not self.active:
            return None
        import graphql

        text = str(request.json().get("query", ""))
        try:
            problems = graphql.validate(_load(self._file), graphql.parse(text))
        except graphql.GraphQLSyntaxError as exc:
            problems = [exc]
        if not problems:
            return None
        return Violation(request=f"{request.method} {request.path}", reason=" · ".join(p.message for p in problems))


@functools.cache
def _load(file: Path) -> Any:
    import graphql

    with gzip.open(file, "rt", encoding="utf-8") as stream:
        # The schema is GitHub's business; checking it takes longer than all queries.
        return graphql.build_schema(stream.read(), assume_valid=True, no_location=True)
