"""What a comment asks of the bot: a line that begins with ``/agent``, or a mention, whatever form that has. Pure.

Code, quotes and HTML comments ask for nothing: they show what others wrote, or what nobody is meant to see.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from pullwright.integrations.markdown import Kind, segments
from pullwright.integrations.untrusted import sanitise

COMMAND = "/agent"
INSTRUCTION_LIMIT = 20_000
"""Characters of an instruction that are kept."""

_MASK = "\x00"
_MASKED = re.compile(r"[^\n]")
_QUOTE = re.compile(r" {0,3}>")
_INDENTED = re.compile(r"(?: {4}| {0,3}\t)")
_COMMAND_LINE = re.compile(rf"^ {{0,3}}{COMMAND}(?=[ \t]|$)[ \t]*", re.MULTILINE | re.IGNORECASE)
_COMMAND_WORD = re.compile(COMMAND, re.IGNORECASE)
_ARGUMENT = re.compile(r"([A-Za-z][A-Za-z0-9_-]{0,30})=([\w./:@+-]{1,200})(?=\s|$)[ \t]*", re.ASCII)
_WORD = re.compile(r"[A-Za-z][A-Za-z-]{0,30}(?=[\s.,;:!?]|$)", re.ASCII)
_ANY_WORD = re.compile(r"\S{1,40}")
_PUNCTUATION = " \t\n.,;:!?"


class Verb(StrEnum):
    """What may be asked for."""

    RUN = "run"
    FIX = "fix"
    PLAN = "plan"
    RETRY = "retry"
    CONTINUE = "continue"
    ANSWER = "answer"
    REBASE = "rebase"
    STOP = "stop"
    STATUS = "status"
    HELP = "help"

    @property
    def starts_work(self) -> bool:
        """Whether it makes or wakes a task; the others are answered at once."""
        return self not in {Verb.STOP, Verb.STATUS, Verb.HELP}


BARE_WORDS: Final[Mapping[Verb, str]] = {
    Verb.RUN: "Yes, go on.",
    Verb.CONTINUE: "Yes, go on.",
    Verb.ANSWER: "Yes, go on.",
    Verb.FIX: "Fix this.",
    Verb.PLAN: "Say how you would go on, before you do.",
    Verb.RETRY: "Try again.",
    Verb.REBASE: "Bring the branch up to date with its base.",
}
"""What a verb tells a task without an instruction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentRequest:
    """One request of a text."""

    verb: Verb
    instruction: str = ""
    """What a person sees of the text that belongs to it; may be empty."""
    arguments: Mapping[str, str] = field(default_factory=dict)
    """Such as ``model`` and ``base``, names in lower case; nobody has checked the values."""
    unknown: str = ""
    """The word that is no verb, when the verb is HELP because of it."""

    @property
    def base(self) -> str:
        """The branch that ``base=`` names; empty for none, and for what can be no name of a branch."""
        named = self.arguments.get("base", "")
        return named if is_branch(named) else ""


def read_request(text: str, mention: re.Pattern[str] | None) -> AgentRequest | None:
    """Return what a text asks of the bot; None when it does not speak to it.

    Args:
        text: Markdown of a comment or a description.
        mention: What a mention of the bot looks like in it; None where only commands work.
    """
    if not (_COMMAND_WORD.search(text) or (mention and mention.search(text))):
        # Nearly every comment there is; the rest takes longer.
        return None
    plain = text.replace("\r\n", "\n").replace("\r", "\n")
    visible = _masked(plain)
    if command := _COMMAND_LINE.search(visible):
        return _command(plain[command.end() :])
    if mention is None or not (found := mention.search(visible)):
        return None
    return _addressed(plain[: found.start()], plain[found.end() :])


def words_of(asked: AgentRequest, bare: Mapping[Verb, str] = BARE_WORDS) -> str:
    """Return what a live task is told: the instruction, or what the bare verb means."""
    return asked.instruction or bare.get(asked.verb, "Go on.")


def is_branch(name: str) -> bool:
    """Whether a value of ``base=`` may be the name of a branch: no option, no range, nothing that leads elsewhere."""
    return not (name.startswith(("-", "/", ".")) or ".." in name or "//" in name or ":" in name or "@" in name)


def _command(rest: str) -> AgentRequest:
    arguments, rest = _arguments(rest)
    word = _WORD.match(rest)
    verb = _verb(word[0]) if word else None
    if word is None or verb is None:
        line = rest.partition("\n")[0]
        strange = _ANY_WORD.search(line)
        if arguments and not strange:
            return AgentRequest(verb=Verb.RUN, instruction=_shown(rest), arguments=arguments)
        return AgentRequest(verb=Verb.HELP, unknown=strange[0] if strange else "")
    more, rest = _arguments(rest[word.end() :].lstrip(" \t"))
    return AgentRequest(verb=verb, instruction=_shown(rest), arguments={**arguments, **more})


def _arguments(rest: str) -> tuple[dict[str, str], str]:
    found: dict[str, str] = {}
    while argument := _ARGUMENT.match(rest):
        found[argument[1].lower()] = argument[2]
        rest = rest[argument.end() :]
    return found, rest


def _addressed(before: str, after: str) -> AgentRequest:
    said = _shown(after)
    verb = _verb(said.strip(_PUNCTUATION))
    # "Please look at this, @name fix": what was said stands before the name.
    instruction = _shown(before) if verb or not said else said
    return AgentRequest(verb=verb or Verb.RUN, instruction=instruction)


def _shown(text: str) -> str:
    shown = sanitise(text).strip()
    return shown.lstrip(",:;.!?) ")[:INSTRUCTION_LIMIT] if shown.strip(_PUNCTUATION) else ""


def _verb(word: str) -> Verb | None:
    try:
        return Verb(word.lower())
    except ValueError:
        return None


def _masked(text: str) -> str:
    """Return a text of the same length in which everything that asks for nothing is covered."""
    pieces = (p.text if p.kind is Kind.PROSE else _MASKED.sub(_MASK, p.text) for p in segments(text))
    lines: list[str] = []
    quoted, blank_before = False, True
    for line in "".join(pieces).split("\n"):
        blank = not line.strip()
        # A quote goes on to the next blank line, marks or not.
        quoted = not blank and (quoted or _QUOTE.match(line) is not None)
        indented = blank_before and not blank and _INDENTED.match(line) is not None
        lines.append(_MASKED.sub(_MASK, line) if quoted or indented else line)
        blank_before = blank or indented
    return "\n".join(lines)
