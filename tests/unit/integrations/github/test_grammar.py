from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pullwright.integrations.commands import INSTRUCTION_LIMIT, AgentRequest, Verb
from pullwright.integrations.github.grammar import read_request

NAMES = ["pull-bot[bot]"]
WORDS = st.text(st.characters(codec="ascii", categories=["L", "N", "Zs"], include_characters="\n"), max_size=60)
PIECES = st.sampled_from(
    ["@pull-bot", "/agent", "`", "```", "<!--", "-->", "> ", "\n", " ", "fix", "=", "~~~", "\t", "\\"]
)


def read(text: str) -> AgentRequest | None:
    return read_request(text, NAMES)


@pytest.mark.parametrize(
    ("text", "instruction"),
    [
        ("@pull-bot fix the typo", "fix the typo"),
        ("@PULL-Bot: fix the typo", "fix the typo"),
        ("@pull-bot[bot], fix the typo", "fix the typo"),
        ("Hello (@pull-bot) please", "please"),
        ("Please look at this, @pull-bot!", "Please look at this,"),
        ("@pull-bot", ""),
        ("thanks\n\n@pull-bot\nuse `foo`:\n```\ncode\n```", "use `foo`:\n```\ncode\n```"),
        ("> quoted\n\n@pull-bot go on then", "go on then"),
        ("**@pull-bot** go", "** go"),
        ("@pull-bot do <!-- evil --> it\u200b", "do  it"),
        ("The sum is wrong, @pull-bot fix", "The sum is wrong,"),
    ],
)
def test_a_mention_is_an_instruction(text: str, instruction: str) -> None:
    request = read(text)
    assert request is not None
    assert request.instruction == instruction
    assert request.verb in {Verb.RUN, Verb.FIX}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "pull-bot fix",
        "user@pull-bot.com",
        "user@pull-bot",
        "@@pull-bot fix",
        "@pull-bot-x fix",
        "@pull-botx fix",
        "@pull-bot_ fix",
        "/@pull-bot fix",
        ".@pull-bot fix",
        "-@pull-bot fix",
        "@pull-bot/team look",
        "@pull\u200b-bot fix",
        "`@pull-bot fix`",
        "``a ` @pull-bot fix``",
        "```\n@pull-bot fix\n```",
        "~~~\n/agent run\n~~~",
        "```\n/agent run",
        "> @pull-bot fix",
        "   > @pull-bot fix",
        "> said\n@pull-bot goes on in the quote",
        "> > /agent run",
        "<!-- @pull-bot fix -->",
        "<!--\n/agent run\n-->",
        "<!-- a -- b\n/agent run",
        "text\n\n    /agent run",
        "\t@pull-bot fix",
        "please /agent run",
        "`x` /agent run",
        "/agents run",
        "/agent-run",
        "/agent/run",
        "//agent run",
        "https://example.test/agent run",
    ],
)
def test_what_only_looks_like_a_request_is_none(text: str) -> None:
    assert read(text) is None


@pytest.mark.parametrize(
    ("text", "verb", "instruction", "arguments"),
    [
        ("/agent run", Verb.RUN, "", {}),
        ("  /AGENT Run the thing", Verb.RUN, "the thing", {}),
        ("/agent run model=big-1 base=release/2.x do it", Verb.RUN, "do it", {"model": "big-1", "base": "release/2.x"}),
        ("/agent model=big-1", Verb.RUN, "", {"model": "big-1"}),
        ("/agent model=a fix MODEL=b it", Verb.FIX, "it", {"model": "b"}),
        ("/agent fix x=1 is wrong, y=2 too", Verb.FIX, "is wrong, y=2 too", {"x": "1"}),
        ("Thanks!\n/agent retry\nwith more care", Verb.RETRY, "with more care", {}),
        ("/agent stop.", Verb.STOP, "", {}),
        ("/agent continue: use the other file", Verb.CONTINUE, "use the other file", {}),
        ("/agent answer the left one", Verb.ANSWER, "the left one", {}),
        ("/agent plan\r\n\r\nfirst", Verb.PLAN, "first", {}),
        ("/agent status", Verb.STATUS, "", {}),
        ("/agent rebase", Verb.REBASE, "", {}),
        ("/agent help", Verb.HELP, "", {}),
        ("@pull-bot stop", Verb.STOP, "", {}),
        ("@pull-bot Status?", Verb.STATUS, "", {}),
        ("@pull-bot rebase!", Verb.REBASE, "", {}),
        ("@pull-bot please\n/agent plan", Verb.PLAN, "", {}),
        ("<!-- x -->\n/agent run", Verb.RUN, "", {}),
    ],
)
def test_commands(text: str, verb: Verb, instruction: str, arguments: dict[str, str]) -> None:
    assert read(text) == AgentRequest(verb=verb, instruction=instruction, arguments=arguments)


@pytest.mark.parametrize(
    ("text", "unknown"),
    [
        ("/agent", ""),
        ("/agent  \nrun", ""),
        ("/agent please fix it", "please"),
        ("/agent runx", "runx"),
        ("/agent ünix", "ünix"),
    ],
)
def test_an_unknown_verb_is_answered_with_help(text: str, unknown: str) -> None:
    assert read(text) == AgentRequest(verb=Verb.HELP, unknown=unknown)
    assert not Verb.HELP.starts_work


def test_names_with_signs_are_taken_literally() -> None:
    assert read_request("@aXb fix", ["a.b"]) is None
    assert read_request("@a.b fix", ["a.b"]) is not None
    assert read_request("@ fix", ["", "[bot]"]) is None


@given(st.lists(PIECES | WORDS, max_size=20).map("".join))
def test_nothing_in_a_quote_or_code_or_comment_asks(text: str) -> None:
    flat = text.replace("\n", " ").replace("-->", "")
    assert read(f"<!-- {flat} -->") is None
    assert read(f"> {flat}") is None
    assert read("~~~~~\n" + text.replace("~", "") + "\n~~~~~") is None


@given(st.lists(PIECES | st.text(max_size=20), max_size=30).map("".join))
def test_any_text_can_be_read(text: str) -> None:
    request = read(text)
    if request is not None:
        assert "agent" in text.lower() or "pull-bot" in text.lower()
        assert "\u200b" not in request.instruction
        assert "<!--" not in request.instruction.replace("`", "") or "`" in text or "~" in text
        assert len(request.instruction) <= INSTRUCTION_LIMIT


@given(st.sampled_from(list(Verb)), WORDS.map(lambda text: " ".join(text.split())))
def test_every_verb_takes_an_instruction(verb: Verb, words: str) -> None:
    request = read(f"/agent {verb} {words}")
    assert request is not None
    assert request.verb is verb
    assert request.instruction == words


@pytest.mark.parametrize(
    "text", ["@pull-bot" * 8000, "/agent\n" * 10_000, "> x\n" * 15_000, "/agent " + "a=b " * 15_000, "<!--" * 15_000]
)
def test_hostile_texts_take_no_time(text: str) -> None:
    start = time.process_time()
    read(text)
    assert time.process_time() - start < 3
