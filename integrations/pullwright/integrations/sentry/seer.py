"""What Sentry's own agent, Seer, has found out about an issue. Pure; tolerant, because its shape is not documented.

Its words are a model's, made of a stranger's event: data, like everything else of an issue.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Final

LINES: Final = 12
LINE_LENGTH: Final = 1000
_PULL_REQUEST: Final = re.compile(r"https?://[^\s<>\"'`]{1,500}", re.ASCII)

_Document = Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seer:
    """What there is of it; nothing where it did not look, or this Sentry has none."""

    cause: tuple[str, ...] = ()
    """The root cause, in lines."""
    solution: tuple[str, ...] = ()
    """What it would do."""
    pull_requests: tuple[str, ...] = ()
    """Addresses of those that it has opened."""


def read_seer(document: _Document) -> Seer:
    """Return what the answer about an issue's autofix says."""
    found = document.get("autofix")
    if not isinstance(found, Mapping):
        return Seer()
    steps = [*_objects(found.get("steps")), *_objects(found.get("blocks"))]
    return Seer(
        cause=tuple(islice((line for step in steps for line in _cause(step)), LINES)),
        solution=tuple(islice((line for step in steps for line in _solution(step)), LINES)),
        pull_requests=tuple(islice(_pull_requests(found, steps), LINES)),
    )


def _cause(step: _Document) -> Iterator[str]:
    for cause in _objects(step.get("causes")):
        yield from _texts(cause, "description")
        for part in _objects(cause.get("root_cause_reproduction")):
            yield from _texts(part, "title", "code_snippet_and_analysis")
    for data in _artifacts(step, "root_cause"):
        yield from _texts(data, "one_line_description")
        yield from _listed(data.get("five_whys"))
        yield from _listed(data.get("reproduction_steps"))


def _solution(step: _Document) -> Iterator[str]:
    if step.get("key") == "solution" or isinstance(step.get("solution"), list):
        yield from _texts(step, "description")
        for part in _objects(step.get("solution")):
            yield from _texts(part, "title", "code_snippet_and_analysis")
    for data in _artifacts(step, "solution"):
        yield from _texts(data, "one_line_summary")
        for part in _objects(data.get("steps")):
            yield from _texts(part, "title", "description")


def _pull_requests(found: _Document, steps: list[_Document]) -> Iterator[str]:
    states = found.get("repo_pr_states")
    made = [*states.values()] if isinstance(states, Mapping) else []
    made += [change.get("pull_request") for step in steps for change in _objects(step.get("changes"))]
    for one in made:
        url = one.get("pr_url") if isinstance(one, Mapping) else None
        if isinstance(url, str) and _PULL_REQUEST.fullmatch(url):
            yield url


def _artifacts(step: _Document, key: str) -> Iterator[_Document]:
    for artifact in _objects(step.get("artifacts")):
        data = artifact.get("data")
        if artifact.get("key") == key and isinstance(data, Mapping):
            yield data


def _objects(value: object) -> list[_Document]:
    return [one for one in value[:50] if isinstance(one, Mapping)] if isinstance(value, list) else []


def _listed(value: object) -> list[str]:
    return [one[:LINE_LENGTH] for one in value[:50] if isinstance(one, str)] if isinstance(value, list) else []


def _texts(value: _Document, *names: str) -> Iterator[str]:
    for name in names:
        text = value.get(name)
        if isinstance(text, str) and text.strip():
            yield text[:LINE_LENGTH]
