"""What comments on an issue ask: the grammar is shared, the mention is Sentry's."""

from __future__ import annotations

import pytest

from pullwright.integrations.commands import Verb
from pullwright.integrations.sentry import meanings as m
from pullwright.integrations.sentry.reading import interpret
from tests.unit.integrations.sentry.samples import ME, delivery


def meaning_of(comment: str) -> m.Meaning:
    return interpret(delivery("comment.created", {"comment_id": 4, "issue_id": "5", "comment": comment}), ME)


@pytest.mark.parametrize(
    ("comment", "verb", "instruction"),
    [
        ("/agent", Verb.HELP, None),
        ("Hm.\n/agent run mind the cart", Verb.RUN, "mind the cart"),
        ("/agent run look at `total`\nand more", Verb.RUN, "look at `total`\nand more"),
        ("/agent plan", Verb.PLAN, ""),
        ("@agent look at this", Verb.RUN, "look at this"),
        ("@Agent: why?", Verb.RUN, "why?"),
        ("/agent stop now", Verb.STOP, None),
        ("/agent status", Verb.STATUS, None),
    ],
)
def test_what_a_comment_asks(comment: str, verb: Verb, instruction: str | None) -> None:
    meaning = meaning_of(comment)
    if instruction is None:
        assert isinstance(meaning, m.ControlRequested)
    else:
        assert isinstance(meaning, m.WorkRequested)
        assert meaning.instruction == instruction
    assert meaning.verb is verb
    assert meaning.semantic_key == "comment:4"


@pytest.mark.parametrize(
    "comment",
    [
        "say /agent run",
        "/agents run",
        "> /agent run",
        "`/agent run`",
        "```\n/agent run\n```",
        "<!-- /agent run -->",
        "ann@agent.example",
        "@agent-x and @@agent",
        "",
    ],
)
def test_what_asks_nothing(comment: str) -> None:
    meaning = meaning_of(comment)
    assert isinstance(meaning, m.Ignored)
    assert meaning.reason == "the comment asks nothing of the agent"
