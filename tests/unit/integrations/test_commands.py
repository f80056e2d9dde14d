"""What a comment asks for, whatever a mention looks like."""

from __future__ import annotations

import re

import pytest

from pullwright.integrations.commands import AgentRequest, Verb, read_request

MENTION = re.compile(r"(?<!\w)@bot(?!\w)")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/agent run", AgentRequest(verb=Verb.RUN)),
        ("thanks\n/AGENT Plan the change", AgentRequest(verb=Verb.PLAN, instruction="the change")),
        ("/agent base=dev run it", AgentRequest(verb=Verb.RUN, instruction="it", arguments={"base": "dev"})),
        ("/agent model=x", AgentRequest(verb=Verb.RUN, arguments={"model": "x"})),
        ("/agent", AgentRequest(verb=Verb.HELP)),
        ("/agent dance", AgentRequest(verb=Verb.HELP, unknown="dance")),
        ("@bot fix it", AgentRequest(verb=Verb.RUN, instruction="fix it")),
        ("please look, @bot retry", AgentRequest(verb=Verb.RETRY, instruction="please look,")),
        ("hello @bot", AgentRequest(verb=Verb.RUN, instruction="hello")),
        ("hello bot@bot", None),
        ("`/agent run`", None),
        ("> /agent run\nquoted too", None),
        ("    /agent run", None),
        ("```\n@bot\n```", None),
        ("<!-- @bot -->", None),
        ("see/agent run", None),
        ("/agents run", None),
        ("", None),
    ],
)
def test_what_is_asked(text: str, expected: AgentRequest | None) -> None:
    assert read_request(text, MENTION) == expected


def test_without_a_mention_only_commands_work() -> None:
    assert read_request("@bot fix it", None) is None
    assert read_request("/agent stop", None) == AgentRequest(verb=Verb.STOP)
    assert not Verb.STOP.starts_work
